"""Confidence sequences: coverage at every look, independence of arrival order, symmetry."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from results.statistics import (
    Estimand,
    JudgmentTable,
    confidence_sequence,
    judging_order,
    stopping_feasibility,
    win_rate,
)
from results.statistics.betting_martingale import fractions_for

MakeContest = Callable[..., JudgmentTable]
Floats = NDArray[np.float64]


def arrived(columns: JudgmentTable, order: NDArray[np.int64], count: int) -> JudgmentTable:
    """Return the first `count` dialogues of the order."""
    return columns.rows(np.isin(columns.dialogue, order[:count]))


@pytest.mark.parametrize("estimand", list(Estimand))
def test_swapping_authors_mirrors(contest: MakeContest, estimand: Estimand) -> None:
    columns = contest(80, mean=0.6, ties=0.1, unscored=0.05)
    order = judging_order(80, 1)
    first = confidence_sequence(columns, order, estimand=estimand)
    other = confidence_sequence(columns.swap_authors(), order, estimand=estimand)
    assert first.low + other.high == pytest.approx(1, abs=1e-6)
    assert first.high + other.low == pytest.approx(1, abs=1e-6)
    assert (first.prefix, first.incomplete) == (other.prefix, other.incomplete)


def rejected_by_single_bets(
    scores: list[float], mean: float, alpha: float, planned: int, total: int | None
) -> bool:
    """Return whether a bettor on a mean above `mean` ever reaches 1/alpha, by plain arithmetic."""
    capitals, seen = dict.fromkeys(fractions_for(planned, alpha).tolist(), 1.0), 0.0
    for before, score in enumerate(scores):
        left = mean if total is None else (total * mean - seen) / (total - before)
        if left < 1e-12:
            break
        capitals = {bet: capital * (1 + bet * (score / left - 1)) for bet, capital in capitals.items()}
        if sum(capitals.values()) / len(capitals) >= 1 / alpha:
            return True
        seen += score
    return total is not None and sum(scores) > total * mean + 1e-12


@pytest.mark.parametrize("estimand", list(Estimand))
@pytest.mark.parametrize("n", [4, 9, 35])
def test_bounds_match_single_bets(estimand: Estimand, n: int) -> None:
    generator = np.random.default_rng(n)
    for _ in range(12):
        scores = generator.choice([0.0, 0.5, 1.0], n, p=generator.dirichlet(np.ones(3)))
        verdicts = np.stack([np.ceil(scores), np.floor(scores)], axis=1).ravel()
        columns = JudgmentTable.from_columns(np.repeat(np.arange(n), 2), np.tile([True, False], n), verdicts)
        came = int(generator.integers(1, n + 1))
        sequence = confidence_sequence(arrived(columns, np.arange(n), came), np.arange(n), estimand=estimand)
        if "crossed" in sequence.note:
            continue
        total = n if estimand is Estimand.THESE_DIALOGUES else None
        for seen, end in (
            (scores[:came].tolist(), sequence.low),
            ((1 - scores[:came]).tolist(), 1 - sequence.high),
        ):
            if end > 1e-4:
                assert rejected_by_single_bets(seen, end - 1e-4, 0.025, n, total)
            if end < 1 - 1e-4:
                assert not rejected_by_single_bets(seen, end + 1e-4, 0.025, n, total)


@pytest.mark.parametrize("estimand", list(Estimand))
def test_interval_never_widens(contest: MakeContest, estimand: Estimand) -> None:
    columns, order = contest(120, mean=0.7, unscored=0.03), judging_order(120, 2)
    looks = [
        confidence_sequence(arrived(columns, order, index), order, estimand=estimand)
        for index in range(0, 121, 8)
    ]
    assert (np.diff([look.low for look in looks]) >= -1e-7).all()
    assert (np.diff([look.high for look in looks]) <= 1e-7).all()


def test_these_dialogues_are_exact_at_the_end(contest: MakeContest) -> None:
    columns = contest(60, mean=0.6)
    sequence = confidence_sequence(columns, judging_order(60, 0), estimand=Estimand.THESE_DIALOGUES)
    rate = win_rate(columns, seed=0).rate
    assert rate is not None
    assert sequence.low == pytest.approx(rate, abs=1e-6)
    assert sequence.high == pytest.approx(rate, abs=1e-6)
    assert sequence.exhausted


def test_incomplete_dialogues_keep_the_bounds_open(contest: MakeContest) -> None:
    columns = contest(60, mean=0.6, unscored=0.1)
    sequence = confidence_sequence(columns, judging_order(60, 0), estimand=Estimand.THESE_DIALOGUES)
    result = win_rate(columns, seed=0)
    assert sequence.low == pytest.approx(result.bound_low, abs=1e-6)
    assert sequence.high == pytest.approx(result.bound_high, abs=1e-6)
    assert sequence.incomplete == result.incomplete > 0


def test_an_even_contest_ends_undecided() -> None:
    columns = JudgmentTable.from_columns(
        np.repeat(np.arange(40), 2), np.tile([True, False], 40), np.repeat(np.arange(40) % 2, 2)
    )
    sequence = confidence_sequence(columns, judging_order(40, 3))
    assert not sequence.decided
    assert sequence.note == "judged to the end (40 dialogues), undecided"


def test_126_wins_of_250_are_known_but_not_decided() -> None:
    won = np.random.default_rng(0).permutation(np.r_[np.ones(126), np.zeros(124)])
    columns = JudgmentTable.from_columns(
        np.repeat(np.arange(250), 2), np.tile([True, False], 250), np.repeat(won, 2)
    )
    order = judging_order(250, 0)
    population = confidence_sequence(columns, order)
    assert population.estimand is Estimand.POPULATION
    assert (population.decided, population.known, population.better) == (False, False, "")
    these = confidence_sequence(columns, order, estimand=Estimand.THESE_DIALOGUES)
    assert (these.decided, these.known, these.better) == (False, True, "A")
    assert "known for these dialogues" in these.note


def even_contests(estimand: Estimand, runs: int, n: int = 250) -> float:
    """Return the share of even contests, looked at continuously to the end, in which one author leads."""
    generator = np.random.default_rng(4)
    led = 0
    for run in range(runs):
        won = (generator.random(n) < 0.5).astype(float)
        columns = JudgmentTable.from_columns(
            np.repeat(np.arange(n), 2), np.tile([True, False], n), np.repeat(won, 2)
        )
        sequence = confidence_sequence(columns, judging_order(n, run), estimand=estimand)
        assert sequence.decided <= (estimand is Estimand.POPULATION)
        led += bool(sequence.better)
    return led / runs


def test_even_contests_are_rarely_decided_and_usually_known() -> None:
    assert even_contests(Estimand.POPULATION, 100) <= 0.05
    assert even_contests(Estimand.THESE_DIALOGUES, 60) >= 0.85


@pytest.mark.slow
def test_error_rate_of_decisions_on_even_contests() -> None:
    assert even_contests(Estimand.POPULATION, 1500) <= 0.05


def test_only_the_complete_prefix_enters(contest: MakeContest) -> None:
    columns = contest(50, mean=0.7)
    order = judging_order(50, 4)
    late = order[10]
    pending = ~((columns.dialogue == late) & columns.a_first)
    sequence = confidence_sequence(columns.rows(pending), order)
    assert (sequence.prefix, sequence.waiting) == (10, 39)
    same = confidence_sequence(arrived(columns, order, 10), order)
    assert (sequence.low, sequence.high) == (same.low, same.high)


def test_missing_samples_hold_the_prefix_back(contest: MakeContest) -> None:
    columns = contest(30, samples=2)
    order = judging_order(30, 0)
    assert confidence_sequence(columns, order).prefix == 30
    assert confidence_sequence(columns, order, samples=3).prefix == 0
    assert confidence_sequence(columns, order, samples=1).prefix == 30


def covers_at_every_look(
    columns: JudgmentTable, order: NDArray[np.int64], estimand: Estimand, truth: float
) -> bool:
    """Return whether the sequence covered `truth` at every look.

    The last look suffices, because the ends never widen.
    """
    sequence = confidence_sequence(columns, order, estimand=estimand)
    crossed = "crossed" in sequence.note  # then one of them missed it on the way
    return not crossed and sequence.low - 1e-6 <= truth <= sequence.high + 1e-6


@pytest.mark.parametrize("mean", [0.5, 0.8, 0.99])
def test_population_coverage_under_continuous_looks(contest: MakeContest, mean: float) -> None:
    runs = 200
    held = sum(
        covers_at_every_look(
            contest(120, seed=run, mean=mean, spread=0.8),
            judging_order(120, run),
            Estimand.POPULATION,
            mean,
        )
        for run in range(runs)
    )
    assert held / runs >= 0.93


def these_dialogues_coverage(mean: float, *, runs: int, n: int) -> float:
    """Return the share of orders in which the sequence covers the finite mean before the last dialogue.

    The ends never widen, so this look fails if any earlier one did; the last look is exact.
    """
    generator = np.random.default_rng(9)
    taste = generator.beta(mean * 0.8, (1 - mean) * 0.8, n)
    outcome = (generator.random((n, 2)) < taste[:, None]).astype(float)
    columns = JudgmentTable.from_columns(
        np.repeat(np.arange(n), 2), np.tile([True, False], n), outcome.ravel()
    )
    truth = outcome.mean()
    held = 0
    for run in range(runs):
        order = judging_order(n, run)
        sequence = confidence_sequence(
            arrived(columns, order, n - 1), order, estimand=Estimand.THESE_DIALOGUES
        )
        held += sequence.low - 1e-6 <= truth <= sequence.high + 1e-6 and "crossed" not in sequence.note
    return held / runs


@pytest.mark.parametrize("mean", [0.5, 0.8, 0.99])
def test_these_dialogues_coverage_under_continuous_looks(mean: float) -> None:
    assert these_dialogues_coverage(mean, runs=200, n=120) >= 0.93


@pytest.mark.slow
@pytest.mark.parametrize("mean", [0.5, 0.8, 0.99])
def test_these_dialogues_coverage_with_many_runs(mean: float) -> None:
    assert these_dialogues_coverage(mean, runs=1500, n=250) >= 0.94


@pytest.mark.slow
@pytest.mark.parametrize("mean", [0.5, 0.8, 0.99])
def test_population_coverage_with_many_runs(contest: MakeContest, mean: float) -> None:
    held = sum(
        covers_at_every_look(
            contest(250, seed=run, mean=mean, spread=0.8),
            judging_order(250, run),
            Estimand.POPULATION,
            mean,
        )
        for run in range(1500)
    )
    assert held / 1500 >= 0.94


def test_a_fixed_n_interval_does_not_cover_under_continuous_looks() -> None:
    generator = np.random.default_rng(3)
    wrong = 0
    for _ in range(200):
        scores = (generator.random(250) < 0.5).astype(float)
        counts = np.arange(20, 251)
        means = np.cumsum(scores)[19:] / counts
        wrong += bool((np.abs(means - 0.5) > 1.96 * 0.5 / np.sqrt(counts)).any())
    assert wrong / 200 > 0.2


def test_biased_arrival_order_does_not_bias_the_sequence(contest: MakeContest) -> None:
    """Losing answers arrive later: by arrival the rate is far above ½, by prefix it is not."""
    runs, held, by_arrival = 60, 0, []
    for run in range(runs):
        columns = contest(120, seed=run, mean=0.5, spread=0.8)
        order = judging_order(120, run)
        place = np.argsort(order)[columns.dialogue]
        generator = np.random.default_rng(run)
        arrival = place + generator.exponential(np.where(columns.outcome == 1, 1, 40))
        truth = win_rate(columns, seed=0).rate
        assert truth is not None
        early = columns.rows(arrival <= 60)
        by_arrival.append(win_rate(early, seed=0, resamples=10).rate)
        sequence = confidence_sequence(early, order, estimand=Estimand.THESE_DIALOGUES)
        held += sequence.low - 1e-6 <= truth <= sequence.high + 1e-6
    assert np.mean([rate for rate in by_arrival if rate is not None]) > 0.6
    assert held / runs >= 0.93


def test_decided_when_one_half_is_excluded(contest: MakeContest) -> None:
    columns = contest(200, mean=0.85)
    order = judging_order(200, 1)
    sequence = confidence_sequence(arrived(columns, order, 80), order)
    assert (sequence.decided, sequence.better) == (True, "A")
    assert sequence.note == "decided after 80 of 200 dialogues: A is preferred"
    mirrored = confidence_sequence(arrived(columns.swap_authors(), order, 80), order)
    assert (mirrored.decided, mirrored.better) == (True, "B")


def test_more_contests_widen_every_sequence(contest: MakeContest) -> None:
    columns = contest(200, mean=0.7)
    order = judging_order(200, 1)
    some = arrived(columns, order, 60)
    alone, shared = confidence_sequence(some, order), confidence_sequence(some, order, n_contests=4)
    assert shared.low < alone.low and shared.high > alone.high


def test_requested_half_width(contest: MakeContest) -> None:
    columns = contest(200, mean=0.7)
    order = judging_order(200, 1)
    assert not confidence_sequence(arrived(columns, order, 20), order, half_width=0.1).narrow
    enough = confidence_sequence(arrived(columns, order, 190), order, half_width=0.1)
    assert enough.narrow and enough.half_width <= 0.1


@pytest.mark.parametrize("n", [0, 5])
def test_sequence_without_judgments(n: int) -> None:
    sequence = confidence_sequence(JudgmentTable.from_columns([], [], [], n_dialogues=n), judging_order(n, 0))
    assert (sequence.low, sequence.high, sequence.rate, sequence.prefix) == (0, 1, None, 0)
    assert not sequence.decided


def test_unscored_judgments_give_no_information() -> None:
    columns = JudgmentTable.from_columns(
        np.repeat(np.arange(30), 2), np.tile([True, False], 30), np.full(60, np.nan)
    )
    sequence = confidence_sequence(columns, judging_order(30, 0))
    assert (sequence.low, sequence.high, sequence.prefix) == (0, 1, 30)
    assert not sequence.decided


def test_crossed_bounds_reveal_a_non_random_order() -> None:
    outcome = np.repeat(np.r_[np.ones(60), np.zeros(60)], 2)
    columns = JudgmentTable.from_columns(np.repeat(np.arange(120), 2), np.tile([True, False], 120), outcome)
    sequence = confidence_sequence(columns, np.arange(120), estimand=Estimand.POPULATION)
    assert not sequence.decided
    assert "crossed" in sequence.note


def test_order_depends_on_the_seed_alone() -> None:
    assert sorted(judging_order(50, 1)) == list(range(50))
    np.testing.assert_array_equal(judging_order(50, 1), judging_order(50, 1))
    assert (judging_order(50, 1) != judging_order(50, 2)).any()


@pytest.mark.parametrize(
    ("order", "options", "says"),
    [
        (np.array([0, 1, 1]), {}, "each of 3 dialogues once"),
        (np.array([0, 1]), {}, "each of 3 dialogues once"),
        (np.arange(3), {"half_width": 0.6}, "0.6"),
        (np.arange(3), {"n_contests": 0}, "n_contests 0"),
    ],
)
def test_invalid_arguments(order: NDArray[np.int64], options: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        confidence_sequence(JudgmentTable.from_columns([], [], [], n_dialogues=3), order, **options)


def test_unreachable_half_width_is_reported() -> None:
    out = stopping_feasibility(250, half_width=0.005, estimand=Estimand.POPULATION)
    assert not out.possible and "0.005" in out.note
    assert out.narrowest > 0.005
    maybe = stopping_feasibility(250, half_width=0.05, estimand=Estimand.POPULATION)
    assert maybe.possible and maybe.most_dialogues is None
    fine = stopping_feasibility(250, half_width=0.1)
    assert fine.fewest_dialogues is not None and fine.most_dialogues is not None
    assert fine.fewest_dialogues < fine.most_dialogues < 250


def test_these_dialogues_can_reach_any_half_width(contest: MakeContest) -> None:
    reach = stopping_feasibility(40, half_width=0.001, estimand=Estimand.THESE_DIALOGUES)
    assert reach.narrowest == pytest.approx(0, abs=1e-6)
    assert reach.possible


def test_reached_half_width_is_within_the_predicted_range(contest: MakeContest) -> None:
    observed = stopping_feasibility(120, estimand=Estimand.POPULATION)
    sequence = confidence_sequence(
        contest(120, mean=0.7), judging_order(120, 0), estimand=Estimand.POPULATION
    )
    assert observed.narrowest <= sequence.half_width <= observed.widest + 0.02
