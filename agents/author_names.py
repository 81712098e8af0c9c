"""Names of authors: their spelling, and the stored authors that they refer to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from agents.hashing import content_id, hash_bytes

STUDENT = "student"
BASES = ("base", "base-cut")
FILE = "file:"
# names that users write → the names that are stored and hashed
STORED_NAMES = {"base-truncated": "base-cut", "low-rated-control": "low-rated", "truncated": "cut"}


class AuthorKind(StrEnum):
    """Kind of an author: where its responses come from."""

    DATASET = "dataset"
    FILE = "file"
    STUDENT = "student"
    BASE = "base"
    TRUNCATED_BASE = "base-cut"
    CONTROL = "control"
    MODEL = "model"
    OTHER = "other"

    @property
    def is_generated(self) -> bool:
        """Return whether its responses are generated, not read from the dataset or a file."""
        return self not in (AuthorKind.DATASET, AuthorKind.FILE)


SERVED = (AuthorKind.STUDENT, AuthorKind.BASE, AuthorKind.TRUNCATED_BASE)
_PREFIXED = {kind.value: kind for kind in list(AuthorKind)[:5]}


@dataclass(frozen=True)
class AuthorName:
    """Parsed name of an author; `str()` returns exactly the name that was parsed.

    Attributes:
        kind: where the responses come from.
        name: the name without its kind and preset: a responder, a path, a student, a base model, or
            `provider/model`; None for `base` and `base-cut` alone.
        preset: what follows the first `@`; None without one. Names of responders and files have none.
    """

    kind: AuthorKind
    name: str | None
    preset: str | None = None

    @classmethod
    def parse(cls, text: str) -> AuthorName:
        """Parse the name of an author as it is stored; every text is the name of some author.

        >>> AuthorName.parse("student:a@whole")
        AuthorName(kind=<AuthorKind.STUDENT: 'student'>, name='a', preset='whole')
        """
        prefix, colon, rest = text.partition(":")
        if colon and prefix in (AuthorKind.DATASET, AuthorKind.FILE):
            return cls(AuthorKind(prefix), rest)
        bare, at_sign, after = text.partition("@")
        preset = after if at_sign else None
        prefix, colon, rest = bare.partition(":")
        if colon and prefix in _PREFIXED:
            return cls(_PREFIXED[prefix], rest, preset)
        if bare in BASES:
            return cls(AuthorKind(bare), None, preset)
        if bare.startswith("control/"):
            return cls(AuthorKind.CONTROL, bare, preset)
        return cls(AuthorKind.MODEL if "/" in bare else AuthorKind.OTHER, bare, preset)

    def __str__(self) -> str:
        """Return the name as it is written."""
        return self.bare if self.preset is None else f"{self.bare}@{self.preset}"

    @property
    def bare(self) -> str:
        """The name without its preset."""
        if self.name is None:
            return self.kind.value
        return f"{self.kind}:{self.name}" if self.kind.value in _PREFIXED else self.name

    @property
    def model(self) -> str:
        """Name of the model at its provider; "" for authors of other kinds."""
        return (self.name or "").partition("/")[2] if self.kind is AuthorKind.MODEL else ""


def stored_name(name: str) -> str:
    """Return the stored name of an author, a method or a preset as a user may write it.

    Names of presets may go on after a hyphen. Every other name is returned unchanged.

    >>> names = "base-truncated:llama", "low-rated-control", "truncated-second", "base"
    >>> [stored_name(name) for name in names]
    ['base-cut:llama', 'low-rated', 'cut-second', 'base']
    """
    kind, colon, rest = name.partition(":")
    if kind in STORED_NAMES:
        return f"{STORED_NAMES[kind]}{colon}{rest}"
    return f"cut-{name.removeprefix('truncated-')}" if name.startswith("truncated-") else name


def stored_author_name(name: str) -> str:
    """Return the stored name of an author; its preset is translated if this project serves the author.

    The default preset is left out, as in stored names.

    >>> names = "base-truncated", "student:a@truncated", "base@truncated-second"
    >>> [stored_author_name(name) for name in names]
    ['base-cut', 'student:a', 'base@cut-second']
    """
    author, at_sign, preset = name.partition("@")
    author = stored_name(author) if author.startswith("base-truncated") else author
    if not at_sign or not is_served(author):
        return f"{author}{at_sign}{preset}"
    preset = stored_name(preset)
    return author if preset == STORED_NAMES["truncated"] else f"{author}@{preset}"


def is_named(author: str, name: str) -> bool:
    """Return whether `name` (without a preset) refers to this stored author.

    A base model is also called `base`, without the rest of its name.
    """
    return author == name or (name in BASES and author.startswith(f"{name}:"))


def is_from_dataset(author: str) -> bool:
    """Return whether an author is a responder of the dataset."""
    return AuthorName.parse(author).kind is AuthorKind.DATASET


def is_served(author: str) -> bool:
    """Return whether an author is a model that this project serves: a student or a base model."""
    return AuthorName.parse(author).kind in SERVED


def _identity_of(content: bytes) -> tuple[str, str]:
    """Return the response set id and the hash of a file of responses, from its content alone."""
    digest = hash_bytes("file-1", content)
    return content_id("set-1", ["file", digest]), digest


def set_id_of_file(name: str) -> str:
    """Return the response set id of the author `file:PATH`; "" if the file cannot be read."""
    author = AuthorName.parse(name)
    if author.kind is not AuthorKind.FILE:
        return ""
    path = Path(author.name or "")
    try:
        return _identity_of(path.read_bytes())[0] if path.is_file() else ""
    except (OSError, ValueError):
        return ""
