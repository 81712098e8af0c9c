"""Correction for selection bias: the best of several authors on the same dialogues looks better than it is.

Hybrid inference on winners (Andrews, Kitagawa and McCloskey 2024, "Inference on winners", Q. J. Econ. 139).
Conditional on this author having the highest mean, and on what is independent of its own estimate, the
estimate is a truncated normal. The interval inverts this distribution and never leaves a simultaneous
interval over all authors at a tenth of the error rate. Nothing is corrected if the best is clearly ahead; if
the runner-up is close, the estimate falls by up to three standard errors. The estimate is median-unbiased.

Uses normal theory for the vector of means. If that is not valid for the best author (near 0 and 1, few
dialogues), it returns the author's guaranteed interval at the Bonferroni share and no corrected estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from results.statistics.intervals import bootstrap_is_valid, boundary_interval, check_level
from results.statistics.not_estimable import NotEstimable

Floats = NDArray[np.float64]

STATISTIC = "corrected interval for the best"
HYBRID = "hybrid inference on winners"
BONFERRONI = "its share of all authors' guaranteed intervals"
SIMULTANEOUS_SHARE = 0.1  # share of the error rate spent on the simultaneous interval
_DRAWS, _MOVES = 20_000, 64
_HALVINGS = 60


@dataclass(frozen=True, slots=True)
class CorrectedEstimate:
    """Value of the largest of several estimates, corrected for selection.

    Attributes:
        estimate: median-unbiased, in the unit of the values.
        low, high: interval, low ≤ estimate ≤ high.
    """

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class WinnerEstimate:
    """Best of several authors by mean score over the same dialogues. Rates lie in [0, 1].

    Attributes:
        winner: index of the best author; the first of equals.
        candidates: number of authors, ≥ 2.
        observed: its mean score over the n dialogues.
        estimate: mean score corrected for selection; None if only an interval is available.
        low, high: interval at `level`, corrected for selection.
        level: confidence level.
        n: dialogues complete for all authors.
        left_out: the other dialogues.
        method: `HYBRID`, or `BONFERRONI` if normal theory is not valid.
        seed: of the draws for the simultaneous interval.
    """

    winner: int
    candidates: int
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
    """Return the best author, corrected for selection.

    `NotEstimable` with fewer than two authors, or two dialogues complete for all of them.

    Args:
        scores: shape (dialogues, authors), in [0, 1]; NaN if a dialogue is incomplete for an author.
        seed: of the draws.
        level: confidence level, in (0, 1).

    Raises:
        ValueError: scores of another shape or range, or a level outside (0, 1).
    """
    check_level(level)
    if scores.ndim != 2 or (scores < 0.0).any() or (scores > 1.0).any():
        raise ValueError(f"scores must be a matrix of values in [0, 1], here of shape {scores.shape}")
    candidates = scores.shape[1]
    if candidates < 2:
        return NotEstimable(STATISTIC, "fewer than two authors")
    complete = ~np.isnan(scores).any(axis=1)
    values = scores[complete]
    n = len(values)
    if n < 2:
        return NotEstimable(STATISTIC, f"{n} dialogues are complete for all {candidates} authors")
    means = values.mean(axis=0)
    winner = int(np.argmax(np.round(means, 12)))
    winner_scores = values[:, winner]
    corrected = None
    if bootstrap_is_valid(winner_scores):
        covariance = np.cov(values, rowvar=False) / n
        step = _grid_step(values) / n
        corrected = corrected_winner(means, covariance, winner, seed=seed, level=level, step=step)
        low, high = max(0.0, corrected.low), min(1.0, corrected.high)
    else:
        share = boundary_interval(winner_scores, level=1.0 - (1.0 - level) / candidates)
        low, high = share.low, share.high
    return WinnerEstimate(
        winner=winner,
        candidates=candidates,
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
    """Return the hybrid interval and median-unbiased estimate for the largest of normal estimates.

    Args:
        values: estimates, shape (k,).
        covariance: of their errors, shape (k, k); the winner's variance is positive.
        winner: index of the largest value.
        seed: of the draws.
        level: confidence level, in (0, 1).
        step: step of the grid on which the values lie; 0 without a grid. Ties are frequent on a grid, so the
            result is averaged over positions of the values within a step.
    """
    error = float(np.sqrt(covariance[winner, winner]))
    value = float(values[winner])
    slack = (1.0 - level) * SIMULTANEOUS_SHARE
    farthest = simultaneous_quantile(covariance, 1.0 - slack, seed=seed) * error
    jittered = _jitter(values, winner, step, seed)
    own_values = jittered[:, winner]
    lower_cut, upper_cut = _truncation(jittered, covariance, winner)
    tail = (1.0 - level - slack) / (1.0 - slack) / 2.0

    def quantile_value(probability: float) -> float:
        """Return the true value at which the observed one is this quantile; decreases in `probability`."""
        low, high = value - farthest, value + farthest
        for _ in range(_HALVINGS):
            middle = (low + high) / 2.0
            ends = (np.maximum(lower_cut, middle - farthest), np.minimum(upper_cut, middle + farthest))
            above = float(_truncated_cdf(own_values, middle, error, ends).mean()) > probability
            low, high = (middle, high) if above else (low, middle)
        return (low + high) / 2.0

    return CorrectedEstimate(quantile_value(0.5), quantile_value(1.0 - tail), quantile_value(tail))


def _grid_step(values: Floats) -> float:
    """Return the smallest distance between two different scores; 0 if all are equal."""
    gaps = np.diff(np.unique(np.round(values, 9)))
    return float(gaps.min()) if gaps.size else 0.0


def _jitter(values: Floats, winner: int, step: float, seed: int) -> Floats:
    """Return the values moved within half a grid step, shape (draws, k); the winner stays the largest."""
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
    """Return the `level` quantile of the largest standardised error of all estimates."""
    errors = np.sqrt(np.diag(covariance))
    has_error = errors > 0.0
    scaled = covariance[np.ix_(has_error, has_error)] / np.outer(errors[has_error], errors[has_error])
    eigenvalues, vectors = np.linalg.eigh(scaled)
    root = vectors * np.sqrt(np.maximum(eigenvalues, 0.0))
    drawn = np.random.default_rng(seed).standard_normal((_DRAWS, root.shape[1])) @ root.T
    return float(np.quantile(np.abs(drawn).max(axis=1), level))


def _truncation(values: Floats, covariance: Floats, winner: int) -> tuple[Floats, Floats]:
    """Return, per row, the range of the winner's value in which it wins, given what is independent of it."""
    slope = covariance[:, winner] / covariance[winner, winner]
    independent = values - slope * values[:, winner : winner + 1]
    others = np.arange(slope.size) != winner
    rising, falling = others & (slope < 1.0 - 1e-12), others & (slope > 1.0 + 1e-12)
    lower_cut = (independent[:, rising] / (1.0 - slope[rising])).max(axis=1, initial=-np.inf)
    upper_cut = (independent[:, falling] / (1.0 - slope[falling])).min(axis=1, initial=np.inf)
    return lower_cut, upper_cut


def _truncated_cdf(value: Floats, centre: float, error: float, ends: tuple[Floats, Floats]) -> Floats:
    """Return P(X ≤ value) for X normal around `centre` and truncated to `ends`."""
    low, high = ((end - centre) / error for end in ends)
    position = np.clip((value - centre) / error, low, np.maximum(low, high))
    mirrored = low > 0.0  # use the upper tail there, which is numerically accurate
    start, inner, end = (np.where(mirrored, -bound, bound) for bound in (low, position, high))
    part = _log_difference(np.where(mirrored, start, inner), np.where(mirrored, inner, start))
    total = _log_difference(np.where(mirrored, start, end), np.where(mirrored, end, start))
    return np.asarray(np.where(position > low, np.exp(np.minimum(0.0, part - total)), 0.0))


def _log_difference(larger: Floats, smaller: Floats) -> Floats:
    """Return log(Φ(larger) − Φ(smaller)); −inf if they are equal."""
    top, bottom = log_ndtr(larger), log_ndtr(smaller)
    gap = np.minimum(bottom - top, -1e-300)
    return np.asarray(top + np.log(-np.expm1(gap)))
