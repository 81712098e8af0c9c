"""Multiple testing over one printed table: Holm-adjusted p-values and simultaneous intervals.

All tests of the table form the family, and its size is printed. Intervals are simultaneous: all of them hold
at once with probability `level`. Tests without an interval use their share of 1 − `level` all the same. The
intervals come from the bootstrap distribution of the largest studentised deviation (max-t). All comparisons
are resampled together by dialogue, which uses their dependence.
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
_IN_THE_TAIL = 20  # minimum resamples beyond the critical value


@dataclass(frozen=True, slots=True)
class TestFamily:
    """Adjusted tests of one table.

    Attributes:
        size: tests with a p-value, ≥ 0, as counted by Holm and the simultaneous intervals.
        tests: one per pair, in the order given; a pair without shared dialogues has neither p nor interval.
        level: probability that all intervals hold at once.
        critical: max-t quantile in standard errors, ≥ 0; None if no comparison could be resampled.
        others: adjusted p-values, in [0, 1], of tests without an interval.
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
    """Test all comparisons of one table, adjusted for their number.

    A comparison for which the bootstrap is not valid gets an interval with guaranteed coverage at its share
    of 1 − level (Bonferroni). The rest of 1 − level is divided by max-t.

    Args:
        pairs: the comparisons.
        seed: of the bootstrap.
        level: probability that all intervals hold at once, in (0, 1).
        resamples: bootstrap samples.
        others: p-values of tests in the same table without an interval (McNemar's).

    Raises:
        ValueError: no pairs, different numbers of dialogues, or a level outside (0, 1).
    """
    check_level(level)
    differences = stacked_differences(pairs)
    single = [paired_difference(pair, seed=seed, level=level, resamples=resamples) for pair in pairs]
    tested = [index for index, test in enumerate(single) if test.p is not None]
    size = len(tested) + len(others)
    if size < 2:
        return TestFamily(size, tuple(single), level, None, tuple(others))
    scores = {index: _scores(differences[:, index]) for index in tested}
    resampled = [index for index in tested if bootstrap_is_valid(scores[index])]
    share = (1.0 - level) / size
    critical = None
    if resampled:
        tail = share * len(resampled)
        n_resamples = max(resamples, ceil(_IN_THE_TAIL / tail))
        largest = _largest_deviations(differences[:, resampled], seed=seed, resamples=n_resamples)
        critical = float(np.quantile(largest, 1.0 - tail))
    adjusted = holm([*(test.p for test in single if test.p is not None), *others])
    for index, p_adjusted in zip(tested, adjusted[: len(tested)], strict=True):
        if index in resampled and critical is not None:
            low, high, method = *_around(differences[:, index], critical), MAX_T
        else:
            interval = boundary_interval(scores[index], level=1.0 - share)
            low, high = 2.0 * interval.low - 1.0, 2.0 * interval.high - 1.0
            method = f"{interval.method}, one of {size}"
        single[index] = replace(
            single[index],
            low=low,
            high=high,
            interval_method=method,
            p_adjusted=p_adjusted,
            family_size=size,
        )
    return TestFamily(size, tuple(single), level, critical, tuple(adjusted[len(tested) :]))


def _scores(differences: Floats) -> Floats:
    """Return the non-missing differences as scores in [0, 1]."""
    values = differences[~np.isnan(differences)]
    return np.asarray((1.0 + values) / 2.0)


def _around(differences: Floats, critical: float) -> tuple[float, float]:
    """Return the interval of ± `critical` standard errors around the mean difference."""
    values = differences[~np.isnan(differences)]
    margin = critical * float(values.std()) / np.sqrt(values.size)
    centre = float(values.mean())
    return max(-1.0, centre - margin), min(1.0, centre + margin)


def _largest_deviations(differences: Floats, *, seed: int, resamples: int) -> Floats:
    """Return the largest |mean* − mean| / standard error* over comparisons, one per bootstrap sample.

    Missing dialogues of a comparison are drawn like the others and then ignored in it. With more than 5,000
    dialogues the means' normal limit is used (Chernozhukov, Chetverikov and Kato 2013).
    """
    generator = np.random.default_rng(seed)
    n = differences.shape[0]
    is_present = (~np.isnan(differences)).astype(np.float64)
    centred = np.nan_to_num(differences - np.nanmean(differences, axis=0), nan=0.0)
    if n > MANY:
        influence = centred / is_present.sum(axis=0)
        covariance = influence.T @ influence
        errors = np.sqrt(np.diag(covariance))
        draws = generator.multivariate_normal(np.zeros(errors.size), covariance, resamples, method="eigh")
        return np.asarray(np.abs(draws / errors).max(axis=1), dtype=np.float64)
    largest = np.empty(resamples)
    step = max(1, _COUNTS_AT_ONCE // n)
    for start in range(0, resamples, step):
        stop = min(resamples, start + step)
        counts = generator.multinomial(n, np.full(n, 1.0 / n), size=stop - start).astype(np.float64)
        weight = np.maximum(1.0, counts @ is_present)
        mean = counts @ centred / weight
        variance = np.maximum(counts @ centred**2 / weight - mean**2, 0.0)
        error = np.sqrt(variance / weight)
        deviation = np.abs(mean) / np.where(error > 1e-12, error, np.inf)
        largest[start:stop] = deviation.max(axis=1)
    return largest
