"""Few training seeds: the between-seed part, and coverage with large between-seed variation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import t as student
from scipy.stats import ttest_1samp, ttest_ind

from results.statistics import JudgmentTable, StrategyEstimate, strategy_difference, strategy_rate
from results.statistics.few_seeds import SeedSpread, p_value, seed_margin, seed_spread, welch_degrees

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
RATES = st.lists(st.floats(0.0, 1.0), min_size=2, max_size=6).map(np.array)


@given(RATES, st.integers(2, 500), st.floats(0.001, 0.4))
def test_interval_mirrors_and_stays_within_the_range(rates: Floats, n: int, tail: float) -> None:
    is_present, back = seed_spread(rates, n), seed_spread(1 - rates, n)
    below, above = seed_margin([is_present], len(rates) - 1, tail)
    assert (below, above) == pytest.approx(seed_margin([back], len(rates) - 1, tail)[::-1], abs=1e-9)
    centre = float(expit(is_present.centre))
    assert 0 <= below <= centre and 0 <= above <= 1 - centre
    wider = seed_margin([is_present], len(rates) - 1, tail / 2)
    assert wider[0] >= below and wider[1] >= above


def test_equals_a_t_test_of_log_odds_without_dialogue_noise() -> None:
    odds = np.array([0.3, 1.1, 0.6, 0.9])
    spread = SeedSpread(float(odds.mean()), float(odds.std(ddof=1) / 2), 4)
    below, above = seed_margin([spread], welch_degrees([spread]), 0.025)
    low, high = student.interval(0.95, 3, odds.mean(), odds.std(ddof=1) / 2)
    centre = expit(odds.mean())
    assert (centre - below, centre + above) == pytest.approx((expit(low), expit(high)))
    p = p_value([spread], 3, float(centre) - 0.5, 0.0)
    assert p == pytest.approx(ttest_1samp(odds, 0.0).pvalue, rel=1e-6)


def test_two_strategies_use_welch_degrees_of_freedom() -> None:
    generator = np.random.default_rng(0)
    first, other = generator.normal(0, 0.01, 4), generator.normal(0, 0.03, 3)  # near ½ the scale is linear
    spreads = [
        SeedSpread(float(odds.mean()), float(odds.std(ddof=1) / np.sqrt(odds.size)), odds.size)
        for odds in (first, other)
    ]
    expected = ttest_ind(first, other, equal_var=False)
    degrees = welch_degrees(spreads)
    assert degrees == pytest.approx(expected.df, rel=1e-3)
    difference = float(expit(first.mean()) - expit(other.mean()))
    assert p_value(spreads, degrees, difference, 0.0) == pytest.approx(expected.pvalue, rel=1e-2)


@given(RATES, st.integers(2, 500), st.floats(-0.5, 0.5), st.floats(0.0, 0.2))
def test_p_value_is_consistent_with_the_interval(
    rates: Floats, n: int, deviation: float, error: float
) -> None:
    spreads = [seed_spread(rates, n)]
    p = p_value(spreads, len(rates) - 1, deviation, error)
    assert 0 < p <= 1
    if 1e-9 < p < 0.999:
        reach = [
            np.hypot(side, error * student.isf(p / 2, 10**9))
            for side in seed_margin(spreads, len(rates) - 1, p / 2)
        ]
        assert reach[0 if deviation > 0 else 1] == pytest.approx(abs(deviation), rel=1e-3, abs=1e-6)


def test_two_agreeing_seeds_give_a_wide_interval() -> None:
    """The noise of 250 dialogues has 249 degrees of freedom, that of two seeds one."""
    wins = np.random.default_rng(3).random(250) < 0.83
    twins = [
        JudgmentTable.from_columns(
            np.repeat(np.arange(250), 2), [True, False] * 250, np.repeat(won, 2).astype(float)
        )
        for won in (wins, np.roll(wins, 1))
    ]
    twins[1] = JudgmentTable.from_columns(
        np.repeat(np.arange(250), 2),
        [True, False] * 250,
        np.repeat(np.r_[np.roll(wins, 1)[:245], 1 - np.roll(wins, 1)[245:]], 2).astype(float),
    )
    result = strategy_rate(twins, seed=0)
    assert isinstance(result, StrategyEstimate)
    assert result.degrees == 1
    by_seeds = seed_margin([seed_spread(np.array([t.outcome.mean() for t in twins]), 250)], 1, 0.025)
    assert result.estimate - result.low >= by_seeds[0]


# -- coverage ------------------------------------------------------------------------------------------------


def checkpoints(
    generator: np.random.Generator, odds: float, spread: float, seeds: int, shared: Floats
) -> list[JudgmentTable]:
    """Return contests of several seeds' checkpoints, log-odds normal between seeds."""
    n = shared.size
    return [
        JudgmentTable.from_columns(
            np.repeat(np.arange(n), 2),
            np.tile([True, False], n),
            (generator.random((n, 2)) < expit(odds + shift + shared)[:, None]).astype(float).ravel(),
        )
        for shift in generator.normal(0, spread, seeds)
    ]


