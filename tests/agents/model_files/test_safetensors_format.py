"""Safetensors reader without torch: valid files are read; truncated files and pointers are reported."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import UserError
from agents.model_files.safetensors_format import (
    WIDTHS,
    is_zero,
    nonfinite_tensors,
    pointer_fault,
    read_header,
    tensors_equal,
)

POINTERS = (
    b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"ab" * 32 + b"\nsize 268098664\n",
    b"/annex/objects/SHA256E-s5--ab.safetensors\n",
    b"<!DOCTYPE html><html><body>not found</body></html>",
    b"",
)


def write(path: Path, tensors: dict[str, tuple[str, list[int], bytes]]) -> Path:
    """A safetensors file; tensors by name: (dtype, shape, bytes)."""
    header, at = {}, 0
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(content)]}
        at += len(content)
    header_bytes = json.dumps(header).encode()
    path.write_bytes(
        struct.pack("<Q", len(header_bytes))
        + header_bytes
        + b"".join(content for _, _, content in tensors.values())
    )
    return path


shapes = st.lists(st.integers(1, 4), min_size=1, max_size=3)


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8), st.tuples(st.sampled_from(sorted(WIDTHS)), shapes), max_size=5
    )
)
def test_written_tensors_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, tensors: dict[str, tuple[str, list[int]]]
) -> None:
    tensors.pop("__metadata__", None)
    path = tmp_path_factory.mktemp("t") / "x.safetensors"
    contents = {
        name: (dtype, shape, bytes(WIDTHS[dtype] * int(np.prod(shape))))
        for name, (dtype, shape) in tensors.items()
    }
    header = read_header(write(path, contents))
    assert {name: (one.dtype, list(one.shape)) for name, one in header.items()} == tensors
    assert all(is_zero(path, one) and tensors_equal((path, one), (path, one)) for one in header.values())


@given(st.integers(0, 10_000))
def test_a_truncated_file_is_rejected(tmp_path_factory: pytest.TempPathFactory, kept: int) -> None:
    path = tmp_path_factory.mktemp("t") / "x.safetensors"
    write(path, {"a": ("F32", [2, 3], b"\x01" * 24), "b": ("BF16", [4], b"\x01" * 8)})
    complete_file = path.read_bytes()
    path.write_bytes(complete_file[: kept % len(complete_file)])
    with pytest.raises(UserError) as error:
        read_header(path)
    assert error.value.fault.where == str(path)
    assert error.value.fault.remedy


@pytest.mark.parametrize("content", POINTERS)
def test_a_folder_in_place_of_a_file_is_rejected(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    fault = pointer_fault(path)
    assert fault is not None and fault.where == str(path) and fault.remedy
    with pytest.raises(UserError):
        read_header(path)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]},
        {"dtype": "F32", "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": "x", "data_offsets": [0, 4]},
        [],
    ],
)
def test_an_inconsistent_header_is_rejected(tmp_path: Path, entry: object) -> None:
    header_bytes = json.dumps({"a": entry}).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(header_bytes)) + header_bytes + bytes(4))
    with pytest.raises(UserError):
        read_header(path)


def test_two_tensors_of_the_same_bytes(tmp_path: Path) -> None:
    header_bytes = json.dumps(
        {name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for name in ("a", "b")}
    ).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(header_bytes)) + header_bytes + bytes(4))
    with pytest.raises(UserError):
        read_header(path)


@given(st.lists(st.floats(width=32), min_size=1, max_size=5), st.sampled_from(["F32", "F16", "BF16", "F64"]))
def test_a_tensor_is_bad_where_one_number_is_none_and_zero_where_all_are(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], dtype: str
) -> None:
    wide = np.array(values, "<f4")
    with np.errstate(over="ignore"):
        content = {
            "F32": wide.tobytes(),
            "F64": wide.astype("<f8").tobytes(),
            "F16": wide.astype("<f2").tobytes(),
            "BF16": (wide.view("<u4") >> 16).astype("<u2").tobytes(),
        }[dtype]
        narrow = wide.astype("<f2") if dtype == "F16" else wide
    if dtype == "BF16":  # what the upper half of the bits says
        narrow = (wide.view("<u4") >> 16 << 16).astype("<u4").view("<f4")
    path = write(tmp_path_factory.mktemp("a") / "x.safetensors", {"x": (dtype, [len(values)], content)})
    assert bool(nonfinite_tensors(path)) == (not np.isfinite(narrow).all())
    if dtype != "F64":
        assert is_zero(path, read_header(path)["x"]) == (not narrow.any())
