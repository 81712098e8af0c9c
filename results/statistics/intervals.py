"""Intervals for the mean of dialogue scores: which one, and how it is computed.

The rule (`score_interval`): BCa over dialogues where there is enough to resample; near 0 and 1, with
(nearly) constant scores, with few dialogues and with less than ten dialogues' worth of score on either side
an interval that is valid there, because the bootstrap is not: at a true 0.996 with 250 dialogues BCa covered
65 %, at 0.88 with 50 dialogues and ties 91 %. Never a zero-width interval.

Everything mirrors: the interval of 1 − scores is 1 − the interval of the scores. Knows nothing of judgments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtr, ndtri

from results.statistics.betting_martingale import bounded_mean_interval

Floats = NDArray[np.float64]

BCA = "BCa over dialogues"
EXACT = "exact binomial (Clopper–Pearson)"
BOUNDED = "bounded mean (betting)"

NEAR_THE_EDGE = 0.05  # rates above 1 − this and below it
FEW_DIALOGUES = 20  # below this nothing is resampled
MIN_DIFFERING_DIALOGUES = 10  # the bootstrap needs at least this many scores that are not the commonest one
MIN_SHORT_SIDE = 10.0  # and at least so much score, in dialogues, for either author
SAME = 1e-9  # two scores closer than this are the same: soft scores carry rounding noise

MANY = 5000  # dialogues from which a limit law serves where resampling would take seconds

_DRAWS_AT_ONCE = 4_000_000  # resampled scores held in memory at a time
_FEW_VALUES = 64  # up to so many different scores, counts are drawn instead of scores


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval and how it was made.

    Attributes:
        low, high: its ends, in the scores' unit; low < high.
        method: `BCA`, `EXACT` or `BOUNDED`.
    """

    low: float
    high: float
    method: str


def score_interval(scores: Floats, *, seed: int, level: float = 0.95, resamples: int = 4000) -> Interval:
    """Interval for the mean of scores in [0, 1], one score per dialogue.

    BCa; where the mean lies within 0.05 of an end, the scores of either author sum to less than ten, fewer
    than ten scores differ from the commonest or there are fewer than twenty scores, an exact binomial
    interval if every score is 0 or 1 and a bounded-mean interval otherwise.

    Args:
        scores: complete dialogues only; the order is that in which resampling draws.
        seed: of the resampling; the other two intervals do not depend on it.

    Raises:
        ValueError: no scores, a score outside [0, 1] or missing, or a level outside (0, 1).
    """
    check_level(level)
    if not scores.size or not (scores.min() >= -SAME and scores.max() <= 1.0 + SAME):
        raise ValueError("an interval needs one or more scores, all in [0, 1]")
    values = np.clip(scores, 0.0, 1.0)
    if bootstrap_is_valid(values):
        low, high = bca_interval(values, seed=seed, level=level, resamples=resamples)
        return Interval(max(0.0, low), min(1.0, high), BCA)
    return boundary_interval(values, level=level)


def bootstrap_is_valid(scores: Floats) -> bool:
    """Whether resampling these scores gives an interval that can be believed."""
    if scores.size < FEW_DIALOGUES or abs(float(scores.mean()) - 0.5) > 0.5 - NEAR_THE_EDGE + SAME:
        return False
    short_side = float(min(scores.sum(), (1.0 - scores).sum()))
    return short_side >= MIN_SHORT_SIDE - SAME and differing(scores) >= MIN_DIFFERING_DIALOGUES


def standard_error(scores: Floats) -> float:
    """Of the mean of one or more scores in [0, 1]; above 0.

    Where the scores cannot be resampled, that of a normal mean whose interval is as wide as the guaranteed.
    """
    if bootstrap_is_valid(scores):
        return float(scores.std(ddof=1) / np.sqrt(scores.size))
    interval = boundary_interval(scores, level=0.95)
    return (interval.high - interval.low) / (2.0 * float(ndtri(0.975)))


def differing(scores: Floats) -> int:
    """How many of one or more scores are not the commonest one."""
    _, tally = np.unique(np.round(scores, 9), return_counts=True)
    return int(scores.size - tally.max())


def boundary_interval(scores: Floats, *, level: float) -> Interval:
    """An interval with guaranteed coverage at any n and any mean: exact where all scores are 0 or 1."""
    wins = int((scores > 1.0 - SAME).sum())
    if wins + int((scores < SAME).sum()) == scores.size:
        return Interval(*clopper_pearson(wins, scores.size, level=level), EXACT)
    return Interval(*bounded_mean_interval(scores, level), BOUNDED)


