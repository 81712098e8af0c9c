"""Recording: what is answered is not asked, identical calls share one question, nothing paid for is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from agents.clients.base import ModelRequest
from agents.errors import CallError, EndpointDisabled, Failure, UserError
from agents.messages import Completion
from agents.types import Judgment, Preference, Unscored, UnscoredReason, Verdict
from harness.engine.budget import Price
from harness.engine.event_log import EndpointStats
from harness.engine.recording_client import RecordingClient
from harness.engine.request_tracker import POLL_SECONDS, RequestTracker
from tests.harness.engine.conftest import Memory, Notes, Server, answer, question

Run = Callable[[Any], Any]
PRICE = Price(1.0, 10.0)


class Process:
    """One process: a recording client before a server, over the store of all processes."""

    def __init__(self, memory: Memory, server: Any, name: str = "ours", price: Price | None = PRICE) -> None:
        self.notes = Notes(memory)
        self.tracker = RequestTracker(memory, self.notes, name)
        self.stats = EndpointStats()
        self.client = RecordingClient(server, self.tracker, self.stats, price)


def verdict(call: ModelRequest, outcome: Verdict | Unscored) -> Callable[[Completion, str], Judgment]:
    """A reader that always reads the same."""
    return lambda completion, key: Judgment(key, "judge-1:j", "d", "r1", "r2", 0, 0, "verdict-1", outcome)


def read_call(at: int, outcome: Verdict | Unscored) -> ModelRequest:
    call = question(at)
    return question(at, read=verdict(call, outcome))


FIRST = Verdict(Preference.FIRST)


def test_an_answer_is_returned_once_it_is_stored_with_what_was_read_and_its_cost(virtual: Run) -> None:
    memory, server = Memory(), Server()
    process = Process(memory, server)
    call = read_call(1, FIRST)
    assert virtual(process.client.complete(call)) == answer()
    assert memory.answered == {call.key: answer()}
    assert memory.claims == {}
    (reading,) = process.notes.readings
    assert isinstance(reading, Judgment)
    assert (reading.call_key, reading.outcome) == (call.key, FIRST)
    assert process.notes.costs == {call.key: 10 * 1.0 + 1 * 10.0}
    stats = process.stats
    assert (stats.made, stats.reused, stats.unscored, stats.spent_usd) == (1, 0, 0, 20.0)


def test_a_stored_answer_is_not_asked_and_is_read_again(virtual: Run) -> None:
    memory, server = Memory(), Server()
    call = read_call(1, Unscored(UnscoredReason.EMPTY))
    memory.answered[call.key] = answer("stored")
    process = Process(memory, server)
    assert virtual(process.client.complete(call)) == answer("stored")
    assert server.sent == []
    assert len(process.notes.readings) == 1
    assert process.notes.costs == {}
    stats = process.stats
    assert (stats.made, stats.reused, stats.unscored, stats.spent_usd) == (0, 1, 1, 0.0)


def test_an_unknown_price_is_an_unknown_cost(virtual: Run) -> None:
    process = Process(Memory(), Server(), price=None)
    call = question(1)
    virtual(process.client.complete(call))
    assert process.notes.costs == {call.key: None}


@pytest.mark.parametrize("endpoints", [1, 2])
def test_identical_calls_of_one_process_share_one_question(virtual: Run, endpoints: int) -> None:
    """Whichever lane they come from; each is read for itself."""
    memory, server = Memory(), Server()
    process = Process(memory, server)
    clients = [RecordingClient(server, process.tracker, process.stats, PRICE) for _ in range(endpoints)]
    calls = [read_call(1, FIRST) for _ in range(10)]

    async def scenario() -> list[Completion]:
        asked = (clients[at % endpoints].complete(call) for at, call in enumerate(calls))
        return list(await asyncio.gather(*asked))

    assert virtual(scenario()) == [answer()] * 10
    assert len(server.sent) == 1
    assert len(process.notes.readings) == 10
    assert (process.stats.made, process.stats.reused, process.stats.spent_usd) == (1, 9, 20.0)


def test_a_shared_failure_reaches_all_and_the_claim_is_given_back(virtual: Run) -> None:
    memory = Memory()
    server = Server(otherwise=lambda call: CallError(Failure.SERVER, "oops", status=500))
    process = Process(memory, server)

    async def scenario() -> list[Any]:
        outcomes = await asyncio.gather(
            *(process.client.complete(question(1)) for _ in range(3)), return_exceptions=True
        )
        assert process.tracker.pending == {}
        await process.tracker.close()
        return outcomes

    outcomes = virtual(scenario())
    assert [type(outcome) for outcome in outcomes] == [CallError] * 3
    assert len(server.sent) == 1
    assert memory.claims == {}
    assert memory.answered == {}
    assert process.stats.made == 0


@pytest.mark.parametrize("at_seconds", [0.005, 0.5, 1.02])  # looked up, in flight, being committed
def test_who_shares_a_question_is_not_cancelled_with_who_asked_it(virtual: Run, at_seconds: float) -> None:
    memory, server = Memory(), Server()
    process = Process(memory, server)

    async def scenario() -> list[Any]:
        asking = [asyncio.ensure_future(process.client.complete(question(1))) for _ in range(3)]
        await asyncio.sleep(at_seconds)
        asking[0].cancel()
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
        await process.tracker.close()
        return outcomes

    first, *others = virtual(scenario())
    assert isinstance(first, asyncio.CancelledError)
    assert others == [answer()] * 2
    assert memory.claims == {}


def test_who_is_cancelled_while_sharing_ends_alone(virtual: Run) -> None:
    server = Server()
    process = Process(Memory(), server)

    async def scenario() -> list[Any]:
        asking = [asyncio.ensure_future(process.client.complete(question(1))) for _ in range(3)]
        await asyncio.sleep(0.5)
        asking[2].cancel()
        return await asyncio.gather(*asking, return_exceptions=True)

    outcomes = virtual(scenario())
    assert outcomes[:2] == [answer()] * 2
    assert isinstance(outcomes[2], asyncio.CancelledError)
    assert len(server.sent) == 1


def test_all_are_cancelled_together_and_nobody_asks_anew(virtual: Run) -> None:
    memory, server = Memory(), Server()
    process = Process(memory, server)

    async def scenario() -> None:
        asking = [asyncio.ensure_future(process.client.complete(question(1))) for _ in range(3)]
        await asyncio.sleep(0.5)
        for each in asking:
            each.cancel()
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
        await process.tracker.close()

    virtual(scenario())
    assert len(server.sent) == 1
    assert memory.claims == {}


def test_an_answer_whose_reader_fails_is_stored_all_the_same(virtual: Run) -> None:
    memory, server = Memory(), Server()
    process = Process(memory, server)

    def fails(completion: Completion, key: str) -> None:
        raise ValueError("a mistake of ours")

    call = question(1, read=fails)
    with pytest.raises(ValueError, match="a mistake of ours"):
        virtual(process.client.complete(call))
    assert memory.answered == {call.key: answer()}
    assert process.stats.made == 1


# -- several processes -------------------------------------------------------------------------------


def test_what_another_process_asks_is_waited_for_and_not_asked(virtual: Run) -> None:
    memory, server = Memory(), Server(5.0)
    one, other = Process(memory, server, "one"), Process(memory, server, "other")
    calls = [read_call(at, FIRST) for at in range(20)]

    async def scenario() -> None:
        asked = (process.client.complete(call) for process in (one, other) for call in calls)
        assert await asyncio.gather(*asked) == [answer()] * 40

    virtual(scenario())
    assert set(server.counts.values()) == {1}
    assert one.stats.made + other.stats.made == 20
    assert one.stats.reused + other.stats.reused == 20
    assert len(one.notes.readings) == len(other.notes.readings) == 20


def test_what_a_dead_process_held_is_asked_soon(virtual: Run) -> None:
    memory, server = Memory(), Server()
    call = question(1)
    memory.claims[call.key] = "theirs"
    process = Process(memory, server)

    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        asking = asyncio.ensure_future(process.client.complete(call))
        await asyncio.sleep(100.0)
        assert server.sent == []
        memory.dead.add("theirs")
        died = loop.time()
        await asking
        return server.sent[0][1] - died

    assert virtual(scenario()) <= POLL_SECONDS + 2 * memory.seconds


def test_a_call_that_the_other_process_gives_up_is_ours(virtual: Run) -> None:
    memory = Memory()
    call = question(1)
    script: dict[str, list[Any]] = {call.key: [CallError(Failure.SERVER, "oops", status=500)]}
    server = Server(1.0, script)
    one, other = Process(memory, server, "one"), Process(memory, server, "other")

    async def scenario() -> list[Any]:
        first = asyncio.ensure_future(one.client.complete(call))
        await asyncio.sleep(0.5)
        second = asyncio.ensure_future(other.client.complete(call))
        outcomes = await asyncio.gather(first, return_exceptions=True)
        await one.tracker.close()
        return [*outcomes, await second]

    failed, answered = virtual(scenario())
    assert isinstance(failed, CallError)
    assert answered == answer()
    assert server.counts[call.key] == 2


def test_an_interrupt_does_not_wait_for_another_process(virtual: Run) -> None:
    memory, server = Memory(), Server()
    held, later = question(1), question(2)
    memory.claims[held.key] = "theirs"
    process = Process(memory, server)
    stopped = EndpointDisabled("lane", CallError(Failure.INTERRUPTED, "stopped as asked"))

    async def scenario() -> list[Any]:
        waiting = asyncio.ensure_future(process.client.complete(held))
        await asyncio.sleep(10.0)
        process.tracker.abort(stopped)
        outcomes = await asyncio.gather(waiting, process.client.complete(later), return_exceptions=True)
        await process.tracker.close()
        return list(outcomes)

    assert virtual(scenario()) == [stopped, stopped]
    assert server.sent == []
    assert memory.claims == {held.key: "theirs"}


# -- many at once ------------------------------------------------------------------------------------


def test_calls_claimed_together_are_ours_known_or_elsewhere(virtual: Run) -> None:
    memory, server = Memory(), Server()
    calls = [read_call(at, FIRST) for at in range(12)]
    memory.answered |= {call.key: answer("stored") for call in calls[:3]}
    memory.claims |= {call.key: "theirs" for call in calls[3:6]}
    process = Process(memory, server)

    async def scenario() -> None:
        alone = asyncio.ensure_future(process.client.complete(calls[6]))
        await asyncio.sleep(0)
        claim = await process.client.claim([*calls, calls[11]])
        assert [call.key for call in claim.to_send] == [call.key for call in calls[7:]]
        assert {call.key for call in claim.in_progress} == {call.key for call in [*calls[3:7], calls[11]]}
        assert claim.n_completed == process.stats.reused == process.notes.pending == 3
        await alone
        assert sorted(memory.batches) == [1, 11]
        for call in claim.to_send:
            await process.client.send(call)
        await process.tracker.drain()
        await process.tracker.close()

    virtual(scenario())
    assert process.stats.made == len(server.sent) == 6
    assert process.tracker.pending == {call.key: answer() for call in calls[7:]}  # nobody told it of commits


def test_an_answer_on_its_way_to_the_database_is_shared(virtual: Run) -> None:
    memory, server = Memory(), Server()
    process = Process(memory, server)
    process.notes.on_commit = lambda _, keys: process.tracker.committed(keys)
    call = read_call(1, FIRST)

    async def scenario() -> None:
        (ours,) = (await process.client.claim([call])).to_send
        waiting = asyncio.ensure_future(process.client.complete(call))  # while it is in flight
        await process.client.send(ours)
        assert memory.answered == {}
        assert await process.client.complete(call) == answer()  # while it is committed
        assert await waiting == answer()
        await process.tracker.drain()
        assert process.tracker.pending == {}
        assert await process.client.complete(call) == answer()  # from the database
        await process.tracker.close()

    virtual(scenario())
    assert len(server.sent) == 1
    assert (process.stats.made, process.stats.reused, len(process.notes.readings)) == (1, 3, 4)


def test_what_is_claimed_and_fails_or_is_given_back_may_be_claimed_by_others(virtual: Run) -> None:
    memory = Memory()
    process = Process(memory, Server(otherwise=lambda call: CallError(Failure.BAD_REQUEST, "no", status=400)))

    async def scenario() -> None:
        one, other = (await process.client.claim([question(1), question(2)])).to_send
        sharing = [asyncio.ensure_future(process.client.complete(call)) for call in (one, other)]
        await asyncio.sleep(0)
        with pytest.raises(CallError, match="no"):
            await process.client.send(one)
        with pytest.raises(CallError, match="no"):
            await sharing[0]
        process.client.release(other)
        with pytest.raises(CallError, match="no"):  # whoever shared it asks it now
            await sharing[1]
        assert process.tracker.pending == {}
        await process.tracker.close()

    virtual(scenario())
    assert memory.claims == {}


def test_where_nothing_can_be_claimed_nothing_is_left_behind(virtual: Run) -> None:
    memory = Memory(broken=UserError("the database cannot be used"))
    process = Process(memory, Server())

    async def scenario() -> None:
        claiming = asyncio.ensure_future(process.client.claim([question(1)]))
        sharing = asyncio.ensure_future(process.client.complete(question(1)))
        outcomes = await asyncio.gather(claiming, sharing, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [UserError] * 2
        assert process.tracker.pending == {}

    virtual(scenario())


def test_an_asked_answer_whose_reader_fails_is_stored_all_the_same(virtual: Run) -> None:
    def fails(completion: Completion, key: str) -> Judgment:
        raise ZeroDivisionError

    memory = Memory()
    process = Process(memory, Server())

    async def scenario() -> None:
        (ours,) = (await process.client.claim([question(1, read=fails)])).to_send
        with pytest.raises(ZeroDivisionError):
            await process.client.send(ours)
        await process.tracker.drain()

    virtual(scenario())
    assert memory.answered == {question(1).key: answer()}
