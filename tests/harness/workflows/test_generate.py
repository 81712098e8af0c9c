"""Runs that make responses: against the emulator over HTTP, everything stored, nothing asked twice."""

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
from harness.engine.retry import RetryPolicy
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
    """Starts an emulator with these options; the named models on it."""
    running: list[EmulatorServer] = []
    registry = Registry(None, {})

    async def start(*names: str, **options: Any) -> list[Model]:
        told = EmulatorConfig(**{"latency_ms": 0.0, **options})
        running.append(await serve(told))
        return [
            registry.emulated(registry.model(name), running[-1].url, told.definition_hash)
            for name in names or ("openai/gpt-4o",)
        ]

    yield start
    for each in running:
        await each.close()


def chosen(
    split: Split = Split.TRAIN, limit: int | None = 6, dataset: Dataset | None = None
) -> DialogueSubset:
    return DialogueSubset(dataset or sample(), split, limit)


async def improving(store: Store, model: Model, over: str, strategies: str, **more: Any) -> GenerationPlan:
    limit = more.pop("limit", 6)
    split = more.pop("split", Split.TRAIN)
    return await plan_improvements(
        chosen(split, limit), store, LIBRARY, [model], over.split(","), parse_strategies(strategies), **more
    )


async def run(store: Store, plan: GenerationPlan, **more: Any) -> GenerationResult:
    return await generate(store, Registry(None, {}), plan, SETTINGS, **more)


async def count(store: Store, row: Any) -> int:
    return await store.read(
        lambda connection: connection.execute(select(func.count()).select_from(table(row))).scalar_one()
    )


async def test_everything_at_once_asks_each_different_question_once(store: Store, models: Models) -> None:
    (model,) = await models()
    plan = await improving(store, model, "human,llm", "all")
    (foreseen,) = await estimate_generation_cost(store, plan, SETTINGS)
    summary = await run(store, plan)
    # an initial response; then over each kind six single calls, one of them the chain's first, and two more
    assert (
        summary.endpoints[model.id].made
        == 6 * (1 + 2 * 8)
        == foreseen.calls
        == await count(store, CompletionRow)
    )
    assert len(summary.sets) == 15
    assert {(one.responses, one.missing, sum(one.flaws.values())) for one in summary.sets} == {(6, 0, 0)}
    # the responses of 15 sets, and the human ones that were improved
    assert await count(store, ResponseRow) == 16 * 6

    again = await run(store, await improving(store, model, "human,llm", "all"))
    assert again.run_id == summary.run_id
    assert again.endpoints[model.id].made == 0
    (foreseen,) = await estimate_generation_cost(store, plan, SETTINGS)
    assert (foreseen.calls, foreseen.known) == (0, 6 * 17)


async def test_a_larger_run_asks_only_what_is_missing(store: Store, models: Models) -> None:
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


async def test_every_step_of_a_chain_is_kept(store: Store, models: Models) -> None:
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


async def test_what_was_made_does_not_depend_on_concurrency_or_order(tmp_path: Path, models: Models) -> None:
    (model,) = await models()
    found = []
    for number, limits in enumerate((Limits(max_in_flight=1), Limits(max_in_flight=64))):
        async with await Store.open(str(tmp_path / f"{number}.sqlite")) as one:
            plan = await improving(one, model, "human,llm", "naive,sequential", limit=4)
            await generate(one, Registry(None, {}), plan, RequestSettings(limits, quiet=True))
            found.append([[(r.id, r.text) for r in await one.responses(of.id)] for of in plan.sets])
    assert found[0] == found[1]


async def test_contestants_respond_to_the_test_split(store: Store, models: Models) -> None:
    several = await models("openai/gpt-4o", "google/gemini-2.0-flash", "anthropic/claude-sonnet-4-5")
    plan = plan_responses(chosen(Split.TEST, None), [direct_responder(model, LIBRARY) for model in several])
    summary = await run(store, plan)
    assert summary.kind == "responding"
    for model, of in zip(several, summary.sets, strict=True):
        assert of.name == model.id
        assert (of.responses, of.missing) == (len(plan.dialogues), 0)
        assert (await resolve_author(model.id, sample(), store)).set == of.response_set