def clopper_pearson(wins: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Exact binomial interval for `wins` of `n` (Clopper and Pearson 1934, Biometrika 26).

    The upper end is computed as the mirror of the lower one for the losses, so that it mirrors exactly.

    Raises:
        ValueError: wins outside 0 … n, or n < 1.
    """
    check_level(level)
    if n < 1 or not 0 <= wins <= n:
        raise ValueError(f"{wins} wins of {n}")
    tail = (1.0 - level) / 2.0

    def lower(count: int) -> float:
        return 0.0 if count == 0 else float(betaincinv(count, n - count + 1, tail))

    return lower(wins), 1.0 - lower(n - wins)


def bca_interval(
    scores: Floats, *, seed: int, level: float = 0.95, resamples: int = 4000
) -> tuple[float, float]:
    """Bias-corrected and accelerated bootstrap interval of a mean, resampling dialogues.

    Efron (1987), "Better bootstrap confidence intervals", JASA 82; the acceleration of a mean is its
    jackknife's closed form. Resampled means equal to the mean count half, which makes it mirror. Second-
    order accurate inside (0, 1); not to be used at the edges or for a handful of scores. With more than
    5,000 scores of little skewness the resampled means' own Edgeworth expansion stands for them (Hall 1992,
    "The Bootstrap and Edgeworth Expansion"), which differs from them by less than their noise.

    Raises:
        ValueError: fewer than two different scores.
    """
    check_level(level)
    deviations = scores - scores.mean()
    if float(np.abs(deviations).max(initial=0.0)) < SAME:
        raise ValueError("constant scores cannot be resampled")
    centre = float(scores.mean())
    skew = _acceleration(deviations)
    if scores.size > MANY and abs(skew) < 0.01 and np.unique(np.round(scores, 12)).size > _FEW_VALUES:
        error = float(np.sqrt((deviations**2).mean() / scores.size))
        ends = [float(ndtri(share)) for share in _bca_shares(skew, skew, level)]
        return (
            centre + error * (ends[0] + skew * (ends[0] ** 2 - 1.0)),
            centre + error * (ends[1] + skew * (ends[1] ** 2 - 1.0)),
        )
    means = resampled_means(deviations, seed=seed, resamples=resamples)
    below = float((means < -SAME).mean() + 0.5 * (np.abs(means) <= SAME).mean())
    floor = 0.5 / means.size
    bias = float(ndtri(min(1.0 - floor, max(floor, below))))
    low, high = np.quantile(means, _bca_shares(bias, skew, level))
    return centre + float(low), centre + float(high)


def _acceleration(deviations: Floats) -> float:
    """Of a mean: a sixth of the scores' skewness over √n; 0 for symmetric scores."""
    return float((deviations**3).sum() / (6.0 * (deviations**2).sum() ** 1.5))


def _bca_shares(bias: float, acceleration: float, level: float) -> tuple[float, float]:
    """Which quantiles of the resampled means are the ends."""
    tail = float(ndtri((1.0 - level) / 2.0))

    def share(quantile: float) -> float:
        shifted = bias + quantile
        return float(ndtr(bias + shifted / (1.0 - acceleration * shifted)))

    return share(tail), share(-tail)


def resampled_means(values: Floats, *, seed: int, resamples: int) -> Floats:
    """Means of `resamples` bootstrap samples of `values`.

    Which values are drawn depends on the seed and on which are equal, never on their size, so that the
    means of −values are the negatives of these.
    """
    generator = np.random.default_rng(seed)
    n = values.size
    rounded, first, tally = np.unique(np.round(values, 12), return_index=True, return_counts=True)
    if rounded.size <= _FEW_VALUES:
        by_appearance = np.argsort(first)
        counts = generator.multinomial(n, tally[by_appearance] / n, size=resamples)
        representative = values[first[by_appearance]]
        return np.asarray(counts @ representative / n, dtype=np.float64)
    means = np.empty(resamples)
    step = max(1, _DRAWS_AT_ONCE // n)
    for start in range(0, resamples, step):
        stop = min(resamples, start + step)
        means[start:stop] = values[generator.integers(0, n, size=(stop - start, n))].mean(axis=1)
    return means


def check_level(level: float) -> None:
    """Raise ValueError where `level` is no confidence level."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"a level lies between 0 and 1, not at {level}")
