"""The best of several on the same dialogues looks better than it is: an estimate and interval for it.

Hybrid inference on winners (Andrews, Kitagawa and McCloskey 2024, "Inference on winners", Q. J. Econ. 139):
given that this author came out best, and given what is independent of its own estimate, that estimate is
normal, cut off where another would have come out best; the interval inverts this, and never leaves a
simultaneous interval over all authors at a tenth of the error rate. Where the best stands clear of the
others nothing is corrected; where the runner-up is close, the estimate falls by up to three standard
errors. The estimate is median-unbiased: as often too high as too low.

Normal theory for the vector of means; where that does not serve the best author (near 0 and 1, few
dialogues), its guaranteed interval at the Bonferroni share of all authors, and no corrected estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from results.statistics.intervals import bootstrap_is_valid, boundary_interval, check_level
from results.statistics.not_estimable import NotEstimable

Floats = NDArray[np.float64]

WHAT = "corrected interval for the best"
HYBRID = "hybrid inference on winners"
BONFERRONI = "its share of all authors' guaranteed intervals"
SIMULTANEOUS_SHARE = 0.1  # of the error rate, spent on the simultaneous interval that is never left
_DRAWS, _MOVES = 20_000, 64
_HALVINGS = 60


@dataclass(frozen=True, slots=True)
class CorrectedEstimate:
    """A winner's value, corrected for its having been chosen by these very data.

    Attributes:
        estimate: median-unbiased, in the unit of the values.
        low, high: interval, low ≤ estimate ≤ high.
    """

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class WinnerEstimate:
    """The best of several authors by their mean scores over the same dialogues. Rates in [0, 1].

    Attributes:
        winner: its position among the authors; the first of equals.
        contestants: how many there were to choose from, ≥ 2.
        observed: its mean score over the n dialogues.
        estimate: the same corrected for the choice; None where only an interval can be given.
        low, high: interval at `level`, corrected for the choice.
        level: confidence level.
        n: dialogues complete for all authors.
        left_out: the other dialogues.
        method: `HYBRID`, or `BONFERRONI` where normal theory does not serve.
        seed: of the draws that the simultaneous interval takes.
    """

    winner: int
    contestants: int
    observed: float
    estimate: float | None
    low: float
    high: float
    level: float
    n: int
    left_out: int
    method: str
    seed: int


def estimate_winner(scores: Floats, *, seed: int, level: float = 0.95) -> WinnerEstimate | NotEstimable:
    """The best author, corrected.

    Args:
        scores: shape (dialogues, authors), in [0, 1], nan where a dialogue is incomplete for an author.

    Refused with fewer than two authors or two dialogues complete for all of them.

    Raises:
        ValueError: scores of another shape or range, or a level outside (0, 1).
    """
    check_level(level)
    if scores.ndim != 2 or (scores < 0.0).any() or (scores > 1.0).any():
        raise ValueError(f"scores of shape {scores.shape}, all in [0, 1]")
    contestants = scores.shape[1]
    if contestants < 2:
        return NotEstimable(WHAT, "there is nobody else to be better than")
    complete = ~np.isnan(scores).any(axis=1)
    values = scores[complete]
    n = len(values)
    if n < 2:
        return NotEstimable(WHAT, f"{n} dialogues are complete for all {contestants} authors")
    means = values.mean(axis=0)
    winner = int(np.argmax(np.round(means, 12)))
    own = values[:, winner]
    corrected = None
    if bootstrap_is_valid(own):
        covariance = np.cov(values, rowvar=False) / n
        step = _step(values) / n
        corrected = corrected_winner(means, covariance, winner, seed=seed, level=level, step=step)
        low, high = max(0.0, corrected.low), min(1.0, corrected.high)
    else:
        share = boundary_interval(own, level=1.0 - (1.0 - level) / contestants)
        low, high = share.low, share.high
    return WinnerEstimate(
        winner=winner,
        contestants=contestants,
        observed=float(means[winner]),
        estimate=None if corrected is None else min(high, max(low, corrected.estimate)),
        low=low,
        high=high,
        level=level,
        n=n,
        left_out=int((~complete).sum()),
        method=BONFERRONI if corrected is None else HYBRID,
        seed=seed,
    )


def corrected_winner(
    values: Floats, covariance: Floats, winner: int, *, seed: int, level: float = 0.95, step: float = 0.0
) -> CorrectedEstimate:
    """Hybrid interval and median-unbiased estimate for the largest of normal estimates.

    Args:
        values: estimates, shape (k,).
        covariance: of their errors, shape (k, k); the winner's variance is above 0.
        winner: position of the largest.
        step: of the grid on which the values lie; 0 for none. On a grid ties are frequent, and being just
            ahead is averaged over where within a step the values might lie.
    """
    error = float(np.sqrt(covariance[winner, winner]))
    value = float(values[winner])
    slack = (1.0 - level) * SIMULTANEOUS_SHARE
    farthest = simultaneous_quantile(covariance, 1.0 - slack, seed=seed) * error
    spread_out = _spread_out(values, winner, step, seed)
    own = spread_out[:, winner]
    floor, ceiling = _cut_off(spread_out, covariance, winner)
    tail = (1.0 - level - slack) / (1.0 - slack) / 2.0

    def where(probability: float) -> float:
        """The true value at which the observed one is this quantile; falls in `probability`."""
        low, high = value - farthest, value + farthest
        for _ in range(_HALVINGS):
            middle = (low + high) / 2.0
            ends = (np.maximum(floor, middle - farthest), np.minimum(ceiling, middle + farthest))
            above = float(_share_below(own, middle, error, ends).mean()) > probability
            low, high = (middle, high) if above else (low, middle)
        return (low + high) / 2.0

    return CorrectedEstimate(where(0.5), where(1.0 - tail), where(tail))


def _step(values: Floats) -> float:
    """The smallest distance between two different scores; 0 where all are alike."""
    gaps = np.diff(np.unique(np.round(values, 9)))
    return float(gaps.min()) if gaps.size else 0.0


def _spread_out(values: Floats, winner: int, step: float, seed: int) -> Floats:
    """The values moved within half a grid step, shape (draws, k); the winner stays the largest."""
    if step <= 0.0:
        return values[None, :]
    generator = np.random.default_rng(seed)
    moved = values + step * (generator.random((_MOVES, values.size)) - 0.5)
    largest = moved.max(axis=1)
    passed = moved.argmax(axis=1)
    rows = np.arange(_MOVES)
    moved[rows, passed] = moved[:, winner]
    moved[:, winner] = largest
    return np.asarray(moved)


def simultaneous_quantile(covariance: Floats, level: float, *, seed: int) -> float:
    """The largest standardised error of all estimates stays below this with probability `level`."""
    errors = np.sqrt(np.diag(covariance))
    there = errors > 0.0
    scaled = covariance[np.ix_(there, there)] / np.outer(errors[there], errors[there])
    eigenvalues, vectors = np.linalg.eigh(scaled)
    root = vectors * np.sqrt(np.maximum(eigenvalues, 0.0))
    drawn = np.random.default_rng(seed).standard_normal((_DRAWS, root.shape[1])) @ root.T
    return float(np.quantile(np.abs(drawn).max(axis=1), level))


def _cut_off(values: Floats, covariance: Floats, winner: int) -> tuple[Floats, Floats]:
    """Between which values of its own the winner still wins, given what is independent of it; per row."""
    slope = covariance[:, winner] / covariance[winner, winner]
    independent = values - slope * values[:, winner : winner + 1]
    others = np.arange(slope.size) != winner
    rising, falling = others & (slope < 1.0 - 1e-12), others & (slope > 1.0 + 1e-12)
    floor = (independent[:, rising] / (1.0 - slope[rising])).max(axis=1, initial=-np.inf)
    ceiling = (independent[:, falling] / (1.0 - slope[falling])).min(axis=1, initial=np.inf)
    return floor, ceiling


def _share_below(value: Floats, centre: float, error: float, ends: tuple[Floats, Floats]) -> Floats:
    """P(X ≤ value) for X normal around `centre`, cut off at both ends."""
    low, high = ((end - centre) / error for end in ends)
    at = np.clip((value - centre) / error, low, np.maximum(low, high))
    mirrored = low > 0.0  # where the upper tails are told apart and the lower are not
    start, inner, end = (np.where(mirrored, -one, one) for one in (low, at, high))
    part = _log_difference(np.where(mirrored, start, inner), np.where(mirrored, inner, start))
    whole = _log_difference(np.where(mirrored, start, end), np.where(mirrored, end, start))
    return np.asarray(np.where(at > low, np.exp(np.minimum(0.0, part - whole)), 0.0))


def _log_difference(larger: Floats, smaller: Floats) -> Floats:
    """log(Φ(larger) − Φ(smaller)); −inf where they are equal."""
    top, bottom = log_ndtr(larger), log_ndtr(smaller)
    gap = np.minimum(bottom - top, -1e-300)
    return np.asarray(top + np.log(-np.expm1(gap)))
