"""Means over things that come in clusters: resampled by cluster, never by thing.

Rated pairs of one rating task share their raters; so a mean over pairs has an interval over tasks. Knows
nothing of ratings.
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
        value: the mean over things; None where there is none.
        low, high: interval at `level`; None with `value`.
        n: things; clusters: in how many.
        method: `BCA`, or `BOUNDED` near the edges, for (nearly) constant means, under 20 clusters and with
            less than ten clusters' worth on either side.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    clusters: int
    method: str
    level: float = 0.95


NOTHING = ClusteredEstimate(None, None, None, 0, 0, "")


def clustered_mean(
    values: Floats,
    clusters: NDArray[np.int64],
    *,
    seed: int,
    level: float = 0.95,
    span: tuple[float, float] = (0.0, 1.0),
) -> ClusteredEstimate:
    """Mean of `values` (nan left out) with an interval by resampling whole clusters.

    BCa of the ratio Σ sums / Σ sizes, acceleration by leaving out one cluster at a time (Efron 1987; Davison
    and Hinkley 1997, section 3.8). Mirrors: the interval of −values is that of values, turned round.

    Args:
        span: the least and the largest a value can be; the fallback needs it.
    """
    check_level(level)
    there = ~np.isnan(values)
    if not there.any():
        return NOTHING
    low_end, high_end = span
    scaled = (values[there] - low_end) / (high_end - low_end)
    _, place = np.unique(clusters[there], return_inverse=True)
    sums = np.bincount(place, scaled).astype(np.float64)
    sizes = np.bincount(place).astype(np.float64)
    mean = float(scaled.mean())
    ends = _bca(sums, sizes, mean, seed, level) if _serves(sums, sizes, mean) else None
    method = BCA if ends else BOUNDED
    low, high = ends or bounded_mean_interval(np.clip(sums / sizes, 0.0, 1.0), level)
    width = high_end - low_end
    return ClusteredEstimate(
        value=low_end + width * mean,
        low=low_end + width * min(low, mean),
        high=low_end + width * max(high, mean),
        n=int(there.sum()),
        clusters=int(sizes.size),
        method=method,
        level=level,
    )


def _serves(sums: Floats, sizes: Floats, mean: float) -> bool:
    off = np.abs(sums - mean * sizes) > SAME
    short_side = min(float((sums / sizes).sum()), float((1.0 - sums / sizes).sum()))
    enough = sizes.size >= FEW_DIALOGUES and int(off.sum()) >= MIN_DIFFERING_DIALOGUES
    return enough and short_side >= MIN_SHORT_SIDE and abs(mean - 0.5) < 0.5 - NEAR_THE_EDGE


def _bca(sums: Floats, sizes: Floats, mean: float, seed: int, level: float) -> tuple[float, float]:
    deviations = sums - mean * sizes  # their resampled total over the resampled size is the mean's error
    counts = _counts(sizes.size, seed)
    errors = (counts @ deviations) / (counts @ sizes)
    left_out = -deviations / (sizes.sum() - sizes)  # the error of the mean without each cluster
    jackknife = left_out.mean() - left_out
    spread = float((jackknife**2).sum())
    skew = float((jackknife**3).sum()) / (6.0 * spread**1.5) if spread else 0.0
    below = float((errors < -SAME).mean() + 0.5 * (np.abs(errors) <= SAME).mean())
    floor = 0.5 / errors.size
    bias = float(ndtri(min(1.0 - floor, max(floor, below))))
    tail = float(ndtri((1.0 - level) / 2.0))
    shares = [float(ndtr(bias + (bias + z) / (1.0 - skew * (bias + z)))) for z in (tail, -tail)]
    low, high = np.quantile(errors, shares)
    return max(0.0, mean + float(low)), min(1.0, mean + float(high))


@lru_cache(maxsize=16)
def _counts(clusters: int, seed: int) -> Floats:
    """How often each cluster is drawn, in each of the resamples: the same for every mean of one audit."""
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(clusters, np.full(clusters, 1.0 / clusters), size=RESAMPLES)
    counts = drawn.astype(np.float64)
    counts.setflags(write=False)
    return counts
