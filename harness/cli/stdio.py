"""Standard streams on which everything that is written arrives, or whose loss is dealt with in one place.

- A reader that stops early (`| head`) ends nothing: what it does not read is dropped, and the command does
  what it was to do and exits as it would have. So a gate's exit code is the gate's.
- A stream that was closed (`>&-`) is the null device; else the next file that is opened, a database, would
  take its number and be written into.
- A full disk under a result is an error in one line.
- Under PYTHONUNBUFFERED Python writes to a pipe without a buffer, the kernel may take a part of what is
  written, and nobody asks for the rest: a buffer between writes until everything is taken.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

from agents.errors import UserError

if TYPE_CHECKING:
    from typing_extensions import Buffer

STANDARD = {0: ("stdin", "r"), 1: ("stdout", "w"), 2: ("stderr", "w")}


def prepare_stdio() -> None:
    """Give a command standard streams that it can rely on; call it before any file is opened.

    Descriptors 0, 1 and 2 are open afterwards, and `sys.stdin`, `sys.stdout` and `sys.stderr` are streams.
    """
    for descriptor, (name, mode) in STANDARD.items():
        if _open_null(descriptor) or getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    sys.stdout, sys.stderr = full_write_stream(sys.stdout), full_write_stream(sys.stderr, is_needed=False)


def _open_null(descriptor: int) -> bool:
    """Open the null device under a standard descriptor that is closed; whether it was."""
    try:
        os.fstat(descriptor)
    except OSError:
        null = os.open(os.devnull, os.O_RDWR)
        if null != descriptor:
            os.dup2(null, descriptor)
            os.close(null)
        return True
    return False


def full_write_stream(stream: TextIO, *, is_needed: bool = True) -> TextIO:
    """A stream to the same file that loses nothing as long as somebody takes it.

    Args:
        stream: a text stream on a descriptor; any other is returned as it is.
        is_needed: whether a write that fails is an error; a reader that left never is.
    """
    if not isinstance(stream, io.TextIOWrapper):
        return stream  # a test's, or another program's: its own business
    stream.flush()
    try:
        descriptor = stream.fileno()
    except OSError:
        stream.reconfigure(errors="backslashreplace")
        return stream
    by_line = stream.line_buffering or isinstance(stream.buffer, io.RawIOBase) or not is_needed
    buffer = io.BufferedWriter(_Descriptor(descriptor, is_needed))
    return io.TextIOWrapper(buffer, stream.encoding, "backslashreplace", line_buffering=by_line)


class _Descriptor(io.FileIO):
    """A file descriptor that takes everything: after its reader has left, or it failed, into nothing."""

    def __init__(self, descriptor: int, is_needed: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._is_needed = is_needed
        self._is_lost = False

    def write(self, content: Buffer, /) -> int:
        """Write what is taken at once; how much that was.

        Raises:
            UserError: the first time that it fails, unless nobody reads or needs it.
        """
        size = memoryview(content).nbytes
        if self._is_lost:
            return size
        try:
            return super().write(content)
        except BlockingIOError:
            raise
        except OSError as error:
            self._is_lost = True
            if isinstance(error, BrokenPipeError) or not self._is_needed:
                return size
            raise UserError(
                "cannot write the result",
                code="terminal.not-writable",
                where="standard output",
                found=error.strerror or str(error),
                remedy="Free disk space or write elsewhere, then repeat the command; all answers are stored.",
            ) from error
