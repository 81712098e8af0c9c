"""When a contest's question is answered: the same answer whatever arrives when, and however often killed."""

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
from harness.engine.retry import RetryPolicy
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
    """A contest in which A wins each judgment with a chance that varies by dialogue."""
    chance = np.repeat(rng.beta(4 * rate, 4 * (1 - rate), n), 2 * samples)
    return JudgmentTable.from_columns(
        np.repeat(np.arange(n), 2 * samples),
        np.tile(np.repeat([True, False], samples), n),
        (rng.random(chance.size) < chance).astype(float),
        n_dialogues=n,
        sample=np.tile(np.arange(samples), 2 * n),
    )


def told(outcome: float, *, a_first: bool) -> Judgment:
    """A judgment that scores A so; nan is unscored."""
    if np.isnan(outcome):
        return Judgment("c", "j", "d", "r1", "r2", 0, 0, "p", Unscored(UnscoredReason.REFUSED))
    first = outcome if a_first else 1 - outcome
    preference = {1.0: Preference.FIRST, 0.5: Preference.TIE, 0.0: Preference.SECOND}[first]
    return Judgment("c", "j", "d", "r1", "r2", 0, 0, "p", Verdict(preference))


def tell(watch: StoppingMonitor, columns: JudgmentTable, rows: np.ndarray[Any, Any]) -> None:
    """Let judgments arrive in this order."""
    for row in rows.tolist():
        a_first = bool(columns.a_first[row])
        place = (int(columns.dialogue[row]), a_first, int(columns.sample[row]))
        watch.told(place, told(float(columns.outcome[row]), a_first=a_first))


# -- laws ----------------------------------------------------------------------------------------------


@given(some.integers(0, 20_000))
def test_looks_grow_to_the_end_and_are_few(dialogues: int) -> None:
    found = interim_looks(dialogues)
    assert list(found) == sorted(set(found))
    assert (found[-1:] == (dialogues,)) is (dialogues > 0)
    assert len(found) <= 80
    steps = np.diff((0, *found))
    assert (steps[:-1] >= 10).all()


def test_looks_do_not_depend_on_how_many_dialogues_there_are() -> None:
    assert interim_looks(1000)[:15] == interim_looks(250)[:15]


@settings(max_examples=25, deadline=None)
@given(some.integers(0, 10_000), some.sampled_from([0.5, 0.7, 0.9]), some.integers(1, 2))
def test_the_answer_does_not_depend_on_what_arrived_when(seed: int, rate: float, samples: int) -> None:
    rng = np.random.default_rng(seed)
    columns = contest(rng, 60, rate, samples)
    whole = stopping_result(columns, DECIDED, n_contests=2, samples=samples)
    watch = StoppingMonitor(60, DECIDED, n_contests=2, samples=samples)
    tell(watch, columns, rng.permutation(len(columns)))
    assert watch.answered == whole.answered
    # what comes after the look that answered changes nothing
    before = columns.dialogue < whole.sequence.prefix
    kept = before | (rng.random(len(columns)) < 0.5)
    again = stopping_result(columns.rows(kept), DECIDED, n_contests=2, samples=samples)
    assert (again.note(), again.sequence.low, again.sequence.high, again.looked) == (
        whole.note(),
        whole.sequence.low,
        whole.sequence.high,
        whole.looked,
    )
    assert again.saved == (again.expected - int(kept.sum()) if again.answered else 0)


@settings(max_examples=20, deadline=None)
@given(some.integers(0, 10_000))
def test_the_look_that_counts_is_the_first_that_answers(seed: int) -> None:
    columns = contest(np.random.default_rng(seed), 80, 0.8)
    stopped = stopping_result(columns, DECIDED, n_contests=1, samples=1)
    order = np.arange(80)
    decided = [
        at
        for at in interim_looks(80)
        if confidence_sequence(columns.rows(columns.dialogue < at), order, samples=1).decided
    ]
    assert stopped.sequence.prefix == (decided[0] if decided else 80)
    assert [at for at, *_ in stopped.path] == [
        at for at in interim_looks(80) if at <= stopped.sequence.prefix
    ]
    assert stopped.path[-1][1:] == (stopped.sequence.low, stopped.sequence.high)
    assert (np.diff([low for _, low, _ in stopped.path]) >= -1e-7).all()
    assert stopped.answered is bool(decided)


