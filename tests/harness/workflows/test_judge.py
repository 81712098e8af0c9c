"""Judging runs against the emulator: no loss and no repeated request."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.emulator.config import EmulatorConfig
from harness.emulator.judge_preferences import expected_scores
from harness.engine.retrying_client import RetryPolicy
from harness.workflows.judge_cost import estimate_judging_cost
from results.analysis.contest_results import JudgingResult
from results.db.schema import AttemptRow, ClaimRow, CompletionRow, JudgmentRow
from results.db.store import Store
from results.render.judging import judging_document
from tests.harness.conftest import CLAUDE, GEMINI, GPT, SETTINGS, Bench, Start, count, rows
from tests.results.conftest import Open

Make = Callable[..., Awaitable[Bench]]

N = 64  # dialogues of the written sample


def by_judge(summary: JudgingResult) -> dict[str, Any]:
    return {judge.contest.judge: judge for judge in summary.contests}


def endpoint_of(summary: JudgingResult, judge: Any) -> Any:
    return summary.endpoint(judge)


def result(summary: JudgingResult) -> dict[str, Any]:
    """Return the contest results of a summary without this invocation's counts."""
    return {**judging_document(summary), "invocation": {}}


def requests_made(summary: JudgingResult) -> dict[str, int]:
    return {name: endpoint_of(summary, judge).made for name, judge in by_judge(summary).items()}


# -- each request once --------------------------------------------------------------------------------------


async def test_every_pair_is_judged_once_in_both_orders(emulator: Start, opening: Open) -> None:
    bench = Bench(await opening(), (await emulator()).url)
    plan = await bench.plan(GPT, GEMINI, CLAUDE, "control/longer")
    first = await bench.judge(plan)
    judges = by_judge(first)
    assert set(requests_made(first).values()) == {2 * N}
    assert all(judge.hard.n == N and judge.unscored == {} for judge in judges.values())
    sent = Counter((row.judge_id, row.dialogue, row.first, row.second) for row in await _judgments(bench))
    assert set(sent.values()) == {1}
    assert len(sent) == 4 * 2 * N
    assert {(judge, dialogue, second, first) for judge, dialogue, first, second in sent} == set(sent)
    assert await count(bench.store, CompletionRow) == 4 * 2 * N
    assert await count(bench.store, ClaimRow) == 0
    stats = await bench.stats()
    assert stats["requests"] == stats["unique_keys"] == 3 * 2 * N
    second = await bench.judge(await bench.plan(GPT, GEMINI, CLAUDE, "control/longer"))
    assert set(requests_made(second).values()) == {0}
    assert all(endpoint.reused == 2 * N for endpoint in second.invocation.values())
    assert (await bench.stats())["requests"] == stats["requests"]
    assert result(second) == result(first)


async def _judgments(bench: Bench) -> list[Any]:
    return await rows(bench.store, JudgmentRow)


async def test_concurrent_runs_send_each_request_once(emulator: Start, opening: Open) -> None:
    root = (await emulator(latency_ms=5.0)).url
    benches = [Bench(await opening(), root), Bench(await opening(), root)]
    plan = await benches[0].plan(GPT, GEMINI)
    summaries = await asyncio.gather(*(bench.judge(plan) for bench in benches))
    stats = await benches[0].stats()
    assert stats["requests"] == stats["unique_keys"] == 2 * 2 * N
    assert sum(sum(requests_made(summary).values()) for summary in summaries) == 2 * 2 * N
    assert result(summaries[0]) == result(summaries[1])
    assert await count(benches[0].store, JudgmentRow) == 2 * 2 * N


async def test_duplicate_judges_are_merged(bench: Make) -> None:
    env = await bench()
    summary = await env.judge(await env.plan(GPT, GPT, "control/first", limit=5))
    assert requests_made(summary) == {GPT: 10, "control/first": 10}


async def test_another_parameter_is_another_measurement(bench: Make) -> None:
    env = await bench()
    plan = await env.plan(GPT, limit=5)
    await env.judge(plan)
    warmer = replace(plan, judges=tuple(replace(judge, temperature=1.0) for judge in plan.judges))
    assert requests_made(await env.judge(warmer)) == {GPT: 10}


async def test_more_samples_send_only_new_requests(bench: Make) -> None:
    env = await bench()
    three = await env.judge(await env.plan(GPT, samples=3, limit=10))
    five = await env.judge(await env.plan(GPT, samples=5, limit=10))
    again = await env.judge(await env.plan(GPT, samples=3, limit=10))
    assert [requests_made(summary)[GPT] for summary in (three, five, again)] == [3 * 20, 2 * 20, 0]
    assert result(again) == result(three)
    assert five.contests[0].contest.expected == 100


