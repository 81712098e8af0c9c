"""The writer: one transaction per batch, all of it or nothing, and whoever waits hears how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import count as numbers
from typing import Any

import pytest

from agents.errors import CallError, Failure, UserError
from agents.messages import Completion, FinishReason, Usage
from agents.types import Response
from results.db import writer as writing
from results.db.schema import AttemptRow, ClaimRow, CompletionRow, InvocationRow, JudgmentRow, ResponseRow
from results.db.store import Store
from results.db.writer import MOST_WAITING, Writer
from tests.errors import user_error
from tests.results.conftest import Open, answer, begin, count, judgment, question, rows


@pytest.fixture
async def invocation(store: Store) -> str:
    """An invocation to write for."""
    return (await begin(store))[1]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that does not commit just because time has passed."""
    monkeypatch.setattr(writing, "MOST_SECONDS", 3600.0)


def busy(store: Store, invocation: str) -> Writer:
    """A writer that something is always in flight for."""
    return Writer(store.database, invocation, idle=lambda: False)


async def settle() -> None:
    """Let everything that can go on go on."""
    for _ in range(20):
        await asyncio.sleep(0)


async def spent(store: Store, invocation: str) -> tuple[float, float]:
    """What an invocation has spent, and what it holds."""
    row = next(row for row in await rows(store, InvocationRow) if row.id == invocation)
    return row.spent_usd, row.reserved_usd


# -- one transaction ---------------------------------------------------------------------------------


async def test_an_answer_its_reading_its_cost_and_its_claim_are_one_commit(
    store: Store, invocation: str
) -> None:
    call = question(1)
    await store.claim([call.key], invocation)
    writer = store.writer(invocation)
    await writer.save(call, answer(), judgment(call), 0.25)
    (completion,), (stored,) = await rows(store, CompletionRow), await rows(store, JudgmentRow)
    assert (completion.key, completion.text, completion.cost_usd) == (call.key, "1", 0.25)
    assert (stored.call_key, stored.preference, stored.unscored) == (call.key, "first", None)
    assert await count(store, ClaimRow) == 0
    assert await spent(store, invocation) == (0.25, -0.25)
    assert (writer.commits, writer.pending) == (1, 0)


