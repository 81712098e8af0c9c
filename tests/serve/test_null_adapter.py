"""The base beside students on a CPU: an adapter that holds zeros, of the base's shape."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from agents.errors import UserError
from agents.model_files.lora import WEIGHTS
from serve.lora_adapter import LoraAdapter, read_adapter
from serve.null_adapter import NULL_ADAPTER_SUFFIX, with_null_adapter

CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "head_dim": 8,
    "vocab_size": 512,
}


def test_the_base_has_an_adapter_of_zeros_where_students_are_or_may_come(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    student = LoraAdapter("student:a", tmp_path, 8, 1)
    for there, more in (([student], False), ([], True)):
        name, (null, *others) = with_null_adapter(
            tmp_path, "base:x", there, "cpu", tmp_path / "shelf", loads_later=more
        )
        assert (name, null.name, others) == ("base:x" + NULL_ADAPTER_SUFFIX, "base:x", there)
        with pytest.raises(UserError, match="changes nothing"):  # as a student it would be refused
            read_adapter("base:x", null.folder)
    content = (null.folder / WEIGHTS).read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    assert [one["shape"] for one in header.values()] == [[1, 64], [32, 1]]
    assert len(content) - 8 - length == 4 * (64 + 32)
    assert not any(content[8 + length :])


def test_alone_or_on_a_card_the_base_is_itself(tmp_path: Path) -> None:
    student = LoraAdapter("student:a", tmp_path, 8, 1)
    assert with_null_adapter(tmp_path, "base:x", [], "cpu", tmp_path) == ("base:x", [])
    assert with_null_adapter(tmp_path, "base:x", [student], "cuda", tmp_path) == ("base:x", [student])
