"""Early stopping: the same result for any arrival order, restart or interruption."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from agents.judge import Judge
from agents.models.registry import Registry
from agents.models.spec import Model
from agents.types import Judgment, Preference, Split, Unscored, UnscoredReason, Verdict
from harness.data.author_resolver import resolve_author
from harness.data.dataset import Dataset, sample
from harness.emulator.config import EmulatorConfig
from harness.emulator.server import EmulatorServer, serve
from harness.engine.retrying_client import RetryPolicy
from harness.engine.run import RequestSettings
from harness.workflows.judge import JudgingPlan, judge_contest, plan_judging
from harness.workflows.stopping_monitor import INTERIM_LOOKS_AHEAD, StoppingMonitor
from prompts import Library
from results.analysis.contest_results import JudgingResult, summarize_judging
from results.analysis.early_stopping import (
    StoppingResult,
    StoppingRule,
    check_feasible,
    interim_looks,
    parse_stopping_rule,
    stopping_result,
)
from results.db.store import Store
from results.statistics import Estimand, JudgmentTable, confidence_sequence
from tests.errors import user_error

DECIDED = StoppingRule()
KNOWN = StoppingRule(None, Estimand.THESE_DIALOGUES)


def contest(rng: np.random.Generator, n: int, rate: float, samples: int = 1) -> JudgmentTable:
    """Return a contest in which A wins with a probability that varies by dialogue."""
    chance = np.repeat(rng.beta(4 * rate, 4 * (1 - rate), n), 2 * samples)
    return JudgmentTable.from_columns(
        np.repeat(np.arange(n), 2 * samples),
        np.tile(np.repeat([True, False], samples), n),
        (rng.random(chance.size) < chance).astype(float),
        n_dialogues=n,
        sample=np.tile(np.arange(samples), 2 * n),
    )


def judgment_with_score(outcome: float, *, a_first: bool) -> Judgment:
    """Return a judgment with this score of A; nan is unscored."""
    if np.isnan(outcome):
        return Judgment("c", "j", "d", "r1", "r2", 0, 0, "p", Unscored(UnscoredReason.REFUSED))
    first = outcome if a_first else 1 - outcome
    preference = {1.0: Preference.FIRST, 0.5: Preference.TIE, 0.0: Preference.SECOND}[first]
    return Judgment("c", "j", "d", "r1", "r2", 0, 0, "p", Verdict(preference))


def record_all(watch: StoppingMonitor, columns: JudgmentTable, rows: np.ndarray[Any, Any]) -> None:
    """Record the judgments in this order."""
    for row in rows.tolist():
        a_first = bool(columns.a_first[row])
        index = (int(columns.dialogue[row]), a_first, int(columns.sample[row]))
        watch.record_judgment(index, judgment_with_score(float(columns.outcome[row]), a_first=a_first))


# -- laws ----------------------------------------------------------------------------------------------


@given(some.integers(0, 20_000))
def test_interim_looks_increase_to_the_end(dialogues: int) -> None:
    looks = interim_looks(dialogues)
    assert list(looks) == sorted(set(looks))
    assert (looks[-1:] == (dialogues,)) is (dialogues > 0)
    assert len(looks) <= 80
    steps = np.diff((0, *looks))
    assert (steps[:-1] >= 10).all()


def test_interim_looks_are_prefixes() -> None:
    assert interim_looks(1000)[:15] == interim_looks(250)[:15]


@settings(max_examples=25, deadline=None)
@given(some.integers(0, 10_000), some.sampled_from([0.5, 0.7, 0.9]), some.integers(1, 2))
def test_result_is_independent_of_arrival_order(seed: int, rate: float, samples: int) -> None:
    rng = np.random.default_rng(seed)
    columns = contest(rng, 60, rate, samples)
    full = stopping_result(columns, DECIDED, n_contests=2, samples=samples)
    watch = StoppingMonitor(60, DECIDED, n_contests=2, samples=samples)
    record_all(watch, columns, rng.permutation(len(columns)))
    assert watch.answered == full.answered
    # judgments after the final look change nothing
    before = columns.dialogue < full.sequence.prefix
    kept = before | (rng.random(len(columns)) < 0.5)
    again = stopping_result(columns.rows(kept), DECIDED, n_contests=2, samples=samples)
    assert (again.note(), again.sequence.low, again.sequence.high, again.looked) == (
        full.note(),
        full.sequence.low,
        full.sequence.high,
        full.looked,
    )
    assert again.saved == (again.expected - int(kept.sum()) if again.answered else 0)


@settings(max_examples=20, deadline=None)
@given(some.integers(0, 10_000))
def test_first_look_that_meets_the_rule_counts(seed: int) -> None:
    columns = contest(np.random.default_rng(seed), 80, 0.8)
    stopped = stopping_result(columns, DECIDED, n_contests=1, samples=1)
    order = np.arange(80)
    decided = [
        n_judged
        for n_judged in interim_looks(80)
        if confidence_sequence(columns.rows(columns.dialogue < n_judged), order, samples=1).decided
    ]
    assert stopped.sequence.prefix == (decided[0] if decided else 80)
    assert [n_judged for n_judged, *_ in stopped.path] == [
        n_judged for n_judged in interim_looks(80) if n_judged <= stopped.sequence.prefix
    ]
    assert stopped.path[-1][1:] == (stopped.sequence.low, stopped.sequence.high)
    assert (np.diff([low for _, low, _ in stopped.path]) >= -1e-7).all()
    assert stopped.answered is bool(decided)


@settings(max_examples=20, deadline=None)
@given(some.integers(0, 10_000))
def test_swapping_authors_mirrors_the_result(seed: int) -> None:
    columns = contest(np.random.default_rng(seed), 50, 0.75)
    original = stopping_result(columns, DECIDED, n_contests=1, samples=1)
    other = stopping_result(columns.swap_authors(), DECIDED, n_contests=1, samples=1)
    assert original.sequence.low == pytest.approx(1 - other.sequence.high)
    assert (original.looked, original.saved) == (other.looked, other.saved)
    assert original.note("x", "y") == other.note("y", "x")


def test_notes_of_early_and_full_contests() -> None:
    won = contest(np.random.default_rng(0), 100, 0.999)
    stopped = stopping_result(won, DECIDED, n_contests=1, samples=1, cost_usd=2.0)
    assert stopped.note("mine", "base") == "decided after 10 of 100 dialogues: mine is preferred"
    first = stopping_result(won.rows(won.dialogue < 10), DECIDED, n_contests=1, samples=1, cost_usd=2.0)
    assert (first.saved, first.saved_usd, first.beyond) == (180, pytest.approx(18.0), 0)
    even = JudgmentTable.from_columns(
        np.repeat(np.arange(40), 2), np.tile([True, False], 40), np.tile([1.0, 0.0], 40)
    )
    open_to_the_end = stopping_result(even, DECIDED, n_contests=1, samples=1)
    assert open_to_the_end.note() == "all 40 dialogues judged, undecided"
    assert (open_to_the_end.saved, open_to_the_end.finished, open_to_the_end.answered) == (0, True, False)
    assert not open_to_the_end.is_exact
    assert stopping_result(even, KNOWN, n_contests=1, samples=1).is_exact
    some_of_it = stopping_result(even.rows(even.dialogue < 25), DECIDED, n_contests=1, samples=1)
    assert some_of_it.sequence.prefix == 20
    assert not some_of_it.finished


def test_half_width_reached_only_at_the_last_dialogue() -> None:
    even = JudgmentTable.from_columns([0, 0, 1, 1], [True, False] * 2, [1.0, 1.0, 0.0, 0.0])
    stopped = stopping_result(even, StoppingRule(0.05, Estimand.THESE_DIALOGUES), n_contests=1, samples=1)
    assert stopped.answered
    assert stopped.is_exact
    assert "known for these dialogues" in stopped.note()


def test_126_of_250_is_exact_but_undecided() -> None:
    won = np.random.default_rng(1).permutation(np.r_[np.ones(126), np.zeros(124)])
    columns = JudgmentTable.from_columns(
        np.repeat(np.arange(250), 2), np.tile([True, False], 250), np.repeat(won, 2)
    )
    decided = stopping_result(columns, DECIDED, n_contests=1, samples=1)
    assert (decided.answered, decided.finished, decided.sequence.decided) == (False, True, False)
    assert "undecided" in decided.note()
    known = stopping_result(columns, KNOWN, n_contests=1, samples=1)
    assert (known.answered, known.sequence.known, known.sequence.decided) == (True, True, False)
    assert "decided" not in known.note()


def test_stored_rules_keep_their_meaning() -> None:
    for estimand in Estimand:
        for requested in ("decided", 0.1):
            spec = {"until": requested, "estimand": str(estimand)}
            until = StoppingRule.of_spec(spec)
            assert until is not None
            assert until.estimand is estimand
            assert until.spec == spec


def test_target_half_width_is_reached() -> None:
    columns = contest(np.random.default_rng(3), 300, 0.7)
    for estimand in Estimand:
        stopped = stopping_result(columns, StoppingRule(0.1, estimand), n_contests=1, samples=1)
        assert stopped.answered
        assert stopped.sequence.half_width <= 0.1 + 1e-9
        assert stopped.sequence.prefix < 300
        assert stopped.note().startswith("target half-width reached after")


def test_more_contests_take_longer() -> None:
    columns = contest(np.random.default_rng(5), 250, 0.65)
    after = [
        stopping_result(columns, DECIDED, n_contests=n_contests, samples=1).sequence.prefix
        for n_contests in (1, 5, 50)
    ]
    assert after == sorted(after)
    assert after[0] < after[-1]


def test_judgments_without_completion_enter_with_their_bounds() -> None:
    columns = contest(np.random.default_rng(0), 40, 0.95)
    lacking = columns.rows(~((columns.dialogue == 3) & columns.a_first))
    waiting = stopping_result(lacking, DECIDED, n_contests=1, samples=1)
    assert (waiting.sequence.prefix, waiting.answered) == (0, False)
    over = stopping_result(lacking, DECIDED, n_contests=1, samples=1, unanswered=1)
    assert over.sequence.incomplete == 1
    assert over.sequence.prefix >= 10
    assert over.sequence.low <= stopping_result(columns, DECIDED, n_contests=1, samples=1).sequence.low


def test_all_unscored_is_never_decided() -> None:
    nothing = JudgmentTable.from_columns(
        np.repeat(np.arange(30), 2), np.tile([True, False], 30), np.full(60, np.nan)
    )
    stopped = stopping_result(nothing, DECIDED, n_contests=1, samples=1)
    assert (stopped.sequence.rate, stopped.sequence.low, stopped.sequence.high) == (None, 0, 1)
    assert (stopped.finished, stopped.answered, stopped.is_exact) == (True, False, False)


def test_parse_stopping_rule() -> None:
    assert parse_stopping_rule("decided") == DECIDED
    assert parse_stopping_rule("0.10", "population") == StoppingRule(0.1, Estimand.POPULATION)
    for until in (DECIDED, StoppingRule(0.1, Estimand.POPULATION)):
        assert StoppingRule.of_spec(until.spec) == until
    assert StoppingRule.of_spec({"split": "test"}) is None
    for wrong in ("soon", "0", "0.5", "-0.1", "nan", "inf", ""):
        with user_error("early-stopping.invalid-rule", found=repr(wrong)):
            parse_stopping_rule(wrong)


def test_unreachable_rules_are_refused_before_judging() -> None:
    with user_error("early-stopping.half-width-unreachable", found="0.005"):
        check_feasible(250, StoppingRule(0.005, Estimand.POPULATION), 1)
    with user_error("early-stopping.decision-unreachable"):
        check_feasible(5, StoppingRule(None, Estimand.POPULATION), 1)
    check_feasible(5, KNOWN, 1)  # the result is exact at the fifth of five dialogues
    assert check_feasible(250, StoppingRule(0.05, Estimand.POPULATION), 1).widest > 0.05


# -- limiting requests ahead -------------------------------------------------------------------------------


async def test_work_waits_for_earlier_looks_and_ends_when_the_rule_is_met() -> None:
    watch = StoppingMonitor(100, DECIDED, n_contests=1, samples=1)
    columns = contest(np.random.default_rng(0), 100, 0.999)
    open_to = interim_looks(100)[INTERIM_LOOKS_AHEAD - 1]
    assert await watch.wait_for_turn(open_to - 1)
    waiting = [asyncio.ensure_future(watch.wait_for_turn(n_judged)) for n_judged in (open_to, 99)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    record_all(watch, columns, np.flatnonzero(columns.dialogue < 10))
    assert watch.answered
    assert await asyncio.gather(*waiting) == [False, False]


async def test_disabled_endpoint_releases_waiting_items() -> None:
    watch = StoppingMonitor(100, DECIDED, n_contests=1, samples=1)
    waiting = asyncio.ensure_future(watch.wait_for_turn(99))
    await asyncio.sleep(0)
    watch.close()
    assert await waiting  # it sends its request and gets the reason


# -- runs ----------------------------------------------------------------------------------------------


@pytest.fixture
async def emulator() -> AsyncIterator[EmulatorServer]:
    running = await serve(EmulatorConfig(latency_ms=0))
    yield running
    await running.close()


@pytest.fixture
def registry() -> Registry:
    return Registry(None, {})


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return sample()


def find_model(registry: Registry, emulator: EmulatorServer, name: str) -> Model:
    return registry.emulated(registry.model(name), emulator.url, EmulatorConfig(latency_ms=0).definition_hash)


async def plan_of(
    dataset: Dataset,
    store: Store,
    models: list[Model],
    until: StoppingRule | None = DECIDED,
    a: str = "llama-2-70b",
) -> JudgingPlan:
    authors = [await resolve_author(f"dataset:{name}", dataset, store) for name in (a, "human")]
    judges = [Judge(model, Library(None)["judge/pairwise"]) for model in models]
    return plan_judging(dataset, *authors, judges, split=Split.ALL, until=until)


QUIET = RequestSettings(quiet=True)


def _end_of(stopped: StoppingResult) -> tuple[Any, ...]:
    sequence = stopped.sequence
    return stopped.looked, sequence.low, sequence.high, sequence.rate, sequence.prefix


def answers(summary: JudgingResult) -> list[tuple[Any, ...]]:
    """Return everything that must not depend on interruptions."""
    return [
        (judge.contest.judge_id, judge.stopped.note(), *_end_of(judge.stopped))
        for judge in summary.contests
        if judge.stopped is not None
    ]


async def test_decided_contest_stops_and_others_continue(
    tmp_path: Path, registry: Registry, emulator: EmulatorServer, dataset: Dataset
) -> None:
    async with await Store.open(str(tmp_path / "db.sqlite")) as store:
        models = [find_model(registry, emulator, "openai/gpt-4o"), registry.model("control/first")]
        summary = await judge_contest(store, registry, await plan_of(dataset, store, models), QUIET)
        first, gpt = summary.contests
        assert gpt.stopped is not None
        assert first.stopped is not None
        assert gpt.stopped.answered
        assert gpt.stopped.saved > 0
        endpoint = summary.endpoint(gpt)
        assert endpoint is not None
        assert endpoint.made + gpt.stopped.saved == gpt.stopped.expected == 128
        assert (first.stopped.answered, first.stopped.finished, first.stopped.requested) == (False, True, 128)
        again = await judge_contest(store, registry, await plan_of(dataset, store, models), QUIET)
        assert answers(again) == answers(summary)
        assert [endpoint.made for endpoint in again.invocation.values()] == [0, 0]
        # from the database alone
        assert answers(await summarize_judging(store, summary.run_id)) == answers(summary)


async def test_killed_and_resumed_run_equals_an_undisturbed_run(
    tmp_path: Path,
    registry: Registry,
    emulator: EmulatorServer,
    dataset: Dataset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    models = [find_model(registry, emulator, name) for name in ("openai/gpt-4o", "google/gemini-2.0-flash")]
    async with await Store.open(str(tmp_path / "undisturbed.sqlite")) as store:
        plan = await plan_of(dataset, store, models)
        undisturbed = answers(await judge_contest(store, registry, plan, QUIET))
    async with await Store.open(str(tmp_path / "killed.sqlite")) as store:
        plan = await plan_of(dataset, store, models)
        for dies_after in (9, 21, 33):
            await killed(judge_contest(store, registry, plan, QUIET), dies_after, monkeypatch)
        done = await judge_contest(store, registry, plan, QUIET)
    assert answers(done) == undisturbed
    assert sum(endpoint.reused for endpoint in done.invocation.values()) > 0


async def killed(
    judging: Coroutine[Any, Any, JudgingResult], after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancel a run after this many judgments."""
    run = asyncio.ensure_future(judging)
    record_judgment, count = StoppingMonitor.record_judgment, 0

    def dying(self: StoppingMonitor, index: Any, judgment: Judgment) -> None:
        nonlocal count
        count += 1
        record_judgment(self, index, judgment)
        if count == after:
            run.cancel()

    with monkeypatch.context() as patched:
        patched.setattr(StoppingMonitor, "record_judgment", dying)
        with pytest.raises(asyncio.CancelledError):
            await run


