"""Comparing students: symmetry, pairing, saturation, families, power and training seeds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from results.statistics import (
    JudgmentTable,
    McNemarTest,
    NotEstimable,
    PairedScores,
    StrategyEstimate,
    adjust_family,
    against_common_opponent,
    compare,
    compare_all,
    dialogue_scores,
    head_to_head,
    holm,
    is_saturated,
    minimum_detectable_effect,
    paired_difference,
    primary_comparison,
    required_sample_size,
    single_order_mcnemar,
    strategy_difference,
    strategy_family,
    strategy_rate,
    win_rate,
)

MakeContest = Callable[..., JudgmentTable]
Floats = NDArray[np.float64]


def contest_of(scores: Floats) -> JudgmentTable:
    """Return a contest whose dialogues have these scores, in {0, ½, 1}."""
    n = scores.size
    first = np.where(scores > 0, 1.0, 0.0)
    second = np.where(scores == 1, 1.0, 0.0)
    return JudgmentTable.from_columns(
        np.repeat(np.arange(n), 2), np.tile([True, False], n), np.stack([first, second], axis=1).ravel()
    )


def test_swapping_students_mirrors_the_difference(contest: MakeContest) -> None:
    first, other = contest(80, seed=1, mean=0.7, unscored=0.03), contest(80, seed=2, mean=0.5)
    is_present = paired_difference(against_common_opponent(first, other), seed=3)
    back = paired_difference(against_common_opponent(other, first), seed=3)
    assert is_present.difference is not None and is_present.low is not None and back.high is not None
    assert is_present.difference == pytest.approx(-(back.difference or 0))
    assert is_present.low == pytest.approx(-back.high, abs=1e-9)
    assert is_present.bound_low == pytest.approx(-(back.bound_high or 0))
    assert (is_present.p, is_present.spread, is_present.n) == (back.p, back.spread, back.n)


def test_difference_is_over_shared_dialogues(contest: MakeContest) -> None:
    first, other = contest(80, seed=1, mean=0.7), contest(80, seed=2, mean=0.5)
    result = paired_difference(against_common_opponent(first, other), seed=0)
    rates = [win_rate(columns, seed=0).rate for columns in (first, other)]
    assert [result.rate_first, result.rate_second] == pytest.approx(rates)
    assert result.difference == pytest.approx((rates[0] or 0) - (rates[1] or 0))


def test_head_to_head_agrees_with_the_win_rate(contest: MakeContest) -> None:
    columns = contest(80, mean=0.6, unscored=0.02)
    rate = win_rate(columns, seed=4)
    result = paired_difference(head_to_head(columns), seed=4)
    assert rate.rate is not None and rate.low is not None and rate.high is not None
    assert result.difference == pytest.approx(2 * rate.rate - 1)
    assert result.low == pytest.approx(2 * rate.low - 1)
    assert result.high == pytest.approx(2 * rate.high - 1)
    assert result.bound_low == pytest.approx(2 * (rate.bound_low or 0) - 1)


def test_a_student_compared_with_itself(contest: MakeContest) -> None:
    columns = contest(50)
    result = paired_difference(against_common_opponent(columns, columns), seed=0)
    assert (result.difference, result.p, result.discordant, result.mde) == (0, 1, 0, None)
    assert result.low is not None and result.high is not None and result.low < 0 < result.high
    assert result.note == "both authors have the same score in every dialogue"


def test_students_without_shared_dialogues() -> None:
    rows = {"a_first": [True, False], "outcome": [1, 1], "n_dialogues": 2}
    result = compare(
        JudgmentTable.from_columns([0, 0], **rows), JudgmentTable.from_columns([1, 1], **rows), seed=0
    )
    answer = result.primary_difference
    assert (answer.difference, answer.p, answer.low, answer.n, answer.left_out) == (None, None, None, 0, 2)
    assert "no dialogue is complete for both" in result.note
    assert result.required_sample_size is None


def test_contests_over_different_dialogues_cannot_be_paired(contest: MakeContest) -> None:
    with pytest.raises(ValueError, match="10 and 11 dialogues"):
        compare(contest(10), contest(11), seed=0)


def test_head_to_head_is_primary_when_the_opponent_saturates(contest: MakeContest) -> None:
    strong, stronger, direct = contest(100, mean=0.95), contest(100, seed=1, mean=0.99), contest(100, seed=2)
    without = compare(stronger, strong, seed=0)
    assert without.saturated and without.primary == "against a common opponent"
    assert "judge the two students head to head" in without.note
    with_it = compare(stronger, strong, direct=direct, seed=0)
    assert with_it.primary == "head to head"
    assert with_it.primary_difference is with_it.head_to_head
    assert "head to head is primary" in with_it.note


def test_common_opponent_is_primary_without_saturation(contest: MakeContest) -> None:
    result = compare(contest(100, mean=0.6), contest(100, seed=1), direct=contest(100, seed=2), seed=0)
    assert not result.saturated and result.primary == "against a common opponent"
    assert result.head_to_head is not None


def test_choice_of_the_primary_comparison() -> None:
    is_present = PairedScores("", "against a common opponent", *(np.array([0.5, 1.0]) for _ in range(4)))
    nothing = PairedScores("", "against a common opponent", *(np.full(2, np.nan) for _ in range(4)))
    straight = PairedScores("", "head to head", *(np.array([0.5, 1.0]) for _ in range(4)))
    unjudged = PairedScores("", "head to head", *(np.full(2, np.nan) for _ in range(4)))
    assert primary_comparison(is_present, straight, saturated=False) is is_present
    assert primary_comparison(is_present, straight, saturated=True) is straight
    assert primary_comparison(nothing, straight, saturated=False) is straight
    for saturated in (True, False):
        assert primary_comparison(is_present, None, saturated=saturated) is is_present
        assert primary_comparison(is_present, unjudged, saturated=saturated) is is_present
    assert [is_saturated(rate) for rate in (None, 0.9, 0.5 + 0.4, 0.904)] == [False, False, False, True]


def test_single_order_mcnemar_uses_one_order(contest: MakeContest) -> None:
    first, other = contest(100, seed=1, mean=0.8), contest(100, seed=2, mean=0.5)
    result = single_order_mcnemar(first, other, a_first=True)
    assert isinstance(result, McNemarTest)
    wins = [c.outcome[c.a_first][np.argsort(c.dialogue[c.a_first])] for c in (first, other)]
    assert result.only_first == int(((wins[0] == 1) & (wins[1] == 0)).sum())
    tied = single_order_mcnemar(contest(100, ties=0.2), other, a_first=False)
    assert isinstance(tied, NotEstimable)


def test_family_adjusts_p_and_widens_intervals(contest: MakeContest) -> None:
    contests = {f"student:{seed}": contest(100, seed=seed, mean=0.5 + seed / 20) for seed in range(4)}
    family = compare_all(contests, seed=0)
    alone = [paired_difference(head_to_head(columns), seed=0) for columns in contests.values()]
    assert family.size == 4
    assert [test.p_adjusted for test in family.tests] == pytest.approx(holm([item.p or 0 for item in alone]))
    assert family.critical is not None and 2.0 < family.critical < 3.5
    for test, item in zip(family.tests, alone, strict=True):
        assert test.low is not None and test.high is not None and item.low is not None
        assert item.high is not None
        assert test.high - test.low > item.high - item.low
        assert test.family_size == 4


def test_all_pairs_of_authors_are_one_family(contest: MakeContest) -> None:
    contests = {name: contest(60, seed=place) for place, name in enumerate("abcd")}
    family = compare_all(contests, seed=0, pairwise=True)
    assert family.size == 6
    assert family.tests[0].name == "a – b"


def test_a_family_mirrors(contest: MakeContest) -> None:
    contests = {name: contest(60, seed=place, mean=0.6) for place, name in enumerate("abc")}
    mirrored = {name: columns.swap_authors() for name, columns in contests.items()}
    for first, other in zip(
        compare_all(contests, seed=1).tests, compare_all(mirrored, seed=1).tests, strict=True
    ):
        assert first.low == pytest.approx(-(other.high or 0), abs=1e-9)
        assert first.p_adjusted == other.p_adjusted


def test_critical_value_for_many_dialogues(contest: MakeContest) -> None:
    small = compare_all({str(s): contest(2000, seed=s) for s in range(3)}, seed=0)
    large = compare_all({str(s): contest(6000, seed=s) for s in range(3)}, seed=0)
    assert small.critical is not None and large.critical is not None
    assert small.critical == pytest.approx(large.critical, abs=0.1)


def test_members_without_bootstrap_get_a_guaranteed_interval(
    contest: MakeContest,
) -> None:
    perfect = contest_of(np.ones(100))
    family = compare_all({"a": contest(100), "b": contest(100, seed=1), "perfect": perfect}, seed=0)
    last = family.tests[2]
    assert last.interval_method == "exact binomial (Clopper–Pearson), one of 3"
    assert last.low == pytest.approx(2 * (0.05 / 3 / 2) ** (1 / 100) - 1)


def test_members_without_shared_dialogues_are_not_tests(contest: MakeContest) -> None:
    nothing = JudgmentTable.from_columns([], [], [], n_dialogues=60)
    family = compare_all({"a": contest(60), "b": contest(60, seed=1), "none": nothing}, seed=0)
    assert family.size == 2
    assert family.tests[2].p is None and family.tests[2].difference is None


def test_tests_without_an_interval_count_in_the_family(contest: MakeContest) -> None:
    pairs = [head_to_head(contest(100, seed=seed)) for seed in range(2)]
    alone, beside = adjust_family(pairs, seed=0), adjust_family(pairs, seed=0, others=[0.001, 0.4, 1.0])
    assert (alone.size, beside.size, len(beside.others)) == (2, 5, 3)
    p_values = [test.p or 0 for test in alone.tests] + [0.001, 0.4, 1.0]
    adjusted = [test.p_adjusted for test in beside.tests] + list(beside.others)
    assert adjusted == pytest.approx(holm(p_values))
    assert alone.critical is not None and beside.critical is not None
    assert beside.critical > alone.critical
    item = adjust_family(pairs[:1], seed=0, others=[0.2])
    assert item.size == 2
    assert item.tests[0].low is not None
    assert item.tests[0].low < (paired_difference(pairs[0], seed=0).low or 0)
    nothing = head_to_head(JudgmentTable.from_columns([], [], [], n_dialogues=100))
    assert adjust_family([nothing], seed=0, others=[0.2, 0.1]).others == pytest.approx((0.2, 0.2))
    assert adjust_family([nothing], seed=0, others=[0.2]).others == (0.2,)


def simultaneous_coverage(runs: int, resamples: int) -> float:
    """Return the share of simulated tables in which all of five strongly dependent intervals cover."""
    generator = np.random.default_rng(8)
    means = np.array([0.4, 0.5, 0.6, 0.7, 0.8])
    held = 0
    for run in range(runs):
        shared = generator.normal(0, 1, (150, 1))
        scores = (shared + generator.normal(0, 1, (150, 5)) < stats_threshold(means)).astype(float)
        pairs = [
            PairedScores("", "head to head", scores[:, k], 1 - scores[:, k], scores[:, k], scores[:, k])
            for k in range(5)
        ]
        tests = adjust_family(pairs, seed=run, resamples=resamples).tests
        held += all(
            (test.low or 0) - 1e-9 <= 2 * mean - 1 <= (test.high or 0) + 1e-9
            for test, mean in zip(tests, means, strict=True)
        )
    return held / runs


def stats_threshold(means: Floats) -> Floats:
    from scipy.stats import norm

    return np.asarray(norm.ppf(means) * np.sqrt(2))


def test_simultaneous_coverage() -> None:
    assert simultaneous_coverage(runs=150, resamples=300) >= 0.91


@pytest.mark.slow
def test_simultaneous_coverage_with_many_runs() -> None:
    assert 0.93 <= simultaneous_coverage(runs=1500, resamples=1000) <= 0.98


def test_the_paired_interval_covers() -> None:
    generator = np.random.default_rng(12)
    held = 0
    for run in range(300):
        ease = generator.beta(1, 1, (120, 1))
        scores = (generator.random((120, 2)) < np.clip(ease + np.array([0.1, -0.1]), 0, 1)).astype(float)
        truth = float(np.mean(np.clip(np.linspace(0, 1, 10001) + 0.1, 0, 1)))
        truth -= float(np.mean(np.clip(np.linspace(0, 1, 10001) - 0.1, 0, 1)))
        pairs = PairedScores(
            "", "against a common opponent", scores[:, 0], scores[:, 1], scores[:, 0], scores[:, 1]
        )
        result = paired_difference(pairs, seed=run, resamples=400)
        held += (result.low or 0) <= truth <= (result.high or 0)
    assert 0.915 <= held / 300 <= 0.985


def test_minimum_detectable_effect_has_80_percent_power() -> None:
    generator = np.random.default_rng(13)
    n = 250
    effect = minimum_detectable_effect(np.sqrt(0.4), n)
    assert effect is not None
    shares = [0.2 + effect / 2, 0.6, 0.2 - effect / 2]
    p_values = [
        paired_difference(PairedScores("", "", d.clip(0), (-d).clip(0), d, d), seed=0, resamples=10).p
        for d in (generator.choice([1.0, 0.0, -1.0], n, p=shares) for _ in range(300))
    ]
    assert np.mean([p is not None and p < 0.05 for p in p_values]) == pytest.approx(0.8, abs=0.07)


def test_effect_and_sample_size_are_inverse() -> None:
    spread = 0.6
    smallest = minimum_detectable_effect(spread, 250)
    assert smallest is not None
    assert required_sample_size(smallest, spread, 250).dialogues == 250
    assert required_sample_size(smallest, spread, 100).more_dialogues == 150
    assert required_sample_size(smallest / 2, spread, 250).dialogues == pytest.approx(1000, abs=1)
    assert minimum_detectable_effect(0.0, 250) is None
    assert minimum_detectable_effect(0.5, 0) is None


def test_mde_ignores_the_observed_effect(contest: MakeContest) -> None:
    scores = dialogue_scores(contest(100, mean=0.5)).score
    flipped = np.where(np.arange(100) % 2 == 0, scores, 1 - scores)
    first = paired_difference(head_to_head(contest_of(scores)), seed=0)
    other = paired_difference(head_to_head(contest_of(flipped)), seed=0)
    assert first.difference != other.difference
    assert first.mde == other.mde


def test_repetitions_only_reduce_repetition_noise(contest: MakeContest) -> None:
    first, other = contest(200, seed=1, samples=2, spread=50), contest(200, seed=2, samples=2, spread=50)
    plan = compare(first, other, seed=0, min_effect=0.06).required_sample_size
    assert plan is not None and plan.samples is not None and plan.samples > 2
    hopeless = compare(first, other, seed=0, min_effect=0.001).required_sample_size
    assert hopeless is not None and hopeless.samples is None and hopeless.more_dialogues > 0
    single = compare(contest(50), contest(50, seed=1), seed=0).required_sample_size
    assert single is not None and single.samples is None


@pytest.mark.parametrize("worth", [0.0, -0.1, 1.2])
def test_invalid_difference_to_detect(worth: float) -> None:
    with pytest.raises(ValueError, match=str(worth)):
        required_sample_size(worth, 0.5, 100)


def checkpoints(
    generator: np.random.Generator, seeds: int, *, n: int = 120, between: float = 0.06, mean: float = 0.6
) -> list[JudgmentTable]:
    taste = generator.beta(mean * 2, (1 - mean) * 2, n)
    result = []
    for shift in generator.normal(0, between, seeds):
        chance = np.clip(taste + shift, 0, 1)
        outcome = (generator.random((n, 2)) < chance[:, None]).astype(float)
        result.append(
            JudgmentTable.from_columns(np.repeat(np.arange(n), 2), np.tile([True, False], n), outcome.ravel())
        )
    return result


def test_one_training_seed_is_not_estimable() -> None:
    result = strategy_rate(checkpoints(np.random.default_rng(0), 1), seed=0)
    assert isinstance(result, NotEstimable) and "these two checkpoints" in result.reason


def test_strategy_interval_is_wider_than_a_checkpoints() -> None:
    group = checkpoints(np.random.default_rng(1), 4, between=0.1)
    result = strategy_rate(group, seed=0)
    assert isinstance(result, StrategyEstimate)
    own = [win_rate(columns, seed=0) for columns in group]
    assert result.estimate == pytest.approx(np.mean([rate.rate for rate in own]))
    assert result.high - result.low > max((rate.high or 0) - (rate.low or 0) for rate in own)
    assert result.seeds == (4,)


def test_strategies_mirror() -> None:
    generator = np.random.default_rng(2)
    first, other = checkpoints(generator, 3), checkpoints(generator, 5)
    is_present = strategy_rate(first, seed=1)
    back = strategy_rate([columns.swap_authors() for columns in first], seed=1)
    assert isinstance(is_present, StrategyEstimate) and isinstance(back, StrategyEstimate)
    assert is_present.low == pytest.approx(1 - back.high)
    assert is_present.p == pytest.approx(back.p)
    difference = strategy_difference(first, other, seed=1)
    assert isinstance(difference, StrategyEstimate)
    assert difference.seeds == (3, 5)
    assert difference.low < difference.estimate < difference.high


def test_a_strategy_that_always_wins_has_a_positive_width() -> None:
    """Without variation between dialogues and seeds, resampling both would give "1.000 to 1.000"."""
    won, lost = contest_of(np.ones(250)), contest_of(np.zeros(250))
    rate = strategy_rate([won] * 3, seed=0)
    assert isinstance(rate, StrategyEstimate)
    assert (rate.low, rate.high) == pytest.approx((0.025 ** (1 / 250), 1))
    assert 0 < rate.p < 1e-6
    difference = strategy_difference([won] * 3, [lost] * 2, seed=0)
    assert isinstance(difference, StrategyEstimate)
    assert (difference.low, difference.high) == pytest.approx((2 * 0.025 ** (1 / 250) - 1, 1))
    same = strategy_difference([won] * 2, [won] * 2, seed=0)
    assert isinstance(same, StrategyEstimate)
    assert same.p == 1 and same.low < -0.01 and same.high > 0.01


def test_strategies_of_one_table_form_a_family(contest: MakeContest) -> None:
    generator = np.random.default_rng(3)
    rows = {
        "one": [checkpoints(generator, 3), checkpoints(generator, 3)],
        "two": [checkpoints(generator, 3), checkpoints(generator, 3, mean=0.75)],
        "rate": [checkpoints(generator, 4)],
    }
    result = strategy_family(rows | {"few": [checkpoints(generator, 1)]}, seed=0)
    assert isinstance(result.pop("few"), NotEstimable)
    alone = {name: strategy_family({name: groups}, seed=0)[name] for name, groups in rows.items()}
    p_values = []
    for name, item in alone.items():
        together = result[name]
        assert isinstance(item, StrategyEstimate) and isinstance(together, StrategyEstimate)
        assert (item.family_size, item.p_adjusted) == (1, item.p)
        assert (together.family_size, together.p, together.level) == (3, item.p, 0.95)
        assert together.low < item.low < item.high < together.high
        p_values.append((item.p, together.p_adjusted))
    assert [adjusted for _, adjusted in p_values] == pytest.approx(holm([p for p, _ in p_values]))


def strategy_coverage(seeds: int, *, runs: int) -> float:
    """Return the coverage of a strategy's rate of ½ over dialogues and seeds."""
    generator = np.random.default_rng(14)
    held = 0
    for run in range(runs):
        taste = 0.3 + 0.4 * generator.random(150)
        group = []
        for shift in generator.normal(0, 0.05, seeds):
            outcome = (generator.random((150, 2)) < (taste + shift)[:, None]).astype(float)
            group.append(
                JudgmentTable.from_columns(
                    np.repeat(np.arange(150), 2), np.tile([True, False], 150), outcome.ravel()
                )
            )
        result = strategy_rate(group, seed=run, resamples=300)
        assert isinstance(result, StrategyEstimate)
        held += result.low <= 0.5 <= result.high
    return held / runs


