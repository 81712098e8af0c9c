"""Tests of "no difference": sign-flip permutation, exact McNemar, and Holm over a family.

Plain numbers and arrays; knows nothing of contests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, ndtr

from results.statistics.not_estimable import NotEstimable

Floats = NDArray[np.float64]

EXACT_FLIPS = "sign-flip permutation (exact)"
DRAWN_FLIPS = "sign-flip permutation (Monte Carlo)"

LIMIT_OF_FLIPS = "sign-flip permutation (normal limit)"

_LATTICES = (1, 2, 4, 8, 12, 16, 20, 24, 40, 48, 60, 80, 120, 240)  # steps per unit of a score's grid
_LONGEST_EXACT = 20_000  # lattice steps that are convolved exactly
_MANY = 5000  # differences from which the normal limit serves: flipped sums have no skewness
_SIGNS_AT_ONCE = 4_000_000
_SMALLEST = 1e-300  # a p-value is never 0, however small


@dataclass(frozen=True, slots=True)
class SignFlipTest:
    """A sign-flip test.

    Attributes:
        p: two-sided p-value in (0, 1].
        method: `EXACT_FLIPS`, `DRAWN_FLIPS` or `LIMIT_OF_FLIPS`.
        draws: sign patterns drawn; 0 where none were.
    """

    p: float
    method: str
    draws: int


def sign_flip(differences: Floats, *, seed: int, draws: int = 20_000) -> SignFlipTest:
    """Two-sided test that per-dialogue differences are symmetric around 0.

    Under the null the two contestants may be exchanged within each dialogue, which flips the difference's
    sign (Fisher 1935; Ernst 2004, "Permutation methods", Stat. Sci. 19). Counted exactly where the
    differences lie on a grid (hard verdicts), by convolution; else drawn, with (1 + hits) / (1 + draws);
    for more than 5,000 of them by the normal limit of the flipped sum.
    Resampling is by dialogue: one sign for both orders and all samples of it.

    Raises:
        ValueError: no differences.
    """
    if not differences.size:
        raise ValueError("a sign-flip test needs one or more differences")
    sizes = np.abs(differences[np.abs(differences) > 1e-9])
    if not sizes.size:
        return SignFlipTest(1.0, EXACT_FLIPS, 0)
    steps = _on_a_lattice(sizes)
    if steps is not None:
        observed = abs(int(np.rint((np.sign(differences[np.abs(differences) > 1e-9]) * steps).sum())))
        return SignFlipTest(_counted(steps, observed), EXACT_FLIPS, 0)
    if differences.size > _MANY:
        standardised = abs(float(differences.sum())) / float(np.sqrt((differences**2).sum()))
        return SignFlipTest(max(2.0 * float(ndtr(-standardised)), _SMALLEST), LIMIT_OF_FLIPS, 0)
    return _drawn(differences, seed=seed, draws=draws)


def _on_a_lattice(sizes: Floats) -> NDArray[np.int64] | None:
    for per_unit in _LATTICES:
        scaled = sizes * per_unit
        if np.abs(scaled - np.rint(scaled)).max() < 1e-6:
            steps = np.rint(scaled).astype(np.int64)
            return steps if int(steps.sum()) <= _LONGEST_EXACT else None
    return None


def _counted(steps: NDArray[np.int64], observed: int) -> float:
    """P(|Σ ± steps| ≥ observed), the signs fair and independent.

    With k of the flips positive in a group of c equal steps, its sum is step · (2k − c); the distribution
    of Σ k · step over the groups is a convolution of spread-out binomials.
    """
    distribution = np.ones(1)
    for step, count in zip(*np.unique(steps, return_counts=True), strict=True):
        binomial = np.zeros(int(step) * int(count) + 1)
        binomial[:: int(step)] = _fair_binomial(int(count))
        distribution = np.convolve(distribution, binomial)
    total = int(steps.sum())
    sums = 2 * np.arange(distribution.size) - total
    return float(min(1.0, max(_SMALLEST, distribution[np.abs(sums) >= observed].sum())))


def _fair_binomial(count: int) -> Floats:
    """P(k heads in `count` fair tosses), k = 0 … count."""
    below = bdtr(np.arange(count + 1, dtype=np.float64), count, 0.5)
    lower = np.diff(below, prepend=0.0)
    half = (count + 1) // 2  # the lower half is exact, the upper its mirror
    return np.asarray(np.concatenate([lower[: count + 1 - half], lower[:half][::-1]]), dtype=np.float64)


def _drawn(differences: Floats, *, seed: int, draws: int) -> SignFlipTest:
    generator = np.random.default_rng(seed)
    n = differences.size
    observed = abs(float(differences.sum())) * (1.0 - 1e-12)
    hits = 0
    step = max(1, _SIGNS_AT_ONCE // n)
    for start in range(0, draws, step):
        size = min(draws, start + step) - start
        signs = generator.integers(0, 2, size=(size, n), dtype=np.int8) * 2 - 1
        hits += int((np.abs(signs @ differences) >= observed).sum())
    return SignFlipTest((1 + hits) / (1 + draws), DRAWN_FLIPS, draws)


@dataclass(frozen=True, slots=True)
class McNemarTest:
    """An exact McNemar test.

    Attributes:
        p: two-sided p-value in (0, 1]; 1 where no dialogue is discordant.
        only_first, only_second: dialogues that only the first, only the second contestant won.
        n: dialogues with both verdicts.
    """

    p: float
    only_first: int
    only_second: int
    n: int


def exact_mcnemar(first: Floats, second: Floats) -> McNemarTest | NotEstimable:
    """Exact McNemar test on single-order binary verdicts of the same dialogues.

    Given the discordant dialogues, wins are Binomial(discordant, ½) under the null; p doubles the smaller
    tail (McNemar 1947). Only for one verdict per dialogue and contestant: scores balanced over order take
    `sign_flip`. Refused where there is a tie or no dialogue.

    Args:
        first, second: 1 won, 0 lost, nan missing; one entry per dialogue.
    """
    both = ~np.isnan(first) & ~np.isnan(second)
    won, also = first[both], second[both]
    if not won.size:
        return NotEstimable("McNemar test", "the contestants share no dialogue judged in this order")
    if not (np.isin(won, (0.0, 1.0)).all() and np.isin(also, (0.0, 1.0)).all()):
        return NotEstimable(
            "McNemar test", "the verdicts are not binary (ties, or several samples that differ)"
        )
    only_first = int(((won == 1.0) & (also == 0.0)).sum())
    only_second = int(((won == 0.0) & (also == 1.0)).sum())
    discordant = only_first + only_second
    tail = float(bdtr(float(min(only_first, only_second)), discordant, 0.5)) if discordant else 1.0
    return McNemarTest(min(1.0, max(_SMALLEST, 2.0 * tail)), only_first, only_second, int(won.size))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given (Holm 1979, Scand. J. Stat. 6).

    Controls the chance of any false claim in the family, whatever the dependence between the tests.

    Raises:
        ValueError: a p-value outside [0, 1].
    """
    values = np.asarray(p_values, dtype=np.float64)
    if values.size and not (values.min() >= 0.0 and values.max() <= 1.0):
        raise ValueError("p-values lie in [0, 1]")
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(values.size, 0, -1))
    adjusted = np.empty(values.size)
    adjusted[order] = np.minimum(1.0, stepped)
    return [float(value) for value in adjusted]
