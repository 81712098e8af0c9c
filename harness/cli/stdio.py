"""Standard streams that lose no output, or handle its loss in one place.

- A reader that stops early (`| head`) does not end the command: the rest of the output is dropped, and the
exit code is
  the same. The exit code of a quality gate therefore stays reliable.
- A closed stream (`>&-`) becomes the null device; otherwise the next file that is opened, such as a database,
would get
  its descriptor and the output.
- A full disk is an error of one line.
- With PYTHONUNBUFFERED, Python writes to a pipe without a buffer, and the kernel may take only a part; a
buffered writer
  writes until everything is taken.
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
    """Prepare the standard streams; call it before any file is opened.

    Afterwards, descriptors 0, 1 and 2 are open, and `sys.stdin`, `sys.stdout` and `sys.stderr` are streams.
    """
    for descriptor, (name, mode) in STANDARD.items():
        if _open_null(descriptor) or getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    sys.stdout, sys.stderr = full_write_stream(sys.stdout), full_write_stream(sys.stderr, is_needed=False)


def _open_null(descriptor: int) -> bool:
    """Open the null device under a closed standard descriptor; return whether it was closed."""
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
    """Return a stream to the same file that writes everything while there is a reader.

    Args:
        stream: a text stream with a descriptor; others are returned unchanged.
        is_needed: whether a failed write is an error; a reader that closed the pipe never is.
    """
    if not isinstance(stream, io.TextIOWrapper):
        return stream  # replaced by a test or another program
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
    """File descriptor that drops output once its reader has left or a write has failed."""

    def __init__(self, descriptor: int, is_needed: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._is_needed = is_needed
        self._is_lost = False

    def write(self, content: Buffer, /) -> int:
        """Write to the descriptor and return the number of bytes taken.

        Raises:
            UserError: on the first failed write, unless the reader has left or the output is not needed.
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
