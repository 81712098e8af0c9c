"""A file's bytes, and the text they are."""

from __future__ import annotations

from importlib.resources.abc import Traversable
from pathlib import Path

from agents.errors import UserError
from agents.files.faults import Faults
from prompts.text_files import SAVE_AS_UTF8, NotTextError, decode


def read_bytes(path: Path | Traversable, what: str, *, remedy: str = "") -> bytes:
    """The bytes of a file, or of a pipe (`<(…)`, `/dev/stdin`).

    Args:
        what: what cannot be read where it cannot: `the file of cells`.

    Raises:
        UserError: it is not there, is a folder, or may not be read.
    """
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = (error.strerror if isinstance(error, OSError) else "") or str(error)
        raise UserError(f"{what} cannot be read", where=str(path), found=reason, remedy=remedy) from error


def decode_text(content: bytes, faults: Faults) -> str | None:
    """The text of a file's bytes, without a byte order mark; what is not UTF-8 is added to `faults`.

    None where no line of it can be read (UTF-16, a picture); otherwise a byte that is no text is a
    replacement character, so that what else is wrong can be told with it.
    """
    try:
        return decode(content)
    except NotTextError as error:
        for line, found in error.faults:
            faults.add(line, "is not UTF-8 text", found, SAVE_AS_UTF8)
        return None if error.is_whole else error.text


def decode_or_raise(content: bytes, source: str, what: str) -> str:
    """The text of a file's bytes.

    Args:
        what: what cannot be read where it cannot: `the study`.

    Raises:
        UserError: they are not UTF-8; every such line at once.
    """
    faults = Faults(source)
    text = decode_text(content, faults)
    faults.raise_if_any(f"{what} cannot be read")
    return text or ""


def read_text(path: Path | Traversable, what: str, *, source: str = "", remedy: str = "") -> str:
    """The text of a file.

    Raises:
        UserError: as `read_bytes` and `decode_or_raise`.
    """
    return decode_or_raise(read_bytes(path, what, remedy=remedy), source or str(path), what)
