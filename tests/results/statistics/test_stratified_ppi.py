"""Stratified cheap + gold: unbiased over every possible sample, and coverage."""

from __future__ import annotations

from itertools import combinations, product
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.statistics import (
    CheapAndGold,
    NotEstimable,
    StratifiedGold,
    cheap_and_gold,
    stratified_cheap_and_gold,
)
from results.statistics import stratified_ppi as module
from results.statistics.stratified_ppi import BOUNDED, STRATIFIED, allocation, assign_strata

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def estimated(cheap: Floats, gold: Floats) -> StratifiedGold:
    result = stratified_cheap_and_gold(cheap, gold)
    assert isinstance(result, StratifiedGold)
    return result


@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
def test_estimate_is_unbiased_over_all_samples(weight: float) -> None:
    """For any fixed weight of the cheap judge, and any bias."""
    cheap = np.array([1, 1, 0, 1, 0, 0.5, 0.5, 0.5, 0.5])
    truth = np.array([1, 0.5, 0, 0, 1, 0, 1, 0, 0.5])
    groups = [np.flatnonzero(assign_strata(cheap) == code) for code in (0, 1)]
    rates = []
    with patch.object(module, "_weight", return_value=weight), patch.object(module, "MIN_GOLD_OUTCOMES", 0):
        for first, other in product(combinations(groups[0], 2), combinations(groups[1], 3)):
            gold = np.full(cheap.size, np.nan)
            for index in (*first, *other):
                gold[index] = truth[index]
            sampled = ~np.isnan(gold)
            estimate = module._difference(cheap, gold, sampled, assign_strata(cheap), 0.95)
            mean = sum(
                len(group) / cheap.size * np.nanmean(gold[group] - weight * cheap[group]) for group in groups
            )
            raw = weight * cheap.mean() + mean
            assert estimate.rate == pytest.approx(min(1.0, max(0.0, raw)))
            rates.append(raw)
    assert np.mean(rates) == pytest.approx(truth.mean())


def test_estimate_mirrors_and_reports_strata() -> None:
    cheap, gold = simulated(np.random.default_rng(1), 0.6, 0.2, 0.4)
    first, other = estimated(cheap, gold), estimated(1 - cheap, 1 - gold)
    assert first.estimate.method == STRATIFIED
    assert (first.estimate.low, first.estimate.high) == pytest.approx(
        (1 - other.estimate.high, 1 - other.estimate.low)
    )
    assert first.strata == other.strata
    assert sum(stratum.n for stratum in first.strata) == 250
    assert sum(stratum.n_gold for stratum in first.strata) == first.estimate.n_gold
    likelier = {stratum.name: stratum.probability for stratum in first.strata}
    assert likelier["inconsistent"] > 1.5 * likelier["consistent"]


def test_few_gold_outcomes_give_a_bounded_mean() -> None:
    cheap, gold = simulated(np.random.default_rng(2), 0.97, 0.0, 0.3)
    first, other = estimated(cheap, gold), estimated(1 - cheap, 1 - gold)
    assert first.estimate.method == BOUNDED
    assert "fewer than 10" in first.estimate.note
    assert (first.estimate.low, first.estimate.high) == pytest.approx(
        (1 - other.estimate.high, 1 - other.estimate.low)
    )
    assert first.estimate.low < first.estimate.rate <= first.estimate.high


@given(st.integers(0, 400), st.integers(0, 400), st.integers(2, 500))
def test_allocation_spends_the_share_on_every_stratum(consistent: int, other: int, total: int) -> None:
    sizes = (consistent, other)
    sampled = allocation(sizes, total)
    assert all(min(size, 10) <= count <= size for size, count in zip(sizes, sampled, strict=True))
    if total <= sum(sizes) and total >= sum(min(size, 10) for size in sizes):
        assert sum(sampled) == total
    larger = allocation(sizes, total + 50)
    assert all(more >= count for more, count in zip(larger, sampled, strict=True))


def test_not_estimable_and_invalid_input() -> None:
    nothing = np.full(40, np.nan)
    assert isinstance(stratified_cheap_and_gold(nothing, nothing), NotEstimable)
    cheap = np.r_[np.ones(30), np.full(10, 0.5)]
    gold = np.r_[np.ones(20), np.zeros(10), nothing[:10]]
    assert isinstance(stratified_cheap_and_gold(cheap, gold), NotEstimable)  # no inconsistent one was asked
    with pytest.raises(ValueError, match="gold scores"):
        stratified_cheap_and_gold(cheap, gold[:5])


# -- coverage ------------------------------------------------------------------------------------------------


def simulated(
    generator: np.random.Generator, mean: float, bias: float, share: float
) -> tuple[Floats, Floats]:
    """Return 250 dialogues with varying preference, a biased cheap judge, and a stratified share."""
    cheap, gold = both_judges(generator, mean, bias)
    stratum = assign_strata(cheap)
    sizes = [int((stratum == code).sum()) for code in (0, 1)]
    sampled = np.zeros(250, dtype=bool)
    for code, count in enumerate(allocation(sizes, round(share * 250))):
        sampled[generator.permutation(np.flatnonzero(stratum == code))[:count]] = True
    return cheap, np.where(sampled, gold, np.nan)


def both_judges(generator: np.random.Generator, mean: float, bias: float) -> tuple[Floats, Floats]:
    taste = generator.beta(mean * 0.8, (1 - mean) * 0.8, 250)
    gold = ((generator.random(250) < taste) + (generator.random(250) < taste).astype(float)) / 2
    leaning = np.clip(taste - bias, 0, 1) * 0.85 + 0.07
    cheap = ((generator.random(250) < leaning) + (generator.random(250) < leaning).astype(float)) / 2
    return np.asarray(cheap), np.asarray(gold)


def covered(mean: float, bias: float, share: float, *, runs: int) -> tuple[float, float]:
    """Return the coverage, and the mean width relative to a random share of the same size."""
    generator = np.random.default_rng(91)
    hits, widths, plain = 0, [], []
    for _ in range(runs):
        estimate = estimated(*simulated(generator, mean, bias, share)).estimate
        hits += estimate.low <= mean <= estimate.high
        widths.append(estimate.high - estimate.low)
        cheap, gold = both_judges(generator, mean, bias)
        gold[generator.permutation(250)[round(share * 250) :]] = np.nan
        random = cheap_and_gold(cheap, gold)
        assert isinstance(random, CheapAndGold)
        plain.append(random.high - random.low)
    return hits / runs, float(np.mean(widths) / np.mean(plain))


@pytest.mark.parametrize("mean", [0.5, 0.8])
def test_stratified_covers_with_a_biased_cheap_judge(mean: float) -> None:
    assert covered(mean, 0.3, 0.4, runs=300)[0] >= 0.91


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.2, 0.5])
@pytest.mark.parametrize("bias", [0.0, 0.3])
@pytest.mark.parametrize("mean", [0.5, 0.8, 0.95, 0.98])
def test_coverage_at_the_required_means(mean: float, bias: float, share: float) -> None:
    assert covered(mean, bias, share, runs=1500)[0] >= 0.93
