"""Order-robust bounds under any position bias, and the limits of balancing over order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.special import expit, logit

from results.statistics import (
    JudgmentTable,
    WinRate,
    order_robust_bounds,
    pooled_over_judges,
    strategy_rate,
    win_rate,
)

MakeContest = Callable[..., JudgmentTable]
NUMBERS = st.floats(-3, 3, allow_nan=False)


def contest_of(first: np.ndarray, second: np.ndarray) -> JudgmentTable:
    """Return a contest with A's score in each dialogue where it stood first, and where it stood second."""
    codes = np.arange(first.size)
    return JudgmentTable.from_columns(
        np.tile(codes, 2), np.repeat([True, False], codes.size), np.concatenate([first, second])
    )


@given(
    arrays.arrays(float, 40, elements=NUMBERS),
    arrays.arrays(float, 40, elements=NUMBERS),
)
def test_whatever_the_bias_in_each_dialogue_the_unbiased_rate_lies_within(
    preference: np.ndarray, bias: np.ndarray
) -> None:
    """A judge that adds any number, of any sign, to what it thinks of the first place."""
    biased = contest_of((preference + bias > 0).astype(float), (preference - bias > 0).astype(float))
    result = win_rate(biased, seed=0, resamples=50)
    unbiased = float((preference > 0).mean())
    assert result.order_robust_low is not None and result.order_robust_high is not None
    assert result.order_robust_low - 1e-12 <= unbiased <= result.order_robust_high + 1e-12


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    samples=st.integers(1, 3),
    ties=st.sampled_from([0.0, 0.3]),
    unscored=st.sampled_from([0.0, 0.1]),
)
def test_bounds_contain_the_rate_and_mirror(
    contest: MakeContest, seed: int, samples: int, ties: float, unscored: float
) -> None:
    columns = contest(30, seed=seed, samples=samples, ties=ties, unscored=unscored)
    first = win_rate(columns, seed=0, resamples=50)
    other = win_rate(columns.swap_authors(), seed=0, resamples=50)
    if first.rate is None:
        assert first.order_robust == (None, None)
        return
    (low, high), mirrored = first.order_robust, other.order_robust
    assert low is not None and high is not None and first.consistency is not None
    assert mirrored[0] is not None and mirrored[1] is not None
    assert 0 <= low <= first.rate + 1e-12
    assert first.rate - 1e-12 <= high <= 1
    assert (mirrored[0], mirrored[1]) == pytest.approx((1 - high, 1 - low))
    assert high - low == pytest.approx(1 - first.consistency)
    assert order_robust_bounds(columns) == pytest.approx((low, high))


def test_bounds_of_consistent_and_of_position_only_judges() -> None:
    won = (np.arange(50) < 35).astype(float)
    assert win_rate(contest_of(won, won), seed=0).order_robust == pytest.approx((0.7, 0.7))
    assert win_rate(contest_of(np.ones(50), np.zeros(50)), seed=0).order_robust == (0.0, 1.0)


def test_bounds_counted_by_hand() -> None:
    """4 won in both orders, 2 lost in both, 1 split, 1 tied once, 2 incomplete."""
    first = np.array([1, 1, 1, 1, 0, 0, 1, 0.5, np.nan, 1])
    second = np.array([1, 1, 1, 1, 0, 0, 0, 1, 1, np.nan])
    result = win_rate(contest_of(first, second), seed=0)
    assert result.n == 8
    assert result.order_robust == (4 / 8, 1 - 2 / 8)


def test_pooled_and_seed_bounds_are_means(contest: MakeContest) -> None:
    parts = [contest(40, seed=seed, mean=mean) for seed, mean in ((0, 0.6), (1, 0.8))]
    rates: list[WinRate] = [win_rate(part, seed=0) for part in parts]
    lows, highs = zip(*(rate.order_robust for rate in rates), strict=True)
    pooled = pooled_over_judges(dict(zip("xy", parts, strict=True)), seed=0)
    assert pooled.order_robust_low == pytest.approx(np.mean(lows))
    assert pooled.order_robust_high == pytest.approx(np.mean(highs))
    strategy = strategy_rate(parts, seed=0)
    assert getattr(strategy, "order_robust_low", None) == pytest.approx(np.mean(lows))


# -- what averaging over order does and does not cancel: the figures of the method, computed anew -----------


def balanced(first: np.ndarray | float, second: np.ndarray | float) -> float:
    return float(np.mean((np.asarray(first) + np.asarray(second)) / 2))


def test_additive_bias_cancels_unless_clipped() -> None:
    assert balanced(0.6 + 0.2, 0.6 - 0.2) == pytest.approx(0.6)
    assert balanced(min(1.0, 0.98 + 0.2), 0.98 - 0.2) == pytest.approx(0.89)


def test_logit_bias_can_move_the_rate_across_one_half() -> None:
    taste = np.repeat([0.9, 0.2], [42, 58])
    moved = balanced(expit(logit(taste) + 2), expit(logit(taste) - 2))
    assert taste.mean() == pytest.approx(0.494)
    assert moved == pytest.approx(0.520, abs=5e-4)
