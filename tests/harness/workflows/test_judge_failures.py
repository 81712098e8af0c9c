"""Judging runs with failures: faults, wrong keys and models, budgets, daily limits, a full disk."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from agents.errors import UserError
from harness.emulator.config import EmulatorConfig
from harness.engine.limits import Limits
from harness.engine.prices import Price, lookup_price
from results.analysis.contest_results import JudgingResult
from results.db.schema import AttemptRow, ClaimRow, CompletionRow, InvocationRow, JudgmentRow
from results.db.store import Store
from tests.harness.conftest import AT_ONCE, CLAUDE, GEMINI, GPT, KEY, Bench, Start, count, rows
from tests.results.conftest import Open

Make = Callable[..., Awaitable[Bench]]

N = 64  # dialogues of the written sample
PATIENT = replace(AT_ONCE, max_tries=20)  # no request fails as often as that


def endpoints(summary: JudgingResult) -> dict[str, Any]:
    return {judge.contest.judge: summary.endpoint(judge) for judge in summary.contests}


# -- failing kinds -----------------------------------------------------------------------------------


async def test_unknown_model_disables_its_endpoint_only(bench: Make) -> None:
    env = await bench()
    summary = await env.judge(await env.plan("openai/emulated-nobody", GPT, "control/longer"))
    reports = endpoints(summary)
    assert "unknown model" in reports["openai/emulated-nobody"].stopped
    assert reports["openai/emulated-nobody"].made == 0
    assert [(reports[name].made, reports[name].stopped) for name in (GPT, "control/longer")] == [
        (2 * N, "")
    ] * 2
    assert (await env.stats())["by_status"]["404"] <= 32  # requests in flight when the first one failed
    unscored = {judge.contest.judge: judge.unscored for judge in summary.contests}
    assert unscored["openai/emulated-nobody"] == {"no answer": 2 * N}
    assert await count(env.store, ClaimRow) == 0


async def test_wrong_key_disables_its_endpoint_and_is_not_revealed(bench: Make) -> None:
    env = await bench(api_key=KEY)
    wrong = "sk-wrong-9876543210"
    summary = await env.judge(await env.plan(GPT, GEMINI), keys={"openai": wrong})
    reports = endpoints(summary)
    assert "OPENAI_API_KEY is not accepted" in reports[GPT].stopped
    assert wrong not in reports[GPT].stopped
    assert (reports[GPT].made, reports[GEMINI].made, reports[GEMINI].stopped) == (0, 2 * N, "")
    assert (await env.stats())["by_status"]["401"] <= 32
    right = await env.judge(await env.plan(GPT, GEMINI))
    assert {name: endpoint.made for name, endpoint in endpoints(right).items()} == {GPT: 2 * N, GEMINI: 0}


async def test_faults_cause_no_loss_and_no_duplicates(bench: Make) -> None:
    env = await bench(errors_500=0.1, resets=0.05, malformed=0.05, refusals=0.1)
    plan = await env.plan(GPT, GEMINI, CLAUDE)
    summary = await env.judge(plan)
    for judge in summary.contests:
        endpoint = summary.endpoint(judge)
        assert endpoint is not None
        assert endpoint.made == 2 * N
        assert endpoint.retried > 0
        assert judge.unscored
        assert set(judge.unscored) <= {"refused", "filtered"}
        assert judge.hard.n + judge.hard.incomplete == N
    stats = await env.stats()
    assert (stats["answered_again"], stats["answered_keys"]) == (0, 3 * 2 * N)
    assert await count(env.store, CompletionRow) == await count(env.store, JudgmentRow) == 3 * 2 * N
    failures = Counter(row.failure for row in await rows(env.store, AttemptRow))
    assert set(failures) == {"server error", "unavailable", "connection", "malformed answer"}
    assert stats["requests"] == 3 * 2 * N + failures.total()


async def test_results_are_independent_of_faults_and_concurrency(emulator: Start, tmp_path: Any) -> None:
    """Faults and concurrency change neither the requests nor the results."""
    rates = []
    for name, most, faults in (("well", 1, {}), ("ill", 64, {"errors_500": 0.2, "resets": 0.1})):
        running = await emulator(**faults)
        async with await Store.open(str(tmp_path / f"{name}.sqlite")) as store:
            env = Bench(store, running.url, EmulatorConfig().definition_hash)
            summary = await env.judge(
                await env.plan(GPT, limit=30), limits=Limits(max_in_flight=most), policy=PATIENT
            )
            rates.append(summary.contests[0].hard)
    assert rates[0] == rates[1]


# -- budgets -------------------------------------------------------------------------------------------


def upper_bound(env: Bench, plan: Any) -> float:
    """Return the maximum cost of one request of a plan's first judge."""
    judge = plan.judges[0]
    price = lookup_price(judge.model, {})
    assert price is not None
    return max(price.upper_bound(judge.call(comparison)) for comparison in plan.comparisons())


async def test_budget_is_never_exceeded(bench: Make) -> None:
    env = await bench()
    plan = await env.plan(GPT, "control/longer")
    budget = 20 * upper_bound(env, plan)
    summary = await env.judge(plan, budget_usd=budget)
    gpt = endpoints(summary)[GPT]
    assert "the budget of $" in gpt.stopped
    assert "Raise it with --budget" in gpt.stopped
    assert 20 <= gpt.made < 2 * N
    spent = await env.store.spent_usd(summary.run_id)
    assert spent == pytest.approx(gpt.spent_usd)
    assert budget - upper_bound(env, plan) < spent <= budget
    assert endpoints(summary)["control/longer"].made == 2 * N
    again = await env.judge(plan, budget_usd=budget)
    assert endpoints(again)[GPT].made == 0  # spending of earlier invocations counts
    done = await env.judge(plan, budget_usd=100 * budget)
    assert endpoints(done)[GPT].made == 2 * N - gpt.made
    assert (endpoints(done)[GPT].stopped, done.contests[0].unscored) == ("", {})


