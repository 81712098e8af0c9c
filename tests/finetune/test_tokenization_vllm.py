"""Prompts have the same token ids in a real vLLM server (CPU build), in both prompt styles.

The trained adapter gives the same response as in `transformers`.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agents.student_prompt import default_style, rendering
from agents.types import Dialogue
from finetune.config import TrainingConfig
from finetune.pipeline import TrainOptions

pytest.importorskip("torch")
pytest.importorskip("vllm")
pytestmark = pytest.mark.vllm

DIALOGUE = Dialogue("d", "It rained 3 days. ", "My café flooded 😀!\n")
SECONDS_TO_START = 240


@contextmanager
def _server(model: Path, *more: str) -> Iterator[str]:
    """Run a vLLM server on loopback within the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "vllm.entrypoints.openai.api_server",
        "--model",
        str(model),
        "--served-model-name",
    ]
    command += ["student", "--host", "127.0.0.1", "--port", str(port), "--gpu-memory-utilization", "0.1"]
    command += ["--max-model-len", "1024", "--dtype", "float32", "--enforce-eager", *more]
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_NO_USAGE_STATS": "1",
    }
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    output: list[str] = []
    try:
        for line in process.stdout:  # ends at the line that reports the start, or when the server exits
            output.append(line)
            if "Application startup complete" in line:
                break
        else:
            pytest.fail("".join(output[-40:]))
        while process.poll() is None:  # the port opens a moment after that line
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=60)


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=SECONDS_TO_START) as answer:
        return dict(json.loads(answer.read()))


@pytest.mark.parametrize("which", ["tiny_llama", "tiny_mistral", "tiny_instruct"])
def test_a_server_uses_the_ids_of_training(
    which: str, request: pytest.FixtureRequest, dataset: Path, tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel

    from finetune.model_loader import load_model, load_tokenizer
    from finetune.sft import train_sft

    base = request.getfixturevalue(which)
    settings = TrainingConfig(dtype="fp32", learning_rate=1e-2, accumulation=1, max_steps=30)
    checkpoint = train_sft(
        str(base), dataset, tmp_path / "s", settings, options=TrainOptions(cpu=True, new_tokens=4)
    )
    tokenizer = load_tokenizer(checkpoint.path)
    prompt_format = rendering(default_style(tokenizer))
    turn = prompt_format.turn(DIALOGUE)
    ids = prompt_format.prompt_ids(turn, tokenizer)
    model = PeftModel.from_pretrained(load_model(base, "fp32", "cpu"), checkpoint.path).eval()
    with torch.no_grad():
        out = model.generate(
            input_ids=torch.tensor([ids]),
            max_new_tokens=8,
            do_sample=False,
            pad_token_id=tokenizer.pad_token_id,
        )
    output = out[0, len(ids) :].tolist()

    with _server(base, "--enable-lora", "--lora-modules", f"trained={checkpoint.path}") as url:
        common = {"model": "trained", "max_tokens": 8, "temperature": 0, "return_token_ids": True}
        (message,) = prompt_format.messages(DIALOGUE)
        body = {
            "prompt": prompt_format.prompt_text(turn, tokenizer),
            "add_special_tokens": prompt_format.adds_special_tokens,
        }
        answers = [_post(f"{url}/v1/completions", {**common, **body})]
        if prompt_format.adds_special_tokens:
            answers.append(_post(f"{url}/v1/completions", {**common, "prompt": message.content}))
            assert answers[1]["choices"][0]["prompt_token_ids"] == ids
        else:
            chat = _post(
                f"{url}/v1/chat/completions",
                {**common, "messages": [{"role": "user", "content": message.content}]},
            )
            assert chat["prompt_token_ids"] == ids
            assert chat["choices"][0]["token_ids"] == output
        for answer in answers:
            assert answer["choices"][0]["prompt_token_ids"] == ids
            assert answer["choices"][0]["token_ids"] == output
