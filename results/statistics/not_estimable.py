"""Returned instead of an estimate when it is not identifiable; carries the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NotEstimable:
    """Reason why a statistic cannot be estimated; returned instead of a NaN or a substitute.

    Attributes:
        what: name of the statistic, a noun phrase.
        reason: why it is not estimable; printed in the footnotes of tables.
    """

    what: str
    reason: str

    def __str__(self) -> str:
        return f"no {self.what}: {self.reason}"


def estimated(value: T | NotEstimable) -> T | None:
    """Return the value, or None if it is not estimable."""
    return None if isinstance(value, NotEstimable) else value
