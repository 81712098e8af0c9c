"""Planned KV cache compared with vLLM's own count on a GPU, with random weights of LLaMA-3.1-8B's shape."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from finetune.memory_plan import CONFIGS
from harness.serving.hardware import gpu_memory_mib
from serve.memory_plan import ServingRequest, plan_memory, vllm_command
from serve.vllm_server import LOOPBACK, free_port, running_server

pytest.importorskip("vllm")
pytestmark = pytest.mark.gpu

CONFIG = {
    **CONFIGS["meta-llama/Llama-3.1-8B"],
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "max_position_embeddings": 131_072,
    "rms_norm_eps": 1e-5,
    "rope_theta": 500_000.0,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
    "bos_token_id": 128_000,
    "eos_token_id": 128_001,
    "dtype": "bfloat16",
}


@pytest.mark.parametrize("loras", [0, 4])
def test_planned_cache_is_within_ten_percent_of_vllms(tiny: Any, tmp_path: Path, loras: int) -> None:
    memory = gpu_memory_mib()
    plan = plan_memory(CONFIG, [], ServingRequest(memory_mib=memory, spare_loras=loras, min_rank=8))
    if not memory or not plan.fits:
        pytest.skip(f"needs a GPU that holds the model; this one has {memory} MiB")
    folder = tmp_path / "model"
    shutil.copytree(tiny.base, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    (folder / "config.json").write_text(json.dumps(CONFIG))
    port, log = free_port(), tmp_path / "log"
    command = [*vllm_command(plan, folder, "base", LOOPBACK, port), "--load-format", "dummy"]
    with running_server(command, LOOPBACK, port, environment=plan.environment(), log=log):
        match = re.search(r"KV cache size: ([\d,]+) tokens", log.read_text(errors="replace"))
    assert match is not None, log.read_text(errors="replace")[-3000:]
    tokens = int(match[1].replace(",", ""))
    assert abs(plan.cache_tokens - tokens) <= tokens / 10, f"planned {plan.cache_tokens:,}, vLLM {tokens:,}"
