"""Comparison with published values: difference and an interval that includes the error of both.

The published values are shares of 250 dialogues and have sampling error like ours, so even a perfect
replication puts some of them outside our intervals (`expected_outside`). Newcombe (1998), "Interval
estimation for the difference between independent proportions", Stat. Med. 17, method 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from results.statistics.hypothesis_tests import holm
from results.statistics.intervals import check_level

Floats = NDArray[np.float64]

PUBLISHED_N = 250
_HALVINGS = 60


@dataclass(frozen=True, slots=True)
class ReplicationResult:
    """A published value and ours. Rates lie in [0, 1], differences in [−1, 1].

    Attributes:
        ours, published: the two rates.
        difference: ours − published.
        low, high: its interval at `level`.
        level: confidence level.
        p: two-sided p-value: the level at which the interval just touches 0.
        p_adjusted, family_size: after Holm's correction over the table; None and 0 before.
    """

    ours: float
    published: float
    difference: float
    low: float
    high: float
    level: float
    p: float
    p_adjusted: float | None = None
    family_size: int = 0


def wilson(rate: float, n: float, z: float) -> tuple[float, float]:
    """Return Wilson's interval (1927) of a share of `n`, which may be a fractional effective sample size."""
    centre = (rate + z**2 / (2.0 * n)) / (1.0 + z**2 / n)
    margin = z * float(np.sqrt(rate * (1.0 - rate) / n + z**2 / (4.0 * n**2))) / (1.0 + z**2 / n)
    return max(0.0, centre - margin), min(1.0, centre + margin)


def newcombe(ours: float, n_ours: float, other: float, n_other: float, z: float) -> tuple[float, float]:
    """Return the interval of our rate minus the other, from Wilson intervals at quantile `z`."""
    low_1, high_1 = wilson(ours, n_ours, z)
    low_2, high_2 = wilson(other, n_other, z)
    difference = ours - other
    below = float(np.hypot(ours - low_1, high_2 - other))
    above = float(np.hypot(high_1 - ours, other - low_2))
    return max(-1.0, difference - below), min(1.0, difference + above)


def effective_n(rate: float, variance: float, n: int) -> float:
    """Return the number of binary dialogues as noisy as `n` scores of this variance (two orders, ties).

    Returns `n` at a rate of 0 or 1, where nothing varies.
    """
    binary = rate * (1.0 - rate)
    if binary <= 0.0 or variance <= 0.0:
        return float(n)
    return max(float(n), n * binary / variance)


def compare_with_published(
    ours: float, n_ours: float, published: float, *, n_published: int = PUBLISHED_N, level: float = 0.95
) -> ReplicationResult:
    """Compare our rate with a published one.

    Args:
        ours: our rate, in [0, 1].
        n_ours: our (effective) number of dialogues.
        published: the published rate, in [0, 1].
        n_published: its number of dialogues.
        level: confidence level, in (0, 1).

    Raises:
        ValueError: a rate outside [0, 1], no dialogues, or a level outside (0, 1).
    """
    check_level(level)
    if not (0.0 <= ours <= 1.0 and 0.0 <= published <= 1.0 and n_ours > 0 and n_published > 0):
        raise ValueError(
            f"invalid rates or sizes: {ours} of {n_ours} dialogues, {published} of {n_published} dialogues"
        )
    z = -float(ndtri((1.0 - level) / 2.0))
    low, high = newcombe(ours, n_ours, published, n_published, z)
    return ReplicationResult(
        ours, published, ours - published, low, high, level, _p(ours, n_ours, published, n_published)
    )


def _p(ours: float, n_ours: float, published: float, n_published: float) -> float:
    """Return the level at which Newcombe's interval touches 0, by bisection of its normal quantile."""
    if ours == published:
        return 1.0
    low, high = 0.0, 40.0
    for _ in range(_HALVINGS):
        z = (low + high) / 2.0
        ends = newcombe(ours, n_ours, published, n_published, z)
        holds_zero = ends[0] <= 0.0 <= ends[1]
        low, high = (low, z) if holds_zero else (z, high)
    return max(2.0 * float(ndtr(-low)), 1e-300)


def as_family(cells: Sequence[ReplicationResult]) -> list[ReplicationResult]:
    """Return the cells of one table with Holm's p-values over all of them."""
    adjusted = holm([cell.p for cell in cells])
    return [
        replace(cell, p_adjusted=p, family_size=len(cells)) for cell, p in zip(cells, adjusted, strict=True)
    ]


def expected_outside(
    published: Floats, half_widths: Floats, variances: Floats, shared: Floats, n_published: int = PUBLISHED_N
) -> tuple[float, float]:
    """Return how many published values a perfect replication would put outside our intervals.

    Two estimates, because the correlation of the two runs is unknown: the first assumes that a dialogue's
    preferences are the same in both, as far as our own two orders show; the second assumes independence.
    The smaller is returned first. Normal errors.

    Args:
        published: values, shares of `n_published` dialogues, one per cell.
        half_widths: of our intervals.
        variances: of our rates (of the mean, not of the scores).
        shared: covariance of a dialogue's scores in our two orders (`shared_variance`).
        n_published: dialogues of a published value.
    """
    published_variances = published * (1.0 - published) / n_published
    counts = []
    for covariance in (np.maximum(shared, 0.0) / n_published, np.zeros(published.shape)):
        errors = np.sqrt(np.maximum(variances + published_variances - 2.0 * covariance, 1e-12))
        counts.append(float((2.0 * ndtr(-half_widths / errors)).sum()))
    return min(counts), max(counts)
