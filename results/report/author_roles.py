"""What an author is in an experiment: a student, its base, a format control, or somebody else.

A base model rambles past its answer, and a student may have learned only to stop. So what a win over a base
means hangs on whether the base was cut, and a student trained on low-rated responses or a cut base is a
control of form. Told from the author's name, from how its responses were made, and from its training.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from agents.types import ResponseSet
from results.paper.cells import describe
from results.queries.checkpoints import STUDENT, CheckpointRecord

LOW_RATED = "low-rated"
_BASE, TRUNCATED_BASE = "base:", "base-cut:"
_WHOLE = ("", "whole")
TINY = "tiny"


class AuthorRole(StrEnum):
    """What an author is."""

    STUDENT = "student"
    LOW_RATED = "low-rated"  # a student fine-tuned on low-rated human responses
    BASE = "base"  # untrained, and not cut: it rambles
    TRUNCATED_BASE = "base-cut"  # untrained, cut to its first turn and 97 words
    OTHER = "other"

    @property
    def is_format_control(self) -> bool:
        """Whether it has the form of a good response and, by its training, no more."""
        return self in (AuthorRole.LOW_RATED, AuthorRole.TRUNCATED_BASE)

    @property
    def is_base(self) -> bool:
        """Whether it is an untrained model."""
        return self in (AuthorRole.BASE, AuthorRole.TRUNCATED_BASE)


def author_role(of: ResponseSet, trained: Mapping[str, CheckpointRecord]) -> AuthorRole:
    """The role of an author.

    Args:
        trained: the students that the database knows, by author.
    """
    if of.author.startswith(STUDENT):
        known = trained.get(of.author)
        method = str((known.record.get("data") or {}).get("method", "")) if known else ""
        low = method == LOW_RATED or (not method and LOW_RATED in of.author)
        return AuthorRole.LOW_RATED if low else AuthorRole.STUDENT
    if of.author.startswith(TRUNCATED_BASE):
        return AuthorRole.TRUNCATED_BASE
    if of.author.startswith(_BASE) or describe(of.author, of.made).is_base:
        return AuthorRole.BASE if truncation_preset(of) in _WHOLE else AuthorRole.TRUNCATED_BASE
    return AuthorRole.OTHER


def truncation_preset(of: ResponseSet) -> str:
    """How the responses were cut, by the name of the cut; "" where that is not recorded."""
    return str(of.recorded.get("cut", ""))


def is_tiny(of: ResponseSet, trained: Mapping[str, CheckpointRecord]) -> bool:
    """Whether the author is a tiny model, built on the spot to rehearse with."""
    if author_role(of, trained) is AuthorRole.OTHER:
        return False
    known = trained.get(of.author)
    base = known.base if known else of.author.partition(":")[2]
    return base.replace("\\", "/").rpartition("/")[2].startswith(TINY)