async def test_cost_estimate_counts_the_requests_that_are_sent(bench: Make) -> None:
    env = await bench()
    await env.judge(await env.plan(GPT, limit=10))
    plan = await env.plan(GPT, GEMINI, limit=30)
    estimates = {
        estimate.judge: estimate for estimate in await estimate_judging_cost(env.store, plan, SETTINGS)
    }
    before = (await env.stats())["requests"]
    assert before == 20  # it sent no request
    summary = await env.judge(plan)
    assert (
        {name: estimate.calls for name, estimate in estimates.items()}
        == requests_made(summary)
        == {GPT: 40, GEMINI: 60}
    )
    assert (estimates[GPT].known, estimates[GEMINI].known) == (20, 0)
    for name, judge in by_judge(summary).items():
        assert 0 < endpoint_of(summary, judge).spent_usd <= (estimates[name].maximum_usd or 0)


# -- unscored ----------------------------------------------------------------------------------------


async def test_unscored_judgments_are_retried_only_on_request(bench: Make) -> None:
    env = await bench(refusals=0.3)
    plan = await env.plan(GPT)
    first = await env.judge(plan)
    assert set(first.contests[0].unscored) == {"refused", "filtered"}
    refused = sum(first.contests[0].unscored.values())
    assert 0 < refused < N
    assert requests_made(await env.judge(plan)) == {GPT: 0}
    (estimate,) = await estimate_judging_cost(env.store, plan, SETTINGS, retry_unscored=True)
    assert (estimate.calls, estimate.known) == (refused, 2 * N - refused)
    again = await env.judge(plan, retry_unscored=True)
    assert requests_made(again) == {GPT: refused}
    assert again.contests[0].contest.asked_again == refused
    left = sum(again.contests[0].unscored.values())
    assert requests_made(await env.judge(plan, retry_unscored=True)) == {GPT: left}
    attempts = Counter(row.attempt for row in await _judgments(env))
    assert attempts == Counter({0: 2 * N, 1: refused} | ({2: left} if left else {}))


async def test_judgments_without_completion_are_requested_by_the_next_run(
    emulator: Start, tmp_path: Path
) -> None:
    ill, well = await emulator(errors_500=1.0), await emulator()
    async with await Store.open(str(tmp_path / "empathy.sqlite")) as store:
        env = Bench(store, ill.url, EmulatorConfig().definition_hash)
        plan = await env.plan(GPT, limit=20)
        policy = RetryPolicy(max_tries=1, stop_after=10**6, patience_seconds=0.0)
        none = await env.judge(plan, policy=policy)
        judge = none.contests[0]
        assert judge.unscored == {"no answer": 40}
        assert (judge.hard.n, judge.hard.rate) == (0, None)
        assert endpoint_of(none, judge).stopped, "the endpoint is down, and there is no patience"
        assert (await count(store, AttemptRow) > 0, await count(store, ClaimRow)) == (True, 0)
        env = replace(env, root=well.url)  # the same models without faults
        after = await env.judge(await env.plan(GPT, limit=20))
    assert requests_made(after) == {GPT: 40}
    assert after.contests[0].unscored == {}


# -- validity of the numbers ----------------------------------------------------------------------


@pytest.mark.parametrize("bias", [0.2, -0.25])
async def test_both_orders_remove_position_bias(bench: Make, bias: float) -> None:
    taste: dict[str, Any] = {"mean_preference": 0.55, "concentration": 60.0, "position_bias": bias}
    env = await bench(**taste)
    plan = await env.plan(GPT, samples=6)
    rate = (await env.judge(plan)).contests[0].hard
    options = EmulatorConfig(**taste)
    model = options.model(GPT.partition("/")[2])
    assert model is not None
    stored = [
        (d.situation, d.utterance, plan.a.responses[d.key].text, plan.b.responses[d.key].text)
        for d in plan.dialogues
    ]
    truths = expected_scores(options.seed, model, stored)
    truth = sum(truths) / len(truths)
    assert rate.low is not None
    assert rate.high is not None
    assert rate.low <= truth <= rate.high
    assert rate.rate == pytest.approx(truth, abs=0.04)
    assert rate.a_first.rate == pytest.approx(truth + bias, abs=0.05)
    assert rate.b_first.rate == pytest.approx(truth - bias, abs=0.05)
    assert rate.first_position_rate == pytest.approx(0.5 + bias, abs=0.05)
