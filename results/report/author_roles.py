"""Roles of authors in an experiment: student, base, format control or other.

A base model continues past its response, and a student may only have learned to stop. A win over a base
therefore depends on whether the base was truncated; a student trained on low-rated responses, or a truncated
base, controls for format. Derived from the author's name, its provenance and its training.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from agents.author_names import AuthorKind, AuthorName
from agents.response_set_spec import ResponseSetSpec
from agents.types import ResponseSet
from results.paper.cells import describe
from results.queries.checkpoints import CheckpointRecord

LOW_RATED = "low-rated"
_BASE, TRUNCATED_BASE = "base:", "base-cut:"
_WHOLE = ("", "whole")
TINY = "tiny"


class AuthorRole(StrEnum):
    """Role of an author."""

    STUDENT = "student"
    LOW_RATED = "low-rated"  # a student fine-tuned on low-rated human responses
    BASE = "base"  # untrained, and not cut: it rambles
    TRUNCATED_BASE = "base-cut"  # untrained, cut to its first turn and 97 words
    OTHER = "other"

    @property
    def is_format_control(self) -> bool:
        """Return whether it controls for format: the form of a good response without better training."""
        return self in (AuthorRole.LOW_RATED, AuthorRole.TRUNCATED_BASE)

    @property
    def is_base(self) -> bool:
        """Return whether it is an untrained model."""
        return self in (AuthorRole.BASE, AuthorRole.TRUNCATED_BASE)


def author_role(response_set: ResponseSet, trained: Mapping[str, CheckpointRecord]) -> AuthorRole:
    """Return the role of an author.

    Args:
        trained: checkpoint records by author.
    """
    kind = AuthorName.parse(response_set.author).kind
    if kind is AuthorKind.STUDENT:
        known = trained.get(response_set.author)
        method = str((known.record.get("data") or {}).get("method", "")) if known else ""
        low = method == LOW_RATED or (not method and LOW_RATED in response_set.author)
        return AuthorRole.LOW_RATED if low else AuthorRole.STUDENT
    if kind is AuthorKind.TRUNCATED_BASE:
        return AuthorRole.TRUNCATED_BASE
    if kind is AuthorKind.BASE or describe(response_set.author, response_set.made).is_base:
        return AuthorRole.BASE if truncation_preset(response_set) in _WHOLE else AuthorRole.TRUNCATED_BASE
    return AuthorRole.OTHER


def truncation_preset(response_set: ResponseSet) -> str:
    """Return the name of the truncation of the responses; "" if not recorded."""
    return ResponseSetSpec.from_made(response_set.made).truncation


def is_tiny(response_set: ResponseSet, trained: Mapping[str, CheckpointRecord]) -> bool:
    """Return whether the author is a tiny model built for a rehearsal."""
    if author_role(response_set, trained) is AuthorRole.OTHER:
        return False
    known = trained.get(response_set.author)
    base = known.base if known else AuthorName.parse(response_set.author).name or ""
    return base.replace("\\", "/").rpartition("/")[2].startswith(TINY)
