"""Win rate: symmetries, degenerate inputs and diagnostics."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.statistics import JudgmentTable, WinRate, dialogue_scores, win_rate

MakeContest = Callable[..., JudgmentTable]


def shuffled(columns: JudgmentTable, seed: int) -> JudgmentTable:
    order = np.random.default_rng(seed).permutation(len(columns))
    values = {
        field.name: getattr(columns, field.name)[order]
        for field in dataclasses.fields(columns)
        if field.name != "n_dialogues"
    }
    return JudgmentTable(n_dialogues=columns.n_dialogues, **values)


def always_first(n: int) -> JudgmentTable:
    a_first = np.tile([True, False], n)
    return JudgmentTable.from_columns(np.repeat(np.arange(n), 2), a_first, a_first.astype(float))


def perfect(n: int) -> JudgmentTable:
    return JudgmentTable.from_columns(np.repeat(np.arange(n), 2), np.tile([True, False], n), np.ones(2 * n))


def assert_mirrors(first: WinRate, other: WinRate) -> None:
    """Assert that `other` is `one` with the two authors swapped."""
    assert first.rate is not None and other.rate is not None
    assert first.low is not None and other.high is not None
    assert first.high is not None and other.low is not None
    assert first.bound_low is not None and other.bound_high is not None
    assert first.rate + other.rate == pytest.approx(1, abs=1e-12)
    assert first.low + other.high == pytest.approx(1, abs=1e-12)
    assert first.high + other.low == pytest.approx(1, abs=1e-12)
    assert first.bound_low + other.bound_high == pytest.approx(1, abs=1e-12)
    same = (
        "n incomplete ties consistency both_orders_tied unscored not_judged repetition_stability "
        "interval_method"
    )
    for name in same.split():
        assert getattr(first, name) == getattr(other, name), name
    assert first.first_position_rate == pytest.approx(other.first_position_rate)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(5, 80),
    mean=st.sampled_from([0.03, 0.3, 0.5, 0.9, 0.97]),
    samples=st.integers(1, 3),
    ties=st.sampled_from([0.0, 0.3]),
    soft=st.booleans(),
)
def test_swapping_authors_mirrors_every_number(
    contest: MakeContest, seed: int, n: int, mean: float, samples: int, ties: float, soft: bool
) -> None:
    columns = contest(n, seed=seed, mean=mean, samples=samples, ties=ties, unscored=0.02, soft=True)
    first = win_rate(columns, seed=3, resamples=300, soft=soft)
    other = win_rate(columns.swap_authors(), seed=3, resamples=300, soft=soft)
    if first.rate is None:
        assert other.rate is None
        return
    assert_mirrors(first, other)


def test_single_orders_mirror_without_unscored(contest: MakeContest) -> None:
    columns = contest(60, ties=0.2)
    first, other = win_rate(columns, seed=1), win_rate(columns.swap_authors(), seed=1)
    for here, is_present in ((first.a_first, other.b_first), (first.b_first, other.a_first)):
        assert here.rate is not None and is_present.rate is not None
        assert here.low is not None and is_present.high is not None
        assert here.rate + is_present.rate == pytest.approx(1, abs=1e-12)
        assert here.low + is_present.high == pytest.approx(1, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), soft=st.booleans())
def test_row_order_never_matters(contest: MakeContest, seed: int, soft: bool) -> None:
    columns = contest(50, seed=seed, samples=2, ties=0.1, unscored=0.05, soft=True)
    item = win_rate(columns, seed=5, resamples=200, soft=soft)
    assert win_rate(shuffled(columns, seed), seed=5, resamples=200, soft=soft) == item


def test_interval_depends_on_the_seed(contest: MakeContest) -> None:
    columns = contest(80, soft=True)
    assert win_rate(columns, seed=1) == win_rate(columns, seed=1)
    assert win_rate(columns, seed=1, soft=True).low != win_rate(columns, seed=2, soft=True).low


def test_rate_is_the_mean_of_dialogue_scores(contest: MakeContest) -> None:
    columns = contest(40, samples=3, ties=0.1)
    scores = []
    for code in range(40):
        orders = [
            columns.outcome[(columns.dialogue == code) & (columns.a_first == first)].mean()
            for first in (True, False)
        ]
        scores.append(np.mean(orders))
    assert win_rate(columns, seed=0).rate == pytest.approx(np.mean(scores))
    assert dialogue_scores(columns).score == pytest.approx(scores)


def test_rate_and_interval_are_in_range(contest: MakeContest) -> None:
    for mean in (0.0, 0.02, 0.5, 0.98, 1.0):
        result = win_rate(contest(60, mean=mean), seed=0)
        assert result.rate is not None and result.low is not None and result.high is not None
        assert 0 <= result.low <= result.rate <= result.high <= 1
        assert result.low < result.high


def test_an_always_first_judge_gives_rate_one_half() -> None:
    result = win_rate(always_first(250), seed=0)
    assert result.rate == 0.5
    assert result.consistency == 0
    assert result.first_position_rate == 1
    assert result.low is not None and result.high is not None and result.low < 0.5 < result.high
    assert (result.a_first.rate, result.b_first.rate) == (1, 0)
    assert result.note == "every complete dialogue has the score 0.5"


def test_a_judge_that_always_prefers_a_has_a_valid_interval() -> None:
    result = win_rate(perfect(250), seed=0)
    assert (result.rate, result.high) == (1, 1)
    assert result.low == pytest.approx(0.025 ** (1 / 250))
    assert result.interval_method == "exact binomial (Clopper–Pearson)"
    assert (result.consistency, result.first_position_rate) == (1, 0.5)


def test_all_ties() -> None:
    n = 30
    columns = JudgmentTable.from_columns(
        np.repeat(np.arange(n), 2), np.tile([True, False], n), np.full(2 * n, 0.5)
    )
    result = win_rate(columns, seed=0)
    assert (result.rate, result.ties, result.both_orders_tied, result.consistency) == (0.5, 1, 1, 0)
    assert result.first_position_rate is None
    assert result.low is not None and result.high is not None and result.low < 0.5 < result.high


def test_an_unscored_order_widens_the_bounds_only() -> None:
    columns = JudgmentTable.from_columns(
        [0, 0, 1, 1], [True, False, True, False], [1, 1, 1, np.nan], reason=["", "", "", "refused"]
    )
    result = win_rate(columns, seed=0)
    assert (result.rate, result.n, result.incomplete) == (1, 1, 1)
    assert (result.bound_low, result.bound_high) == (0.75, 1)
    assert dict(result.unscored) == {"refused": 1}
    assert result.b_first.rate == 0.5  # the paper's estimator counts it as not won
    assert result.a_first.rate == 1


def test_a_missing_sample_makes_the_dialogue_incomplete() -> None:
    columns = JudgmentTable.from_columns(
        [0, 0, 0, 0], [True, True, False, False], [1, np.nan, 1, 1], sample=[0, 1, 0, 1]
    )
    result = win_rate(columns, seed=0)
    assert result.rate is None
    assert (result.bound_low, result.bound_high) == (0.75, 1)


def test_unjudged_dialogues_are_incomplete() -> None:
    columns = JudgmentTable.from_columns([0, 0], [True, False], [1, 1], n_dialogues=4)
    result = win_rate(columns, seed=0)
    assert (result.rate, result.n, result.incomplete, result.not_judged) == (1, 1, 3, 6)
    assert (result.bound_low, result.bound_high) == (0.25, 1)
    assert result.a_first.n == 1


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        (JudgmentTable.from_columns([], [], [], n_dialogues=0), "no dialogue"),
        (JudgmentTable.from_columns([], [], [], n_dialogues=3), "nothing judged yet"),
        (JudgmentTable.from_columns([0, 1], [True, True], [1, 0]), "one order only"),
        (
            JudgmentTable.from_columns([0, 0], [True, False], [np.nan, np.nan]),
            "no dialogue has both orders scored",
        ),
    ],
)
def test_no_rate_without_complete_dialogues(columns: JudgmentTable, says: str) -> None:
    result = win_rate(columns, seed=0)
    assert (result.rate, result.low, result.high, result.interval_method) == (None, None, None, "")
    assert (result.ties, result.consistency, result.first_position_rate) == (None, None, None)
    assert says in result.note


@pytest.mark.parametrize("outcome", [0.0, 0.5, 1.0])
def test_one_dialogue(outcome: float) -> None:
    result = win_rate(JudgmentTable.from_columns([0, 0], [True, False], [outcome, outcome]), seed=0)
    assert result.rate == outcome
    assert result.low is not None and result.high is not None
    assert result.high - result.low > 0.9
    assert result.note.startswith("one complete dialogue")


def test_soft_and_hard_rates_are_separate(contest: MakeContest) -> None:
    columns = contest(60, soft=True)
    hard, soft = win_rate(columns, seed=0), win_rate(columns, seed=0, soft=True)
    assert soft.rate == pytest.approx(columns.soft.mean())
    assert hard.rate == pytest.approx(columns.outcome.mean())
    assert (soft.soft, hard.soft) == (True, False)
    assert (soft.ties, soft.consistency) == (hard.ties, hard.consistency)
    assert soft.unlisted_mass == pytest.approx(0.01)


def test_verdicts_without_probabilities_are_missing_from_the_soft_rate() -> None:
    columns = JudgmentTable.from_columns(
        [0, 0, 1, 1], [True, False] * 2, [1, 1, 1, 1], soft=[0.9, 0.7, 0.8, np.nan]
    )
    assert win_rate(columns, seed=0).n == 2
    soft = win_rate(columns, seed=0, soft=True)
    assert (soft.n, soft.rate) == (1, pytest.approx(0.8))
    assert dict(soft.unscored) == {"no probabilities": 1}
    none = win_rate(JudgmentTable.from_columns([0, 0], [True, False], [1, 1]), seed=0, soft=True)
    assert "gives no probabilities" in none.note


def test_repetition_stability() -> None:
    columns = JudgmentTable.from_columns(
        [0, 0, 0, 0, 1, 1, 1, 1],
        [True, True, False, False] * 2,
        [1, 1, 1, 0, 0.5, 0.5, 1, np.nan],
        sample=[0, 1] * 4,
    )
    assert win_rate(columns, seed=0).repetition_stability == pytest.approx(2 / 3)
    assert win_rate(columns.limit_samples(1), seed=0).repetition_stability is None


def test_position_bias_is_measured_and_cancels(contest: MakeContest) -> None:
    biased = win_rate(contest(4000, mean=0.5, spread=40, position=0.2), seed=0, resamples=200)
    assert biased.first_position_rate == pytest.approx(0.7, abs=0.03)
    assert biased.rate == pytest.approx(0.5, abs=0.02)
    assert biased.a_first.rate == pytest.approx(0.7, abs=0.03)
    assert biased.b_first.rate == pytest.approx(0.3, abs=0.03)


def test_invalid_level(contest: MakeContest) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        win_rate(contest(10), seed=0, level=95)


def test_a_large_contest(contest: MakeContest) -> None:
    columns = contest(100_000, soft=True)
    assert win_rate(columns, seed=0).n == 100_000
    assert win_rate(columns, seed=0, soft=True).n == 100_000
