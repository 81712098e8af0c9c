"""Adapters read without torch: rank, size, and weights that are no numbers."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import UserError
from agents.tensors import WIDTHS
from serve.adapters import RANKS, read_adapter, shelved, vllm_rank


def write(folder: Path, tensors: dict[str, tuple[str, bytes]], **config: Any) -> Path:
    """An adapter's folder; tensors by name: (safetensors dtype, bytes)."""
    folder.mkdir(exist_ok=True)
    header, at = {}, 0
    for name, (dtype, content) in tensors.items():
        header[name] = {
            "dtype": dtype,
            "shape": [len(content) // WIDTHS[dtype]],
            "data_offsets": [at, at + len(content)],
        }
        at += len(content)
    told = json.dumps(header).encode()
    body = b"".join(content for _, content in tensors.values())
    (folder / "adapter_model.safetensors").write_bytes(struct.pack("<Q", len(told)) + told + body)
    (folder / "adapter_config.json").write_text(json.dumps({"r": 8, **config}))
    return folder


def floats(*values: float) -> tuple[str, bytes]:
    return "F32", np.array(values, "<f4").tobytes()


def test_an_adapter_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", {"x": floats(1, 2)}, rank_pattern={"q_proj": 32})
    one = read_adapter("student:a", folder)
    assert (one.rank, one.name) == (32, "student:a")


def test_whatever_cannot_be_served_is_told_at_once(tmp_path: Path) -> None:
    tensors = {"good": floats(1.0), "worse": floats(1.0, float("nan"))}
    folder = write(tmp_path / "a", tensors, r=1024, use_dora=True, modules_to_save=["lm_head"])
    with pytest.raises(UserError) as error:
        read_adapter("student:a", folder)
    told = str(error.value)
    assert all(word in told for word in ("too high", "1024", "DoRA", "lm_head", "not numbers", "worse"))
    assert "good" not in told


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 4, struct.pack("<Q", 10**9) + b"{}", struct.pack("<Q", 2) + b"[]"]
)
def test_a_file_that_is_none(tmp_path: Path, content: bytes) -> None:
    folder = write(tmp_path / "a", {"x": floats(1)})
    (folder / "adapter_model.safetensors").write_bytes(content)
    with pytest.raises(UserError, match="safetensors"):
        read_adapter("student:a", folder)


def test_no_adapter(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="adapter_config"):
        read_adapter("student:a", tmp_path)


@given(st.integers(1, 512))
def test_the_rank_that_vllm_is_told_holds_it(rank: int) -> None:
    assert vllm_rank(rank) in RANKS
    assert vllm_rank(rank) >= rank
    assert all(other >= vllm_rank(rank) for other in RANKS if other >= rank)


def test_an_adapters_path_on_the_shelf_says_its_content(tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    one = shelved(read_adapter("student:a", write(tmp_path / "a", {"x": floats(1)})), shelf)
    assert (one.name, one.rank) == ("student:a", 8)
    assert one.folder.parent == shelf
    # the same content from elsewhere is the same path; trained anew in the same folder it is another
    assert (
        shelved(read_adapter("student:b", write(tmp_path / "b", {"x": floats(1)})), shelf).folder
        == one.folder
    )
    again = shelved(read_adapter("student:a", write(tmp_path / "a2", {"x": floats(2)})), shelf)
    scaled = shelved(
        read_adapter("student:a", write(tmp_path / "a3", {"x": floats(1)}, lora_alpha=32)), shelf
    )
    assert len({one.folder, again.folder, scaled.folder}) == 3
    assert read_adapter("student:a", one.folder).bytes == one.bytes
    assert sorted(path.name for path in shelf.iterdir()) == sorted(
        each.folder.name for each in (one, again, scaled)
    )
