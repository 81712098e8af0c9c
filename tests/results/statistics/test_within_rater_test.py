"""Within-rater permutation test: what it keeps, what it detects, and its error rate."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from results.statistics import NotEstimable, WithinRaters, within_raters
from results.statistics.within_rater_test import permuted_order

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PAIRS = list(combinations(range(5), 2))


def rated(seed: int, tasks: int = 60) -> tuple[Ints, Ints]:
    """Return ratings of ten dialogues per task by five raters, each of one responder; some are lenient."""
    generator = np.random.default_rng(seed)
    lenient = np.repeat(generator.normal(0, 0.6, (tasks, 5)), 10, axis=0)
    latent = lenient + generator.normal(0, 0.9, (tasks * 10, 5))
    return 1 + (latent > -0.5).astype(np.int64) + (latent > 0.5), np.repeat(np.arange(tasks), 10)


def pairs_of(ratings: Ints) -> tuple[Ints, Ints, Ints, Floats]:
    place, pair = np.nonzero([[row[a] != row[b] for a, b in PAIRS] for row in ratings])
    first, second = np.array(PAIRS)[pair].T
    return place, first, second, np.sign(ratings[place, first] - ratings[place, second]).astype(float)


def within(ratings: Ints, task: Ints, score: Floats, draws: int = 199, seed: int = 0) -> WithinRaters:
    place, first, second, better = pairs_of(ratings)
    signs = permuted_order(ratings, task, place, first, second, seed=seed, draws=draws)
    result = within_raters(score, better, signs)
    assert isinstance(result, WithinRaters)
    return result


def preferring(values: Floats, ratings: Ints) -> Floats:
    """Return the scores of a judge that prefers the response with the larger value, shape (dialogues, 5)."""
    place, first, second, _ = pairs_of(ratings)
    return np.asarray(0.5 + 0.5 * np.sign(values[place, first] - values[place, second]))


def test_permutations_keep_each_raters_ratings() -> None:
    """Counted by hand on one task: with two dialogues a rater's ratings are kept or swapped equally often."""
    ratings = np.array([[1, 2], [3, 2]])
    signs = permuted_order(
        ratings,
        np.zeros(2, dtype=int),
        np.array([0, 1]),
        np.array([0, 0]),
        np.array([1, 1]),
        seed=0,
        draws=4000,
    )
    assert {tuple(row) for row in signs.tolist()} == {(-1, 1), (1, -1)}
    assert (signs[:, 0] == 1).mean() == pytest.approx(0.5, abs=0.03)


def test_permutations_stay_within_a_task() -> None:
    ratings, task = np.array([[1, 2], [1, 2], [3, 2], [3, 2]]), np.array([0, 0, 1, 1])
    place, first, second = np.arange(4), np.zeros(4, dtype=int), np.ones(4, dtype=int)
    signs = permuted_order(ratings, task, place, first, second, seed=0, draws=50)
    assert (signs == [-1, -1, 1, 1]).all()
    assert isinstance(within_raters(np.ones(4), signs[0].astype(float), signs), NotEstimable)


def test_a_leniency_judge_has_no_excess() -> None:
    """Centring by rater does not reveal it; permutation within raters does."""
    ratings, task = rated(0)
    totals = np.repeat([ratings[task == item].sum(axis=0) for item in range(60)], 10, axis=0)
    result = within(ratings, task, preferring(totals.astype(float), ratings))
    assert result.agreement > 0.6
    assert abs(result.excess) < 0.02
    centred = ratings - totals / 10
    place, first, second, _ = pairs_of(ratings)
    difference = np.round(centred[place, first] - centred[place, second], 9)
    lenient = preferring(totals.astype(float), ratings)
    agree = np.where(difference > 0, lenient, 1 - lenient)[difference != 0]
    assert agree.mean() > 0.55


def test_an_informed_judge_has_an_excess() -> None:
    ratings, task = rated(1)
    generator = np.random.default_rng(2)
    result = within(ratings, task, preferring(ratings + generator.normal(0, 2.5, ratings.shape), ratings))
    assert result.excess > 0.03
    assert result.p <= 0.01


def test_a_judge_and_its_opposite_mirror() -> None:
    ratings, task = rated(3)
    score = preferring(ratings.astype(float), ratings)
    first, other = within(ratings, task, score), within(ratings, task, 1 - score)
    assert first.agreement == 1.0
    assert (other.agreement, other.excess, other.p) == pytest.approx((0.0, -first.excess, first.p))


def test_missing_verdicts_and_order_of_pairs() -> None:
    ratings, task = rated(4)
    place, first, second, better = pairs_of(ratings)
    score = np.random.default_rng(0).choice([0.0, 0.5, 1.0, np.nan], place.size)
    signs = permuted_order(ratings, task, place, first, second, seed=0, draws=99)
    result = within_raters(score, better, signs)
    order = np.random.default_rng(1).permutation(place.size)
    again = within_raters(score[order], better[order], signs[:, order])
    assert isinstance(result, WithinRaters) and isinstance(again, WithinRaters)
    assert result.n == int((~np.isnan(score)).sum())
    assert (result.excess, result.p) == pytest.approx((again.excess, again.p))
    by_hand = np.nanmean(np.where(better > 0, score, 1 - score))
    assert result.agreement == pytest.approx(by_hand)


def errs(judge: str, runs: int) -> float:
    """Return how often p ≤ 0.05 for a judge that knows nothing of single responses."""
    wrong = 0
    for run in range(runs):
        ratings, task = rated(run, tasks=40)
        generator = np.random.default_rng(1000 + run)
        values = {
            "chance": generator.random(ratings.shape),
            "responder": np.tile(generator.random(5), (ratings.shape[0], 1)),
            "rater": np.repeat(generator.random((40, 5)), 10, axis=0),
        }[judge]
        wrong += within(ratings, task, preferring(values, ratings), draws=99, seed=run).p <= 0.05
    return wrong / runs


@pytest.mark.parametrize("judge", ["chance", "responder", "rater"])
def test_false_positive_rate(judge: str) -> None:
    assert errs(judge, 40) <= 0.15


@pytest.mark.slow
@pytest.mark.parametrize("judge", ["chance", "responder", "rater"])
def test_false_positive_rate_with_many_runs(judge: str) -> None:
    assert errs(judge, 600) <= 0.06


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="tasks"):
        permuted_order(
            np.ones((3, 2), dtype=int), np.zeros(2, dtype=int), *np.zeros((3, 1), dtype=int), seed=0
        )
    with pytest.raises(ValueError, match="pairs"):
        within_raters(np.zeros(2), np.ones(2), np.ones((5, 3), dtype=np.int8))
