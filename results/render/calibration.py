"""The calibration of a judge's soft verdicts, as data and as lines for people. Computes nothing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from results.render.format import format_percent, format_range
from results.statistics import Calibration, CalibrationBin, ClusteredEstimate, NotEstimable


def calibration_data(found: Calibration | NotEstimable | None) -> dict[str, Any] | None:
    """The calibration as plain data, or why it is refused; None for a judge without soft verdicts."""
    if found is None:
        return None
    if isinstance(found, NotEstimable):
        return {"refused": found.reason}
    return {**asdict(found), "refused": None}


def calibration_lines(found: Calibration | NotEstimable | None) -> list[str]:
    """Brier score and its parts, over- or underconfidence, and the reliability curve; nothing without any."""
    if found is None:
        return []
    if isinstance(found, NotEstimable):
        return [str(found)]
    parts = (
        f"miscalibration {found.miscalibration:.3f} (by chance up to {found.miscalibration_by_chance:.3f}) "
        f"− discrimination {found.discrimination:.3f} + {found.uncertainty:.3f}"
    )
    return [
        f"soft verdicts: Brier score {_plain(found.brier)}, ½ for every pair {found.uncertainty:.3f}, "
        f"without probabilities {found.hard_brier:.3f}; {parts}; n {found.n}"
        + (f", {found.left_out} left out" if found.left_out else ""),
        f"soft verdicts are {_leaning(found.overconfidence)}: confidence {format_percent(found.confidence)}, right "
        f"in {format_percent(found.right.value)}, {_points(found.overconfidence)}",
        f"reliability: {'; '.join(map(_bin, found.bins))}",
    ]


def _leaning(overconfidence: ClusteredEstimate) -> str:
    """What the interval says, and no more."""
    if overconfidence.low is not None and overconfidence.low > 0.0:
        return "overconfident"
    if overconfidence.high is not None and overconfidence.high < 0.0:
        return "underconfident"
    return "neither over- nor underconfident for certain"


def _bin(one: CalibrationBin) -> str:
    right = one.right
    span = f"{format_percent(right.value)} ({format_range(right.low, right.high)})"
    return f"says {format_percent(one.confidence)}, is right in {span}, n {right.n}"


def _plain(found: ClusteredEstimate) -> str:
    if found.value is None or found.low is None or found.high is None:
        return "-"
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def _points(found: ClusteredEstimate) -> str:
    if found.value is None or found.low is None or found.high is None:
        return "-"
    return f"{100 * found.value:+.1f} points ({100 * found.low:+.1f} to {100 * found.high:+.1f})"
