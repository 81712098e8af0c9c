"""Standard streams on which everything that is said arrives, whole and readable.

Under PYTHONUNBUFFERED (or python -u) Python writes to a pipe without a buffer between, the kernel may take a
part of what is written, and nobody asks for the rest: a long table or JSON would end in the middle, with exit
code 0. A buffered writer writes until everything is taken.
"""

from __future__ import annotations

import io
from typing import TextIO


def whole(stream: TextIO) -> TextIO:
    """A stream on the same file that loses nothing; itself where it has a buffer already.

    What it cannot show it shows as "?".
    """
    if not isinstance(stream, io.TextIOWrapper):
        return stream  # a test's, or another program's: its own business
    if isinstance(stream.buffer, io.RawIOBase):
        stream.flush()
        return open(
            stream.fileno(), "w", buffering=1, encoding=stream.encoding, errors="replace", closefd=False
        )
    stream.reconfigure(errors="replace")
    return stream
