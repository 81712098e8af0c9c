"""Judging with servers that misbehave like real ones: no false verdict, no duplicates, no exceeded budget."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from agents.judge import VERDICT_PARSER  # type: ignore[attr-defined]  # the parser in use
from harness.emulator.config import EmulatorConfig
from harness.engine import outage
from harness.engine.failure_streak import MAX_STREAK
from harness.engine.prices import lookup_price
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
async def make_bench(emulator: Start, tmp_path: Any) -> AsyncIterator[Make]:
    """Return a function that makes benches, each with its own database by default."""
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
    """Return the outcome of every judgment by judge, dialogue, order and sample."""
    return {
        (row.judge_id, row.dialogue, row.first, row.second): (row.preference, row.unscored)
        for row in await rows(store, JudgmentRow)
    }


def with_traits(plan: JudgingPlan, **capabilities: Any) -> JudgingPlan:
    """Return the plan with other capabilities of every judge."""
    judges = tuple(
        replace(
            judge, model=replace(judge.model, capabilities=replace(judge.model.capabilities, **capabilities))
        )
        for judge in plan.judges
    )
    return replace(plan, judges=judges)


async def expected_verdicts(make_bench: Make, *judges: str, **capabilities: Any) -> Verdicts:
    """Return the verdicts at a server without faults."""
    well = await make_bench()
    plan = with_traits(await well.plan(*judges), **capabilities)
    await well.judge(plan)
    return await verdicts(well.store)


def lane_of(summary: JudgingResult, judge: str = GPT) -> Any:
    return next(summary.endpoint(each) for each in summary.contests if each.contest.judge == judge)


@dataclass(frozen=True)
class Ending:
    """Result of a run with one judge at a server that always fails."""

    summary: JudgingResult
    books: dict[str, Any]
    problem: str


async def ending(
    make_bench: Make, fault: str, share: float = 1.0, judge: str = GPT, **changed: Any
) -> Ending:
    env = await make_bench(faults={fault: share})
    summary = await env.judge(await env.plan(judge), **changed)
    endpoint = lane_of(summary, judge)
    return Ending(summary, await env.stats(), endpoint.stopped)


# -- transient faults --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    ["overloaded", "gateway-timeout", "busy-in-200", "broken-off", "wrong-form", "false-gzip"],
)
async def test_transient_fault_changes_no_verdict(make_bench: Make, fault: str) -> None:
    env = await make_bench(faults={fault: 0.2})
    summary = await env.judge(await env.plan(*JUDGES), policy=PATIENT)
    assert [lane_of(summary, judge).problem for judge in JUDGES] == ["", "", ""]
    assert await verdicts(env.store) == await expected_verdicts(make_bench, *JUDGES)
    books = await env.stats()
    assert (books["answered_again"], books["answered_keys"]) == (0, ALL)
    assert books["requests"] == ALL + await count(env.store, AttemptRow)


@pytest.mark.parametrize(
    "fault",
    [
        *("half-character", "content-in-parts", "null-logprobs", "odd-finish", "odd-usage"),
        *("no-limits", "thinking-outside-limit"),
    ],
)
@pytest.mark.parametrize("share", [0.2, 1.0])
async def test_irrelevant_fault_costs_no_verdict(make_bench: Make, fault: str, share: float) -> None:
    env = await make_bench(faults={fault: share})
    summary = await env.judge(await env.plan(*JUDGES))
    assert [lane_of(summary, judge).problem for judge in JUDGES] == ["", "", ""]
    assert await verdicts(env.store) == await expected_verdicts(make_bench, *JUDGES)
    assert (await env.stats())["requests"] == ALL


@pytest.mark.parametrize("start", [0.0, 0.03])
async def test_an_outage_loses_nothing(make_bench: Make, start: float) -> None:
    env = await make_bench(outage_start=start, outage_seconds=0.4, latency_ms=5.0)
    summary = await env.judge(await env.plan(*JUDGES))
    assert [lane_of(summary, judge).problem for judge in JUDGES] == ["", "", ""]
    assert await verdicts(env.store) == await expected_verdicts(make_bench, *JUDGES)
    books = await env.stats()
    assert (books["answered_again"], books["answered_keys"]) == (0, ALL)
    assert books["by_status"]["503"] + books["by_status"]["529"] < 3 * (IN_FLIGHT + 60), "probes, not waves"


async def test_long_outage_stops_and_the_next_run_continues(make_bench: Make) -> None:
    env = await make_bench(outage_start=0.02, outage_seconds=3600.0, latency_ms=5.0)
    plan = await env.plan(*JUDGES)
    summary = await env.judge(plan, policy=HASTY)
    assert all("--patience" in lane_of(summary, judge).stopped for judge in JUDGES)
    stored = await count(env.store, CompletionRow)
    later = await make_bench(env.store)
    await later.judge(await later.plan(*JUDGES))
    assert (await later.stats())["requests"] == ALL - stored
    assert await verdicts(env.store) == await expected_verdicts(make_bench, *JUDGES)


# -- completions without a verdict -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "reason", "judges"),
    [
        ("filtered", "filtered", JUDGES),
        ("moderated", "filtered", JUDGES),
        ("cut-off-by-400", "truncated", (GPT,)),
    ],
)
async def test_content_refusals_are_final(
    make_bench: Make, fault: str, reason: str, judges: tuple[str, ...]
) -> None:
    env = await make_bench(faults={fault: 0.2})
    plan = await env.plan(*judges)
    summary = await env.judge(plan)
    assert [lane_of(summary, judge).problem for judge in judges] == [""] * len(judges)
    got, right = await verdicts(env.store), await expected_verdicts(make_bench, *judges)
    assert got.keys() == right.keys()
    struck = {key for key, reasons in got.items() if reasons == (None, reason)}
    assert 0.1 < len(struck) / len(got) < 0.3
    assert {key: reasons for key, reasons in got.items() if key not in struck} == {
        key: reasons for key, reasons in right.items() if key not in struck
    }
    requests = (await env.stats())["requests"]
    again = await env.judge(plan)
    assert [lane_of(again, judge).problem for judge in judges] == [""] * len(judges)
    assert (await env.stats())["requests"] == requests, "the next run asks nothing"


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize(
    "fault",
    [*("filtered", "moderated", "cut-off-by-400"), pytest.param("thinks-aloud", marks=needs_newer_parser)],
)
async def test_useless_completions_disable_the_endpoint(make_bench: Make, fault: str, judge: str) -> None:
    if fault == "cut-off-by-400" and judge != GPT:
        pytest.skip("only OpenAI's protocol has it")
    end = await ending(make_bench, fault, judge=judge)
    kind = "filtered" if fault in ("filtered", "moderated") else "truncated"
    assert kind in end.problem
    assert MAX_STREAK <= end.books["requests"] <= MAX_STREAK + IN_FLIGHT
    assert not end.summary.contests[0].has_verdicts


# -- failing endpoints --------------------------------------------------------------------


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize(
    ("fault", "share", "words", "most"),
    [
        ("wait-a-day", 1.0, "until", IN_FLIGHT),
        ("daily-quota", 1.0, "quota exhausted", IN_FLIGHT),
        ("error-in-words", 1.0, "unknown model", IN_FLIGHT),
        ("wrong-form", 1.0, "not valid", 5 * IN_FLIGHT),
        ("false-gzip", 1.0, "Content-Encoding", 5 * IN_FLIGHT),
        ("overloaded", 1.0, "--patience", 5 * IN_FLIGHT),
        ("busy-in-200", 1.0, "--patience", 5 * IN_FLIGHT),
        ("gateway-timeout", 1.0, "--patience", 5 * IN_FLIGHT),
        ("broken-off", 1.0, "generation failed", 2 * N * AT_ONCE.max_tries),
    ],
)
async def test_failing_endpoint_is_disabled(
    make_bench: Make, fault: str, share: float, words: str, most: int, judge: str
) -> None:
    end = await ending(make_bench, fault, share, judge, policy=HASTY)
    assert words in end.problem
    assert end.books["requests"] <= most
    assert end.books["answered_keys"] == 0


@pytest.mark.parametrize("fault", ["wait-a-day", "daily-quota"])
async def test_wait_of_a_day_stops_immediately_without_loss(make_bench: Make, fault: str) -> None:
    env = await make_bench(faults={fault: 0.05})
    plan = await env.plan(*JUDGES)
    summary = await env.judge(plan)
    stopped = [judge for judge in JUDGES if lane_of(summary, judge).stopped]
    assert stopped
    books = await env.stats()
    assert books["by_status"]["429"] <= len(JUDGES) * IN_FLIGHT
    assert books["answered_keys"] == await count(env.store, CompletionRow), "what came is stored"
    later = await make_bench(env.store)
    await later.judge(await later.plan(*JUDGES))
    assert (await later.stats())["answered_keys"] == ALL - books["answered_keys"]
    assert await verdicts(env.store) == await expected_verdicts(make_bench, *JUDGES)


async def test_error_text_after_completions_does_not_disable_the_endpoint(make_bench: Make) -> None:
    env = await make_bench(faults={"error-in-words": 0.2})
    plan = await env.plan(GPT)
    for _ in range(20):  # if the first attempt fails, the address is assumed to be wrong
        summary = await env.judge(plan, policy=PATIENT)
        if not lane_of(summary).problem:
            break
    assert await verdicts(env.store) == await expected_verdicts(make_bench, GPT)
    assert (await env.stats())["answered_again"] == 0


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
async def test_refused_parameter_is_replaced(
    make_bench: Make, fault: str, judge: str, capabilities: dict[str, Any]
) -> None:
    env = await make_bench(faults={fault: 1.0})
    summary = await env.judge(await env.plan(judge))
    assert len(summary.adapted) == 1
    assert lane_of(summary, judge).problem == ""
    assert await verdicts(env.store) == await expected_verdicts(make_bench, judge, **capabilities)
    books = await env.stats()
    assert books["answered_again"] == 0
    assert books["requests"] <= 2 * N + IN_FLIGHT


@pytest.mark.parametrize(("fault", "judge", "capabilities"), REFUSED)
async def test_intermittently_refused_parameter_costs_only_refused_requests(
    make_bench: Make, fault: str, judge: str, capabilities: dict[str, Any]
) -> None:
    """Some upstreams of a router refuse it; other settings make another judge, so only a remedy is given."""
    env = await make_bench(faults={fault: 0.2})
    summary = await env.judge(await env.plan(judge))
    endpoint, got = lane_of(summary, judge), await verdicts(env.store)
    right = await expected_verdicts(make_bench, judge) | await expected_verdicts(
        make_bench, judge, **capabilities
    )  # two judges, by their ids
    assert got.items() <= right.items()
    if not summary.adapted:
        assert len(got) + endpoint.failed == 2 * N
        assert 0.1 < endpoint.failed / (2 * N) < 0.3
        assert str(next(iter(capabilities))) in endpoint.failure


# -- thinking in the text ----------------------------------------------------------------------------


@needs_newer_parser
async def test_thinking_in_the_text_is_parsed_with_enough_tokens(make_bench: Make) -> None:
    env = await make_bench(faults={"thinks-aloud": 1.0})
    await env.judge(with_traits(await env.plan(*JUDGES), **ROOM))
    assert await verdicts(env.store) == await expected_verdicts(make_bench, *JUDGES, **ROOM)


@pytest.mark.parametrize("fault", [pytest.param("thinks-aloud", marks=needs_newer_parser), "broken-off"])
async def test_truncated_thinking_is_unscored(make_bench: Make, fault: str) -> None:
    env = await make_bench(faults={fault: 0.5})
    await env.judge(await env.plan(*JUDGES))
    right = await expected_verdicts(make_bench, *JUDGES)
    scored = {key: reasons for key, reasons in (await verdicts(env.store)).items() if reasons[0] is not None}
    assert scored.items() <= right.items()
    assert scored


# -- budgets -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize(
    "fault",
    [
        *("thinking-outside-limit", "odd-usage", "gateway-timeout", "broken-off", "wrong-form"),
        *("cut-off-by-400", "thinks-aloud", "false-gzip", "filtered", "event-stream"),
    ],
)
async def test_budget_counts_what_the_server_bills(make_bench: Make, fault: str, judge: str) -> None:
    env = await make_bench(faults={fault: 0.5})
    plan = await env.plan(judge)
    asked = plan.judges[0]
    price = lookup_price(asked.model, {})
    assert price is not None
    bound = max(price.upper_bound(asked.call(comparison)) for comparison in plan.comparisons())
    budget = 25 * bound + 10 * 2000 * price.output_usd
    summary = await env.judge(plan, budget_usd=budget, policy=PATIENT)
    books = await env.stats()
    billed = books["input_tokens"] * price.input_usd + books["output_tokens"] * price.output_usd
    spent = await env.store.spent_usd(summary.run_id)
    assert 0 < billed <= budget
    if not summary.adapted:  # an adapted run continues under another id
        assert billed <= spent + 1e-9, "the recorded cost is at least the billed cost"
    assert spent <= budget + 1e-9


async def test_failed_attempts_are_counted_by_kind(make_bench: Make) -> None:
    env = await make_bench(faults={"overloaded": 0.1, "broken-off": 0.1, "wrong-form": 0.1})
    await env.judge(await env.plan(*JUDGES), policy=PATIENT)
    failures = Counter(row.failure for row in await rows(env.store, AttemptRow))
    assert set(failures) == {"unavailable", "server error", "malformed answer"}
    assert await verdicts(env.store) == await expected_verdicts(make_bench, *JUDGES)
