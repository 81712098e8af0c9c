"""Runs whose answering model changes, differs or retires, at the provider's own address and at others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from agents.models.lifecycle import Lifecycle, today
from harness.engine.limits import Limits
from harness.workflows.judge import JudgingPlan
from results.analysis.contest_results import JudgingResult
from results.db.schema import AttemptRow, CompletionRow, JudgmentRow
from results.render.judging import judging_document, render_judging
from results.report import render
from tests.errors import user_error
from tests.harness.conftest import CLAUDE, GEMINI, GPT, Bench, count, rows

Make = Callable[..., Awaitable[Bench]]
JUDGES = (GPT, GEMINI, CLAUDE)
N = 20
ONE_BY_ONE = Limits(max_in_flight=1)


def behind_gateway(house: Bench) -> Bench:
    """Return the same server under another address, as behind a gateway."""
    return replace(house, definition="")


def only(summary: JudgingResult) -> Any:
    return summary.contests[0]


# -- at the provider's own address -----------------------------------------------------------------------


@pytest.mark.parametrize("judge", JUDGES)
async def test_a_model_change_stops_the_judge_without_mixing(bench: Make, judge: str) -> None:
    house = await bench(other_model="successor-9", other_model_after=N + 1)
    plan = await house.plan(judge, "control/longer", limit=N)
    summary = await house.judge(plan, limits=ONE_BY_ONE)
    texts = {each.contest.judge: each for each in summary.contests}
    stopped = texts[judge]
    endpoint = summary.endpoint(stopped)
    assert endpoint is not None
    assert "successor-9" in endpoint.stopped
    assert (endpoint.made, stopped.contest.answering_models) == (N, {judge.partition("/")[2]: N})
    assert stopped.unscored == {"no answer": N}
    assert texts["control/longer"].hard.n == N  # other judges continue
    assert "successor-9" not in {row.server_model for row in await rows(house.store, CompletionRow)}
    attempts = await rows(house.store, AttemptRow)
    assert [row.failure for row in attempts] == ["another model answered"]
    assert attempts[0].cost_usd is not None
    assert attempts[0].cost_usd > 0


async def test_earlier_completions_stay_and_the_rest_is_requested_again(bench: Make, emulator: Any) -> None:
    house = await bench(other_model="successor-9", other_model_after=N + 1)
    plan = await house.plan(GPT, limit=N)
    await house.judge(plan, limits=ONE_BY_ONE)
    well = replace(house, root=(await emulator()).url)
    summary = await well.judge(await well.plan(GPT, limit=N))
    assert summary.endpoint(only(summary)).made == N
    assert (only(summary).hard.n, only(summary).contest.answering_models) == (N, {"emulated-gpt-4o": 2 * N})


@pytest.mark.parametrize(
    ("judge", "suffix"),
    [(GPT, "-2024-08-06"), (GEMINI, "-001"), (GEMINI, "-preview-05-20"), (CLAUDE, "-20250929")],
)
async def test_a_snapshot_of_an_alias_is_the_same_model(bench: Make, judge: str, suffix: str) -> None:
    house = await bench(snapshot_suffix=suffix)
    summary = await house.judge(await house.plan(judge, limit=N))
    name = judge.partition("/")[2] + suffix
    assert only(summary).contest.answering_models == {name: 2 * N}
    assert only(summary).hard.n == N
    assert any(name in note for note in render_judging(summary).caveats)


async def test_a_retired_model_is_rejected_before_sending(bench: Make) -> None:
    house = await bench(shutdown_date="2020-01-01")
    plan = await house.plan(GPT, limit=N)
    with user_error("model.retired") as error:
        await house.judge(plan)
    assert "2020-01-01" in str(error.value)
    assert (await house.stats())["by_model"] == {}
    allowed = await house.judge(plan, allow_retired=True)
    assert only(allowed).hard.n == N
    again = await house.judge(plan)  # every completion is stored: nothing is sent or rejected
    assert (only(again).hard.n, again.endpoint(only(again)).made) == (N, 0)


async def test_a_future_shutdown_date_is_reported_before_sending(bench: Make) -> None:
    house = await bench(shutdown_date=today().isoformat(), sunset="2099-01-14")
    texts: list[str] = []
    await house.judge(await house.plan(GPT, limit=2), warn=texts.append)
    assert len(texts) == 2  # the list of models, and the headers
    assert "today" in texts[0]
    assert "2099-01-14" in texts[1]


async def test_a_404_of_a_retired_model_names_its_successor(bench: Make) -> None:
    house = await bench(retired="emulated-gpt-4o")
    plan = await house.plan(GPT, limit=2)
    end = Lifecycle(date(2099, 1, 1), "openai/next", "https://x", date(2026, 11, 30), confirmed=True)
    gone = replace(end, retires=date(2020, 1, 1), confirmed=False)
    for lifecycle, word in ((None, "retired"), (gone, "openai/next")):
        by = replace(plan.judges[0], model=replace(plan.judges[0].model, lifecycle=lifecycle))
        summary = await house.judge(replace(plan, judges=(by,)))
        assert word in summary.endpoint(only(summary)).stopped


# -- other addresses -------------------------------------------------------------------------------------


async def mixed(bench: Make) -> tuple[Bench, JudgingPlan, JudgingResult]:
    house = behind_gateway(await bench(other_model="successor-9", other_model_after=N + 1))
    plan = await house.plan(GPT, limit=N)
    return house, plan, await house.judge(plan, limits=ONE_BY_ONE)


async def test_behind_a_gateway_both_models_count_and_are_reported(bench: Make) -> None:
    house, _, summary = await mixed(bench)
    judge = only(summary)
    assert (summary.endpoint(judge).stopped, judge.hard.n) == ("", N)
    assert judge.contest.answering_models == {"emulated-gpt-4o": N, "successor-9": N}
    data = judging_document(summary)["contests"][0]
    assert data["answering_models"] == {"emulated-gpt-4o": N, "successor-9": N}
    assert data["several_answering_models"] is True
    texts = [*render_judging(summary).caveats]
    texts += [await render(house.store, summary.run_id, form=form) for form in ("html", "md", "json")]
    for text in ("\n".join(render_judging(summary).caveats), *texts[-3:]):
        assert "successor-9" in text
        assert "2 models" in text


async def test_one_snapshot_is_counted_alone(bench: Make) -> None:
    from results.analysis.contest_results import summarize_judging

    house, _, summary = await mixed(bench)
    alone = only(await summarize_judging(house.store, summary.run_id, snapshots=["successor-9"]))
    assert alone.contest.answering_models == {"successor-9": N}
    assert alone.contest.left_out == N
    assert len(alone.contest.columns) == N
    assert "left out" in alone.contest.answering_model_note
    both = only(
        await summarize_judging(house.store, summary.run_id, snapshots=["successor-9", "emulated-gpt-4o"])
    )
    assert both.hard == only(summary).hard
    with user_error("run.unknown-snapshot", found="'nobody'") as error:
        await summarize_judging(house.store, summary.run_id, snapshots=["nobody"])
    assert "successor-9" in error.fault.remedy


async def test_one_model_can_be_required_over_all_invocations(bench: Make, emulator: Any) -> None:
    house = behind_gateway(await bench(other_model="successor-9", other_model_after=N + 1))
    plan = await house.plan(GPT, limit=N)
    stopped = await house.judge(plan, limits=ONE_BY_ONE, require_one_model=True)
    assert "successor-9" in stopped.endpoint(only(stopped)).stopped
    assert only(stopped).contest.answering_models == {"emulated-gpt-4o": N}
    again = await house.judge(plan, limits=ONE_BY_ONE, require_one_model=True)  # starts with another model
    assert again.endpoint(only(again)).stopped
    assert only(again).contest.answering_models == {"emulated-gpt-4o": N}


async def test_a_gateway_with_another_model_name_is_reported(bench: Make) -> None:
    house = behind_gateway(await bench(other_model="azure-deployment-7", other_model_after=1))
    summary = await house.judge(await house.plan(GPT, limit=N), require_one_model=True)
    assert (only(summary).hard.n, summary.endpoint(only(summary)).stopped) == (N, "")
    assert any("azure-deployment-7" in note for note in render_judging(summary).caveats)
    assert await count(house.store, JudgmentRow) == 2 * N