async def test_budget_is_shared_between_processes(emulator: Start, opening: Open) -> None:
    root = (await emulator(latency_ms=3.0)).url
    benches = [Bench(await opening(), root) for _ in range(3)]
    plan = await benches[0].plan(GPT)
    budget = 10 * upper_bound(benches[0], plan)
    summaries = await asyncio.gather(*(env.judge(plan, budget_usd=budget) for env in benches))
    store = benches[0].store
    spent = sum(row.spent_usd for row in await rows(store, InvocationRow))
    assert spent == pytest.approx(sum(row.cost_usd for row in await rows(store, CompletionRow)))
    assert 0 < spent <= budget
    assert all(row.reserved_usd == 0.0 for row in await rows(store, InvocationRow))
    assert any("budget" in endpoints(summary)[GPT].stopped for summary in summaries)


async def test_budget_below_one_request_sends_nothing(bench: Make) -> None:
    env = await bench()
    summary = await env.judge(await env.plan(GPT), budget_usd=1e-6)
    assert "the next request could cost" in endpoints(summary)[GPT].stopped
    assert (await env.stats())["requests"] == 0


async def test_possibly_charged_attempts_count_in_full(bench: Make) -> None:
    env = await bench(malformed=1.0)
    plan = await env.plan(GPT)
    budget = 10.5 * upper_bound(env, plan)
    summary = await env.judge(plan, budget_usd=budget)
    assert "budget" in endpoints(summary)[GPT].stopped
    assert 10 <= (await env.stats())["requests"] <= 12
    assert 0 < await env.store.spent_usd(summary.run_id) <= budget


async def test_a_budget_needs_prices(bench: Make) -> None:
    env = await bench()
    plan = await env.plan("openai/emulated-nobody")
    with pytest.raises(UserError, match="--price openai/emulated-nobody=INPUT,OUTPUT"):
        await env.judge(plan, budget_usd=1.0)
    assert await count(env.store, InvocationRow) == 0
    prices = {"openai/emulated-nobody": Price(1e-6, 1e-6)}
    assert endpoints(await env.judge(plan, budget_usd=1.0, prices=prices))["openai/emulated-nobody"].stopped


# -- daily limits -------------------------------------------------------------------------------


@pytest.mark.parametrize("faults", [0.0, 0.2])
async def test_daily_request_limit_spans_runs(bench: Make, faults: float) -> None:
    env = await bench(errors_500=faults)
    limits = {GPT: Limits(max_in_flight=16, requests_per_day=50)}
    plan, other = await env.plan(GPT, GEMINI), await env.plan(GPT, limit=3)
    first = await env.judge(plan, endpoint_limits=limits)
    reports = endpoints(first)
    assert reports[GPT].stopped == "the limit of 50 requests per day is reached; run the same command later"
    assert (reports[GEMINI].made, reports[GEMINI].stopped) == (2 * N, "")
    assert (await env.stats())["by_model"]["emulated-gpt-4o"] == 50
    assert reports[GPT].made + reports[GPT].retried >= 50 - 16
    second = await env.judge(plan, endpoint_limits=limits)
    another = await env.judge(other, endpoint_limits=limits)
    assert endpoints(second)[GPT].made == 0
    assert "50 requests per day" in endpoints(second)[GPT].stopped
    assert endpoints(another)[GPT].made == 0
    assert (await env.stats())["by_model"]["emulated-gpt-4o"] == 50
    more = await env.judge(plan, endpoint_limits={GPT: Limits(max_in_flight=16, requests_per_day=5000)})
    assert endpoints(more)[GPT].made == 2 * N - reports[GPT].made


async def test_daily_token_limit(bench: Make) -> None:
    env = await bench()
    plan = await env.plan(GPT)
    summary = await env.judge(plan, limits=Limits(max_in_flight=16, tokens_per_day=20_000))
    assert "the limit of 20,000 tokens per day is reached" in endpoints(summary)[GPT].stopped
    stats = await env.stats()
    assert 10_000 < stats["input_tokens"] + stats["output_tokens"] <= 20_000


# -- disk ----------------------------------------------------------------------------------------


async def test_full_disk_loses_nothing(bench: Make) -> None:
    env = await bench()
    plan = await env.plan(GPT)
    store = env.store
    pages = await _pages(store, "page_count")
    for more in itertools.count(40, 25):
        await _pages(store, f"max_page_count={pages + more}")
        try:
            summary = await env.judge(plan)
        except UserError as error:
            assert "disk is full" in str(error)
        else:
            break
    assert more > 40  # it was full at least once
    stats = await env.stats()
    stored = await count(store, CompletionRow)
    assert stored == await count(store, JudgmentRow) == 2 * N
    assert summary.contests[0].unscored == {}
    assert stats["answered_again"] <= (more - 40) / 25 * (32 + 256)


async def _pages(store: Store, pragma: str) -> int:
    return int(await store.database.write(lambda c: c.exec_driver_sql(f"PRAGMA {pragma}").scalar_one()))
