"""Names of authors: their spelling, and the stored authors that they refer to."""

from __future__ import annotations

from pathlib import Path

from agents.hashing import content_id, hash_bytes

STUDENT = "student"


BASES = ("base", "base-cut")


FILE = "file:"


def is_named(author: str, name: str) -> bool:
    """Return whether `name` (without a preset) refers to this stored author.

    A base model is also called `base`, without the rest of its name.
    """
    return author == name or (name in BASES and author.startswith(f"{name}:"))


def is_served(author: str) -> bool:
    """Return whether an author is a model that this project serves: a student or a base model."""
    return author.partition(":")[0] in (STUDENT, *BASES)


def _identity_of(content: bytes) -> tuple[str, str]:
    """Return the response set id and the hash of a file of responses, from its content alone."""
    digest = hash_bytes("file-1", content)
    return content_id("set-1", ["file", digest]), digest


def set_id_of_file(name: str) -> str:
    """Return the response set id of the author `file:PATH`; "" if the file cannot be read."""
    if not name.startswith(FILE):
        return ""
    path = Path(name.removeprefix(FILE))
    try:
        return _identity_of(path.read_bytes())[0] if path.is_file() else ""
    except (OSError, ValueError):
        return ""
