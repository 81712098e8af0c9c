"""Names of authors: how a name is written, and which stored author it means."""

from __future__ import annotations

from pathlib import Path

from agents.hashing import content_id, hash_bytes

STUDENT = "student"


BASES = ("base", "base-cut")


FILE = "file:"


def is_named(author: str, name: str) -> bool:
    """Whether people mean this stored author by a name without a preset: its own, or `base` for a base's."""
    return author == name or (name in BASES and author.startswith(f"{name}:"))


def is_served(author: str) -> bool:
    """Whether an author is one that is served here: a student, or a base."""
    return author.partition(":")[0] in (STUDENT, *BASES)


def _identity_of(content: bytes) -> tuple[str, str]:
    """(id of the set, hash) of a file's responses: by what it holds, whatever it is called."""
    digest = hash_bytes("file-1", content)
    return content_id("set-1", ["file", digest]), digest


def set_id_of_file(name: str) -> str:
    """The id of the set that a file is now, by its author's name `file:PATH`; "" where it cannot be read."""
    if not name.startswith(FILE):
        return ""
    path = Path(name.removeprefix(FILE))
    try:
        return _identity_of(path.read_bytes())[0] if path.is_file() else ""
    except (OSError, ValueError):
        return ""
