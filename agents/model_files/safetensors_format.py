"""Reader of the safetensors format without torch: headers, tensor bytes and checks for non-finite values.

A file consists of a length (8 bytes), a JSON header and the tensors' bytes. Git LFS pointers, HTML pages and
truncated files are recognised and reported as such.
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

MAX_HEADER_BYTES = 100_000_000  # the format's own limit
CHUNK_BYTES = 1 << 24
WIDTHS = {"BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "F8_E8M0": 1} | {
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 8),
}
_FLOATS = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}
_POINTERS = (b"version https://git-lfs.github.com/spec/", b"/annex/objects/", b"../.git/annex/objects/")
FETCH = "Download the file with `git lfs pull` or `hf download`, or copy it again."


@dataclass(frozen=True, slots=True)
class Tensor:
    """Entry of one tensor in a file's header.

    Attributes:
        dtype: name of the dtype in safetensors ("F32", "BF16", …).
        shape: its dimensions.
        begin, end: range of its bytes, counted from the first byte of the file.
    """

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read_header(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file by name, without reading their bytes.

    Raises:
        UserError: the file is a Git LFS pointer, truncated, or not a safetensors file.
    """
    if (fault := pointer_fault(path)) is not None:
        raise UserError(
            fault.what, code=fault.code, where=fault.where, found=fault.found, remedy=fault.remedy
        )
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(size - 8, MAX_HEADER_BYTES):
                raise ValueError("the header is longer than the file")
            header = json.loads(file.read(length))
            header.pop("__metadata__", None)
            tensors = {name: _parse_tensor(entry, 8 + length) for name, entry in header.items()}
            _check_layout(tensors, 8 + length, size)
            return tensors
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise UserError(
            "the file is not a complete safetensors file",
            code="base-model.broken-weights",
            where=str(path),
            found=str(error),
            remedy=FETCH,
        ) from error


def pointer_fault(path: Path) -> Fault | None:
    """Return a fault if the file is unreadable, empty, a Git LFS pointer or a web page; else None."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        what = "the file cannot be read"
        return Fault(what, str(path), error.strerror or str(error), code="file.unreadable")
    if not head:
        return Fault("the file is empty", str(path), "0 bytes", FETCH, code="file.empty")
    if head.startswith(_POINTERS):
        what, line = "a Git LFS pointer instead of the file", head.split(b"\n")[0].decode()
        return Fault(what, str(path), line, FETCH, code="file.lfs-pointer")
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return Fault("a web page instead of the file", str(path), "HTML", FETCH, code="file.web-page")
    return None


def nonfinite_tensors(path: Path) -> list[str]:
    """Return the names of the tensors that contain NaN or infinity.

    Raises:
        UserError: the file is not a safetensors file.
    """
    return [
        name
        for name, tensor in read_header(path).items()
        if not all(_finite(chunk, tensor.dtype) for chunk in chunks(path, tensor))
    ]


def is_zero(path: Path, tensor: Tensor) -> bool:
    """Return whether every number of a tensor is zero (of either sign)."""
    import numpy as np

    mask = {"F16": 0x7FFF, "BF16": 0x7FFF, "F32": 0x7FFFFFFF}.get(tensor.dtype)
    kind = {2: "<u2", 4: "<u4"}.get(WIDTHS.get(tensor.dtype, 1), "u1")
    for chunk in chunks(path, tensor):
        bits = np.frombuffer(chunk, kind if mask else "u1")
        if (bits & mask if mask else bits).any():
            return False
    return True


def tensors_equal(first: tuple[Path, Tensor], second: tuple[Path, Tensor]) -> bool:
    """Return whether two tensors have the same dtype, shape and bytes.

    Args:
        first, second: (file, tensor) each.
    """
    (path, tensor), (other_path, other_tensor) = first, second
    if (tensor.dtype, tensor.shape) != (other_tensor.dtype, other_tensor.shape):
        return False
    pairs = zip(chunks(path, tensor), chunks(other_path, other_tensor), strict=True)
    return all(chunk == other_chunk for chunk, other_chunk in pairs)


def chunks(path: Path, tensor: Tensor) -> Iterator[bytes]:
    """Yield a tensor's bytes in chunks of 16 MiB."""
    with path.open("rb") as file:
        file.seek(tensor.begin)
        left = tensor.end - tensor.begin
        while left > 0:
            chunk = file.read(min(left, CHUNK_BYTES))
            if not chunk:
                return
            left -= len(chunk)
            yield chunk


def _parse_tensor(entry: Mapping[str, Any], offset: int) -> Tensor:
    """Parse an entry of the header; `offset` is the position of the first tensor byte in the file."""
    begin, end = entry["data_offsets"]
    shape = tuple(int(size) for size in entry["shape"])
    tensor = Tensor(str(entry["dtype"]), shape, offset + int(begin), offset + int(end))
    width = WIDTHS.get(tensor.dtype)
    if not 0 <= begin <= end or (width is not None and prod(shape) * width != end - begin):
        raise ValueError(f"a tensor of {tensor.dtype} {list(shape)} has {end - begin} bytes")
    return tensor


def _check_layout(tensors: Mapping[str, Tensor], begin: int, size: int) -> None:
    """Raise ValueError if tensors overlap or extend beyond the end of the file."""
    ranges = sorted((tensor.begin, tensor.end) for tensor in tensors.values())
    last = ranges[-1][1] if ranges else begin
    if last > size:
        raise ValueError(f"the file ends before its last tensor: {size} of {last} bytes")
    if any(end > start for (_, end), (start, _) in pairwise(ranges)):
        raise ValueError("two tensors share bytes")


def _finite(content: bytes, dtype: str) -> bool:
    """Return whether all numbers of a chunk are finite; True for dtypes without NaN and infinity."""
    import numpy as np

    if dtype == "BF16":  # infinity and NaN have all exponent bits set
        return not bool((np.frombuffer(content, "<u2") & 0x7F80 == 0x7F80).any())
    return dtype not in _FLOATS or bool(np.isfinite(np.frombuffer(content, _FLOATS[dtype])).all())
