"""Quality gates: passed, failed and undecided, with missing judgments."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.analysis.quality_gate import (
    GateDecision,
    Requirement,
    combine_decisions,
    decide,
    parse_requirement,
)
from results.statistics import JudgmentTable, WinRate, score_interval, win_rate
from tests.errors import user_error

WON, TIED, LOST, MISSING = 1.0, 0.5, 0.0, float("nan")
BOUNDS = st.floats(0.01, 0.99)
RESULTS = st.lists(st.sampled_from([WON, TIED, LOST, MISSING]), min_size=2, max_size=80)


def rate_of(first: list[float] | np.ndarray, second: list[float] | np.ndarray | None = None) -> WinRate:
    """Return the win rate of a contest with these results in its two orders (default: equal)."""
    orders = [np.asarray(first), np.asarray(first if second is None else second)]
    codes = np.arange(orders[0].size)
    return win_rate(
        JudgmentTable.from_columns(
            np.tile(codes, 2),
            np.repeat([True, False], codes.size),
            np.concatenate(orders),
            n_dialogues=codes.size,
        ),
        seed=0,
        resamples=400,
    )


def counts(won: int, lost: int, missing: int = 0) -> WinRate:
    return rate_of([WON] * won + [LOST] * lost + [MISSING] * missing)


def test_example_of_the_method_document() -> None:
    rate = win_rate(
        JudgmentTable.from_columns(
            np.repeat(np.arange(250), 2),
            np.tile([True, False], 250),
            np.repeat([WON] * 142 + [LOST] * 83 + [MISSING] * 25, 2),
        ),
        seed=0,
    )
    assert rate.missing_lost is not None
    assert (rate.missing_lost.low, rate.missing_lost.high) == pytest.approx((0.504, 0.628), abs=1e-9)
    assert decide(0.55, {"judge": rate}) is GateDecision.UNDECIDED


@settings(max_examples=60, deadline=None)
@given(RESULTS, RESULTS, BOUNDS)
def test_gate_uses_the_interval_of_the_worst_case_scores(
    first: list[float], second: list[float], bound: float
) -> None:
    size = min(len(first), len(second))
    orders = np.array([first[:size], second[:size]])
    rate = rate_of(orders[0], orders[1])
    worst = score_interval(np.nan_to_num(orders, nan=0.0).mean(axis=0), seed=0, resamples=400)
    best = score_interval(np.nan_to_num(orders, nan=1.0).mean(axis=0), seed=0, resamples=400)
    decision = decide(bound, {"judge": rate})
    assert (decision is GateDecision.PASSED) == (worst.low > bound)
    assert (decision is GateDecision.FAILED) == (worst.low <= bound and best.high < bound)


@settings(max_examples=40, deadline=None)
@given(RESULTS, BOUNDS)
def test_missing_judgments_never_reverse_a_decision(results: list[float], bound: float) -> None:
    """Adding missing judgments never reverses a decision."""
    before = decide(bound, {"judge": rate_of(results)})
    for filled in (WON, LOST, TIED):
        after = decide(bound, {"judge": rate_of(np.nan_to_num(results, nan=filled))})
        assert {before, after} != {GateDecision.PASSED, GateDecision.FAILED}


def wrong_decisions(truth: float, missing: float, runs: int, *, selective: bool) -> dict[GateDecision, float]:
    """Return how often a gate at the true rate decides; `selective`: only losses are missing."""
    generator = np.random.default_rng(7)
    shares = dict.fromkeys(GateDecision, 0.0)
    for _ in range(runs):
        results = (generator.random(250) < truth).astype(float)
        rows = np.flatnonzero(results == LOST) if selective else np.arange(250)
        gone = generator.permutation(rows)[: round(missing * 250)]
        results[gone] = MISSING
        shares[decide(truth, {"judge": rate_of(results)})] += 1 / runs
    return shares


@pytest.mark.parametrize("missing", [0.0, 0.05, 0.10, 0.20])
@pytest.mark.parametrize("selective", [False, True])
def test_error_rates_of_a_gate_at_the_true_rate(missing: float, *, selective: bool) -> None:
    """The nominal rate is 2.5 % per side; point bounds pass 14, 41 and 53 % at 5, 10 and 20 % missing."""
    shares = wrong_decisions(0.6, missing, 300, selective=selective)
    assert shares[GateDecision.PASSED] <= 0.05
    assert shares[GateDecision.FAILED] <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("truth", [0.3, 0.55, 0.8])
@pytest.mark.parametrize("missing", [0.0, 0.05, 0.10, 0.20])
@pytest.mark.parametrize("selective", [False, True])
def test_error_rates_of_a_gate_at_the_true_rate_with_many_repetitions(
    truth: float, missing: float, *, selective: bool
) -> None:
    shares = wrong_decisions(truth, missing, 2000, selective=selective)
    assert shares[GateDecision.PASSED] <= 0.035
    assert shares[GateDecision.FAILED] <= 0.035


def test_one_failing_judge_fails_the_gate() -> None:
    good, bad, even = counts(180, 70), counts(60, 190), counts(130, 120)
    assert decide(0.5, {"a": good, "b": good}) is GateDecision.PASSED
    assert decide(0.5, {"a": good, "b": even}) is GateDecision.UNDECIDED
    assert decide(0.5, {"a": good, "b": even, "c": bad}) is GateDecision.FAILED
    assert decide(0.5, {}) is GateDecision.UNDECIDED
    assert combine_decisions([]) is GateDecision.PASSED
    assert (int(GateDecision.PASSED), int(GateDecision.FAILED), int(GateDecision.UNDECIDED)) == (0, 1, 3)


def test_gate_without_judgments_is_undecided() -> None:
    assert decide(0.5, {"judge": counts(0, 0, 40)}) is GateDecision.UNDECIDED
    assert decide(0.5, {"judge": counts(0, 0, 0)}) is GateDecision.UNDECIDED


def test_requirements_round_trip() -> None:
    opponents = ("base", "openai/gpt-4o", "dataset:human")
    assert parse_requirement("win_rate>0.55", opponents) == Requirement("base", 0.55)
    assert parse_requirement(" win_rate > .5 ", opponents) == Requirement("base", 0.5)
    assert parse_requirement("openai/gpt-4o.win_rate>0.3", opponents) == Requirement("openai/gpt-4o", 0.3)
    assert parse_requirement("openai/gpt-4o.deficit < 0.03", opponents).bound == pytest.approx(0.485)
    for requirement in (
        Requirement("base", 0.55),
        Requirement("openai/gpt-4o", 0.3),
        parse_requirement("deficit<.1", opponents),
        parse_requirement("openai/gpt-4o.deficit<0.03", opponents),
    ):
        assert parse_requirement(str(requirement), opponents) == requirement


@pytest.mark.parametrize(
    "written",
    [
        *("", "win_rate", "win_rate<0.5", "win_rate>1.5", "win_rate>0", "x.win_rate>0.5"),
        *("deficit", "deficit>0.03", "deficit<0", "deficit<1", "deficit<-0.1", "x.deficit<0.03"),
    ],
)
def test_invalid_requirements_are_refused(written: str) -> None:
    with user_error("option.invalid-requirement"):
        parse_requirement(written, ("base",))
