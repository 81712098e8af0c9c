"""Judging at servers that misbehave as real ones do: no false verdict, nothing twice, no budget crossed."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from agents.judge import VERDICT_PARSER  # type: ignore[attr-defined]  # whichever parser judges read with
from harness.emulator.config import EmulatorConfig
from harness.engine import outage
from harness.engine.budget import lookup_price
from harness.engine.failure_streak import MAX_STREAK
from harness.workflows.judge import JudgingPlan
from results.analysis.contest_results import JudgingResult
from results.db.schema import AttemptRow, CompletionRow, JudgmentRow
from results.db.store import Store
from tests.harness.conftest import AT_ONCE, CLAUDE, GEMINI, GPT, Bench, Start, count, rows

N = 64  # dialogues of the written sample
JUDGES = (GPT, GEMINI, CLAUDE)
ALL = 2 * N * len(JUDGES)
IN_FLIGHT = 32
PATIENT = replace(AT_ONCE, max_tries=20)  # no request fails as often as that
HASTY = replace(AT_ONCE, patience_seconds=0.3)
ROOM = {"verdict": "text", "verdict_tokens": 4096, "max_top_logprobs": 0}

needs_newer_parser = pytest.mark.skipif(
    VERDICT_PARSER == "verdict-1", reason="that parser takes what is thought for what is said"
)

Verdicts = dict[tuple[str, ...], tuple[str | None, str | None]]
Make = Callable[..., Awaitable[Bench]]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "MAX_PAUSE_SECONDS", 0.1)


@pytest.fixture
async def place(emulator: Start, tmp_path: Any) -> AsyncIterator[Make]:
    """Makes benches, each with a database of its own unless one is given; all ask under one definition."""
    stores: list[Store] = []

    async def make(store: Store | None = None, **options: Any) -> Bench:
        if store is None:
            store = await Store.open(str(tmp_path / f"{len(stores)}.sqlite"))
            stores.append(store)
        return Bench(store, (await emulator(**options)).url, EmulatorConfig().definition_hash)

    yield make
    for store in stores:
        await store.close()


async def verdicts(store: Store) -> Verdicts:
    """What every judgment says, by judge, dialogue, order and sample."""
    return {
        (row.judge_id, row.dialogue, row.first, row.second): (row.preference, row.unscored)
        for row in await rows(store, JudgmentRow)
    }


def with_traits(plan: JudgingPlan, **capabilities: Any) -> JudgingPlan:
    """The plan with every judge asked under other settings."""
    judges = tuple(
        replace(
            judge, model=replace(judge.model, capabilities=replace(judge.model.capabilities, **capabilities))
        )
        for judge in plan.judges
    )
    return replace(plan, judges=judges)


async def wanted(place: Make, *judges: str, **capabilities: Any) -> Verdicts:
    """What the judges say at a well server."""
    well = await place()
    plan = with_traits(await well.plan(*judges), **capabilities)
    await well.judge(plan)
    return await verdicts(well.store)


def lane_of(summary: JudgingResult, judge: str = GPT) -> Any:
    return next(each.endpoint for each in summary.judges if each.contest.judge == judge)


@dataclass(frozen=True)
class Ending:
    """How a run with one judge, at a server that always fails, ended."""

    summary: JudgingResult
    books: dict[str, Any]
    problem: str


async def ending(place: Make, fault: str, share: float = 1.0, judge: str = GPT, **changed: Any) -> Ending:
    house = await place(faults={fault: share})
    summary = await house.judge(await house.plan(judge), **changed)
    endpoint = lane_of(summary, judge)
    return Ending(summary, await house.stats(), endpoint.stopped)


# -- faults that pass --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    ["overloaded", "gateway-timeout", "busy-in-200", "broken-off", "wrong-form", "false-gzip"],
)
async def test_a_fault_that_passes_costs_no_verdict_and_changes_none(place: Make, fault: str) -> None:
    house = await place(faults={fault: 0.2})
    summary = await house.judge(await house.plan(*JUDGES), policy=PATIENT)
    assert [lane_of(summary, judge).problem for judge in JUDGES] == ["", "", ""]
    assert await verdicts(house.store) == await wanted(place, *JUDGES)
    books = await house.stats()
    assert (books["answered_again"], books["answered_keys"]) == (0, ALL)
    assert books["requests"] == ALL + await count(house.store, AttemptRow)


@pytest.mark.parametrize(
    "fault",
    [
        *("half-character", "content-in-parts", "null-logprobs", "odd-finish", "odd-usage"),
        *("no-limits", "thinking-outside-limit"),
    ],
)
@pytest.mark.parametrize("share", [0.2, 1.0])
async def test_what_a_verdict_does_not_need_never_costs_it(place: Make, fault: str, share: float) -> None:
    house = await place(faults={fault: share})
    summary = await house.judge(await house.plan(*JUDGES))
    assert [lane_of(summary, judge).problem for judge in JUDGES] == ["", "", ""]
    assert await verdicts(house.store) == await wanted(place, *JUDGES)
    assert (await house.stats())["requests"] == ALL


@pytest.mark.parametrize("start", [0.0, 0.03])
async def test_an_outage_loses_nothing(place: Make, start: float) -> None:
    house = await place(outage_start=start, outage_seconds=0.4, latency_ms=5.0)
    summary = await house.judge(await house.plan(*JUDGES))
    assert [lane_of(summary, judge).problem for judge in JUDGES] == ["", "", ""]
    assert await verdicts(house.store) == await wanted(place, *JUDGES)
    books = await house.stats()
    assert (books["answered_again"], books["answered_keys"]) == (0, ALL)
    assert books["by_status"]["503"] + books["by_status"]["529"] < 3 * (IN_FLIGHT + 60), "probes, not waves"


async def test_an_outage_beyond_the_patience_stops_and_the_next_run_goes_on(place: Make) -> None:
    house = await place(outage_start=0.02, outage_seconds=3600.0, latency_ms=5.0)
    plan = await house.plan(*JUDGES)
    summary = await house.judge(plan, policy=HASTY)
    assert all("--patience" in lane_of(summary, judge).stopped for judge in JUDGES)
    stored = await count(house.store, CompletionRow)
    later = await place(house.store)
    await later.judge(await later.plan(*JUDGES))
    assert (await later.stats())["requests"] == ALL - stored
    assert await verdicts(house.store) == await wanted(place, *JUDGES)


# -- answers without a verdict -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "reason", "judges"),
    [
        ("filtered", "filtered", JUDGES),
        ("moderated", "filtered", JUDGES),
        ("cut-off-by-400", "truncated", (GPT,)),
    ],
)
async def test_what_is_refused_for_what_it_says_is_final(
    place: Make, fault: str, reason: str, judges: tuple[str, ...]
) -> None:
    house = await place(faults={fault: 0.2})
    plan = await house.plan(*judges)
    summary = await house.judge(plan)
    assert [lane_of(summary, judge).problem for judge in judges] == [""] * len(judges)
    got, right = await verdicts(house.store), await wanted(place, *judges)
    assert got.keys() == right.keys()
    struck = {key for key, said in got.items() if said == (None, reason)}
    assert 0.1 < len(struck) / len(got) < 0.3
    assert {key: said for key, said in got.items() if key not in struck} == {
        key: said for key, said in right.items() if key not in struck
    }
    requests = (await house.stats())["requests"]
    again = await house.judge(plan)
    assert [lane_of(again, judge).problem for judge in judges] == [""] * len(judges)
    assert (await house.stats())["requests"] == requests, "the next run asks nothing"


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize(
    "fault",
    [*("filtered", "moderated", "cut-off-by-400"), pytest.param("thinks-aloud", marks=needs_newer_parser)],
)
async def test_useless_answers_stop_the_endpoint(place: Make, fault: str, judge: str) -> None:
    if fault == "cut-off-by-400" and judge != GPT:
        pytest.skip("only OpenAI's protocol has it")
    end = await ending(place, fault, judge=judge)
    kind = "filtered" if fault in ("filtered", "moderated") else "truncated"
    assert kind in end.problem
    assert MAX_STREAK <= end.books["requests"] <= MAX_STREAK + IN_FLIGHT
    assert not end.summary.judges[0].has_verdicts


# -- endpoints that cannot answer --------------------------------------------------------------------


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize(
    ("fault", "share", "words", "most"),
    [
        ("wait-a-day", 1.0, "until", IN_FLIGHT),
        ("daily-quota", 1.0, "quota exhausted", IN_FLIGHT),
        ("error-in-words", 1.0, "unknown model", IN_FLIGHT),
        ("wrong-form", 1.0, "another form", 3 * IN_FLIGHT),
        ("false-gzip", 1.0, "Content-Encoding", 3 * IN_FLIGHT),
        ("overloaded", 1.0, "--patience", 5 * IN_FLIGHT),
        ("busy-in-200", 1.0, "--patience", 5 * IN_FLIGHT),
        ("gateway-timeout", 1.0, "--patience", 5 * IN_FLIGHT),
        ("broken-off", 1.0, "broke off", 2 * N * AT_ONCE.max_tries),
    ],
)
async def test_an_endpoint_that_cannot_answer_stops(
    place: Make, fault: str, share: float, words: str, most: int, judge: str
) -> None:
    end = await ending(place, fault, share, judge, policy=HASTY)
    assert words in end.problem
    assert end.books["requests"] <= most
    assert end.books["answered_keys"] == 0


@pytest.mark.parametrize("fault", ["wait-a-day", "daily-quota"])
async def test_a_wait_of_a_day_stops_at_once_and_loses_nothing(place: Make, fault: str) -> None:
    house = await place(faults={fault: 0.05})
    plan = await house.plan(*JUDGES)
    summary = await house.judge(plan)
    stopped = [judge for judge in JUDGES if lane_of(summary, judge).stopped]
    assert stopped
    books = await house.stats()
    assert books["by_status"]["429"] <= len(JUDGES) * IN_FLIGHT
    assert books["answered_keys"] == await count(house.store, CompletionRow), "what came is stored"
    later = await place(house.store)
    await later.judge(await later.plan(*JUDGES))
    assert (await later.stats())["answered_keys"] == ALL - books["answered_keys"]
    assert await verdicts(house.store) == await wanted(place, *JUDGES)


async def test_an_error_in_words_is_no_end_where_there_were_answers(place: Make) -> None:
    house = await place(faults={"error-in-words": 0.2})
    plan = await house.plan(GPT)
    for _ in range(20):  # where the very first attempt is struck, the address is taken to be wrong
        summary = await house.judge(plan, policy=PATIENT)
        if not lane_of(summary).problem:
            break
    assert await verdicts(house.store) == await wanted(place, GPT)
    assert (await house.stats())["answered_again"] == 0


# -- refused parameters ------------------------------------------------------------------------------


REFUSED = [
    ("refuses-max-tokens", GPT, {"token_limit": "max_completion_tokens"}),
    ("refuses-temperature", GPT, {"temperature": False}),
    ("refuses-temperature", CLAUDE, {"temperature": False}),
    ("refuses-temperature", GEMINI, {"temperature": False}),
    ("refuses-logprobs", GPT, {"max_top_logprobs": 0}),
    ("refuses-logprobs", GEMINI, {"max_top_logprobs": 0}),
    ("event-stream", GPT, {"extra": '{"stream":false}'}),
    ("event-stream", CLAUDE, {"extra": '{"stream":false}'}),
]


@pytest.mark.parametrize(("fault", "judge", "capabilities"), REFUSED)
async def test_a_refused_parameter_is_adapted_to(
    place: Make, fault: str, judge: str, capabilities: dict[str, Any]
) -> None:
    house = await place(faults={fault: 1.0})
    summary = await house.judge(await house.plan(judge))
    assert len(summary.adapted) == 1
    assert lane_of(summary, judge).problem == ""
    assert await verdicts(house.store) == await wanted(place, judge, **capabilities)
    books = await house.stats()
    assert books["answered_again"] == 0
    assert books["requests"] <= 2 * N + IN_FLIGHT


@pytest.mark.parametrize(("fault", "judge", "capabilities"), REFUSED)
async def test_a_parameter_that_is_refused_now_and_then_costs_only_what_is_refused(
    place: Make, fault: str, judge: str, capabilities: dict[str, Any]
) -> None:
    """Some upstreams of a router refuse it: other settings would be another judge, so the remedy is named."""
    house = await place(faults={fault: 0.2})
    summary = await house.judge(await house.plan(judge))
    endpoint, got = lane_of(summary, judge), await verdicts(house.store)
    right = await wanted(place, judge) | await wanted(
        place, judge, **capabilities
    )  # two judges, by their ids
    assert got.items() <= right.items()
    if not summary.adapted:
        assert len(got) + endpoint.failed == 2 * N
        assert 0.1 < endpoint.failed / (2 * N) < 0.3
        assert str(next(iter(capabilities))) in endpoint.failure


# -- thinking in the text ----------------------------------------------------------------------------


@needs_newer_parser
async def test_a_model_that_thinks_aloud_is_understood_where_it_has_room(place: Make) -> None:
    house = await place(faults={"thinks-aloud": 1.0})
    await house.judge(with_traits(await house.plan(*JUDGES), **ROOM))
    assert await verdicts(house.store) == await wanted(place, *JUDGES, **ROOM)


@pytest.mark.parametrize("fault", [pytest.param("thinks-aloud", marks=needs_newer_parser), "broken-off"])
async def test_without_room_a_cut_text_is_no_verdict(place: Make, fault: str) -> None:
    house = await place(faults={fault: 0.5})
    await house.judge(await house.plan(*JUDGES))
    right = await wanted(place, *JUDGES)
    scored = {key: said for key, said in (await verdicts(house.store)).items() if said[0] is not None}
    assert scored.items() <= right.items()
    assert scored


# -- money -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize(
    "fault",
    [
        *("thinking-outside-limit", "odd-usage", "gateway-timeout", "broken-off", "wrong-form"),
        *("cut-off-by-400", "thinks-aloud", "false-gzip", "filtered", "event-stream"),
    ],
)
async def test_the_budget_holds_what_the_server_bills(place: Make, fault: str, judge: str) -> None:
    house = await place(faults={fault: 0.5})
    plan = await house.plan(judge)
    asked = plan.judges[0]
    price = lookup_price(asked.model, {})
    assert price is not None
    bound = max(price.upper_bound(asked.call(comparison)) for comparison in plan.comparisons())
    budget = 25 * bound + 10 * 2000 * price.output_usd
    summary = await house.judge(plan, budget_usd=budget, policy=PATIENT)
    books = await house.stats()
    billed = books["input_tokens"] * price.input_usd + books["output_tokens"] * price.output_usd
    spent = await house.store.spent_usd(summary.run_id)
    assert 0 < billed <= budget
    if not summary.adapted:  # an adapted run goes on under another id
        assert billed <= spent + 1e-9, "what is told is no less than what is billed"
    assert spent <= budget + 1e-9


async def test_attempts_that_failed_are_told_by_kind(place: Make) -> None:
    house = await place(faults={"overloaded": 0.1, "broken-off": 0.1, "wrong-form": 0.1})
    await house.judge(await house.plan(*JUDGES), policy=PATIENT)
    failures = Counter(row.failure for row in await rows(house.store, AttemptRow))
    assert set(failures) == {"unavailable", "server error", "malformed answer"}
    assert await verdicts(house.store) == await wanted(place, *JUDGES)
