"""Pooling over judges, and breakdowns by group."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from results.statistics import (
    JudgmentTable,
    against_common_opponent,
    breakdown,
    dialogue_scores,
    difference_breakdown,
    disagreement,
    head_to_head,
    paired_difference,
    pooled_over_judges,
    win_rate,
)

MakeContest = Callable[..., JudgmentTable]


def test_pooled_rate_is_the_mean_over_shared_dialogues(
    contest: MakeContest,
) -> None:
    judges = {"one": contest(80, seed=1, unscored=0.1), "two": contest(80, seed=2, samples=3, unscored=0.02)}
    pooled = pooled_over_judges(judges, seed=0)
    scores = [dialogue_scores(columns).score for columns in judges.values()]
    shared = ~np.isnan(scores[0]) & ~np.isnan(scores[1])
    assert pooled.rate == pytest.approx(((scores[0] + scores[1]) / 2)[shared].mean())
    assert (pooled.n, pooled.n + pooled.left_out) == (shared.sum(), 80)
    assert pooled.judges["one"] == win_rate(judges["one"], seed=0)
    rates = [result.rate for result in pooled.judges.values()]
    assert [pooled.lowest, pooled.highest] == sorted(rate for rate in rates if rate is not None)


def test_swapping_authors_mirrors_the_pooled_rate(contest: MakeContest) -> None:
    judges = {"one": contest(60, seed=1), "two": contest(60, seed=2)}
    first = pooled_over_judges(judges, seed=0)
    other = pooled_over_judges({name: c.swap_authors() for name, c in judges.items()}, seed=0)
    assert first.rate is not None and other.rate is not None and first.low is not None
    assert first.rate + other.rate == pytest.approx(1)
    assert first.low + (other.high or 0) == pytest.approx(1)
    assert (first.disagree_on_sign, first.disagree_by_points) == (
        other.disagree_on_sign,
        other.disagree_by_points,
    )


@pytest.mark.parametrize(
    ("means", "sign", "points", "says"),
    [
        ((0.2, 0.8), True, True, "which author is better"),
        ((0.6, 0.95), False, True, "more than 10 points"),
        ((0.75, 0.75), False, False, ""),
    ],
)
def test_judges_that_disagree_are_flagged(
    contest: MakeContest, means: tuple[float, float], sign: bool, points: bool, says: str
) -> None:
    judges = {str(place): contest(400, seed=place, mean=mean) for place, mean in enumerate(means)}
    pooled = pooled_over_judges(judges, seed=0, resamples=50)
    assert (pooled.disagree_on_sign, pooled.disagree_by_points) == (sign, points)
    assert pooled.disagree == (sign or points)
    assert says in pooled.note


def test_disagreement_ignores_rounding() -> None:
    assert disagreement([], even=0.5) == disagreement([0.9], even=0.5) == (False, False)
    assert disagreement([-1e-17, 0.04], even=0) == (False, False)
    assert disagreement([-0.01, 0.04], even=0) == (True, False)
    assert disagreement([0.5, 0.4 + 0.2], even=0.5) == (False, False)  # ten points, and not more


def test_judges_without_shared_dialogues_have_no_pooled_rate() -> None:
    first = JudgmentTable.from_columns([0, 0], [True, False], [1, 1], n_dialogues=2)
    other = JudgmentTable.from_columns([1, 1], [True, False], [1, 1], n_dialogues=2)
    pooled = pooled_over_judges({"one": first, "other": other}, seed=0)
    assert (pooled.rate, pooled.low, pooled.n) == (None, None, 0)
    assert "no pooled rate" in pooled.note


def test_judges_of_different_dialogues_are_not_pooled(contest: MakeContest) -> None:
    with pytest.raises(ValueError, match=r"\[5, 6\]"):
        pooled_over_judges({"one": contest(5), "two": contest(6)}, seed=0)
    with pytest.raises(ValueError, match="no dialogues"):
        pooled_over_judges({}, seed=0)


def test_groups_partition_the_dialogues(contest: MakeContest) -> None:
    columns = contest(100, samples=2)
    groups = ["negative" if code % 3 else "positive" for code in range(100)]
    result = breakdown(columns, groups, seed=0)
    assert list(result) == ["negative", "positive"]
    total = sum((part.rate or 0) * part.n for part in result.values())
    assert total / 100 == pytest.approx(win_rate(columns, seed=0).rate)
    assert all(part.low is not None for part in result.values())


def test_a_small_group_has_a_rate_and_no_interval(contest: MakeContest) -> None:
    groups = ["proud"] * 19 + ["sad"] * 20 + [""] * 11
    result = breakdown(contest(50), groups, seed=0)
    assert set(result) == {"proud", "sad"}
    assert result["proud"].rate is not None
    assert (result["proud"].low, result["proud"].a_first.low) == (None, None)
    assert result["proud"].note == "19 complete dialogues: too few for an interval"
    assert result["sad"].low is not None


@pytest.mark.parametrize("count", [0, 1, 2])
def test_note_of_a_group_without_an_interval(contest: MakeContest, count: int) -> None:
    columns = contest(30, mean=1.0, unscored=0.0 if count else 1.1)
    result = breakdown(columns, ["few"] * max(1, count) + [""] * (30 - max(1, count)), seed=0)["few"]
    assert (result.n, result.low) == (count, None)
    assert "too few for an interval" in result.note
    assert "the interval says" not in result.note
    assert ("every complete dialogue has the score 1" in result.note) is (count == 2)


def test_group_differences_partition_the_dialogues_without_p_values(contest: MakeContest) -> None:
    first, other = contest(100, seed=1, mean=0.7, unscored=0.05), contest(100, seed=2, unscored=0.05)
    pairs = against_common_opponent(first, other)
    groups = ["positive"] * 30 + ["negative"] * 60 + ["rare"] * 10
    result = difference_breakdown(pairs, groups, seed=0)
    everything = paired_difference(pairs, seed=0)
    assert sum(part.n for part in result.values()) == everything.n
    total = sum((part.difference or 0) * part.n for part in result.values())
    assert total / everything.n == pytest.approx(everything.difference)
    for name, part in result.items():
        assert (part.p, part.p_adjusted, part.test) == (None, None, "")
        assert (part.low is not None) is (name != "rare")
    back = difference_breakdown(against_common_opponent(other, first), groups, seed=0)
    for name, part in result.items():
        assert part.difference == pytest.approx(-(back[name].difference or 0))
        assert (part.low is None) or part.low == pytest.approx(-(back[name].high or 0), abs=1e-9)
    with pytest.raises(ValueError, match="2 groups for 100 dialogues"):
        difference_breakdown(head_to_head(first), ["a", "b"], seed=0)


def test_every_dialogue_requires_a_group(contest: MakeContest) -> None:
    with pytest.raises(ValueError, match="2 groups for 5 dialogues"):
        breakdown(contest(5), ["a", "b"], seed=0)
