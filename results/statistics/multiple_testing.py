"""A family of comparisons in one printed table: Holm-adjusted p-values, simultaneous intervals.

All tests of the table are the family and its size is printed. Intervals are simultaneous: with probability
`level` all of them hold at once, and tests of the table that have none take their share of 1 − `level` as if
they had. They come from the bootstrap distribution of the largest studentised
deviation (max-t), all comparisons resampled together by dialogue, so that their dependence is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from results.statistics.hypothesis_tests import holm
from results.statistics.intervals import MANY, bootstrap_is_valid, boundary_interval, check_level
from results.statistics.paired_differences import (
    PairedDifference,
    PairedScores,
    paired_difference,
    stacked_differences,
)

Floats = NDArray[np.float64]

MAX_T = "simultaneous (max-t bootstrap over dialogues)"
_COUNTS_AT_ONCE = 4_000_000
_IN_THE_TAIL = 20  # resamples that must lie beyond the critical value


@dataclass(frozen=True, slots=True)
class TestFamily:
    """The tests of one table.

    Attributes:
        size: tests with a p-value, ≥ 0; what Holm and the simultaneous intervals count.
        tests: one per pair, in the order given; a pair without a shared dialogue has no p and no interval.
        others: the adjusted p-values, in [0, 1], of the table's tests without an interval.
        level: probability that all intervals hold at once.
        critical: the max-t quantile in standard errors, ≥ 0; None where no comparison could be resampled.
    """

    size: int
    tests: tuple[PairedDifference, ...]
    level: float
    critical: float | None
    others: tuple[float, ...] = ()


def adjust_family(
    pairs: Sequence[PairedScores],
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 4000,
    others: Sequence[float] = (),
) -> TestFamily:
    """All comparisons of one table, adjusted for their number.

    Where resampling does not serve a comparison (few differences, an edge), it gets an interval with
    guaranteed coverage at its share of 1 − level (Bonferroni), and the rest is divided by max-t.

    Args:
        others: p-values of tests that stand in the same table without an interval (McNemar's).

    Raises:
        ValueError: no pairs, different numbers of dialogues, or a level outside (0, 1).
    """
    check_level(level)
    differences = stacked_differences(pairs)
    single = [paired_difference(pair, seed=seed, level=level, resamples=resamples) for pair in pairs]
    tested = [place for place, test in enumerate(single) if test.p is not None]
    size = len(tested) + len(others)
    if size < 2:
        return TestFamily(size, tuple(single), level, None, tuple(others))
    scores = {place: _scores(differences[:, place]) for place in tested}
    served = [place for place in tested if bootstrap_is_valid(scores[place])]
    share = (1.0 - level) / size
    critical = None
    if served:
        tail = share * len(served)
        enough = max(resamples, ceil(_IN_THE_TAIL / tail))
        largest = _largest_deviations(differences[:, served], seed=seed, resamples=enough)
        critical = float(np.quantile(largest, 1.0 - tail))
    adjusted = holm([*(test.p for test in single if test.p is not None), *others])
    for place, p_adjusted in zip(tested, adjusted[: len(tested)], strict=True):
        if place in served and critical is not None:
            low, high, method = *_around(differences[:, place], critical), MAX_T
        else:
            interval = boundary_interval(scores[place], level=1.0 - share)
            low, high = 2.0 * interval.low - 1.0, 2.0 * interval.high - 1.0
            method = f"{interval.method}, one of {size}"
        single[place] = replace(
            single[place],
            low=low,
            high=high,
            interval_method=method,
            p_adjusted=p_adjusted,
            family_size=size,
        )
    return TestFamily(size, tuple(single), level, critical, tuple(adjusted[len(tested) :]))


def _scores(differences: Floats) -> Floats:
    values = differences[~np.isnan(differences)]
    return np.asarray((1.0 + values) / 2.0)


def _around(differences: Floats, critical: float) -> tuple[float, float]:
    values = differences[~np.isnan(differences)]
    reach = critical * float(values.std()) / np.sqrt(values.size)
    centre = float(values.mean())
    return max(-1.0, centre - reach), min(1.0, centre + reach)


def _largest_deviations(differences: Floats, *, seed: int, resamples: int) -> Floats:
    """Per bootstrap sample of dialogues, the largest |mean* − mean| / standard error* over comparisons.

    A comparison's missing dialogues are drawn like the others and then count for nothing in it. With more
    than 5,000 dialogues from the normal limit of the means (Chernozhukov, Chetverikov and Kato 2013).
    """
    generator = np.random.default_rng(seed)
    n = differences.shape[0]
    there = (~np.isnan(differences)).astype(np.float64)
    centred = np.nan_to_num(differences - np.nanmean(differences, axis=0), nan=0.0)
    if n > MANY:
        influence = centred / there.sum(axis=0)
        covariance = influence.T @ influence
        errors = np.sqrt(np.diag(covariance))
        draws = generator.multivariate_normal(np.zeros(errors.size), covariance, resamples, method="eigh")
        return np.asarray(np.abs(draws / errors).max(axis=1), dtype=np.float64)
    largest = np.empty(resamples)
    step = max(1, _COUNTS_AT_ONCE // n)
    for start in range(0, resamples, step):
        stop = min(resamples, start + step)
        counts = generator.multinomial(n, np.full(n, 1.0 / n), size=stop - start).astype(np.float64)
        weight = np.maximum(1.0, counts @ there)
        mean = counts @ centred / weight
        variance = np.maximum(counts @ centred**2 / weight - mean**2, 0.0)
        error = np.sqrt(variance / weight)
        deviation = np.abs(mean) / np.where(error > 1e-12, error, np.inf)
        largest[start:stop] = deviation.max(axis=1)
    return largest
