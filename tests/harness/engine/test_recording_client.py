"""Recording client: stored completions are reused, identical requests share one, nothing paid for is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from agents.clients.base import ModelRequest
from agents.errors import CallError, EndpointDisabled, Failure, UserError
from agents.messages import Completion
from agents.types import Judgment, Preference, Unscored, UnscoredReason, Verdict
from harness.engine.event_log import EndpointStats
from harness.engine.prices import Price
from harness.engine.recording_client import RecordingClient
from harness.engine.request_tracker import BATCH_SECONDS, POLL_SECONDS, RequestTracker
from tests.harness.engine.conftest import FakeStore, FakeWriter, Server, answer, make_request

Run = Callable[[Any], Any]
PRICE = Price(1.0, 10.0)


class Process:
    """One process: a recording client in front of a server, with the store of all processes."""

    def __init__(
        self, memory: FakeStore, server: Any, name: str = "ours", price: Price | None = PRICE
    ) -> None:
        self.writer = FakeWriter(memory)
        self.tracker = RequestTracker(memory, self.writer, name)
        self.writer.on_commit = lambda _, keys: self.tracker.committed(keys)
        self.stats = EndpointStats()
        self.client = RecordingClient(server, self.tracker, self.stats, price)


def verdict(request: ModelRequest, outcome: Verdict | Unscored) -> Callable[[Completion, str], Judgment]:
    """Return a parser that always gives the same result."""
    return lambda completion, key: Judgment(key, "judge-1:j", "d", "r1", "r2", 0, 0, "verdict-1", outcome)


def read_call(index: int, outcome: Verdict | Unscored) -> ModelRequest:
    request = make_request(index)
    return make_request(index, read=verdict(request, outcome))


FIRST = Verdict(Preference.FIRST)


def test_a_completion_is_returned_once_committed_with_its_verdict_and_cost(virtual: Run) -> None:
    memory, server = FakeStore(), Server()
    process = Process(memory, server)
    request = read_call(1, FIRST)
    assert virtual(process.client.complete(request)) == answer()
    assert memory.answered == {request.key: answer()}
    assert memory.claims == {}
    (parsed,) = process.writer.readings
    assert isinstance(parsed, Judgment)
    assert (parsed.call_key, parsed.outcome) == (request.key, FIRST)
    assert process.writer.costs == {request.key: 10 * 1.0 + 1 * 10.0}
    stats = process.stats
    assert (stats.made, stats.reused, stats.unscored, stats.spent_usd) == (1, 0, 0, 20.0)


def test_a_stored_completion_is_reused_and_parsed_again(virtual: Run) -> None:
    memory, server = FakeStore(), Server()
    request = read_call(1, Unscored(UnscoredReason.EMPTY))
    memory.answered[request.key] = answer("stored")
    process = Process(memory, server)
    assert virtual(process.client.complete(request)) == answer("stored")
    assert server.sent == []
    assert len(process.writer.readings) == 1
    assert process.writer.costs == {}
    stats = process.stats
    assert (stats.made, stats.reused, stats.unscored, stats.spent_usd) == (0, 1, 1, 0.0)


def test_an_unknown_price_is_an_unknown_cost(virtual: Run) -> None:
    process = Process(FakeStore(), Server(), price=None)
    request = make_request(1)
    virtual(process.client.complete(request))
    assert process.writer.costs == {request.key: None}


@pytest.mark.parametrize("endpoints", [1, 2])
def test_identical_requests_of_one_process_share_one_completion(virtual: Run, endpoints: int) -> None:
    """The requests may come from any endpoint; the completion is parsed for each."""
    memory, server = FakeStore(), Server()
    process = Process(memory, server)
    clients = [RecordingClient(server, process.tracker, process.stats, PRICE) for _ in range(endpoints)]
    requests = [read_call(1, FIRST) for _ in range(10)]

    async def scenario() -> list[Completion]:
        tasks = (clients[index % endpoints].complete(request) for index, request in enumerate(requests))
        return list(await asyncio.gather(*tasks))

    assert virtual(scenario()) == [answer()] * 10
    assert len(server.sent) == 1
    assert len(process.writer.readings) == 10
    assert (process.stats.made, process.stats.reused, process.stats.spent_usd) == (1, 9, 20.0)


def test_a_shared_failure_reaches_all_and_the_claim_is_released(virtual: Run) -> None:
    memory = FakeStore()
    server = Server(otherwise=lambda request: CallError(Failure.SERVER, "oops", status=500))
    process = Process(memory, server)

    async def scenario() -> list[Any]:
        outcomes = await asyncio.gather(
            *(process.client.complete(make_request(1)) for _ in range(3)), return_exceptions=True
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


@pytest.mark.parametrize(
    "at_seconds", [0.005, 0.025, 0.5, 1.05]
)  # waiting for its batch, looked up, in flight, being committed
def test_cancelling_the_sender_does_not_cancel_those_who_share(virtual: Run, at_seconds: float) -> None:
    memory, server = FakeStore(), Server()
    process = Process(memory, server)

    async def scenario() -> list[Any]:
        asking = [asyncio.ensure_future(process.client.complete(make_request(1))) for _ in range(3)]
        await asyncio.sleep(at_seconds)
        asking[0].cancel()
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
        await process.tracker.close()
        return outcomes

    first, *others = virtual(scenario())
    assert isinstance(first, asyncio.CancelledError)
    assert others == [answer()] * 2
    assert memory.claims == {}


def test_cancelling_one_who_shares_does_not_cancel_others(virtual: Run) -> None:
    server = Server()
    process = Process(FakeStore(), server)

    async def scenario() -> list[Any]:
        asking = [asyncio.ensure_future(process.client.complete(make_request(1))) for _ in range(3)]
        await asyncio.sleep(0.5)
        asking[2].cancel()
        return await asyncio.gather(*asking, return_exceptions=True)

    outcomes = virtual(scenario())
    assert outcomes[:2] == [answer()] * 2
    assert isinstance(outcomes[2], asyncio.CancelledError)
    assert len(server.sent) == 1


def test_cancelling_all_sends_nothing_again(virtual: Run) -> None:
    memory, server = FakeStore(), Server()
    process = Process(memory, server)

    async def scenario() -> None:
        asking = [asyncio.ensure_future(process.client.complete(make_request(1))) for _ in range(3)]
        await asyncio.sleep(0.5)
        for each in asking:
            each.cancel()
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
        await process.tracker.close()

    virtual(scenario())
    assert len(server.sent) == 1
    assert memory.claims == {}


def test_a_completion_is_stored_even_if_parsing_fails(virtual: Run) -> None:
    memory, server = FakeStore(), Server()
    process = Process(memory, server)

    def fails(completion: Completion, key: str) -> None:
        raise ValueError("a mistake of ours")

    request = make_request(1, read=fails)
    with pytest.raises(ValueError, match="a mistake of ours"):
        virtual(process.client.complete(request))
    assert list(process.tracker.pending) == [request.key]  # to be committed
    assert process.stats.made == 1


# -- several processes -------------------------------------------------------------------------------


def test_a_request_of_another_process_is_waited_for(virtual: Run) -> None:
    memory, server = FakeStore(), Server(5.0)
    first_process, second_process = Process(memory, server, "one"), Process(memory, server, "other")
    requests = [read_call(index, FIRST) for index in range(20)]

    async def scenario() -> None:
        tasks = (
            process.client.complete(request)
            for process in (first_process, second_process)
            for request in requests
        )
        assert await asyncio.gather(*tasks) == [answer()] * 40

    virtual(scenario())
    assert set(server.counts.values()) == {1}
    assert first_process.stats.made + second_process.stats.made == 20
    assert first_process.stats.reused + second_process.stats.reused == 20
    assert len(first_process.writer.readings) == len(second_process.writer.readings) == 20


def test_the_claim_of_a_dead_process_is_taken_over(virtual: Run) -> None:
    memory, server = FakeStore(), Server()
    request = make_request(1)
    memory.claims[request.key] = "theirs"
    process = Process(memory, server)

    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        asking = asyncio.ensure_future(process.client.complete(request))
        await asyncio.sleep(100.0)
        assert server.sent == []
        memory.dead.add("theirs")
        died = loop.time()
        await asking
        return server.sent[0][1] - died

    assert virtual(scenario()) <= POLL_SECONDS + BATCH_SECONDS + 2 * memory.seconds


def test_a_claim_released_by_another_process_is_taken_over(virtual: Run) -> None:
    memory = FakeStore()
    request = make_request(1)
    script: dict[str, list[Any]] = {request.key: [CallError(Failure.SERVER, "oops", status=500)]}
    server = Server(1.0, script)
    owner, other = Process(memory, server, "one"), Process(memory, server, "other")

    async def scenario() -> list[Any]:
        first = asyncio.ensure_future(owner.client.complete(request))
        await asyncio.sleep(0.5)
        second = asyncio.ensure_future(other.client.complete(request))
        outcomes = await asyncio.gather(first, return_exceptions=True)
        await owner.tracker.close()
        return [*outcomes, await second]

    failed, answered = virtual(scenario())
    assert isinstance(failed, CallError)
    assert answered == answer()
    assert server.counts[request.key] == 2


def test_an_interrupt_does_not_wait_for_another_process(virtual: Run) -> None:
    memory, server = FakeStore(), Server()
    held, later = make_request(1), make_request(2)
    memory.claims[held.key] = "theirs"
    process = Process(memory, server)
    stopped = EndpointDisabled("lane", CallError(Failure.INTERRUPTED, "stopped by the user"))

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


# -- batches -----------------------------------------------------------------------------------------


def test_a_claimed_batch_is_split_into_new_stored_and_in_progress(virtual: Run) -> None:
    memory, server = FakeStore(), Server()
    requests = [read_call(index, FIRST) for index in range(12)]
    memory.answered |= {request.key: answer("stored") for request in requests[:3]}
    memory.claims |= {request.key: "theirs" for request in requests[3:6]}
    process = Process(memory, server)

    async def scenario() -> None:
        alone = asyncio.ensure_future(process.client.complete(requests[6]))
        await asyncio.sleep(0)
        claim = await process.client.claim([*requests, requests[11]])
        assert [request.key for request in claim.to_send] == [request.key for request in requests[7:]]
        assert {request.key for request in claim.in_progress} == {
            request.key for request in [*requests[3:7], requests[11]]
        }
        assert claim.n_completed == process.stats.reused == process.writer.pending == 3
        await alone
        assert sorted(memory.batches) == [1, 11]
        for request in claim.to_send:
            await process.client.send(request)
        await process.tracker.drain()
        await process.tracker.close()

    virtual(scenario())
    assert process.stats.made == len(server.sent) == 6
    assert process.tracker.pending == {}


def test_an_uncommitted_completion_is_shared(virtual: Run) -> None:
    memory, server = FakeStore(), Server()
    process = Process(memory, server)
    request = read_call(1, FIRST)

    async def scenario() -> None:
        (claimed,) = (await process.client.claim([request])).to_send
        waiting = asyncio.ensure_future(process.client.complete(request))  # while it is in flight
        await process.client.send(claimed)
        assert memory.answered == {}
        assert await process.client.complete(request) == answer()  # while it is committed
        assert await waiting == answer()
        await process.tracker.drain()
        assert process.tracker.pending == {}
        assert await process.client.complete(request) == answer()  # from the database
        await process.tracker.close()

    virtual(scenario())
    assert len(server.sent) == 1
    assert (process.stats.made, process.stats.reused, len(process.writer.readings)) == (1, 3, 4)


def test_failed_and_released_requests_can_be_claimed_again(virtual: Run) -> None:
    memory = FakeStore()
    process = Process(
        memory, Server(otherwise=lambda request: CallError(Failure.BAD_REQUEST, "no", status=400))
    )

    async def scenario() -> None:
        sent, other = (await process.client.claim([make_request(1), make_request(2)])).to_send
        sharing = [asyncio.ensure_future(process.client.complete(request)) for request in (sent, other)]
        await asyncio.sleep(0)
        with pytest.raises(CallError, match="no"):
            await process.client.send(sent)
        with pytest.raises(CallError, match="no"):
            await sharing[0]
        process.client.release(other)
        with pytest.raises(CallError, match="no"):  # the caller that shared it sends it now
            await sharing[1]
        assert process.tracker.pending == {}
        await process.tracker.close()

    virtual(scenario())
    assert memory.claims == {}


def test_a_failed_claim_leaves_nothing_pending(virtual: Run) -> None:
    memory = FakeStore(broken=UserError("the database cannot be used", code="test.error"))
    process = Process(memory, Server())

    async def scenario() -> None:
        claiming = asyncio.ensure_future(process.client.claim([make_request(1)]))
        sharing = asyncio.ensure_future(process.client.complete(make_request(1)))
        outcomes = await asyncio.gather(claiming, sharing, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [UserError] * 2
        assert process.tracker.pending == {}

    virtual(scenario())


def test_a_sent_completion_is_stored_even_if_parsing_fails(virtual: Run) -> None:
    def fails(completion: Completion, key: str) -> Judgment:
        raise ZeroDivisionError

    memory = FakeStore()
    process = Process(memory, Server())

    async def scenario() -> None:
        (claimed,) = (await process.client.claim([make_request(1, read=fails)])).to_send
        with pytest.raises(ZeroDivisionError):
            await process.client.send(claimed)
        await process.tracker.drain()

    virtual(scenario())
    assert memory.answered == {make_request(1).key: answer()}