async def test_run_resumed_after_exhausted_budget_equals_an_undisturbed_run(
    tmp_path: Path, registry: Registry, emulator: EmulatorServer, dataset: Dataset
) -> None:
    models = [find_model(registry, emulator, "openai/gpt-4o")]
    async with await Store.open(str(tmp_path / "db.sqlite")) as store:
        plan = await plan_of(dataset, store, models, a="gpt-4")
        poor = await judge_contest(store, registry, plan, RequestSettings(quiet=True, budget_usd=0.03))
        stopped = poor.contests[0].stopped
        assert stopped is not None
        assert not stopped.finished
        assert [bool(endpoint.stopped) for endpoint in poor.invocation.values()] == [True]
        rich = await judge_contest(store, registry, plan, QUIET)
    async with await Store.open(str(tmp_path / "other.sqlite")) as store:
        undisturbed = await judge_contest(store, registry, plan, QUIET)
    assert answers(rich) == answers(undisturbed)


async def test_refusing_judge_never_meets_the_rule(
    tmp_path: Path, registry: Registry, dataset: Dataset
) -> None:
    options = EmulatorConfig(latency_ms=0, refusals=1.0)
    running = await serve(options)
    model = registry.emulated(registry.model("openai/gpt-4o"), running.url, options.definition_hash)
    try:
        async with await Store.open(str(tmp_path / "db.sqlite")) as store:
            plan = await plan_of(dataset, store, [model])
            stubborn = RequestSettings(quiet=True, policy=RetryPolicy(stop_after=1000))
            summary = await judge_contest(store, registry, plan, stubborn)
    finally:
        await running.close()
    stopped = summary.contests[0].stopped
    assert stopped is not None
    assert stopped.note() == "all 64 dialogues judged, undecided"
    assert (stopped.sequence.low, stopped.sequence.high, stopped.sequence.incomplete) == (0, 1, 64)


async def test_requests_without_completion_do_not_block_the_run(
    tmp_path: Path, registry: Registry, dataset: Dataset
) -> None:
    options = EmulatorConfig(latency_ms=0, malformed=0.1)
    running = await serve(options)
    model = registry.emulated(registry.model("openai/gpt-4o"), running.url, options.definition_hash)
    hasty = RequestSettings(quiet=True, policy=RetryPolicy(max_tries=1, stop_after=1000))
    try:
        async with await Store.open(str(tmp_path / "db.sqlite")) as store:
            plan = await plan_of(dataset, store, [model])
            summary = await judge_contest(store, registry, plan, hasty)
            patient = await judge_contest(store, registry, plan, QUIET)
    finally:
        await running.close()
    for done in (summary, patient):
        stopped = done.contests[0].stopped
        assert stopped is not None
        assert stopped.finished
    assert sum(endpoint.failed for endpoint in summary.invocation.values()) > 0
