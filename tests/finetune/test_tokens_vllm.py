"""The same token ids in vLLM: a real server (its CPU build) asked as a student is asked, in both forms.

And the trained adapter behind it says what `transformers` says with the same ids.
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
    """A vLLM server on loopback, up when this is entered, gone when it is left."""
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
    said: list[str] = []
    try:
        for line in process.stdout:  # it says when it is up; the loop ends when it dies
            said.append(line)
            if "Application startup complete" in line:
                break
        else:
            pytest.fail("".join(said[-40:]))
        while process.poll() is None:  # it listens a moment after it says so
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", port)) == 0:
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
def test_a_server_reads_the_ids_that_were_trained(
    which: str, request: pytest.FixtureRequest, dataset: Path, tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel

    from finetune.model_loader import load_model, load_tokenizer
    from finetune.sft import train_sft

    base = request.getfixturevalue(which)
    settings = TrainingConfig(dtype="fp32", learning_rate=1e-2, accumulation=1, max_steps=30)
    made = train_sft(
        str(base), dataset, tmp_path / "s", settings, options=TrainOptions(cpu=True, new_tokens=4)
    )
    tokenizer = load_tokenizer(made.path)
    options = rendering(default_style(tokenizer))
    turn = options.turn(DIALOGUE)
    ids = options.prompt_ids(turn, tokenizer)
    model = PeftModel.from_pretrained(load_model(base, "fp32", "cpu"), made.path).eval()
    with torch.no_grad():
        out = model.generate(
            input_ids=torch.tensor([ids]),
            max_new_tokens=8,
            do_sample=False,
            pad_token_id=tokenizer.pad_token_id,
        )
    said = out[0, len(ids) :].tolist()

    with _server(base, "--enable-lora", "--lora-modules", f"trained={made.path}") as url:
        common = {"model": "trained", "max_tokens": 8, "temperature": 0, "return_token_ids": True}
        (message,) = options.messages(DIALOGUE)
        body = {
            "prompt": options.prompt_text(turn, tokenizer),
            "add_special_tokens": options.adds_special_tokens,
        }
        answers = [_post(f"{url}/v1/completions", {**common, **body})]
        if options.adds_special_tokens:
            answers.append(_post(f"{url}/v1/completions", {**common, "prompt": message.content}))
            assert answers[1]["choices"][0]["prompt_token_ids"] == ids
        else:
            chat = _post(
                f"{url}/v1/chat/completions",
                {**common, "messages": [{"role": "user", "content": message.content}]},
            )
            assert chat["prompt_token_ids"] == ids
            assert chat["choices"][0]["token_ids"] == said
        for answer in answers:
            assert answer["choices"][0]["prompt_token_ids"] == ids
            assert answer["choices"][0]["token_ids"] == said
