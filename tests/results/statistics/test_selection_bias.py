"""Selection bias: no correction for a clear winner, and coverage elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from results.statistics import (
    NotEstimable,
    WinnerEstimate,
    clopper_pearson,
    corrected_winner,
    estimate_winner,
)
from results.statistics.selection_bias import BONFERRONI, HYBRID

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def scores_of(means: Floats, n: int, generator: np.random.Generator, spread: float = 1.0) -> Floats:
    """Return scores of authors with partly shared dialogues: two verdicts each, Beta preferences."""
    ease = generator.random((n, 1)) - 0.5
    chance = np.clip(means + 0.3 * spread * ease, 0.0, 1.0)
    return np.asarray((generator.random((n, 2, means.size)) < chance[:, None, :]).mean(axis=1))


def estimated(scores: Floats, seed: int = 0) -> WinnerEstimate:
    best = estimate_winner(scores, seed=seed)
    assert isinstance(best, WinnerEstimate)
    return best


def test_a_clear_winner_is_not_corrected() -> None:
    error, values = 0.03, np.array([0.5, 0.9, 0.55])
    clear = corrected_winner(values, error**2 * np.eye(3), 1, seed=0)
    assert clear.estimate == pytest.approx(0.9, abs=1e-4)
    reach = norm.isf(0.05 / 2 * 0.9) * error  # all but the tenth that the simultaneous interval takes
    assert (clear.low, clear.high) == pytest.approx((0.9 - reach, 0.9 + reach), abs=0.003)


def test_correction_grows_with_closeness() -> None:
    covariance = 0.03**2 * (0.7 * np.eye(4) + 0.3)
    gaps = [0.12, 0.06, 0.03, 0.01, 0.002]
    estimates = [
        corrected_winner(np.r_[0.6, np.full(3, 0.6 - gap)], covariance, 0, seed=0).estimate for gap in gaps
    ]
    assert estimates == sorted(estimates, reverse=True)
    assert estimates[0] == pytest.approx(0.6, abs=0.002)
    assert all(0.6 - 4 * 0.03 <= estimate <= 0.6 for estimate in estimates)


def test_correction_is_invariant_to_order_and_shift() -> None:
    generator = np.random.default_rng(1)
    values = generator.normal(0, 0.02, 5)
    root = generator.normal(0, 0.01, (5, 5)) + 0.02 * np.eye(5)
    covariance = root @ root.T
    winner = int(values.argmax())
    item = corrected_winner(values, covariance, winner, seed=0)
    shifted = corrected_winner(values + 7.0, covariance, winner, seed=0)
    for name in ("estimate", "low", "high"):
        assert getattr(shifted, name) == pytest.approx(getattr(item, name) + 7.0, abs=1e-9)
    order = generator.permutation(5)
    moved = corrected_winner(
        values[order], covariance[np.ix_(order, order)], int(np.flatnonzero(order == winner)[0]), seed=0
    )
    assert moved.estimate == pytest.approx(item.estimate, abs=0.002)
    assert (moved.low, moved.high) == pytest.approx((item.low, item.high), abs=0.002)


def test_corrected_interval_respects_the_observed_rate() -> None:
    best = estimated(scores_of(np.array([0.6, 0.62, 0.58]), 250, np.random.default_rng(2)))
    assert best.method == HYBRID
    assert best.estimate is not None
    assert 0 <= best.low <= best.estimate <= best.high <= 1
    assert best.estimate <= best.observed + 1e-9


def test_guaranteed_interval_near_one() -> None:
    scores = np.ones((250, 4))
    scores[:9, 0] = scores[:3, 1] = scores[:5, 2] = scores[:4, 3] = 0
    best = estimated(scores)
    assert (best.winner, best.estimate, best.method) == (1, None, BONFERRONI)
    assert (best.low, best.high) == pytest.approx(clopper_pearson(247, 250, level=1 - 0.05 / 4))


def test_only_dialogues_complete_for_all_count() -> None:
    scores = scores_of(np.array([0.6, 0.5]), 100, np.random.default_rng(3))
    holed = scores.copy()
    holed[:10, 1] = np.nan
    total, some = estimated(scores[10:]), estimated(holed)
    assert (some.observed, some.low, some.n, some.left_out) == (total.observed, total.low, 90, 10)


def test_not_estimable_and_invalid_winners() -> None:
    assert isinstance(estimate_winner(np.zeros((50, 1)), seed=0), NotEstimable)
    assert isinstance(estimate_winner(np.full((50, 2), np.nan), seed=0), NotEstimable)
    for wrong in (np.zeros(4), np.full((4, 2), 1.1)):
        with pytest.raises(ValueError, match="scores"):
            estimate_winner(wrong, seed=0)
    with pytest.raises(ValueError, match="level"):
        estimate_winner(np.zeros((4, 2)), seed=0, level=1.0)


# -- calibration ---------------------------------------------------------------------------------------------


def corrected(
    means: Floats, *, runs: int, n: int = 250, spread: float = 1.0
) -> tuple[float, float, float, float]:
    """Return coverage corrected and uncorrected, share of estimates above the truth, and observed bias.

    Only runs whose winner is not an edge case have an estimate; all count for coverage.
    """
    generator = np.random.default_rng(61)
    held = usual = above = estimates = 0
    bias = 0.0
    for run in range(runs):
        scores = scores_of(means, n, generator, spread)
        best = estimated(scores, run)
        truth = float(means[best.winner])
        own = scores[:, best.winner]
        error = float(own.std(ddof=1)) / np.sqrt(n)
        held += best.low <= truth <= best.high
        usual += abs(best.observed - truth) <= 1.96 * error
        bias += (best.observed - truth) / runs
        if best.estimate is not None:
            estimates += 1
            above += best.estimate > truth
    return held / runs, usual / runs, above / max(1, estimates), bias


def test_coverage_for_ten_equal_authors() -> None:
    covered, usual, above, bias = corrected(np.full(10, 0.6), runs=80)
    assert covered >= 0.88
    assert usual < covered
    assert bias > 0.02
    assert 0.3 <= above <= 0.7


CASES = {
    "2 equal": np.full(2, 0.6),
    "5 equal": np.full(5, 0.6),
    "28 equal": np.full(28, 0.6),
    "10 from 0.5 to 0.68": np.linspace(0.5, 0.68, 10),
    "27 and one clear": np.r_[np.full(27, 0.55), 0.72],
}


@pytest.mark.slow
@pytest.mark.parametrize("case", list(CASES))
def test_winner_interval_covers(case: str) -> None:
    covered, _, above, _ = corrected(CASES[case], runs=600)
    assert covered >= 0.93
    assert 0.42 <= above <= 0.58


@pytest.mark.slow
def test_winner_interval_covers_near_one() -> None:
    assert corrected(np.full(5, 0.96), runs=600, spread=0.2)[0] >= 0.93
