"""Confidence intervals for the mean of dialogue scores.

`score_interval` chooses the method. It uses the BCa bootstrap over dialogues if there are enough of them.
Near 0 and 1, with nearly constant scores, with few dialogues, or with less than ten dialogues' worth of
score for either author it uses an interval that is valid there, because the bootstrap is not: at a true rate
of 0.996 with 250 dialogues BCa covered 65 %, at 0.88 with 50 dialogues and ties 91 %. No interval has zero
width.

All intervals mirror: the interval of 1 − scores is 1 minus the interval of the scores.
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

NEAR_THE_EDGE = 0.05  # distance from 0 or 1 within which the bootstrap is not used
FEW_DIALOGUES = 20  # below this many the bootstrap is not used
MIN_DIFFERING_DIALOGUES = 10  # scores different from the most common one that the bootstrap requires
MIN_SHORT_SIDE = 10.0  # dialogues' worth of score for either author that the bootstrap requires
SAME = 1e-9  # scores closer than this are equal: soft scores carry rounding noise

MANY = 5000  # above this many dialogues a limit law replaces slow resampling

_DRAWS_AT_ONCE = 4_000_000  # resampled scores held in memory at a time
_FEW_VALUES = 64  # up to this many distinct scores, counts are drawn instead of scores


@dataclass(frozen=True, slots=True)
class Interval:
    """Confidence interval and its method.

    Attributes:
        low, high: ends, in the unit of the scores; low < high.
        method: `BCA`, `EXACT` or `BOUNDED`.
    """

    low: float
    high: float
    method: str


def score_interval(scores: Floats, *, seed: int, level: float = 0.95, resamples: int = 4000) -> Interval:
    """Return the interval of the mean of scores in [0, 1], one score per dialogue.

    BCa bootstrap, except if the mean is within 0.05 of an end, the scores of either author sum to less than
    ten, fewer than ten scores differ from the most common one, or there are fewer than twenty scores. Then
    an exact binomial interval if every score is 0 or 1, else a bounded-mean interval.

    Args:
        scores: scores of complete dialogues; their order determines the bootstrap draws.
        seed: of the bootstrap; the other intervals do not depend on it.
        level: confidence level, in (0, 1).
        resamples: bootstrap samples.

    Raises:
        ValueError: no scores, a score outside [0, 1] or missing, or a level outside (0, 1).
    """
    check_level(level)
    if not scores.size or not (scores.min() >= -SAME and scores.max() <= 1.0 + SAME):
        raise ValueError("an interval requires one or more scores, all in [0, 1]")
    values = np.clip(scores, 0.0, 1.0)
    if bootstrap_is_valid(values):
        low, high = bca_interval(values, seed=seed, level=level, resamples=resamples)
        return Interval(max(0.0, low), min(1.0, high), BCA)
    return boundary_interval(values, level=level)


def bootstrap_is_valid(scores: Floats) -> bool:
    """Return whether the scores are numerous and varied enough for the BCa bootstrap."""
    if scores.size < FEW_DIALOGUES or abs(float(scores.mean()) - 0.5) > 0.5 - NEAR_THE_EDGE + SAME:
        return False
    short_side = float(min(scores.sum(), (1.0 - scores).sum()))
    return short_side >= MIN_SHORT_SIDE - SAME and differing(scores) >= MIN_DIFFERING_DIALOGUES


def standard_error(scores: Floats) -> float:
    """Return the standard error of the mean of one or more scores in [0, 1]; positive.

    If the bootstrap is not valid, return that of a normal mean with an interval as wide as the guaranteed
    one.
    """
    if bootstrap_is_valid(scores):
        return float(scores.std(ddof=1) / np.sqrt(scores.size))
    interval = boundary_interval(scores, level=0.95)
    return (interval.high - interval.low) / (2.0 * float(ndtri(0.975)))


def differing(scores: Floats) -> int:
    """Return how many scores differ from the most common one."""
    _, tally = np.unique(np.round(scores, 9), return_counts=True)
    return int(scores.size - tally.max())


def boundary_interval(scores: Floats, *, level: float) -> Interval:
    """Return an interval with guaranteed coverage at any n and mean; exact if all scores are 0 or 1."""
    wins = int((scores > 1.0 - SAME).sum())
    if wins + int((scores < SAME).sum()) == scores.size:
        return Interval(*clopper_pearson(wins, scores.size, level=level), EXACT)
    return Interval(*bounded_mean_interval(scores, level), BOUNDED)


def clopper_pearson(wins: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return the exact binomial interval for `wins` of `n` (Clopper and Pearson 1934, Biometrika 26).

    The upper end is the mirrored lower end of the losses, so the interval mirrors exactly.

    Raises:
        ValueError: wins outside 0 … n, n < 1, or a level outside (0, 1).
    """
    check_level(level)
    if n < 1 or not 0 <= wins <= n:
        raise ValueError(f"{wins} wins of {n} dialogues are impossible")
    tail = (1.0 - level) / 2.0

    def lower(count: int) -> float:
        return 0.0 if count == 0 else float(betaincinv(count, n - count + 1, tail))

    return lower(wins), 1.0 - lower(n - wins)


def bca_interval(
    scores: Floats, *, seed: int, level: float = 0.95, resamples: int = 4000
) -> tuple[float, float]:
    """Return the bias-corrected and accelerated bootstrap interval of a mean, resampling dialogues.

    Efron (1987), "Better bootstrap confidence intervals", JASA 82. The acceleration of a mean is the closed
    form of its jackknife. Resampled means equal to the mean count half, so the interval mirrors. It is
    second-order accurate inside (0, 1) and not valid at the edges or for few scores. With more than 5,000
    scores of little skewness the Edgeworth expansion replaces resampling (Hall 1992, "The Bootstrap and
    Edgeworth Expansion"); the difference is below the noise of the resamples.

    Raises:
        ValueError: fewer than two different scores, or a level outside (0, 1).
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
    smallest_share = 0.5 / means.size
    bias = float(ndtri(min(1.0 - smallest_share, max(smallest_share, below))))
    low, high = np.quantile(means, _bca_shares(bias, skew, level))
    return centre + float(low), centre + float(high)


def _acceleration(deviations: Floats) -> float:
    """Return the acceleration of a mean: a sixth of the scores' skewness over √n."""
    return float((deviations**3).sum() / (6.0 * (deviations**2).sum() ** 1.5))


def _bca_shares(bias: float, acceleration: float, level: float) -> tuple[float, float]:
    """Return the quantile levels of the resampled means that are the interval's ends."""
    tail = float(ndtri((1.0 - level) / 2.0))

    def share(quantile: float) -> float:
        shifted = bias + quantile
        return float(ndtr(bias + shifted / (1.0 - acceleration * shifted)))

    return share(tail), share(-tail)


def resampled_means(values: Floats, *, seed: int, resamples: int) -> Floats:
    """Return the means of `resamples` bootstrap samples of `values`.

    The draws depend on the seed and on which values are equal, not on their magnitudes, so the means of
    −values are the negatives of these.
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
    """Raise ValueError unless `level` is in (0, 1)."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must be between 0 and 1, not {level}")
