"""Atomic file writes: a reader sees the old file or the new one, never a partial one."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from tempfile import NamedTemporaryFile

from agents.errors import UserError


def atomic_write(path: Path, content: bytes | str) -> None:
    """Write a file atomically and durably; missing parent folders are created.

    Raises:
        OSError: the file cannot be written; an existing file is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as stream:
        temporary = Path(stream.name)
        try:
            stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
            stream.close()
            temporary.chmod(0o666 & ~_umask())  # temporary files are created private
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise


def write_file(path: Path, content: bytes | str, *, where: str = "") -> None:
    """Write a file that the user named, as `atomic_write`.

    Args:
        where: option that names the file; by default its path.

    Raises:
        UserError: the file cannot be written; an existing file is unchanged.
    """
    try:
        atomic_write(path, content)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            "cannot write the file",
            code="file.not-writable",
            where=where or str(path),
            found=f"{path}: {reason}" if where else reason,
            remedy="Name another file.",
        ) from error


def _umask() -> int:
    """Return the process's umask."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