async def test_refusals_are_recorded_left_out_and_asked_again_on_purpose(
    store: Store, models: Models
) -> None:
    (model,) = await models(refusals=0.4, seed=3)
    plan = await improving(store, model, "human", "naive", limit=None)
    summary = await run(store, plan)
    (of,) = summary.sets
    assert 0 < of.responses < of.dialogues
    assert set(of.flaws) <= {ExclusionReason.REFUSED, ExclusionReason.FILTERED}
    assert of.responses + sum(of.flaws.values()) == of.dialogues
    same = await run(store, plan)
    assert same.endpoints[model.id].made == 0
    retried = await run(store, plan, retry_unusable=True)
    assert retried.endpoints[model.id].made == sum(of.flaws.values())
    (now,) = retried.sets
    assert now.responses > of.responses
    assert now.asked_again == sum(of.flaws.values())
    # one response a dialogue, whatever was asked
    responses = await store.responses(plan.agents[0].set.id)
    assert len({one.dialogue for one in responses}) == len(responses) == now.responses
    # and without the flag nothing is undone or asked
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


async def test_ours_asks_unusable_answers_once_more_by_itself(store: Store, models: Models) -> None:
    (model,) = await models(refusals=0.4, seed=3)
    paper = await run(store, await improving(store, model, "human", "naive", limit=None))
    ours = await run(
        store, await improving(store, model, "human", "naive", limit=None, fidelity=Fidelity.OURS)
    )
    flawed = sum(paper.sets[0].flaws.values())
    assert ours.endpoints[model.id].made == flawed  # the first attempts are the paper's
    assert ours.sets[0].asked_again == flawed
    assert ours.sets[0].responses > paper.sets[0].responses


async def test_faults_of_the_network_change_nothing(store: Store, models: Models, tmp_path: Path) -> None:
    (calm,) = await models(seed=5)
    (rough,) = await models(seed=5, errors_500=0.2, resets=0.1)
    calm_plan = await improving(store, calm, "human", "sequential")
    await run(store, calm_plan)
    async with await Store.open(str(tmp_path / "rough.sqlite")) as other:
        plan = await improving(other, rough, "human", "sequential")
        summary = await run(other, plan)
        assert summary.sets[0].missing == 0
        texts = [one.text for one in await other.responses(plan.agents[0].set.id)]
    assert texts == [one.text for one in await store.responses(calm_plan.agents[0].set.id)]


async def test_another_authors_initial_responses(store: Store, models: Models) -> None:
    teacher, other = await models("openai/gpt-4o", "google/gemini-2.0-flash")
    with pytest.raises(UserError, match="empathy respond"):
        await improving(store, teacher, "llm", "naive", initial=other.id)
    await run(store, plan_responses(chosen(Split.TEST), [direct_responder(other, LIBRARY)]))
    with user_error("responses.missing", where="--initial-responses"):
        await improving(store, teacher, "llm", "naive", initial=other.id)
    await run(store, plan_responses(chosen(), [direct_responder(other, LIBRARY)]))
    plan = await improving(store, teacher, "llm", "naive", initial=other.id)
    summary = await run(store, plan)
    assert [of.name for of in summary.sets] == [f"{teacher.id}@naive-over-{other.id}"]
    assert summary.sets[0].responses == 6
    assert set(summary.endpoints) == {teacher.id}


async def test_a_name_never_comes_to_mean_two_sets(store: Store, models: Models) -> None:
    (model,) = await models()
    await run(store, await improving(store, model, "human", "naive", limit=2))
    warm = await improving(store, model, "human", "naive", limit=2, temperature=0.5)
    with user_error("response-set.exists") as error:
        await run(store, warm)
    assert "temperature" in error.faults[0].what
    named = await improving(store, model, "human", "naive", limit=2, temperature=0.5, tag="warm")
    assert (await run(store, named)).sets[0].name.endswith("@naive-over-human-warm")


@pytest.mark.parametrize("text", ["", "naive,kind", "all,naive"])
def test_strategies_that_are_none(text: str) -> None:
    with user_error("option.unknown-strategy", where="--strategies"):
        parse_strategies(text)


def test_strategies_by_name() -> None:
    assert parse_strategies("all") == tuple(Strategy)
    assert parse_strategies("naive, sequential,naive") == (Strategy.NAIVE, Strategy.SEQUENTIAL)


async def test_a_control_judge_writes_nothing(store: Store) -> None:
    control = Registry(None, {}).model("control/first")
    with user_error("model.control-judge", found="control/first"):
        direct_responder(control, LIBRARY)
    with user_error("model.control-judge", found="control/first"):
        await improving(store, control, "human", "naive")


async def test_a_temperature_that_a_model_does_not_take_is_told(store: Store, models: Models) -> None:
    several = await models("openai/gpt-4o", "openai/o4-mini")
    plans = [
        plan_responses(chosen(), [direct_responder(model, LIBRARY, temperature=wanted) for model in several])
        for wanted in (None, 0.5)
    ]
    assert [plan.ignored_parameters for plan in plans] == [(), ("openai/emulated-o4-mini",)]
