"""Null adapter: zeros of the base model's shape, used on a CPU with students."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from agents.model_files.lora import WEIGHTS
from serve.lora_adapter import LoraAdapter, read_adapter
from serve.null_adapter import NULL_ADAPTER_SUFFIX, with_null_adapter
from tests.errors import user_error

CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "head_dim": 8,
    "vocab_size": 512,
}


def test_the_base_gets_a_null_adapter_with_students_on_a_cpu(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    student = LoraAdapter("student:a", tmp_path, 8, 1)
    for adapters, loads_later in (([student], False), ([], True)):
        name, (null, *others) = with_null_adapter(
            tmp_path, "base:x", adapters, "cpu", tmp_path / "shelf", loads_later=loads_later
        )
        assert (name, null.name, others) == ("base:x" + NULL_ADAPTER_SUFFIX, "base:x", adapters)
        with user_error("adapter.not-servable"):  # a student without effect is refused
            read_adapter("base:x", null.folder)
    content = (null.folder / WEIGHTS).read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    assert [tensor["shape"] for tensor in header.values()] == [[1, 64], [32, 1]]
    assert len(content) - 8 - length == 4 * (64 + 32)
    assert not any(content[8 + length :])


def test_no_null_adapter_alone_or_on_a_gpu(tmp_path: Path) -> None:
    student = LoraAdapter("student:a", tmp_path, 8, 1)
    assert with_null_adapter(tmp_path, "base:x", [], "cpu", tmp_path) == ("base:x", [])
    assert with_null_adapter(tmp_path, "base:x", [student], "cuda", tmp_path) == ("base:x", [student])