@settings(max_examples=20, deadline=None)
@given(some.integers(0, 10_000))
def test_relabelling_mirrors_the_answer(seed: int) -> None:
    columns = contest(np.random.default_rng(seed), 50, 0.75)
    one = stopping_result(columns, DECIDED, n_contests=1, samples=1)
    other = stopping_result(columns.swap_authors(), DECIDED, n_contests=1, samples=1)
    assert one.sequence.low == pytest.approx(1 - other.sequence.high)
    assert (one.looked, one.saved) == (other.looked, other.saved)
    assert one.note("x", "y") == other.note("y", "x")


def test_an_early_end_and_no_end_are_told() -> None:
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


def test_a_width_that_only_the_last_dialogue_reaches_is_told_as_known() -> None:
    even = JudgmentTable.from_columns([0, 0, 1, 1], [True, False] * 2, [1.0, 1.0, 0.0, 0.0])
    stopped = stopping_result(even, StoppingRule(0.05, Estimand.THESE_DIALOGUES), n_contests=1, samples=1)
    assert stopped.answered
    assert stopped.is_exact
    assert "known for these dialogues" in stopped.note()


def test_126_of_250_is_not_decided_but_known_for_these_dialogues() -> None:
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


def test_runs_of_either_estimand_that_are_stored_keep_their_meaning() -> None:
    for estimand in Estimand:
        for asked in ("decided", 0.1):
            spec = {"until": asked, "estimand": str(estimand)}
            until = StoppingRule.of_spec(spec)
            assert until is not None
            assert until.estimand is estimand
            assert until.spec == spec


def test_a_narrow_interval_is_as_narrow_as_asked_for() -> None:
    columns = contest(np.random.default_rng(3), 300, 0.7)
    for estimand in Estimand:
        stopped = stopping_result(columns, StoppingRule(0.1, estimand), n_contests=1, samples=1)
        assert stopped.answered
        assert stopped.sequence.half_width <= 0.1 + 1e-9
        assert stopped.sequence.prefix < 300
        assert stopped.note().startswith("target half-width reached after")


def test_more_lanes_take_longer() -> None:
    columns = contest(np.random.default_rng(5), 250, 0.65)
    after = [
        stopping_result(columns, DECIDED, n_contests=n_contests, samples=1).sequence.prefix
        for n_contests in (1, 5, 50)
    ]
    assert after == sorted(after)
    assert after[0] < after[-1]


def test_what_got_no_answer_enters_by_its_bounds_and_not_at_all_where_it_was_never_asked() -> None:
    columns = contest(np.random.default_rng(0), 40, 0.95)
    lacking = columns.rows(~((columns.dialogue == 3) & columns.a_first))
    waiting = stopping_result(lacking, DECIDED, n_contests=1, samples=1)
    assert (waiting.sequence.prefix, waiting.answered) == (0, False)
    over = stopping_result(lacking, DECIDED, n_contests=1, samples=1, given_up=[(3, True, 0)])
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


def test_what_is_asked_for_is_read_or_told() -> None:
    assert parse_stopping_rule("decided") == DECIDED
    assert parse_stopping_rule("0.10", "population") == StoppingRule(0.1, Estimand.POPULATION)
    for until in (DECIDED, StoppingRule(0.1, Estimand.POPULATION)):
        assert StoppingRule.of_spec(until.spec) == until
    assert StoppingRule.of_spec({"split": "test"}) is None
    for wrong in ("soon", "0", "0.5", "-0.1", "nan", "inf", ""):
        with user_error("early-stopping.invalid-rule", found=repr(wrong)):
            parse_stopping_rule(wrong)


def test_what_cannot_be_reached_is_told_before_money_is_spent() -> None:
    with user_error("early-stopping.half-width-unreachable", found="0.005"):
        check_feasible(250, StoppingRule(0.005, Estimand.POPULATION), 1)
    with user_error("early-stopping.decision-unreachable"):
        check_feasible(5, StoppingRule(None, Estimand.POPULATION), 1)
    check_feasible(5, KNOWN, 1)  # at the fifth of five the answer is exact
    assert "may not be enough" in check_feasible(250, StoppingRule(0.05, Estimand.POPULATION), 1).note


# -- holding a lane back -------------------------------------------------------------------------------


