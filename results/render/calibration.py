"""Calibration of soft verdicts as lines."""

from __future__ import annotations

from results.render.format import format_percent, format_points, format_points_range, format_range
from results.statistics import Calibration, CalibrationBin, ClusteredEstimate, NotEstimable


def calibration_lines(result: Calibration | NotEstimable | None) -> list[str]:
    """Return Brier score and its parts, overconfidence and reliability curve; empty without soft verdicts."""
    if result is None:
        return []
    if isinstance(result, NotEstimable):
        return [str(result)]
    parts = (
        f"miscalibration {result.miscalibration:.3f} (by chance up to {result.miscalibration_by_chance:.3f}) "
        f"− discrimination {result.discrimination:.3f} + {result.uncertainty:.3f}"
    )
    return [
        f"soft verdicts: Brier score {_plain(result.brier)}, ½ for every pair {result.uncertainty:.3f}, "
        f"without probabilities {result.hard_brier:.3f}; {parts}; n {result.n}"
        + (f", {result.left_out} left out" if result.left_out else ""),
        f"soft verdicts are {_confidence_phrase(result.overconfidence)}: confidence "
        f"{format_percent(result.confidence)}, right "
        f"in {format_percent(result.right.value)}, {_points(result.overconfidence)}",
        f"reliability: {'; '.join(map(_bin, result.bins))}",
    ]


def _confidence_phrase(overconfidence: ClusteredEstimate) -> str:
    """Return what the interval of overconfidence implies."""
    if overconfidence.low is not None and overconfidence.low > 0.0:
        return "overconfident"
    if overconfidence.high is not None and overconfidence.high < 0.0:
        return "underconfident"
    return "not significantly over- or underconfident"


def _bin(calibration_bin: CalibrationBin) -> str:
    """Return one bin of the reliability curve."""
    right = calibration_bin.right
    share = f"{format_percent(right.value)} ({format_range(right.low, right.high)})"
    return f"confidence {format_percent(calibration_bin.confidence)}, right in {share}, n {right.n}"


def _plain(estimate: ClusteredEstimate) -> str:
    """Return an estimate with its interval, in its own unit."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "-"
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def _points(estimate: ClusteredEstimate) -> str:
    """Return an estimate with its interval, in points."""
    return f"{format_points(estimate.value)} points ({format_points_range(estimate.low, estimate.high)})"
