"""The ledger: keys are looked up and claimed in batches, by whoever is needs_work, and given back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from agents.errors import CallError, Failure, UserError
from harness.engine.request_tracker import BATCH_SIZE, MAX_DELAY_SECONDS, RequestTracker
from tests.harness.engine.conftest import Memory, Notes, answer, question

Run = Callable[[Any], Any]


def ledger_of(memory: Memory, name: str = "ours") -> RequestTracker:
    return RequestTracker(memory, Notes(memory), name)


def keys(count: int) -> list[str]:
    return [f"call-1:{at:04}" for at in range(count)]


async def resolved(tracker: RequestTracker, wanted: list[str], needs_work: bool = True) -> list[Any]:
    return list(await asyncio.gather(*(tracker.resolve(key, needs_work) for key in wanted)))


def test_keys_are_claimed_in_batches(virtual: Run) -> None:
    memory = Memory()
    found = virtual(resolved(ledger_of(memory), keys(1000)))
    assert found == [None] * 1000
    assert sum(memory.batches) == 1000
    assert max(memory.batches) <= BATCH_SIZE
    assert len(memory.batches) <= 5
    assert set(memory.claims.values()) == {"ours"}


def test_what_is_answered_is_found_among_what_is_not(virtual: Run) -> None:
    memory = Memory(answered={key: answer(key) for key in keys(100)[::3]})
    found = virtual(resolved(ledger_of(memory), keys(100)))
    assert found == [answer(key) if at % 3 == 0 else None for at, key in enumerate(keys(100))]


def test_who_is_not_hungry_waits_for_a_full_batch_or_a_while(virtual: Run) -> None:
    memory = Memory()

    async def scenario() -> tuple[float, list[int]]:
        tracker, loop = ledger_of(memory), asyncio.get_running_loop()
        began = loop.time()
        few = asyncio.ensure_future(resolved(tracker, keys(10), needs_work=False))
        await asyncio.sleep(MAX_DELAY_SECONDS / 2)
        assert memory.batches == []
        await few
        waited = loop.time() - began
        await resolved(tracker, [f"{key} more" for key in keys(BATCH_SIZE)], needs_work=False)
        return waited, memory.batches

    waited, batches = virtual(scenario())
    assert waited == pytest.approx(MAX_DELAY_SECONDS + memory.seconds)
    assert batches == [10, BATCH_SIZE]


def test_one_that_is_hungry_takes_the_waiting_ones_along(virtual: Run) -> None:
    memory = Memory()

    async def scenario() -> float:
        tracker, loop = ledger_of(memory), asyncio.get_running_loop()
        began = loop.time()
        patient = asyncio.ensure_future(resolved(tracker, keys(10), needs_work=False))
        await asyncio.sleep(0)
        await asyncio.gather(patient, tracker.resolve("now", True))
        tracker.flush_soon()  # with nothing to hurry
        return loop.time() - began

    assert virtual(scenario()) < MAX_DELAY_SECONDS
    assert memory.batches == [11]


def test_hurrying_claims_what_waits(virtual: Run) -> None:
    memory = Memory()

    async def scenario() -> float:
        tracker, loop = ledger_of(memory), asyncio.get_running_loop()
        began = loop.time()
        patient = asyncio.ensure_future(resolved(tracker, keys(3), needs_work=False))
        await asyncio.sleep(0.001)
        tracker.flush_soon()
        await patient
        return loop.time() - began

    assert virtual(scenario()) == pytest.approx(memory.seconds + 0.001)


def test_a_database_that_fails_is_told_to_all_who_wait_and_asked_again_later(virtual: Run) -> None:
    memory = Memory(broken=UserError("the database cannot be used"))

    async def scenario() -> list[Any]:
        tracker = ledger_of(memory)
        wanted = (tracker.resolve(key) for key in keys(5))
        outcomes = list(await asyncio.gather(*wanted, return_exceptions=True))
        memory.broken = None
        return [*outcomes, await tracker.resolve("later")]

    *failed, later = virtual(scenario())
    assert [type(outcome) for outcome in failed] == [UserError] * 5
    assert later is None


def test_a_claim_whose_asker_was_cancelled_meanwhile_is_given_back(virtual: Run) -> None:
    memory = Memory()

    async def scenario() -> None:
        tracker = ledger_of(memory)
        asking = [asyncio.ensure_future(tracker.resolve(key)) for key in keys(4)]
        await asyncio.sleep(memory.seconds / 2)
        asking[1].cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        assert len(memory.claims) == 4
        await tracker.close()

    virtual(scenario())
    assert sorted(memory.claims) == [key for at, key in enumerate(keys(4)) if at != 1]


def test_released_claims_are_given_back_before_the_next_are_won(virtual: Run) -> None:
    memory = Memory()

    async def scenario() -> None:
        tracker = ledger_of(memory)
        await resolved(tracker, keys(2))
        tracker.release(keys(2)[0])
        await tracker.resolve("next")
        assert sorted(memory.claims) == [keys(2)[1], "next"]
        await tracker.close()
        await tracker.close()

    virtual(scenario())


def test_one_that_gave_a_call_up_may_win_it_again(virtual: Run) -> None:
    memory = Memory()

    async def scenario() -> None:
        tracker = ledger_of(memory)
        for _ in range(3):
            assert await tracker.resolve("again") is None
            tracker.release("again")
        await tracker.close()

    virtual(scenario())
    assert memory.claims == {}


def test_what_is_recorded_goes_to_the_writer(virtual: Run) -> None:
    memory = Memory()
    notes = Notes(memory)
    tracker = RequestTracker(memory, notes, "ours")
    call, error = question(1), CallError(Failure.SERVER, "oops", status=500)

    async def scenario() -> None:
        await tracker.record(call, answer(), "reading", 0.5)
        await tracker.record_parsed("again")
        tracker.record_failure(call, error, 2, None)

    virtual(scenario())
    assert notes.readings == ["reading", "again"]
    assert notes.failures == [(call.key, error, 2, None)]
    assert notes.costs == {call.key: 0.5}
