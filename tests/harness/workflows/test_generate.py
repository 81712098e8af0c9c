"""Generation runs against the emulator: everything is stored and no request is repeated."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from agents.errors import UserError
from agents.generation import ExclusionReason
from agents.models.registry import Registry
from agents.models.spec import Model
from agents.types import Fidelity, Split, Strategy
from harness.data.author_resolver import resolve_author
from harness.data.dataset import Dataset, sample
from harness.emulator.config import EmulatorConfig
from harness.emulator.server import EmulatorServer, serve
from harness.engine.limits import Limits
from harness.engine.retrying_client import RetryPolicy
from harness.engine.run import RequestSettings
from harness.workflows.generate import GenerationPlan, GenerationResult, generate
from harness.workflows.generation_cost import estimate_generation_cost
from harness.workflows.generation_plan import (
    DialogueSubset,
    direct_responder,
    parse_strategies,
    plan_improvements,
    plan_responses,
)
from prompts import Library
from results.db.schema import CompletionRow, ResponseRow, table
from results.db.store import Store
from results.queries.responses import load_generations
from tests.errors import user_error

pytestmark = pytest.mark.usefixtures("released_prompts")

LIBRARY = Library()
AT_ONCE = RetryPolicy(max_tries=20, initial_backoff_seconds=0.001, max_backoff_seconds=0.01)
SETTINGS = RequestSettings(Limits(max_in_flight=16), quiet=True, policy=AT_ONCE)
Models = Callable[..., Awaitable[list[Model]]]
Improve = Callable[..., Awaitable[GenerationResult]]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await Store.open(str(tmp_path / "db.sqlite")) as opened:
        yield opened


@pytest.fixture
async def models() -> AsyncIterator[Models]:
    """Return a function that starts an emulator and returns the named models."""
    running: list[EmulatorServer] = []
    registry = Registry(None, {})

    async def start(*names: str, **options: Any) -> list[Model]:
        config = EmulatorConfig(**{"latency_ms": 0.0, **options})
        running.append(await serve(config))
        return [
            registry.emulated(registry.model(name), running[-1].url, config.definition_hash)
            for name in names or ("openai/gpt-4o",)
        ]

    yield start
    for server in running:
        await server.close()


def subset(
    split: Split = Split.TRAIN, limit: int | None = 6, dataset: Dataset | None = None
) -> DialogueSubset:
    return DialogueSubset(dataset or sample(), split, limit)


async def improving(store: Store, model: Model, over: str, strategies: str, **more: Any) -> GenerationPlan:
    limit = more.pop("limit", 6)
    split = more.pop("split", Split.TRAIN)
    return await plan_improvements(
        subset(split, limit), store, LIBRARY, [model], over.split(","), parse_strategies(strategies), **more
    )


async def run(store: Store, plan: GenerationPlan, **more: Any) -> GenerationResult:
    return await generate(store, Registry(None, {}), plan, SETTINGS, **more)


async def count(store: Store, row: Any) -> int:
    return await store.read(
        lambda connection: connection.execute(select(func.count()).select_from(table(row))).scalar_one()
    )


async def test_all_teachers_and_strategies_send_each_request_once(store: Store, models: Models) -> None:
    (model,) = await models()
    plan = await improving(store, model, "human,llm", "all")
    (cost,) = await estimate_generation_cost(store, plan, SETTINGS)
    summary = await run(store, plan)
    # one initial response; then six requests per kind, one of them the first of the chain, and two more
    assert (
        summary.endpoints[model.id].made == 6 * (1 + 2 * 8) == cost.calls == await count(store, CompletionRow)
    )
    assert len(summary.sets) == 15
    assert {(item.responses, item.missing, sum(item.flaws.values())) for item in summary.sets} == {(6, 0, 0)}
    # responses of 15 sets and the improved human ones
    assert await count(store, ResponseRow) == 16 * 6

    again = await run(store, await improving(store, model, "human,llm", "all"))
    assert again.run_id == summary.run_id
    assert again.endpoints[model.id].made == 0
    (cost,) = await estimate_generation_cost(store, plan, SETTINGS)
    assert (cost.calls, cost.known) == (0, 6 * 17)


async def test_larger_run_sends_only_missing_requests(store: Store, models: Models) -> None:
    (model,) = await models()
    await run(store, await improving(store, model, "human", "naive,sequential", limit=4))
    summary = await run(store, await improving(store, model, "human", "all", limit=6))
    # of 6 × 8 distinct calls, 4 × (naive + three of the chain, the first of them cognitive's) are known
    assert summary.endpoints[model.id].made == 6 * 8 - 4 * 4


async def test_improved_responses_are_an_author(store: Store, models: Models) -> None:
    (model,) = await models()
    await run(store, await improving(store, model, "human,llm", "naive,sequential"))
    for name in (model.id, f"{model.id}@naive-over-human", f"{model.id}@sequential-over-llm"):
        author = await resolve_author(name, sample(), store)
        assert author.name == name
        assert len(author.responses) == 6
    naive = await resolve_author(f"{model.id}@naive-over-llm", sample(), store)
    initial = await resolve_author(model.id, sample(), store)
    for key, response in naive.responses.items():  # the emulator adds to what it improves
        assert response.text.startswith(initial.responses[key].text[:20])


async def test_every_step_of_a_chain_is_stored(store: Store, models: Models) -> None:
    (model,) = await models()
    for fidelity in (Fidelity.PAPER, Fidelity.RELEASED):
        plan = await improving(store, model, "human", "sequential", fidelity=fidelity)
        await run(store, plan)
        reads = await load_generations(store, plan.agents[0].set.id)
        assert len(reads) == 6
        for of_dialogue in reads.values():
            assert [read.step for read in of_dialogue] == [1, 2, 3]
            first, second, third = (read.text for read in of_dialogue)
            assert second.startswith(first[:20])
            assert third.startswith(second[:20])


async def test_generation_is_independent_of_concurrency_and_order(tmp_path: Path, models: Models) -> None:
    (model,) = await models()
    texts = []
    for number, limits in enumerate((Limits(max_in_flight=1), Limits(max_in_flight=64))):
        async with await Store.open(str(tmp_path / f"{number}.sqlite")) as store:
            plan = await improving(store, model, "human,llm", "naive,sequential", limit=4)
            await generate(store, Registry(None, {}), plan, RequestSettings(limits, quiet=True))
            texts.append(
                [
                    [(r.id, r.text) for r in await store.responses(response_set.id)]
                    for response_set in plan.sets
                ]
            )
    assert texts[0] == texts[1]


async def test_models_respond_to_the_test_split(store: Store, models: Models) -> None:
    several = await models("openai/gpt-4o", "google/gemini-2.0-flash", "anthropic/claude-sonnet-4-5")
    plan = plan_responses(subset(Split.TEST, None), [direct_responder(model, LIBRARY) for model in several])
    summary = await run(store, plan)
    assert summary.kind == "responding"
    for model, summary_of_set in zip(several, summary.sets, strict=True):
        assert summary_of_set.name == model.id
        assert (summary_of_set.responses, summary_of_set.missing) == (len(plan.dialogues), 0)
        assert (await resolve_author(model.id, sample(), store)).set == summary_of_set.response_set


async def test_refusals_are_stored_excluded_and_retried_on_request(store: Store, models: Models) -> None:
    (model,) = await models(refusals=0.4, seed=3)
    plan = await improving(store, model, "human", "naive", limit=None)
    summary = await run(store, plan)
    (first_summary,) = summary.sets
    assert 0 < first_summary.responses < first_summary.dialogues
    assert set(first_summary.flaws) <= {ExclusionReason.REFUSED, ExclusionReason.FILTERED}
    assert first_summary.responses + sum(first_summary.flaws.values()) == first_summary.dialogues
    same = await run(store, plan)
    assert same.endpoints[model.id].made == 0
    retried = await run(store, plan, retry_unusable=True)
    assert retried.endpoints[model.id].made == sum(first_summary.flaws.values())
    (now,) = retried.sets
    assert now.responses > first_summary.responses
    assert now.asked_again == sum(first_summary.flaws.values())
    # one response per dialogue
    responses = await store.responses(plan.agents[0].set.id)
    assert len({response.dialogue for response in responses}) == len(responses) == now.responses
    # without the flag nothing is removed or requested
    last = await run(store, plan)
    assert last.endpoints[model.id].made == 0
    assert last.sets[0].responses == now.responses


async def test_a_refused_initial_response_is_not_improved(store: Store, models: Models) -> None:
    (model,) = await models(refusals=0.5, seed=1)
    plan = await improving(store, model, "llm", "naive", limit=None)
    summary = await run(store, plan)
    initial, improved = summary.sets
    flawed = sum(initial.flaws.values())
    assert flawed > 0
    assert improved.missing == flawed
    assert summary.endpoints[model.id].made == 2 * initial.dialogues - flawed


async def test_fidelity_ours_retries_unusable_responses_once(store: Store, models: Models) -> None:
    (model,) = await models(refusals=0.4, seed=3)
    paper = await run(store, await improving(store, model, "human", "naive", limit=None))
    our_plan = await run(
        store, await improving(store, model, "human", "naive", limit=None, fidelity=Fidelity.OURS)
    )
    flawed = sum(paper.sets[0].flaws.values())
    assert our_plan.endpoints[model.id].made == flawed  # the first attempts are the paper's
    assert our_plan.sets[0].asked_again == flawed
    assert our_plan.sets[0].responses > paper.sets[0].responses


async def test_network_faults_change_no_result(store: Store, models: Models, tmp_path: Path) -> None:
    (calm,) = await models(seed=5)
    (rough,) = await models(seed=5, errors_500=0.2, resets=0.1)
    calm_plan = await improving(store, calm, "human", "sequential")
    await run(store, calm_plan)
    async with await Store.open(str(tmp_path / "rough.sqlite")) as other:
        plan = await improving(other, rough, "human", "sequential")
        summary = await run(other, plan)
        assert summary.sets[0].missing == 0
        texts = [item.text for item in await other.responses(plan.agents[0].set.id)]
    assert texts == [item.text for item in await store.responses(calm_plan.agents[0].set.id)]


async def test_initial_responses_of_another_author(store: Store, models: Models) -> None:
    teacher, other = await models("openai/gpt-4o", "google/gemini-2.0-flash")
    with pytest.raises(UserError, match="empathy respond"):
        await improving(store, teacher, "llm", "naive", initial=other.id)
    await run(store, plan_responses(subset(Split.TEST), [direct_responder(other, LIBRARY)]))
    with user_error("responses.missing", where="--initial-responses"):
        await improving(store, teacher, "llm", "naive", initial=other.id)
    await run(store, plan_responses(subset(), [direct_responder(other, LIBRARY)]))
    plan = await improving(store, teacher, "llm", "naive", initial=other.id)
    summary = await run(store, plan)
    assert [response_set.name for response_set in summary.sets] == [f"{teacher.id}@naive-over-{other.id}"]
    assert summary.sets[0].responses == 6
    assert set(summary.endpoints) == {teacher.id}


async def test_second_set_with_the_same_name_is_refused(store: Store, models: Models) -> None:
    (model,) = await models()
    await run(store, await improving(store, model, "human", "naive", limit=2))
    warm = await improving(store, model, "human", "naive", limit=2, temperature=0.5)
    with user_error("response-set.exists") as error:
        await run(store, warm)
    assert "temperature" in error.faults[0].what
    tagged_plan = await improving(store, model, "human", "naive", limit=2, temperature=0.5, tag="warm")
    assert (await run(store, tagged_plan)).sets[0].name.endswith("@naive-over-human-warm")


@pytest.mark.parametrize("text", ["", "naive,kind", "all,naive"])
def test_unknown_strategies_are_refused(text: str) -> None:
    with user_error("option.unknown-strategy", where="--strategies"):
        parse_strategies(text)


def test_parse_strategies() -> None:
    assert parse_strategies("all") == tuple(Strategy)
    assert parse_strategies("naive, sequential,naive") == (Strategy.NAIVE, Strategy.SEQUENTIAL)


async def test_control_judge_cannot_write_responses(store: Store) -> None:
    control = Registry(None, {}).model("control/first")
    with user_error("model.control-judge", found="control/first"):
        direct_responder(control, LIBRARY)
    with user_error("model.control-judge", found="control/first"):
        await improving(store, control, "human", "naive")


async def test_ignored_temperature_is_reported(store: Store, models: Models) -> None:
    several = await models("openai/gpt-4o", "openai/o4-mini")
    plans = [
        plan_responses(
            subset(), [direct_responder(model, LIBRARY, temperature=requested) for model in several]
        )
        for requested in (None, 0.5)
    ]
    assert [plan.ignored_parameters for plan in plans] == [(), ("openai/emulated-o4-mini",)]
