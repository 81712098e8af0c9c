"""The store: the same question is the same run, everything is kept once, and no ceiling is crossed."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from sqlalchemy import func, select

from agents.errors import CallError, Failure
from agents.types import Dialogue, Response, ResponseSet, UnscoredReason
from results.db.schema import AttemptRow, CompletionRow, DialogueRow, InvocationRow, ResponseRow, table
from results.db.store import CHUNK, ModelUsage, Store
from results.db.studies import StoredStudy, save_study
from tests.errors import user_error
from tests.results.conftest import (
    Open,
    answer,
    begin,
    count,
    disguise,
    judgment,
    question,
    rows,
    unscored,
)

BUDGET = 10.0
MODEL = "openai/gpt-test"


# -- runs --------------------------------------------------------------------------------------------


async def test_the_same_question_is_the_same_run_begun_by_another_invocation(store: Store) -> None:
    spec: dict[str, Any] = {"judges": ["a"], "seed": 0}
    first, second = await begin(store, **spec), await begin(store, **dict(reversed(spec.items())))
    other = await begin(store, **{**spec, "seed": 1})
    elsewise = await begin(store, "improving", **spec)
    assert first[0] == second[0] != other[0]
    assert elsewise[0] not in (first[0], other[0])
    assert len({first[1], second[1], other[1], elsewise[1]}) == 4
    assert await store.spec_of(first[0]) == '{"judges":["a"],"seed":0}'
    with user_error("run.not-found"):
        await store.spec_of("run-1:none")


async def test_what_is_kept_twice_is_kept_once_and_as_it_was(store: Store) -> None:
    dialogues = [Dialogue(f"d{at}", " It rained. ", "“No way…”\n", "sad", "negative", "3") for at in range(3)]
    of = ResponseSet("set-1:x", "openai/gpt-test", "default", "made by hand")
    texts = [Response(dialogue.key, of.author, "Oh, no.", of.id, " raw ") for dialogue in dialogues]
    for _ in range(2):
        await store.save_dialogues(dialogues)
        await store.save_responses(of, texts)
        await store.save_responses(of, [])
    assert await count(store, DialogueRow) == await count(store, ResponseRow) == 3
    assert await store.response_sets(of.author, "default") == [of]
    assert await store.response_sets(of.author, "other") == []
    assert sorted(await store.responses(of.id), key=lambda found: found.id) == sorted(
        texts, key=lambda put: put.id
    )


async def test_two_that_put_the_same_in_opposite_orders_both_finish(opening: Open) -> None:
    one, other = await opening(), await opening()
    dialogues = [Dialogue(f"d{at}", "It rained.", f"For {at} days.") for at in range(300)]
    await asyncio.gather(one.save_dialogues(dialogues), other.save_dialogues(dialogues[::-1]))
    assert await count(one, DialogueRow) == 300


async def test_known_calls_are_found_however_many_are_asked_about(store: Store) -> None:
    _, invocation = await begin(store)
    writer = store.writer(invocation)
    calls = [question(at) for at in range(2 * CHUNK + 3)]
    await asyncio.gather(*(writer.save(call, answer(), None, None) for call in calls[::2]))
    assert await store.completed_keys([call.key for call in calls]) == {call.key for call in calls[::2]}
    assert await store.completed_keys([]) == set()


async def test_closing_stops_the_heart_of_what_was_not_ended(store: Store) -> None:
    await begin(store)
    await store.close()
    await store.close()
    beating = [task for task in asyncio.all_tasks() if "_beat" in repr(task)]
    assert beating == []


# -- attempts ----------------------------------------------------------------------------------------


async def test_the_last_attempts_tell_where_to_ask_again(store: Store) -> None:
    _, invocation = await begin(store)
    writer = store.writer(invocation)

    async def put(at: int, attempt: int, outcome: object, parser: str = "verdict-1") -> None:
        call = question(at, attempt=attempt)
        reading = judgment(call, outcome, first=f"r{at}", parser=parser)  # type: ignore[arg-type]
        await writer.save(call, answer(), reading, None)

    await put(1, 0, None)  # scored at once
    await put(2, 0, unscored())
    await put(3, 0, unscored(UnscoredReason.REFUSED))
    await put(3, 1, None)  # scored when asked again
    await put(4, 0, unscored())
    await put(4, 1, unscored())
    await put(5, 0, None)
    await put(5, 0, unscored(), "verdict-10")  # a newer reader takes it back
    await put(5, 0, None, "verdict-9")
    await put(6, 0, None)
    await put(6, 1, unscored())  # one readable attempt is enough
    last = await store.last_attempts(["judge-1:j"])
    found = {first: values for (_, first, _, _), values in last.items()}
    assert found == {
        "r1": (0, True),
        "r2": (0, False),
        "r3": (1, True),
        "r4": (1, False),
        "r5": (0, False),
        "r6": (1, True),
    }
    assert await store.last_attempts(["judge-1:other"]) == {}


async def test_use_is_counted_by_model_and_time_tries_without_an_answer_too(store: Store) -> None:
    _, invocation = await begin(store)
    writer = store.writer(invocation)
    assert await store.usage_since(MODEL, 0.0) == ModelUsage(0, 0)
    await writer.save(question(1), answer(tokens=10), None, None)
    await writer.save(question(2), answer(tokens=None), None, None)
    for failure, status in (
        (Failure.SERVER, 500),
        (Failure.RATE_LIMITED, 429),
        (Failure.TIMEOUT, None),
        (Failure.NO_BUDGET, None),  # these two of ours were never sent
        (Failure.QUOTA_EXHAUSTED, None),
        (Failure.QUOTA_EXHAUSTED, 429),  # and this one is the provider's
    ):
        writer.save_failure(question(3), CallError(failure, "no", status=status), 1, None)
    await writer.close()
    assert await store.usage_since(MODEL, 0.0) == ModelUsage(6, 12)
    assert await store.usage_since(MODEL, 0.0, besides=invocation) == ModelUsage(0, 0)
    assert await store.usage_since(MODEL, 0.0, besides="another") == ModelUsage(6, 12)
    assert await store.usage_since("openai/other", 0.0) == ModelUsage(0, 0)
    newest = max(
        [row.answered_at for row in await rows(store, CompletionRow)]
        + [row.failed_at for row in await rows(store, AttemptRow)]
    )
    assert await store.usage_since(MODEL, newest + 1.0) == ModelUsage(0, 0)


# -- money -------------------------------------------------------------------------------------------


async def taken(store: Store) -> float:
    """What is spent and what is held of the budget, by everybody, in one look."""
    columns = table(InvocationRow).c
    wanted = select(func.sum(columns.spent_usd), func.sum(func.greatest(columns.reserved_usd, 0.0)))
    if store.database.is_sqlite:
        wanted = select(func.sum(columns.spent_usd), func.sum(func.max(columns.reserved_usd, 0.0)))
    spent, held = await store.read(lambda connection: connection.execute(wanted).one())
    return float(spent + held)


@pytest.mark.parametrize("seed", range(3))
async def test_concurrent_invocations_never_cross_the_ceiling(opening: Open, seed: int) -> None:
    generator = random.Random(seed)
    watching = await opening()
    looks: list[float] = []

    async def spend(store: Store) -> float:
        run, invocation = await begin(store)
        writer, total = store.writer(invocation), 0.0
        for at in range(12):
            granted = await store.reserve_budget(run, invocation, generator.choice([0.5, 1.0, 3.0]), BUDGET)
            assert granted >= 0.0
            cost = granted * generator.choice([0.0, 0.5, 1.0])
            await writer.save(question(generator.randrange(10**9), attempt=at), answer(), None, cost)
            total += cost
            looks.append(await taken(watching))
        await writer.close()
        await store.finish_run(invocation)
        return total

    totals = await asyncio.gather(*[spend(await opening()) for _ in range(4)])
    assert max(looks) <= BUDGET + 1e-9
    run, _ = await begin(watching)
    assert await watching.spent_usd(run) == pytest.approx(sum(totals))
    assert sum(totals) <= BUDGET + 1e-9
    assert await taken(watching) == pytest.approx(sum(totals))  # what was held and not spent is free again


async def test_what_the_dead_had_reserved_counts_and_what_the_ended_had_does_not(opening: Open) -> None:
    dead, ended, living = [await opening() for _ in range(3)]
    invocations = [await begin(store) for store in (dead, ended, living)]
    run = invocations[0][0]
    assert await dead.reserve_budget(run, invocations[0][1], 4.0, BUDGET) == 4.0
    await disguise(dead, invocations[0][1], pid=2**22 + 7)  # no process has that number
    assert await ended.reserve_budget(run, invocations[1][1], 5.0, BUDGET) == 5.0
    assert await living.reserve_budget(run, invocations[2][1], 8.0, BUDGET) == 1.0
    await ended.finish_run(invocations[1][1])
    assert await living.reserve_budget(run, invocations[2][1], 8.0, BUDGET) == 6.0
    assert (
        await living.reserve_budget(run, invocations[2][1], 2.0, BUDGET) == 2.0
    )  # and gives back what it needs not
    assert (
        await living.reserve_budget(run, invocations[2][1], 1.0, 0.5) == 0.0
    )  # a lowered ceiling: nothing more


async def test_runs_have_their_own_budgets(store: Store) -> None:
    (one, its), (other, another) = await begin(store, of=1), await begin(store, of=2)
    assert await store.reserve_budget(one, its, 10.0, BUDGET) == 10.0
    assert await store.reserve_budget(other, another, 10.0, BUDGET) == 10.0
    assert await store.spent_usd(one) == 0.0


async def test_all_runs_of_a_study_have_one_budget(opening: Open) -> None:
    one, other = await opening(), await opening()
    await one.database.write(lambda connection: save_study(connection, StoredStudy("mine", "Mine", {}, {})))
    first = await one.start_run("judging", {"of": 1}, command="", context={}, study="mine")
    second = await other.start_run("judging", {"of": 2}, command="", context={}, study="mine")
    alone = await other.start_run("judging", {"of": 3}, command="", context={})

    assert await one.reserve_budget(*first, 7.0, BUDGET, study="mine") == 7.0
    assert await other.reserve_budget(*second, 7.0, BUDGET, study="mine") == 3.0
    assert await other.reserve_budget(*alone, 7.0, BUDGET) == 7.0
    assert await one.is_budget_reserved(*first, study="mine")
    await disguise(other, second[1], pid=2**22 + 7)  # no process has that number
    assert not await one.is_budget_reserved(*first, study="mine")
    await one.finish_run(first[1])
    assert not await other.is_budget_reserved(*second, study="mine")
    assert await other.reserve_budget(*second, 20.0, BUDGET, study="mine") == 10.0


async def test_costs_of_failed_tries_count(store: Store) -> None:
    run, invocation = await begin(store)
    writer = store.writer(invocation)
    writer.save_failure(question(1), CallError(Failure.TIMEOUT, "late", charged=True), 1, 3.0)
    await writer.close()
    assert await store.spent_usd(run) == 3.0
    assert await store.reserve_budget(run, invocation, BUDGET, BUDGET) == 7.0