@pytest.mark.usefixtures("patient")
async def test_a_failing_insert_leaves_nothing_and_everybody_hears_of_it(
    store: Store, invocation: str
) -> None:
    writer = busy(store, invocation)
    calls = [question(at) for at in range(3)]
    await store.claim([call.key for call in calls], invocation)
    faulty: Any = Response("d1", None, "a response of nobody", "set-1:x")  # type: ignore[arg-type]
    puts = [
        asyncio.ensure_future(writer.save(call, answer(), reading, 1.0))
        for call, reading in zip(calls, (judgment(calls[0]), faulty, judgment(calls[2])), strict=True)
    ]
    await settle()
    assert writer.pending == 3
    await writer.close()
    outcomes = await asyncio.gather(*puts, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [UserError] * 3
    assert await count(store, CompletionRow) == await count(store, JudgmentRow) == 0
    assert await count(store, ClaimRow) == 3
    assert await spent(store, invocation) == (0.0, 0.0)
    with user_error("database.unusable"):  # and nothing is taken any more
        await writer.save(question(9), answer(), None, None)
    await writer.close()


async def test_what_no_database_takes_is_an_error_and_no_wait_for_ever(store: Store, invocation: str) -> None:
    writer = store.writer(invocation)
    call = question(1)
    with pytest.raises(Exception, match=r"surrogates|utf-8|utf8"):
        await writer.save(call, answer(), judgment(call, dialogue="half a \ud800"), None)
    assert await count(store, CompletionRow) == 0


async def test_an_unknown_reading_is_refused(store: Store, invocation: str) -> None:
    writer = store.writer(invocation)
    with pytest.raises(TypeError, match="cannot store a int"):
        await writer.save(question(1), answer(), 3, None)
    await writer.close()
    assert await count(store, CompletionRow) == 1  # the answer was paid for


async def test_several_readings_of_one_answer_are_kept_together(store: Store, invocation: str) -> None:
    writer = store.writer(invocation)
    call = question(1)
    pair = (
        judgment(call),
        judgment(call, first="r3"),
        Response("d1", "openai/gpt-test", "Hello.", "set-1:x"),
    )
    await writer.save(call, answer(), pair, None)
    assert (await count(store, JudgmentRow), await count(store, ResponseRow)) == (2, 1)
    assert writer.commits == 1


async def test_whatever_a_server_says_can_be_stored(store: Store, invocation: str) -> None:
    writer = store.writer(invocation)
    odd = "zero \x00, half \udc80"
    huge = Completion(odd, FinishReason.STOP, Usage(2**40, -1), model=odd, request_id=odd)
    await writer.save(question(1), huge, None, None)
    writer.save_failure(question(2), CallError(Failure.SERVER, odd * 100, status=500), 1, None)
    await writer.close()
    (completion,), (attempt,) = await rows(store, CompletionRow), await rows(store, AttemptRow)
    for values in (completion.text, completion.server_model, completion.request_id, attempt.message):
        assert values.startswith("zero \ufffd, half \ufffd")
    assert (completion.input_tokens, completion.output_tokens) == (None, None)
    assert len(attempt.message) <= 500


# -- when it commits ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("patient")
async def test_it_commits_at_once_when_nothing_is_in_flight(store: Store, invocation: str) -> None:
    writer = Writer(store.database, invocation, idle=lambda: True)
    for at in range(3):
        await writer.save(question(at), answer(), None, None)
    assert writer.commits == 3


@pytest.mark.usefixtures("patient")
async def test_it_commits_when_256_wait_and_all_of_them_at_once(store: Store, invocation: str) -> None:
    writer = busy(store, invocation)
    puts = [
        asyncio.ensure_future(writer.save(question(at), answer(), None, 0.5))
        for at in range(MOST_WAITING - 1)
    ]
    await settle()
    assert not any(put.done() for put in puts)
    assert (writer.pending, await count(store, CompletionRow)) == (MOST_WAITING - 1, 0)
    await writer.save(question(-1), answer(), None, 0.5)
    await asyncio.gather(*puts)
    assert (writer.commits, writer.pending) == (1, 0)
    assert await count(store, CompletionRow) == MOST_WAITING
    assert await spent(store, invocation) == (MOST_WAITING / 2, -MOST_WAITING / 2)


async def test_it_commits_when_time_has_passed_though_others_are_in_flight(
    store: Store, invocation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MOST_SECONDS", 0.001)
    writer = busy(store, invocation)
    await writer.save(question(1), answer(), None, None)  # would wait for ever otherwise
    assert await count(store, CompletionRow) == 1


@pytest.mark.usefixtures("patient")
async def test_closing_commits_what_is_left(store: Store, invocation: str) -> None:
    writer = busy(store, invocation)
    put = asyncio.ensure_future(writer.save(question(1), answer(), None, None))
    await settle()
    writer.save_failure(question(2), CallError(Failure.TIMEOUT, "late", charged=True), 3, 0.75)
    await writer.close()
    await put
    await writer.close()
    (attempt,) = await rows(store, AttemptRow)
    assert (attempt.failure, attempt.status, attempt.tries, attempt.cost_usd) == ("timeout", None, 3, 0.75)
    assert await count(store, CompletionRow) == 1
    assert await spent(store, invocation) == (0.75, -0.75)


async def test_failures_alone_are_committed_too(store: Store, invocation: str) -> None:
    writer = store.writer(invocation)
    for tries in (1, 2):
        writer.save_failure(question(1), CallError(Failure.SERVER, "oops", status=500), tries, None)
    await writer.close()
    assert [row.tries for row in await rows(store, AttemptRow)] == [1, 2]


@pytest.mark.usefixtures("patient")
async def test_an_answer_whose_asker_has_gone_is_stored(store: Store, invocation: str) -> None:
    writer = busy(store, invocation)
    put = asyncio.ensure_future(writer.save(question(1), answer(), None, None))
    await settle()
    put.cancel()
    await settle()
    await writer.close()
    assert put.cancelled()
    assert await count(store, CompletionRow) == 1


async def test_every_cost_is_told_once_and_only_when_it_is_committed(store: Store, invocation: str) -> None:
    values: list[float] = []
    writer = Writer(store.database, invocation, idle=lambda: False)
    keys: list[str] = []

    def tell(cost_usd: float, committed: Sequence[str]) -> None:
        values.append(cost_usd)
        keys.extend(committed)

    writer.watch(lambda: len(values) % 2 == 0, tell)
    await asyncio.gather(*(writer.save(question(at), answer(), None, 2.0**-at) for at in range(8)))
    assert sum(values) == sum(2.0**-at for at in range(8))
    assert sorted(keys) == sorted(question(at).key for at in range(8))
    assert (await spent(store, invocation))[0] == sum(values)


# -- whoever does not wait ---------------------------------------------------------------------------


@pytest.mark.usefixtures("patient")
async def test_what_is_added_is_held_until_it_is_committed(store: Store, invocation: str) -> None:
    writer = busy(store, invocation)
    calls = [question(at) for at in range(3)]
    for call in calls:
        writer.enqueue(call, answer(), judgment(call), 0.5)
    writer.enqueue_parsed(judgment(calls[0], first="another"))
    await settle()
    assert (writer.pending, await count(store, CompletionRow)) == (4, 0)
    await writer.close()
    assert (writer.pending, writer.commits, await count(store, CompletionRow)) == (0, 1, 3)
    assert (await spent(store, invocation))[0] == 1.5


async def test_committed_means_everything_before(store: Store, invocation: str) -> None:
    writer = store.writer(invocation)
    await writer.committed()  # of nothing
    for at in range(600):
        writer.enqueue(question(at), answer(), None, None)
    await writer.committed()
    assert (writer.pending, await count(store, CompletionRow)) == (0, 600)
    await writer.committed()


async def test_what_could_not_be_committed_is_told_to_who_asks(store: Store, invocation: str) -> None:
    writer = store.writer(invocation)
    call = question(1)
    writer.enqueue(call, answer(), judgment(call, dialogue="half a \ud800"), None)
    with pytest.raises(Exception, match=r"surrogates|utf-8|utf8"):
        await writer.committed()
    with pytest.raises(Exception, match=r"surrogates|utf-8|utf8"):
        await writer.committed()  # and again
    with pytest.raises(Exception, match=r"surrogates|utf-8|utf8"):
        writer.enqueue(question(2), answer(), None, None)
    assert await count(store, CompletionRow) == 0


# -- stored once -------------------------------------------------------------------------------------


async def test_the_same_answer_twice_is_stored_once_and_the_first_stays(opening: Open) -> None:
    texts = numbers(1)
    for _ in range(2):
        store = await opening()
        _, invocation = await begin(store)
        writer = store.writer(invocation)
        for _ in range(2):
            call = question(1)
            await writer.save(call, answer(str(next(texts))), judgment(call), None)
            await writer.save_parsed(judgment(call))
        await writer.close()
    assert [row.text for row in await rows(store, CompletionRow)] == ["1"]
    assert await count(store, JudgmentRow) == 1


async def test_two_that_write_the_same_in_opposite_orders_both_finish(opening: Open) -> None:
    """No deadlock, where each holds a row that the other waits for."""
    writers = []
    for _ in range(2):
        store = await opening()
        writers.append(busy(store, (await begin(store))[1]))
    for turn in range(8):
        calls = [question(1000 * turn + at) for at in range(100)]
        await asyncio.gather(
            *(
                writer.save(call, answer(), judgment(call), None)
                for writer, order in zip(writers, (calls, calls[::-1]), strict=True)
                for call in order
            )
        )
    store = await opening()
    assert await count(store, CompletionRow) == await count(store, JudgmentRow) == 800
