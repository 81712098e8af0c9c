"""Readers of text files: bytes, decoding, and errors that name the file."""

from __future__ import annotations

from importlib.resources.abc import Traversable
from pathlib import Path

from agents.errors import UserError
from agents.files.faults import Faults
from prompts.text_files import SAVE_AS_UTF8, NotTextError, decode


def read_bytes(path: Path | Traversable, what: str, *, remedy: str = "") -> bytes:
    """Return the bytes of a file or of a pipe (`<(…)`, `/dev/stdin`).

    Args:
        what: name of the file's content for the error message, such as `the models file`.

    Raises:
        UserError: the file does not exist, is a folder, or is not readable.
    """
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: an invalid file name
        reason = (error.strerror if isinstance(error, OSError) else "") or str(error)
        raise UserError(
            f"{what} cannot be read", code="file.unreadable", where=str(path), found=reason, remedy=remedy
        ) from error


def decode_text(content: bytes, faults: Faults) -> str | None:
    """Decode the bytes of a file as UTF-8, without a byte order mark; add decoding errors to `faults`.

    Return None if no line can be decoded (UTF-16, an image). Otherwise invalid bytes become replacement
    characters, so that the caller can report other faults of the file together with these.
    """
    try:
        return decode(content)
    except NotTextError as error:
        for line, found in error.faults:
            faults.add(line, "not UTF-8 text", found, SAVE_AS_UTF8, code=error.code)
        return None if error.is_whole else error.text


def decode_or_raise(content: bytes, source: str, what: str) -> str:
    """Decode the bytes of a file as UTF-8.

    Args:
        source: the file, for the error message.
        what: name of the file's content for the error message, such as `the study`.

    Raises:
        UserError: the bytes are not UTF-8; it lists every such line.
    """
    faults = Faults(source)
    text = decode_text(content, faults)
    faults.raise_if_any(f"{what} cannot be read", code="file.unreadable")
    return text or ""


def read_text(path: Path | Traversable, what: str, *, source: str = "", remedy: str = "") -> str:
    """Return the text of a file.

    Args:
        what: as in `read_bytes`.
        source: name of the file for the error message; by default its path.

    Raises:
        UserError: the file cannot be read or is not UTF-8.
    """
    return decode_or_raise(read_bytes(path, what, remedy=remedy), source or str(path), what)
