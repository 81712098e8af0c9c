"""A gate on win rates: `win_rate>0.55` is passed where every judge's interval lies above the bound.

Where judgments are missing the interval is that of the worst-case scores, with its sampling error: every
missing judgment lost for passing, won for failing. Pure: win rates in, a decision out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from agents.errors import UserError
from results.statistics import WinRate

BASE = "base"
_NUMBER = r"\d*\.?\d+"
_WRITTEN = re.compile(
    r"\s*(?:(?P<opponent>\S+)\.)?"
    rf"(?:win_rate\s*>\s*(?P<bound>{_NUMBER})|deficit\s*<\s*(?P<margin>{_NUMBER}))\s*"
)


class GateDecision(IntEnum):
    """Of a gate; the values are exit codes."""

    PASSED = 0
    FAILED = 1
    UNDECIDED = 3


@dataclass(frozen=True, slots=True)
class Requirement:
    """What is required.

    Attributes:
        opponent: "base", or the other author's name.
        bound: in (0, 1), that the win rate must lie above.
        margin: where non-inferiority is required: the opponent's rate minus the student's, head to head,
            must lie below it, which is a bound of (1 − margin) / 2; None where a win rate was written.
    """

    opponent: str
    bound: float
    margin: float | None = None

    def __str__(self) -> str:
        """As users write it."""
        opponent = "" if self.opponent == BASE else f"{self.opponent}."
        if self.margin is not None:
            return f"{opponent}deficit<{self.margin:g}"
        return f"{opponent}win_rate>{self.bound:g}"


def parse_requirement(written: str, opponents: Sequence[str]) -> Requirement:
    """A requirement as users write it.

    Raises:
        UserError: it is none, or is about an opponent that is not there.
    """
    found = _WRITTEN.fullmatch(written)
    margin = float(found["margin"]) if found and found["margin"] else None
    bound = (1.0 - margin) / 2.0 if margin else float(found["bound"] or 0.0) if found else 0.0
    opponent = (found["opponent"] if found else None) or BASE
    if not 0 < bound < 1 or opponent not in opponents:
        raise UserError(
            "not a valid requirement",
            code="option.invalid-requirement",
            where="--require",
            found=repr(written),
            remedy="Write 'win_rate>0.55', 'OPPONENT.win_rate>0.5', or 'OPPONENT.deficit<0.03' (non-inferior to "
            f"OPPONENT by a margin of 3 points). Opponents: {', '.join(opponents)}.",
        )
    return Requirement(opponent, bound, margin)


def decide(bound: float, rates: Mapping[str, WinRate]) -> GateDecision:
    """One requirement against every judge's win rate, by the judge's name: failed by one is failed."""
    decisions = [_one(bound, rate) for rate in rates.values()]
    if GateDecision.FAILED in decisions:
        return GateDecision.FAILED
    return (
        GateDecision.UNDECIDED
        if GateDecision.UNDECIDED in decisions or not decisions
        else GateDecision.PASSED
    )


def combine_decisions(decisions: Sequence[GateDecision]) -> GateDecision:
    """Several requirements: all must be passed."""
    for decision in (GateDecision.FAILED, GateDecision.UNDECIDED):
        if decision in decisions:
            return decision
    return GateDecision.PASSED


def _one(bound: float, rate: WinRate) -> GateDecision:
    if rate.missing_lost is None or rate.missing_won is None:
        return GateDecision.UNDECIDED
    if rate.missing_lost.low > bound:
        return GateDecision.PASSED
    return GateDecision.FAILED if rate.missing_won.high < bound else GateDecision.UNDECIDED
