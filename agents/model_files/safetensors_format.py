"""The safetensors format, read without torch: which tensors a file holds, and whether they are numbers.

A file is a length (8 bytes), a JSON header and the tensors' bytes. What `git clone` without Git LFS leaves in
its place, a page of HTML or a file that was cut off, is told by name. Knows nothing of models.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

from agents.errors import Fault, UserError

MOST_HEADER_BYTES = 100_000_000  # the format's own limit
CHUNK_BYTES = 1 << 24
WIDTHS = {"BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "F8_E8M0": 1} | {
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 8),
}
_FLOATS = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}
_POINTERS = (b"version https://git-lfs.github.com/spec/", b"/annex/objects/", b"../.git/annex/objects/")
FETCH = "Fetch the file itself (git lfs pull, or hf download), or copy it again."


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a file.

    Attributes:
        dtype: safetensors' name for it ("F32", "BF16", …).
        shape: its dimensions.
        begin, end: of its bytes, counted from the file's first byte.
    """

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read_header(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name; their bytes are not read.

    Raises:
        UserError: it is a pointer, cut off, or no safetensors file.
    """
    if (fault := pointer_fault(path)) is not None:
        raise UserError(fault.what, where=fault.where, found=fault.found, remedy=fault.remedy)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(size - 8, MOST_HEADER_BYTES):
                raise ValueError("the header is longer than the file")
            header = json.loads(file.read(length))
            header.pop("__metadata__", None)
            tensors = {name: _tensor(entry, 8 + length) for name, entry in header.items()}
            _check_layout(tensors, 8 + length, size)
            return tensors
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise UserError(
            "this is no whole safetensors file", where=str(path), found=str(error), remedy=FETCH
        ) from error


def pointer_fault(path: Path) -> Fault | None:
    """What stands in the place of a file that was not fetched; None where the file is itself."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        return Fault("cannot be read", str(path), error.strerror or str(error))
    if not head:
        return Fault("is empty", str(path), "0 bytes", FETCH)
    if head.startswith(_POINTERS):
        return Fault(
            "is a Git LFS pointer, not the file itself", str(path), head.split(b"\n")[0].decode(), FETCH
        )
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return Fault("is a web page, not the file itself", str(path), "HTML", FETCH)
    return None


def nonfinite_tensors(path: Path) -> list[str]:
    """The tensors of a safetensors file that hold NaN or infinity, by name.

    Raises:
        UserError: it is not such a file.
    """
    return [
        name
        for name, tensor in read_header(path).items()
        if not all(_finite(chunk, tensor.dtype) for chunk in chunks(path, tensor))
    ]


def is_zero(path: Path, tensor: Tensor) -> bool:
    """Whether every number of a tensor is zero (of either sign)."""
    import numpy as np

    mask = {"F16": 0x7FFF, "BF16": 0x7FFF, "F32": 0x7FFFFFFF}.get(tensor.dtype)
    kind = {2: "<u2", 4: "<u4"}.get(WIDTHS.get(tensor.dtype, 1), "u1")
    for chunk in chunks(path, tensor):
        bits = np.frombuffer(chunk, kind if mask else "u1")
        if (bits & mask if mask else bits).any():
            return False
    return True


def tensors_equal(one: tuple[Path, Tensor], other: tuple[Path, Tensor]) -> bool:
    """Whether two tensors are of one dtype and shape and hold the same bytes."""
    (path, tensor), (other_path, other_tensor) = one, other
    if (tensor.dtype, tensor.shape) != (other_tensor.dtype, other_tensor.shape):
        return False
    pairs = zip(chunks(path, tensor), chunks(other_path, other_tensor), strict=True)
    return all(mine == theirs for mine, theirs in pairs)


def chunks(path: Path, tensor: Tensor) -> Iterator[bytes]:
    """A tensor's bytes, 16 MiB at a time."""
    with path.open("rb") as file:
        file.seek(tensor.begin)
        left = tensor.end - tensor.begin
        while left > 0:
            chunk = file.read(min(left, CHUNK_BYTES))
            if not chunk:
                return
            left -= len(chunk)
            yield chunk


def _tensor(entry: Mapping[str, Any], offset: int) -> Tensor:
    begin, end = entry["data_offsets"]
    shape = tuple(int(size) for size in entry["shape"])
    tensor = Tensor(str(entry["dtype"]), shape, offset + int(begin), offset + int(end))
    width = WIDTHS.get(tensor.dtype)
    if not 0 <= begin <= end or (width is not None and prod(shape) * width != end - begin):
        raise ValueError(f"a tensor of {tensor.dtype} {list(shape)} has {end - begin} bytes")
    return tensor


def _check_layout(tensors: Mapping[str, Tensor], begin: int, size: int) -> None:
    """The tensors fill the file from the header to its end, each where another ends."""
    places = sorted((tensor.begin, tensor.end) for tensor in tensors.values())
    last = places[-1][1] if places else begin
    if last > size:
        raise ValueError(f"it ends before its last tensor: {size} of {last} bytes")
    if any(end > start for (_, end), (start, _) in pairwise(places)):
        raise ValueError("two tensors share bytes")


def _finite(content: bytes, dtype: str) -> bool:
    """Whether every number is one; dtypes without NaN are fine as they are."""
    import numpy as np

    if dtype == "BF16":  # the upper half of a 32-bit float: infinity and NaN have all exponent bits set
        return not bool((np.frombuffer(content, "<u2") & 0x7F80 == 0x7F80).any())
    return dtype not in _FLOATS or bool(np.isfinite(np.frombuffer(content, _FLOATS[dtype])).all())