async def test_work_waits_for_the_looks_before_it_and_ends_where_one_answers() -> None:
    watch = StoppingMonitor(100, DECIDED, n_contests=1, samples=1)
    columns = contest(np.random.default_rng(0), 100, 0.999)
    open_to = interim_looks(100)[INTERIM_LOOKS_AHEAD - 1]
    assert await watch.wait_for_turn(open_to - 1)
    waiting = [asyncio.ensure_future(watch.wait_for_turn(at)) for at in (open_to, 99)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    tell(watch, columns, np.flatnonzero(columns.dialogue < 10))
    assert watch.answered
    assert await asyncio.gather(*waiting) == [False, False]


async def test_a_lane_that_stops_leaves_nobody_waiting() -> None:
    watch = StoppingMonitor(100, DECIDED, n_contests=1, samples=1)
    waiting = asyncio.ensure_future(watch.wait_for_turn(99))
    await asyncio.sleep(0)
    watch.close()
    assert await waiting  # it asks, and is told why the lane stopped


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
    """All that must not depend on what happened on the way."""
    return [
        (judge.contest.judge_id, judge.stopped.note(), *_end_of(judge.stopped))
        for judge in summary.judges
        if judge.stopped is not None
    ]


async def test_a_contest_that_is_decided_stops_asking_and_the_others_go_on(
    tmp_path: Path, registry: Registry, emulator: EmulatorServer, dataset: Dataset
) -> None:
    async with await Store.open(str(tmp_path / "db.sqlite")) as store:
        models = [find_model(registry, emulator, "openai/gpt-4o"), registry.model("control/first")]
        summary = await judge_contest(store, registry, await plan_of(dataset, store, models), QUIET)
        first, gpt = summary.judges
        assert gpt.stopped is not None
        assert first.stopped is not None
        assert gpt.stopped.answered
        assert gpt.stopped.saved > 0
        assert gpt.endpoint is not None
        assert gpt.endpoint.made + gpt.stopped.saved == gpt.stopped.expected == 128
        assert (first.stopped.answered, first.stopped.finished, first.stopped.asked) == (False, True, 128)
        again = await judge_contest(store, registry, await plan_of(dataset, store, models), QUIET)
        assert answers(again) == answers(summary)
        assert [judge.endpoint.made for judge in again.judges if judge.endpoint] == [0, 0]
        # from the database alone
        assert answers(await summarize_judging(store, summary.run_id)) == answers(summary)


async def test_killed_and_gone_on_with_it_decides_as_an_undisturbed_run(
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
    assert sum(judge.endpoint.reused for judge in done.judges if judge.endpoint) > 0


async def killed(
    judging: Coroutine[Any, Any, JudgingResult], after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let a run die as soon as so many judgments are in."""
    run = asyncio.ensure_future(judging)
    tell_it, count = StoppingMonitor.told, 0

    def dying(self: StoppingMonitor, place: Any, judgment: Judgment) -> None:
        nonlocal count
        count += 1
        tell_it(self, place, judgment)
        if count == after:
            run.cancel()

    with monkeypatch.context() as patched:
        patched.setattr(StoppingMonitor, "told", dying)
        with pytest.raises(asyncio.CancelledError):
            await run


async def test_a_lane_without_money_answers_later_as_an_undisturbed_one(
    tmp_path: Path, registry: Registry, emulator: EmulatorServer, dataset: Dataset
) -> None:
    models = [find_model(registry, emulator, "openai/gpt-4o")]
    async with await Store.open(str(tmp_path / "db.sqlite")) as store:
        plan = await plan_of(dataset, store, models, a="gpt-4")
        poor = await judge_contest(store, registry, plan, RequestSettings(quiet=True, budget_usd=0.03))
        stopped = poor.judges[0].stopped
        assert stopped is not None
        assert not stopped.finished
        assert poor.judges[0].endpoint is not None
        assert poor.judges[0].endpoint.stopped
        rich = await judge_contest(store, registry, plan, QUIET)
    async with await Store.open(str(tmp_path / "other.sqlite")) as store:
        undisturbed = await judge_contest(store, registry, plan, QUIET)
    assert answers(rich) == answers(undisturbed)


async def test_a_refusing_judge_is_asked_to_the_end_and_decides_nothing(
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
    stopped = summary.judges[0].stopped
    assert stopped is not None
    assert stopped.note() == "all 64 dialogues judged, undecided"
    assert (stopped.sequence.low, stopped.sequence.high, stopped.sequence.incomplete) == (0, 1, 64)


async def test_calls_that_never_get_an_answer_do_not_hang_the_run(
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
        stopped = done.judges[0].stopped
        assert stopped is not None
        assert stopped.finished
    assert summary.judges[0].endpoint is not None
    assert summary.judges[0].endpoint.failed > 0
