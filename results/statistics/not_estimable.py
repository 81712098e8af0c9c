"""A number that is not given, and why: the answer where an estimate would not mean what it says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NotEstimable:
    """What was asked for and why it is not given; never a NaN, never a silent substitute.

    Attributes:
        what: the statistic, as a noun.
        reason: why it is refused, in a sentence that stands in a table's footnote.
    """

    what: str
    reason: str

    def __str__(self) -> str:
        return f"no {self.what}: {self.reason}"
