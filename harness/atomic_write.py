"""Files are written whole or not at all: a reader sees the old one or the new, and nothing unfinished."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from tempfile import NamedTemporaryFile


def atomic_write(path: Path, content: bytes | str) -> None:
    """Write a file, its folder too where there is none; it is safe on the disk before it has its name.

    Raises:
        OSError: it cannot be written; what was there before still is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as unfinished:
        part = Path(unfinished.name)
        try:
            unfinished.write(content.encode() if isinstance(content, str) else content)
            unfinished.flush()
            os.fsync(unfinished.fileno())
            unfinished.close()
            part.chmod(0o666 & ~_umask())  # a temporary file is private, this one is not
            part.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink()
            raise


def _umask() -> int:
    """What new files of this process may not be."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
