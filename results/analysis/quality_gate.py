"""Quality gate on win rates: `win_rate>0.55` passes if every judge's interval lies above the bound.

If judgments are missing, the interval is computed for the worst case, with its sampling error: for passing,
every missing judgment counts as lost; for failing, as won.
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
_REQUIREMENT = re.compile(
    r"\s*(?:(?P<opponent>\S+)\.)?"
    rf"(?:win_rate\s*>\s*(?P<bound>{_NUMBER})|deficit\s*<\s*(?P<margin>{_NUMBER}))\s*"
)


class GateDecision(IntEnum):
    """Decision of a quality gate; the values are exit codes."""

    PASSED = 0
    FAILED = 1
    UNDECIDED = 3


@dataclass(frozen=True, slots=True)
class Requirement:
    """Requirement on the win rate against one opponent.

    Attributes:
        opponent: "base", or the name of another author.
        bound: lower bound that the win rate must exceed, in (0, 1).
        margin: non-inferiority margin; None for a requirement on the win rate. The opponent's head-to-head
            rate minus the student's must be below it, which equals a bound of (1 − margin) / 2.
    """

    opponent: str
    bound: float
    margin: float | None = None

    def __str__(self) -> str:
        """Return the requirement in its command-line syntax."""
        opponent = "" if self.opponent == BASE else f"{self.opponent}."
        if self.margin is not None:
            return f"{opponent}deficit<{self.margin:g}"
        return f"{opponent}win_rate>{self.bound:g}"


def parse_requirement(text: str, opponents: Sequence[str]) -> Requirement:
    """Parse a requirement such as `win_rate>0.55` or `OPPONENT.deficit<0.03`.

    Raises:
        UserError: invalid syntax, bound or opponent.
    """
    match = _REQUIREMENT.fullmatch(text)
    margin = float(match["margin"]) if match and match["margin"] else None
    bound = (1.0 - margin) / 2.0 if margin else float(match["bound"] or 0.0) if match else 0.0
    opponent = (match["opponent"] if match else None) or BASE
    if not 0 < bound < 1 or opponent not in opponents:
        raise UserError(
            "not a valid requirement",
            code="option.invalid-requirement",
            where="--require",
            found=repr(text),
            remedy="Write 'win_rate>0.55', 'OPPONENT.win_rate>0.5', or 'OPPONENT.deficit<0.03' (non-inferior "
            f"to OPPONENT by a margin of 3 points). Opponents: {', '.join(opponents)}.",
        )
    return Requirement(opponent, bound, margin)


def decide(bound: float, rates: Mapping[str, WinRate]) -> GateDecision:
    """Decide one requirement from every judge's win rate; it fails if it fails for one judge."""
    decisions = [_decide_for_judge(bound, rate) for rate in rates.values()]
    if GateDecision.FAILED in decisions:
        return GateDecision.FAILED
    return (
        GateDecision.UNDECIDED
        if GateDecision.UNDECIDED in decisions or not decisions
        else GateDecision.PASSED
    )


def combine_decisions(decisions: Sequence[GateDecision]) -> GateDecision:
    """Combine the decisions on several requirements; all must pass."""
    for decision in (GateDecision.FAILED, GateDecision.UNDECIDED):
        if decision in decisions:
            return decision
    return GateDecision.PASSED


def _decide_for_judge(bound: float, rate: WinRate) -> GateDecision:
    if rate.missing_lost is None or rate.missing_won is None:
        return GateDecision.UNDECIDED
    if rate.missing_lost.low > bound:
        return GateDecision.PASSED
    return GateDecision.FAILED if rate.missing_won.high < bound else GateDecision.UNDECIDED