@pytest.mark.parametrize("seeds", [3, 5])
def test_strategy_interval_covers(seeds: int) -> None:
    assert strategy_coverage(seeds, runs=200) >= 0.91


def edge_coverage(rate: float, seeds: int, *, runs: int) -> float:
    """Return the coverage of a rate near 1; seeds vary on the logit scale."""
    generator = np.random.default_rng(15)
    odds = np.log(rate / (1 - rate))
    spread = generator.normal(0, 1, (400, 400)) + generator.normal(0, 0.3, (1, 400))
    truth = float((1 / (1 + np.exp(-odds - spread))).mean())
    held = 0
    for run in range(runs):
        of_dialogue = generator.normal(0, 1, 250)
        group = []
        for shift in generator.normal(0, 0.3, seeds):
            chance = 1 / (1 + np.exp(-odds - of_dialogue - shift))
            group.append(contest_of((generator.random((250, 2)) < chance[:, None]).mean(axis=1)))
        result = strategy_rate(group, seed=run, resamples=300)
        assert isinstance(result, StrategyEstimate)
        held += result.low <= truth <= result.high
    return held / runs


@pytest.mark.parametrize("rate", [0.98, 0.997])
def test_strategy_interval_covers_near_one(rate: float) -> None:
    assert edge_coverage(rate, 3, runs=100) >= 0.93
