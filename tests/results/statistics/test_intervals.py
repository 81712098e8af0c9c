"""Intervals: symmetry, references in scipy and statsmodels, and coverage by simulation.

Coverage is simulated with preferences that vary by dialogue (n = 250). The same check must fail when it
resamples requests instead of dialogues: two orders of one dialogue are not independent.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from results.statistics.intervals import (
    BCA,
    BOUNDED,
    EXACT,
    bca_interval,
    clopper_pearson,
    score_interval,
)

Floats = NDArray[np.float64]
Method = Callable[[Floats, int], tuple[float, float]]


def simulated_orders(generator: np.random.Generator, mean: float, n: int) -> Floats:
    """Return verdicts, shape (n, 2), of a judge whose preference varies by dialogue around `mean`."""
    if mean >= 1.0:
        return np.ones((n, 2))
    taste = generator.beta(mean * 0.8, (1 - mean) * 0.8, n)
    return (generator.random((n, 2)) < taste[:, None]).astype(float)


def by_dialogue(orders: Floats, seed: int) -> tuple[float, float]:
    interval = score_interval(orders.mean(axis=1), seed=seed, resamples=600)
    return interval.low, interval.high


def by_request(orders: Floats, seed: int) -> tuple[float, float]:
    return bca_interval(orders.ravel(), seed=seed, resamples=600)


def coverage(method: Method, mean: float, *, runs: int, n: int = 250) -> float:
    """Return the share of simulated contests whose interval contains the true mean."""
    generator = np.random.default_rng(20_26)
    hits = 0
    for run in range(runs):
        low, high = method(simulated_orders(generator, mean, n), run)
        hits += low - 1e-12 <= mean <= high + 1e-12
    return hits / runs


def covers(method: Method, mean: float, *, runs: int) -> bool:
    """Return whether coverage meets the required bounds, allowing 2.5 standard errors of the simulation."""
    slack = 2.5 * np.sqrt(0.95 * 0.05 / runs)
    share = coverage(method, mean, runs=runs)
    return bool(share >= 0.95 - slack and (mean > 0.8 or share <= 0.95 + slack))


@pytest.mark.parametrize("mean", [0.5, 0.8, 0.95, 0.99, 1.0])
def test_interval_covers(mean: float) -> None:
    assert covers(by_dialogue, mean, runs=600)


@pytest.mark.slow
@pytest.mark.parametrize("mean", [0.5, 0.8, 0.95, 0.99, 1.0])
def test_interval_covers_at_the_required_rates(mean: float) -> None:
    share = coverage(by_dialogue, mean, runs=4000)
    assert share >= 0.93
    assert mean > 0.8 or share <= 0.97


@pytest.mark.parametrize("mean", [0.5, 0.8])
def test_coverage_check_fails_for_resampling_by_request(mean: float) -> None:
    assert not covers(by_request, mean, runs=600)
    assert coverage(by_request, mean, runs=600) < 0.93


def test_bca_alone_does_not_cover_near_the_edge() -> None:
    generator = np.random.default_rng(5)
    hits = 0
    for run in range(300):
        scores = (generator.random(250) < 0.996).astype(float)
        if scores.min() < 1.0:  # constant scores cannot be resampled, and would have zero width
            low, high = bca_interval(scores, seed=run, resamples=400)
            hits += low <= 0.996 <= high
    assert hits / 300 < 0.8


MEANS, SIZES = (0.5, 0.8, 0.88, 0.95, 0.99, 1.0), (20, 50, 100, 250)
DESIGNS = {"one verdict": (0.0, 1), "ties": (0.2, 1), "ties, three samples": (0.2, 3)}


def scores_with_ties(
    generator: np.random.Generator, mean: float, n: int, ties: float, samples: int
) -> Floats:
    """Return scores over both orders and all samples, with as many ties as a mean so near 1 allows."""
    share = min(ties, 1.6 * (1 - mean))
    other = (mean - share / 2) / (1 - share)
    taste = np.ones(n) if other >= 1.0 else generator.beta(other * 0.8, (1 - other) * 0.8, n)
    verdicts = (generator.random((n, 2, samples)) < taste[:, None, None]).astype(float)
    verdicts[generator.random(verdicts.shape) < share] = 0.5
    return np.asarray(verdicts.mean(axis=(1, 2)))


def coverage_with_ties(
    mean: float, n: int, design: str, runs: int, *, bootstrap_alone: bool = False
) -> float:
    """Return the share of intervals that contain the mean."""
    generator, hits = np.random.default_rng(1), 0
    for run in range(runs):
        scores = scores_with_ties(generator, mean, n, *DESIGNS[design])
        if bootstrap_alone:
            low, high = bca_interval(scores, seed=run, resamples=600) if np.ptp(scores) else (mean, mean)
        else:
            interval = score_interval(scores, seed=run, resamples=600)
            low, high = interval.low, interval.high
        hits += low - 1e-12 <= mean <= high + 1e-12
    return hits / runs


@pytest.mark.parametrize(
    ("mean", "n", "design"),
    [
        (0.88, 50, "ties, three samples"),
        (0.88, 20, "ties, three samples"),
        (0.95, 100, "ties"),
        (0.5, 250, "ties, three samples"),
        (0.8, 250, "ties"),
        (0.99, 50, "one verdict"),
    ],
)
def test_interval_covers_with_ties_and_samples(mean: float, n: int, design: str) -> None:
    runs = 250
    share = coverage_with_ties(mean, n, design, runs)
    slack = 2.5 * np.sqrt(0.95 * 0.05 / runs)
    assert share >= 0.95 - slack
    assert n < 250 or mean > 0.8 or share <= 0.95 + slack


def test_bca_alone_does_not_cover_few_dialogues_with_ties() -> None:
    assert coverage_with_ties(0.88, 20, "ties, three samples", 400, bootstrap_alone=True) < 0.92


@pytest.mark.slow
@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("mean", MEANS)
def test_interval_covers_with_ties_and_samples_at_the_required_rates(
    mean: float, n: int, design: str
) -> None:
    share = coverage_with_ties(mean, n, design, 1500)
    assert share >= 0.93
    assert n < 250 or mean > 0.8 or share <= 0.97


def test_interval_covers_with_few_dialogues() -> None:
    generator = np.random.default_rng(11)
    hits = 0
    for run in range(300):
        interval = score_interval(simulated_orders(generator, 0.8, 15).mean(axis=1), seed=run)
        hits += interval.low <= 0.8 <= interval.high
    assert hits / 300 >= 0.95


@settings(max_examples=60, deadline=None)
@given(
    scores=st.lists(st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 2 / 3, 1.0]), min_size=1, max_size=80),
    seed=st.integers(0, 1000),
)
def test_interval_mirrors(scores: list[float], seed: int) -> None:
    values = np.array(scores)
    first = score_interval(values, seed=seed, resamples=200)
    other = score_interval(1.0 - values, seed=seed, resamples=200)
    assert first.low + other.high == pytest.approx(1, abs=1e-9)
    assert first.high + other.low == pytest.approx(1, abs=1e-9)
    assert first.method == other.method
    assert first.low < first.high
    assert first.low - 1e-12 <= values.mean() <= first.high + 1e-12


@pytest.mark.parametrize(
    ("scores", "method"),
    [
        (np.r_[np.ones(100), np.zeros(100)], BCA),
        (np.ones(250), EXACT),
        (np.r_[np.ones(245), np.zeros(5)], EXACT),
        (np.r_[np.ones(240), np.full(10, 0.5)], BOUNDED),
        (np.full(250, 0.5), BOUNDED),
        (np.r_[np.full(247, 0.5), np.ones(3)], BOUNDED),
        (np.r_[np.ones(8), np.zeros(8)], EXACT),
        (np.r_[np.ones(41), np.zeros(9)], EXACT),
        (np.r_[np.ones(40), np.zeros(10)], BCA),
        (np.r_[np.ones(30), np.full(19, 0.5)], BOUNDED),
        (np.r_[np.ones(30), np.full(20, 0.5)], BCA),
    ],
)
def test_choice_of_method(scores: Floats, method: str) -> None:
    assert score_interval(scores, seed=0).method == method


@pytest.mark.parametrize(("wins", "n"), [(0, 250), (1, 250), (125, 250), (249, 250), (250, 250), (1, 1)])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_clopper_pearson_matches_statsmodels(wins: int, n: int, level: float) -> None:
    expected = proportion_confint(wins, n, alpha=1 - level, method="beta")
    assert clopper_pearson(wins, n, level=level) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_bca_matches_scipy_up_to_resampling_noise(seed: int) -> None:
    scores = np.random.default_rng(seed).beta(2, 1, 120)
    expected = stats.bootstrap((scores,), np.mean, n_resamples=20_000, method="BCa", rng=seed)
    low, high = bca_interval(scores, seed=seed, resamples=20_000)
    assert low == pytest.approx(expected.confidence_interval.low, abs=0.002)
    assert high == pytest.approx(expected.confidence_interval.high, abs=0.002)


def test_limit_law_matches_resampling_for_many_dialogues() -> None:
    scores = np.random.default_rng(6).beta(4, 1, 5200)
    expected = stats.bootstrap((scores,), np.mean, n_resamples=4000, method="BCa", rng=1, batch=200)
    low, high = bca_interval(scores, seed=0)
    width = high - low
    assert low == pytest.approx(expected.confidence_interval.low, abs=0.05 * width)
    assert high == pytest.approx(expected.confidence_interval.high, abs=0.05 * width)


@pytest.mark.parametrize("scores", [[], [1.2], [np.nan, 0.5], [-0.1, 0.5]])
def test_invalid_scores(scores: list[float]) -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        score_interval(np.array(scores), seed=0)


def test_constant_scores_are_rejected_by_bca() -> None:
    with pytest.raises(ValueError, match="constant"):
        bca_interval(np.full(30, 0.5), seed=0)
