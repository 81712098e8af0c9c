"""Means of clustered data, with bootstrap intervals that resample whole clusters.

Rated pairs of one rating task share their raters, for example, so a mean over pairs gets an interval over
rating tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from results.statistics.betting_martingale import bounded_mean_interval
from results.statistics.intervals import (
    FEW_DIALOGUES,
    MIN_DIFFERING_DIALOGUES,
    MIN_SHORT_SIDE,
    NEAR_THE_EDGE,
    SAME,
    check_level,
)

Floats = NDArray[np.float64]

BCA = "BCa over clusters"
BOUNDED = "bounded mean (betting) over clusters' means"
RESAMPLES = 4000


@dataclass(frozen=True, slots=True)
class ClusteredEstimate:
    """A mean with its interval over clusters.

    Attributes:
        value: mean over observations; None without any.
        low, high: interval at `level`; None if `value` is None.
        n: observations.
        clusters: clusters with observations.
        method: `BCA`, or `BOUNDED` near the edges, for nearly constant means, with fewer than 20 clusters, or
            with less than ten clusters' worth of score on either side.
        level: confidence level.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    clusters: int
    method: str
    level: float = 0.95


NO_ESTIMATE = ClusteredEstimate(None, None, None, 0, 0, "")


def clustered_mean(
    values: Floats,
    clusters: NDArray[np.int64],
    *,
    seed: int,
    level: float = 0.95,
    span: tuple[float, float] = (0.0, 1.0),
) -> ClusteredEstimate:
    """Return the mean of `values` with an interval from resampling whole clusters.

    BCa of the ratio Σ sums / Σ sizes, with the acceleration from a leave-one-cluster-out jackknife (Efron
    1987; Davison and Hinkley 1997, section 3.8). The interval of −values is the negated interval of values.

    Args:
        values: observations; NaN is ignored.
        clusters: cluster code of each observation.
        seed: of the bootstrap.
        level: confidence level, in (0, 1).
        span: smallest and largest possible value, required by the fallback interval.

    Raises:
        ValueError: a level outside (0, 1).
    """
    check_level(level)
    is_present = ~np.isnan(values)
    if not is_present.any():
        return NO_ESTIMATE
    low_end, high_end = span
    scaled = (values[is_present] - low_end) / (high_end - low_end)
    _, cluster_index = np.unique(clusters[is_present], return_inverse=True)
    sums = np.bincount(cluster_index, scaled).astype(np.float64)
    sizes = np.bincount(cluster_index).astype(np.float64)
    mean = float(scaled.mean())
    ends = _bca(sums, sizes, mean, seed, level) if _bca_is_valid(sums, sizes, mean) else None
    method = BCA if ends else BOUNDED
    low, high = ends or bounded_mean_interval(np.clip(sums / sizes, 0.0, 1.0), level)
    width = high_end - low_end
    return ClusteredEstimate(
        value=low_end + width * mean,
        low=low_end + width * min(low, mean),
        high=low_end + width * max(high, mean),
        n=int(is_present.sum()),
        clusters=int(sizes.size),
        method=method,
        level=level,
    )


def _bca_is_valid(sums: Floats, sizes: Floats, mean: float) -> bool:
    """Return whether the clusters are numerous and varied enough for the BCa interval."""
    differs = np.abs(sums - mean * sizes) > SAME
    short_side = min(float((sums / sizes).sum()), float((1.0 - sums / sizes).sum()))
    enough = sizes.size >= FEW_DIALOGUES and int(differs.sum()) >= MIN_DIFFERING_DIALOGUES
    return enough and short_side >= MIN_SHORT_SIDE and abs(mean - 0.5) < 0.5 - NEAR_THE_EDGE


def _bca(sums: Floats, sizes: Floats, mean: float, seed: int, level: float) -> tuple[float, float]:
    """Return the BCa interval of a mean of clustered values in [0, 1]."""
    deviations = sums - mean * sizes  # their resampled total over the resampled size is the mean's error
    counts = _counts(sizes.size, seed)
    errors = (counts @ deviations) / (counts @ sizes)
    jackknife_errors = -deviations / (sizes.sum() - sizes)  # the error of the mean without each cluster
    jackknife = jackknife_errors.mean() - jackknife_errors
    spread = float((jackknife**2).sum())
    skew = float((jackknife**3).sum()) / (6.0 * spread**1.5) if spread else 0.0
    below = float((errors < -SAME).mean() + 0.5 * (np.abs(errors) <= SAME).mean())
    smallest_share = 0.5 / errors.size
    bias = float(ndtri(min(1.0 - smallest_share, max(smallest_share, below))))
    tail = float(ndtri((1.0 - level) / 2.0))
    shares = [float(ndtr(bias + (bias + z) / (1.0 - skew * (bias + z)))) for z in (tail, -tail)]
    low, high = np.quantile(errors, shares)
    return max(0.0, mean + float(low)), min(1.0, mean + float(high))


@lru_cache(maxsize=16)
def _counts(clusters: int, seed: int) -> Floats:
    """Return how often each cluster is drawn in each resample; cached and shared by all means of an audit."""
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(clusters, np.full(clusters, 1.0 / clusters), size=RESAMPLES)
    counts = drawn.astype(np.float64)
    counts.setflags(write=False)
    return counts