def mean_rate(rate: float, spread: float, between_dialogues: float) -> float:
    """Return the mean over seeds and dialogues of `checkpoints`, by Gauss–Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    of_all = np.hypot(spread, between_dialogues)
    return float(weights @ expit(logit(rate) + of_all * nodes) / weights.sum())


def coverage(
    rates: Sequence[float],
    spreads: Sequence[float],
    seeds: Sequence[int],
    *,
    runs: int,
    n: int = 250,
    between_dialogues: float = 1.0,
) -> tuple[float, float]:
    """Return the coverage and mean width for one strategy's rate, or two strategies' difference."""
    generator = np.random.default_rng(51)
    truths = [mean_rate(rate, spread, between_dialogues) for rate, spread in zip(rates, spreads, strict=True)]
    truth = truths[0] - (truths[1] if len(truths) > 1 else 0.0)
    held, widths = 0, []
    for run in range(runs):
        shared = generator.normal(0, between_dialogues, n)
        groups = [
            checkpoints(generator, float(logit(rate)), spread, k, shared)
            for rate, spread, k in zip(rates, spreads, seeds, strict=True)
        ]
        estimate = strategy_rate if len(groups) == 1 else strategy_difference
        result = estimate(*groups, seed=run, resamples=300)
        assert isinstance(result, StrategyEstimate)
        held += result.low <= truth <= result.high
        widths.append(result.high - result.low)
    return held / runs, float(np.mean(widths))


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_coverage_with_large_between_seed_variation(seeds: int) -> None:
    assert coverage([0.83], [0.6], [seeds], runs=150)[0] >= 0.90


RATE_CASES = [
    (rate, spread, seeds) for rate in (0.5, 0.83, 0.95) for spread in (0.1, 0.6, 1.0) for seeds in (2, 3, 5)
]
DIFFERENCE_CASES = [
    ((0.83, 0.75), (0.6, 0.6), (2, 2)),
    ((0.83, 0.75), (0.6, 0.6), (3, 3)),
    ((0.83, 0.75), (0.6, 0.6), (5, 5)),
    ((0.83, 0.83), (0.6, 0.1), (3, 3)),
    ((0.9, 0.8), (0.3, 0.9), (3, 3)),
    ((0.83, 0.6), (0.6, 0.2), (5, 2)),
    ((0.83, 0.6), (0.2, 0.6), (5, 2)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "spread", "seeds"), RATE_CASES)
def test_rate_interval_covers(rate: float, spread: float, seeds: int) -> None:
    assert coverage([rate], [spread], [seeds], runs=1000)[0] >= 0.93


@pytest.mark.slow
@pytest.mark.parametrize(("rates", "spreads", "seeds"), DIFFERENCE_CASES)
def test_difference_interval_covers(
    rates: tuple[float, float], spreads: tuple[float, float], seeds: tuple[int, int]
) -> None:
    assert coverage(rates, spreads, seeds, runs=1000)[0] >= 0.93
