"""The pump: lazy, bounded, and fair; one failing item stops nobody, one failing kind its own lane alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import pytest

from agents.clients.base import ModelClient, ModelRequest
from agents.errors import CallError, EndpointDisabled, Failure, UserError
from harness.engine.dispatcher import MAX_PENDING_CHAINS, WorkItem, dispatch
from harness.engine.endpoint import Endpoint
from harness.engine.limits import Limits
from harness.engine.rate_limiter import MAX_UNCOMMITTED
from harness.engine.request_tracker import BATCH_SIZE, RequestTracker
from harness.engine.retry import RetryPolicy
from tests.errors import user_error
from tests.harness.engine.conftest import Memory, Notes, Server, answer, question

Run = Callable[[Any], Any]


class House:
    """A store, a ledger, and lanes over it."""

    def __init__(self, memory: Memory | None = None, name: str = "ours") -> None:
        self.memory = memory or Memory()
        self.notes = Notes(self.memory)
        self.tracker = RequestTracker(self.memory, self.notes, name)
        self.notes.on_commit = self._committed
        self._lanes: list[Endpoint] = []

    def endpoint(self, server: Any, most: int = 10, name: str = "lane", **more: Any) -> Endpoint:
        limits = more.pop("limits", Limits(max_in_flight=most))
        endpoint = Endpoint(question(0).model, server, self.tracker, name=name, limits=limits, **more)
        endpoint.rate_limiter.uncommitted = lambda: self.notes.pending
        self._lanes.append(endpoint)
        return endpoint

    def _committed(self, _: float, keys: Sequence[str]) -> None:
        """As a run does after every commit."""
        self.tracker.committed(keys)
        for endpoint in self._lanes:
            endpoint.rate_limiter.wake()


async def ask(call: ModelRequest, client: ModelClient) -> None:
    await client.complete(call)


Single = Callable[..., Iterator[WorkItem]]


def calls(count: int, begin: int = 0) -> Iterator[WorkItem]:
    """One call a piece of work, made when it is wanted."""
    for at in range(begin, begin + count):
        yield question(at)


def chains(count: int, begin: int = 0) -> Iterator[WorkItem]:
    """The same as chains of one."""
    return (partial(ask, question(at)) for at in range(begin, begin + count))


@pytest.fixture(params=[calls, chains])
def single(request: pytest.FixtureRequest) -> Single:
    """One call a piece of work, in either form."""
    chosen: Single = request.param
    return chosen


def broken() -> CallError:
    return CallError(Failure.SERVER, "oops", status=500)


# -- lazy and bounded --------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [5, 200])
def test_a_long_source_is_taken_only_as_far_as_it_can_be_worked_on(
    virtual: Run, single: Single, most: int
) -> None:
    house, server = House(), Server(0.3)
    endpoint = house.endpoint(server, most)
    bound = most + MAX_UNCOMMITTED + MAX_PENDING_CHAINS
    ahead: list[int] = []
    tasks: list[int] = []

    def source() -> Iterator[WorkItem]:
        for taken, work in enumerate(single(5000)):
            ahead.append(taken - endpoint.stats.done)
            if taken % 500 == 0:
                tasks.append(len(asyncio.all_tasks()))
            yield work

    virtual(dispatch([(endpoint, source())]))
    assert (endpoint.stats.done, endpoint.stats.made, endpoint.stats.failed) == (5000, 5000, 0)
    assert server.most_in_flight == most
    assert max(ahead) <= bound
    assert max(tasks) <= bound + 10  # the pump's own, the flusher, the dispatcher


def test_what_could_be_lost_at_any_moment_is_bounded(virtual: Run, single: Single) -> None:
    """In flight and answered but not committed: at most what may be in flight, and 256."""
    house, server = House(), Server(0.1)
    house.notes.seconds = 30.0  # a disk that is very slow
    endpoint = house.endpoint(server, 100)
    exposed: list[int] = []

    async def watch() -> None:
        while True:
            exposed.append(server.in_flight + house.notes.pending)
            await asyncio.sleep(0.05)

    async def scenario() -> None:
        watching = asyncio.ensure_future(watch())
        await dispatch([(endpoint, single(2000))])
        watching.cancel()

    virtual(scenario())
    assert endpoint.stats.made == 2000
    assert MAX_UNCOMMITTED < max(exposed) <= 100 + MAX_UNCOMMITTED


def test_calls_are_asked_in_their_order(virtual: Run, single: Single) -> None:
    server = Server(0.1)
    virtual(dispatch([(House().endpoint(server, 1), single(700))]))
    assert [key for key, _ in server.sent] == [question(at).key for at in range(700)]


def test_an_empty_source_is_done(virtual: Run, single: Single) -> None:
    house = House()
    virtual(dispatch([(house.endpoint(Server()), single(0))]))
    virtual(dispatch([]))


# -- once --------------------------------------------------------------------------------------------


def test_two_processes_at_once_make_each_call_once(virtual: Run, single: Single) -> None:
    memory = Memory()
    houses, servers = [House(memory, "one"), House(memory, "other")], [Server(0.3), Server(0.2)]

    async def scenario() -> None:
        await asyncio.gather(
            *(
                dispatch([(house.endpoint(server, 64), single(2000))])
                for house, server in zip(houses, servers, strict=True)
            )
        )

    virtual(scenario())
    assert sum((server.counts for server in servers), start=Counter()) == {
        question(at).key: 1 for at in range(2000)
    }
    assert len(memory.answered) == 2000


def test_the_same_call_again_and_again_is_asked_once(virtual: Run) -> None:
    house, server = House(), Server(0.3)
    endpoint = house.endpoint(server, 4)
    virtual(dispatch([(endpoint, (question(at % 3) for at in range(3000)))]))
    assert server.counts == {question(at).key: 1 for at in range(3)}
    assert (endpoint.stats.done, endpoint.stats.made, endpoint.stats.reused) == (3000, 3, 2997)


def test_what_is_known_is_not_asked_and_soon_done(virtual: Run, single: Single) -> None:
    house, server = House(), Server(0.3)
    house.memory.answered = {question(at).key: answer() for at in range(3000) if at % 100}
    endpoint = house.endpoint(server, 10)
    virtual(dispatch([(endpoint, single(3000))]))
    assert len(server.sent) == endpoint.stats.made == 30
    assert (endpoint.stats.done, endpoint.stats.reused) == (3000, 2970)


def test_what_is_known_is_read_again_no_faster_than_it_can_be_committed(virtual: Run) -> None:
    house = House()
    house.memory.answered = {question(at).key: answer() for at in range(3000)}
    house.notes.seconds = 30.0  # a disk that is very slow
    held: list[int] = []

    def source() -> Iterator[WorkItem]:
        for at in range(3000):
            held.append(house.notes.pending)
            yield question(at, read=lambda completion, key: completion.text)

    virtual(dispatch([(house.endpoint(Server()), source())]))
    assert len(house.notes.readings) == 3000
    assert max(held) < BATCH_SIZE  # whenever more is taken


def test_every_answer_is_committed_at_the_end(virtual: Run, single: Single) -> None:
    house = House()
    house.notes.seconds = 5.0
    virtual(dispatch([(house.endpoint(Server(0.1)), single(25))]))
    assert len(house.memory.answered) == 25
    assert house.tracker.pending == {}


def test_what_a_stopped_lane_had_claimed_is_given_back(virtual: Run, single: Single) -> None:
    house = House()
    endpoint = house.endpoint(Server(0.1, otherwise=lambda call: CallError(Failure.AUTHENTICATION, "never")))

    async def scenario() -> None:
        await dispatch([(endpoint, single(5000))])
        await house.tracker.close()

    virtual(scenario())
    assert house.memory.claims == {}
    assert house.tracker.pending == {}


# -- fair --------------------------------------------------------------------------------------------


def test_a_slow_lane_keeps_no_other_from_its_work(virtual: Run, single: Single) -> None:
    house, quick, slow = House(), Server(0.1), Server(60.0)
    endpoints = [house.endpoint(quick, 10, "quick"), house.endpoint(slow, 10, "slow")]
    virtual(dispatch([(endpoints[0], single(500)), (endpoints[1], single(100, begin=1000))]))
    assert max(moment for _, moment in quick.sent) - quick.sent[0][1] < 60.0
    assert [endpoint.stats.made for endpoint in endpoints] == [500, 100]


def test_chains_interleave_with_single_calls_and_each_other(virtual: Run) -> None:
    house, server = House(), Server(1.0)
    endpoint = house.endpoint(server, 4)
    ended: list[int] = []

    async def chain(at: int, client: ModelClient) -> None:
        for step in range(3):
            await client.complete(question(1000 * at + step))
        ended.append(at)

    def source() -> Iterator[WorkItem]:
        for at in range(1, 9):
            yield partial(chain, at)
            yield partial(ask, question(at))

    async def scenario() -> float:
        began = asyncio.get_running_loop().time()
        await dispatch([(endpoint, source())])
        return asyncio.get_running_loop().time() - began

    seconds = virtual(scenario())
    assert sorted(ended) == list(range(1, 9))
    assert endpoint.stats.made == 8 * 3 + 8
    assert seconds <= 32 / 4 * 1.0 + 1.5  # four at a time, nearly always: nobody waits for a chain to end


def test_a_call_that_waits_for_another_try_keeps_no_place(virtual: Run, single: Single) -> None:
    busy = CallError(Failure.SERVER, "busy", status=503, retry_after_seconds=50.0)
    server = Server(1.0, {question(0).key: [busy]})
    house = House()
    endpoint = house.endpoint(server, 1)
    virtual(dispatch([(endpoint, single(40))]))
    assert endpoint.stats.made == 40
    first, again = server.moments(question(0))
    assert again - first >= 51.0
    assert max(moment for key, moment in server.sent if key != question(0).key) - first < 41.0


# -- failures ----------------------------------------------------------------------------------------


def test_one_failing_item_never_stops_the_others(virtual: Run, single: Single) -> None:
    bad = {question(at).key for at in range(0, 300, 7)}
    refused = CallError(Failure.BAD_REQUEST, "no", status=400)
    server = Server(0.1, otherwise=lambda call: refused if call.key in bad else answer())
    house = House()
    endpoint = house.endpoint(server)
    virtual(dispatch([(endpoint, single(300))]))
    assert (endpoint.stats.done, endpoint.stats.failed, endpoint.stats.made) == (
        300,
        len(bad),
        300 - len(bad),
    )
    assert set(house.memory.answered) == {question(at).key for at in range(300)} - bad
    assert {key for key, *_ in house.notes.failures} == bad


def test_faults_come_and_go_and_every_call_is_answered_once(virtual: Run, single: Single) -> None:
    kinds = [
        broken(),
        CallError(Failure.CONNECTION, "reset", charged=True),
        CallError(Failure.MALFORMED, "not JSON", status=200, charged=True),
        CallError(Failure.TIMEOUT, "late", charged=True),
        CallError(Failure.RATE_LIMITED, "slow down", status=429, retry_after_seconds=2.0),
    ]
    told = {question(at).key: [kinds[at % 5]] * (1 + at % 3) for at in range(0, 200, 3)}
    server = Server(0.1, {key: list(script) for key, script in told.items()})
    house = House()
    endpoint = house.endpoint(server)
    virtual(dispatch([(endpoint, single(200))]))
    assert endpoint.stats.made == len(house.memory.answered) == 200
    failures = sum(len(script) for script in told.values())
    assert endpoint.stats.retried == len(house.notes.failures) == failures
    assert len(server.sent) == 200 + failures
    assert endpoint.stats.rate_limited == sum(
        error.failure is Failure.RATE_LIMITED for _, error, _, _ in house.notes.failures
    )


@pytest.mark.parametrize("failure", [Failure.AUTHENTICATION, Failure.UNKNOWN_MODEL, Failure.NO_BUDGET])
def test_a_lane_that_stops_ends_and_the_others_finish(virtual: Run, single: Single, failure: Failure) -> None:
    house = House()
    stopping = Server(0.1, otherwise=lambda call: CallError(failure, "never"))
    endpoints = [house.endpoint(stopping, 10, "stopping"), house.endpoint(Server(0.1), 10, "going")]
    virtual(dispatch([(endpoints[0], single(5000)), (endpoints[1], single(300, begin=10_000))]))
    stopped, going = (endpoint.stats for endpoint in endpoints)
    assert stopped.stopped == "never"
    assert len(stopping.sent) <= 10  # those in flight when the first came back
    assert stopped.done < 5000
    assert (going.done, going.stopped) == (300, "")
    assert not house.memory.claims or set(house.memory.claims.values()) == {"ours"}


def test_a_dead_address_is_one_error_and_not_five_thousand(virtual: Run, single: Single) -> None:
    server = Server(0.1, otherwise=lambda call: CallError(Failure.CONNECTION, "no connection"))
    house, policy = House(), RetryPolicy(stop_after=20)
    endpoint = house.endpoint(server, 10, policy=policy)
    virtual(dispatch([(endpoint, single(5000))]))
    assert endpoint.stats.stopped == "no connection"
    assert len(server.sent) < 600 * policy.max_tries


def test_what_nobody_expected_ends_every_lane(virtual: Run, single: Single) -> None:
    """A database that fails, or a mistake of ours: no lane goes on in the background."""
    house = House()
    servers = [Server(0.1), Server(0.1)]
    endpoints = [house.endpoint(server, 10, str(at)) for at, server in enumerate(servers)]

    async def fails(client: ModelClient) -> None:
        await asyncio.sleep(0.35)
        raise UserError("the database cannot be used", code="database.unusable")

    async def scenario() -> None:
        with user_error("database.unusable"):
            await dispatch([(endpoints[0], iter([fails])), (endpoints[1], single(5000))])
        sent = len(servers[1].sent)
        assert servers[1].in_flight == 0
        await asyncio.sleep(10.0)
        assert len(servers[1].sent) == sent

    virtual(scenario())


def test_a_source_that_fails_is_told(virtual: Run, single: Single) -> None:
    def source() -> Iterator[WorkItem]:
        yield from single(3)
        raise UserError("this prompt cannot be filled", code="prompt.unfillable")

    with user_error("prompt.unfillable"):
        virtual(dispatch([(House().endpoint(Server()), source())], asyncio.Event()))


# -- interrupts --------------------------------------------------------------------------------------


def interrupted_after(seconds: float, sources: list[Any], grace_seconds: float) -> Any:
    async def scenario() -> float:
        event, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.call_later(seconds, event.set)
        await dispatch(sources, event, grace_seconds)
        return loop.time()

    return scenario()


def test_an_interrupt_sends_nothing_more_and_keeps_what_is_in_flight(virtual: Run, single: Single) -> None:
    house, server = House(), Server(4.0)
    endpoint = house.endpoint(server, 10)
    ended = virtual(interrupted_after(5.0, [(endpoint, single(5000))], grace_seconds=30.0))
    assert len(server.sent) == 20  # two rounds had begun
    assert len(house.memory.answered) == 20
    assert ended < 1000.0 + 10.0
    assert endpoint.stats.stopped == "stopped as asked"


def test_what_takes_longer_than_the_grace_is_given_up_and_charged(virtual: Run, single: Single) -> None:
    house, server = House(), Server(1000.0)
    endpoint = house.endpoint(server, 10)
    ended = virtual(interrupted_after(5.0, [(endpoint, single(5000))], grace_seconds=30.0))
    assert ended == pytest.approx(1000.0 + 35.0)
    assert server.in_flight == 0
    assert house.memory.answered == {}
    assert [error.failure for _, error, _, _ in house.notes.failures] == [Failure.INTERRUPTED] * 10
    assert all(error.charged for _, error, _, _ in house.notes.failures)
    virtual(house.tracker.close())
    assert house.memory.claims == {}  # the next run asks them at once


def test_an_interrupt_waits_for_no_retry_and_for_no_other_process(virtual: Run, single: Single) -> None:
    memory = Memory(claims={question(at).key: "theirs" for at in range(50, 60)})
    house = House(memory)
    limited = CallError(Failure.RATE_LIMITED, "slow down", status=429, retry_after_seconds=900.0)
    server = Server(1.0, otherwise=lambda call: limited)
    endpoint = house.endpoint(server, 4)
    ended = virtual(interrupted_after(10.0, [(endpoint, single(100))], grace_seconds=600.0))
    assert ended < 1000.0 + 12.0


def test_an_interrupt_after_the_end_changes_nothing(virtual: Run, single: Single) -> None:
    house = House()
    endpoint = house.endpoint(Server(0.1))
    virtual(interrupted_after(1e6, [(endpoint, single(20))], grace_seconds=1.0))
    assert (endpoint.stats.made, endpoint.stopped) == (20, None)


def test_a_stopped_lane_says_so_to_all_who_come(virtual: Run) -> None:
    house = House()
    endpoint = house.endpoint(Server())

    async def scenario() -> None:
        endpoint.interrupt()
        with pytest.raises(EndpointDisabled, match="stopped as asked"):
            await endpoint.client.complete(question(1))

    virtual(scenario())
