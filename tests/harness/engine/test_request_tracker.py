"""Request tracker: keys are looked up and claimed in batches, and released."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from agents.errors import CallError, Failure, UserError
from harness.engine.request_tracker import BATCH_SECONDS, BATCH_SIZE, RequestTracker
from tests.harness.engine.conftest import FakeStore, FakeWriter, answer, make_request

Run = Callable[[Any], Any]


def make_tracker(memory: FakeStore, name: str = "ours") -> RequestTracker:
    return RequestTracker(memory, FakeWriter(memory), name)


def keys(count: int) -> list[str]:
    return [f"call-1:{index:04}" for index in range(count)]


async def resolved(tracker: RequestTracker, wanted_keys: list[str]) -> list[Any]:
    return list(await asyncio.gather(*(tracker.claim_one(key) for key in wanted_keys)))


def test_keys_are_claimed_in_batches(virtual: Run) -> None:
    memory = FakeStore()
    completions = virtual(resolved(make_tracker(memory), keys(1000)))
    assert completions == [None] * 1000
    assert sum(memory.batches) == 1000
    assert max(memory.batches) <= BATCH_SIZE
    assert len(memory.batches) <= 5
    assert set(memory.claims.values()) == {"ours"}


def test_stored_completions_are_found_in_a_batch(virtual: Run) -> None:
    memory = FakeStore(answered={key: answer(key) for key in keys(100)[::3]})
    completions = virtual(resolved(make_tracker(memory), keys(100)))
    assert completions == [answer(key) if index % 3 == 0 else None for index, key in enumerate(keys(100))]


def test_a_key_waits_shortly_for_others(virtual: Run) -> None:
    memory = FakeStore()

    async def scenario() -> float:
        tracker, loop = make_tracker(memory), asyncio.get_running_loop()
        began = loop.time()
        first = asyncio.ensure_future(resolved(tracker, keys(10)))
        await asyncio.sleep(BATCH_SECONDS / 2)
        await tracker.claim_one("joins them")
        await first
        return loop.time() - began

    assert virtual(scenario()) == pytest.approx(BATCH_SECONDS + memory.seconds)
    assert memory.batches == [11]


def test_a_database_error_reaches_all_waiters_and_is_not_final(virtual: Run) -> None:
    memory = FakeStore(broken=UserError("the database cannot be used", code="test.error"))

    async def scenario() -> list[Any]:
        tracker = make_tracker(memory)
        wanted_keys = (tracker.claim_one(key) for key in keys(5))
        outcomes = list(await asyncio.gather(*wanted_keys, return_exceptions=True))
        memory.broken = None
        return [*outcomes, await tracker.claim_one("later")]

    *failed, later = virtual(scenario())
    assert [type(outcome) for outcome in failed] == [UserError] * 5
    assert later is None


def test_the_claim_of_a_cancelled_caller_is_released(virtual: Run) -> None:
    memory = FakeStore()

    async def scenario() -> None:
        tracker = make_tracker(memory)
        asking = [asyncio.ensure_future(tracker.claim_one(key)) for key in keys(4)]
        await asyncio.sleep(BATCH_SECONDS + memory.seconds / 2)
        asking[1].cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        assert len(memory.claims) == 4
        await tracker.close()

    virtual(scenario())
    assert sorted(memory.claims) == [key for index, key in enumerate(keys(4)) if index != 1]


def test_claims_are_released_before_new_ones_are_made(virtual: Run) -> None:
    memory = FakeStore()

    async def scenario() -> None:
        tracker = make_tracker(memory)
        await resolved(tracker, keys(2))
        tracker.release(keys(2)[0])
        await tracker.claim_one("next")
        assert sorted(memory.claims) == [keys(2)[1], "next"]
        await tracker.close()
        await tracker.close()

    virtual(scenario())


def test_a_released_request_can_be_claimed_again(virtual: Run) -> None:
    memory = FakeStore()

    async def scenario() -> None:
        tracker = make_tracker(memory)
        for _ in range(3):
            assert await tracker.claim_one("again") is None
            tracker.release("again")
        await tracker.close()

    virtual(scenario())
    assert memory.claims == {}


def test_recorded_results_go_to_the_writer(virtual: Run) -> None:
    memory = FakeStore()
    writer = FakeWriter(memory)
    tracker = RequestTracker(memory, writer, "ours")
    request, error = make_request(1), CallError(Failure.SERVER, "oops", status=500)

    async def scenario() -> None:
        tracker.enqueue(request, answer(), "reading", 0.5)
        tracker.enqueue_parsed("again")
        tracker.record_failure(request, error, 2, None)
        await tracker.drain()

    virtual(scenario())
    assert writer.readings == ["reading", "again"]
    assert writer.failures == [(request.key, error, 2, None)]
    assert writer.costs == {request.key: 0.5}
