"""Hypothesis tests of no difference: sign-flip permutation, exact McNemar, and Holm's correction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, ndtr

from results.statistics.not_estimable import NotEstimable

Floats = NDArray[np.float64]

EXACT_FLIPS = "sign-flip permutation (exact)"
SAMPLED_FLIPS = "sign-flip permutation (Monte Carlo)"

NORMAL_FLIPS = "sign-flip permutation (normal limit)"

_LATTICES = (1, 2, 4, 8, 12, 16, 20, 24, 40, 48, 60, 80, 120, 240)  # steps per unit of a score's grid
_LONGEST_EXACT = 20_000  # lattice steps that are convolved exactly
_MANY = 5000  # above this many differences the normal limit is accurate: flipped sums have no skewness
_SIGNS_AT_ONCE = 4_000_000
_SMALLEST = 1e-300  # lower limit of p-values, which are never 0


@dataclass(frozen=True, slots=True)
class SignFlipTest:
    """Result of a sign-flip test.

    Attributes:
        p: two-sided p-value, in (0, 1].
        method: `EXACT_FLIPS`, `SAMPLED_FLIPS` or `NORMAL_FLIPS`.
        draws: sampled sign patterns; 0 without sampling.
    """

    p: float
    method: str
    draws: int


def sign_flip(differences: Floats, *, seed: int, draws: int = 20_000) -> SignFlipTest:
    """Test two-sided whether per-dialogue differences are symmetric around 0.

    Under the null the two authors are exchangeable within each dialogue, which flips the sign of the
    difference (Fisher 1935; Ernst 2004, "Permutation methods", Stat. Sci. 19). Differences on a grid (hard
    verdicts) are counted exactly by convolution. Others are sampled, with p = (1 + hits) / (1 + draws), or
    for more than 5,000 use the normal limit of the flipped sum. Both orders and all samples of a dialogue
    share one sign.

    Args:
        differences: one per dialogue.
        seed: of the sampling.
        draws: sign patterns to sample.

    Raises:
        ValueError: no differences.
    """
    if not differences.size:
        raise ValueError("a sign-flip test requires at least one difference")
    sizes = np.abs(differences[np.abs(differences) > 1e-9])
    if not sizes.size:
        return SignFlipTest(1.0, EXACT_FLIPS, 0)
    steps = _lattice_steps(sizes)
    if steps is not None:
        observed = abs(int(np.rint((np.sign(differences[np.abs(differences) > 1e-9]) * steps).sum())))
        return SignFlipTest(_exact_p(steps, observed), EXACT_FLIPS, 0)
    if differences.size > _MANY:
        standardised = abs(float(differences.sum())) / float(np.sqrt((differences**2).sum()))
        return SignFlipTest(max(2.0 * float(ndtr(-standardised)), _SMALLEST), NORMAL_FLIPS, 0)
    return _monte_carlo(differences, seed=seed, draws=draws)


def _lattice_steps(sizes: Floats) -> NDArray[np.int64] | None:
    """Return the sizes in steps of a grid; None if they fit no grid or the sum is too large."""
    for per_unit in _LATTICES:
        scaled = sizes * per_unit
        if np.abs(scaled - np.rint(scaled)).max() < 1e-6:
            steps = np.rint(scaled).astype(np.int64)
            return steps if int(steps.sum()) <= _LONGEST_EXACT else None
    return None


def _exact_p(steps: NDArray[np.int64], observed: int) -> float:
    """Return P(|Σ ± steps| ≥ observed) for fair, independent signs.

    If k of the c equal steps of a group are positive, the group's sum is step · (2k − c). The distribution of
    Σ k · step over the groups is a convolution of dilated binomials.
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
    """Return P(k heads in `count` fair tosses) for k = 0 … count."""
    below = bdtr(np.arange(count + 1, dtype=np.float64), count, 0.5)
    lower = np.diff(below, prepend=0.0)
    half = (count + 1) // 2  # the lower half is exact; the upper half is its mirror image
    return np.asarray(np.concatenate([lower[: count + 1 - half], lower[:half][::-1]]), dtype=np.float64)


def _monte_carlo(differences: Floats, *, seed: int, draws: int) -> SignFlipTest:
    """Estimate the p-value from sampled sign patterns."""
    generator = np.random.default_rng(seed)
    n = differences.size
    observed = abs(float(differences.sum())) * (1.0 - 1e-12)
    hits = 0
    step = max(1, _SIGNS_AT_ONCE // n)
    for start in range(0, draws, step):
        size = min(draws, start + step) - start
        signs = generator.integers(0, 2, size=(size, n), dtype=np.int8) * 2 - 1
        hits += int((np.abs(signs @ differences) >= observed).sum())
    return SignFlipTest((1 + hits) / (1 + draws), SAMPLED_FLIPS, draws)


@dataclass(frozen=True, slots=True)
class McNemarTest:
    """Result of an exact McNemar test.

    Attributes:
        p: two-sided p-value, in (0, 1]; 1 without discordant dialogues.
        only_first, only_second: dialogues won only by the first, and only by the second author.
        n: dialogues with both verdicts.
    """

    p: float
    only_first: int
    only_second: int
    n: int


def exact_mcnemar(first: Floats, second: Floats) -> McNemarTest | NotEstimable:
    """Run the exact McNemar test on single-order binary verdicts of the same dialogues.

    Given the discordant dialogues, wins are Binomial(discordant, ½) under the null; p doubles the smaller
    tail (McNemar 1947). Requires one verdict per dialogue and author; use `sign_flip` for scores balanced
    over order. `NotEstimable` if there is a tie or no shared dialogue.

    Args:
        first, second: 1 won, 0 lost, NaN missing; one entry per dialogue.
    """
    both = ~np.isnan(first) & ~np.isnan(second)
    first_won, second_won = first[both], second[both]
    if not first_won.size:
        return NotEstimable("McNemar test", "the authors share no dialogue judged in this order")
    if not (np.isin(first_won, (0.0, 1.0)).all() and np.isin(second_won, (0.0, 1.0)).all()):
        return NotEstimable(
            "McNemar test", "the verdicts are not binary (ties, or several samples that differ)"
        )
    only_first = int(((first_won == 1.0) & (second_won == 0.0)).sum())
    only_second = int(((first_won == 0.0) & (second_won == 1.0)).sum())
    discordant = only_first + only_second
    tail = float(bdtr(float(min(only_first, only_second)), discordant, 0.5)) if discordant else 1.0
    return McNemarTest(min(1.0, max(_SMALLEST, 2.0 * tail)), only_first, only_second, int(first_won.size))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's step-down adjusted p-values, in the order given (Holm 1979, Scand. J. Stat. 6).

    Controls the family-wise error rate under any dependence between the tests.

    Raises:
        ValueError: a p-value outside [0, 1].
    """
    values = np.asarray(p_values, dtype=np.float64)
    if values.size and not (values.min() >= 0.0 and values.max() <= 1.0):
        raise ValueError("p-values must be in [0, 1]")
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(values.size, 0, -1))
    adjusted = np.empty(values.size)
    adjusted[order] = np.minimum(1.0, stepped)
    return [float(value) for value in adjusted]
