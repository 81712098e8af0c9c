"""Dispatcher: lazy, bounded and fair; a failing item stops nothing else, a failing endpoint only itself."""

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
from harness.engine.retrying_client import RetryPolicy
from harness.interrupt import Interrupt
from tests.errors import user_error
from tests.harness.engine.conftest import FakeStore, FakeWriter, Server, answer, make_request

Run = Callable[[Any], Any]


class EngineSetup:
    """A store, a request tracker, and endpoints that share them."""

    def __init__(self, memory: FakeStore | None = None, name: str = "ours") -> None:
        self.memory = memory or FakeStore()
        self.writer = FakeWriter(self.memory)
        self.tracker = RequestTracker(self.memory, self.writer, name)
        self.writer.on_commit = self._committed
        self._endpoints: list[Endpoint] = []

    def endpoint(self, server: Any, max_tokens: int = 10, name: str = "lane", **more: Any) -> Endpoint:
        limits = more.pop("limits", Limits(max_in_flight=max_tokens))
        endpoint = Endpoint(make_request(0).model, server, self.tracker, name=name, limits=limits, **more)
        endpoint.rate_limiter.uncommitted = lambda: self.writer.pending
        self._endpoints.append(endpoint)
        return endpoint

    def _committed(self, _: float, keys: Sequence[str]) -> None:
        """Report a commit as a run does."""
        self.tracker.committed(keys)
        for endpoint in self._endpoints:
            endpoint.rate_limiter.wake()


async def ask(request: ModelRequest, client: ModelClient) -> None:
    await client.complete(request)


Single = Callable[..., Iterator[WorkItem]]


def requests(count: int, begin: int = 0) -> Iterator[WorkItem]:
    """Yield distinct requests, created on demand."""
    for index in range(begin, begin + count):
        yield make_request(index)


def chains(count: int, begin: int = 0) -> Iterator[WorkItem]:
    """Yield distinct requests as chains of one."""
    return (partial(ask, make_request(index)) for index in range(begin, begin + count))


@pytest.fixture(params=[requests, chains])
def single(request: pytest.FixtureRequest) -> Single:
    """Work items of one request each, as plain requests or as chains."""
    chosen: Single = request.param
    return chosen


def broken() -> CallError:
    return CallError(Failure.SERVER, "oops", status=500)


# -- lazy and bounded --------------------------------------------------------------------------------


@pytest.mark.parametrize("max_tokens", [5, 200])
def test_a_long_source_is_consumed_lazily(virtual: Run, single: Single, max_tokens: int) -> None:
    setup, server = EngineSetup(), Server(0.3)
    endpoint = setup.endpoint(server, max_tokens)
    bound = max_tokens + MAX_UNCOMMITTED + MAX_PENDING_CHAINS
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
    assert server.max_in_flight_seen == max_tokens
    assert max(ahead) <= bound
    assert max(tasks) <= bound + 10  # tasks of the dispatcher, the tracker and the rate limiter


def test_uncommitted_work_is_bounded(virtual: Run, single: Single) -> None:
    """At most the concurrency plus 256 requests are in flight or uncommitted."""
    setup, server = EngineSetup(), Server(0.1)
    setup.writer.seconds = 30.0  # a disk that is very slow
    endpoint = setup.endpoint(server, 100)
    exposed: list[int] = []

    async def watch() -> None:
        while True:
            exposed.append(server.in_flight + setup.writer.pending)
            await asyncio.sleep(0.05)

    async def scenario() -> None:
        watching = asyncio.ensure_future(watch())
        await dispatch([(endpoint, single(2000))])
        watching.cancel()

    virtual(scenario())
    assert endpoint.stats.made == 2000
    assert MAX_UNCOMMITTED < max(exposed) <= 100 + MAX_UNCOMMITTED


def test_requests_are_sent_in_order(virtual: Run, single: Single) -> None:
    server = Server(0.1)
    virtual(dispatch([(EngineSetup().endpoint(server, 1), single(700))]))
    assert [key for key, _ in server.sent] == [make_request(index).key for index in range(700)]


def test_an_empty_source_ends_at_once(virtual: Run, single: Single) -> None:
    setup = EngineSetup()
    virtual(dispatch([(setup.endpoint(Server()), single(0))]))
    virtual(dispatch([]))


# -- once --------------------------------------------------------------------------------------------


def test_two_processes_send_each_request_once(virtual: Run, single: Single) -> None:
    memory = FakeStore()
    houses, servers = [EngineSetup(memory, "one"), EngineSetup(memory, "other")], [Server(0.3), Server(0.2)]

    async def scenario() -> None:
        await asyncio.gather(
            *(
                dispatch([(setup.endpoint(server, 64), single(2000))])
                for setup, server in zip(houses, servers, strict=True)
            )
        )

    virtual(scenario())
    assert sum((server.counts for server in servers), start=Counter()) == {
        make_request(index).key: 1 for index in range(2000)
    }
    assert len(memory.answered) == 2000


def test_identical_requests_are_sent_once(virtual: Run) -> None:
    setup, server = EngineSetup(), Server(0.3)
    endpoint = setup.endpoint(server, 4)
    virtual(dispatch([(endpoint, (make_request(index % 3) for index in range(3000)))]))
    assert server.counts == {make_request(index).key: 1 for index in range(3)}
    assert (endpoint.stats.done, endpoint.stats.made, endpoint.stats.reused) == (3000, 3, 2997)


def test_stored_completions_are_reused_without_delay(virtual: Run, single: Single) -> None:
    setup, server = EngineSetup(), Server(0.3)
    setup.memory.answered = {make_request(index).key: answer() for index in range(3000) if index % 100}
    endpoint = setup.endpoint(server, 10)
    virtual(dispatch([(endpoint, single(3000))]))
    assert len(server.sent) == endpoint.stats.made == 30
    assert (endpoint.stats.done, endpoint.stats.reused) == (3000, 2970)


def test_reparsing_stored_completions_is_limited_by_commits(virtual: Run) -> None:
    setup = EngineSetup()
    setup.memory.answered = {make_request(index).key: answer() for index in range(3000)}
    setup.writer.seconds = 30.0  # a disk that is very slow
    held: list[int] = []

    def source() -> Iterator[WorkItem]:
        for index in range(3000):
            held.append(setup.writer.pending)
            yield make_request(index, read=lambda completion, key: completion.text)

    virtual(dispatch([(setup.endpoint(Server()), source())]))
    assert len(setup.writer.readings) == 3000
    assert max(held) < BATCH_SIZE  # whenever more is consumed


def test_every_completion_is_committed_at_the_end(virtual: Run, single: Single) -> None:
    setup = EngineSetup()
    setup.writer.seconds = 5.0
    virtual(dispatch([(setup.endpoint(Server(0.1)), single(25))]))
    assert len(setup.memory.answered) == 25
    assert setup.tracker.pending == {}


def test_a_stopped_endpoint_releases_its_claims(virtual: Run, single: Single) -> None:
    setup = EngineSetup()
    endpoint = setup.endpoint(
        Server(0.1, otherwise=lambda request: CallError(Failure.AUTHENTICATION, "never"))
    )

    async def scenario() -> None:
        await dispatch([(endpoint, single(5000))])
        await setup.tracker.close()

    virtual(scenario())
    assert setup.memory.claims == {}
    assert setup.tracker.pending == {}


# -- fair --------------------------------------------------------------------------------------------


def test_a_slow_endpoint_does_not_delay_others(virtual: Run, single: Single) -> None:
    setup, quick, slow = EngineSetup(), Server(0.1), Server(60.0)
    endpoints = [setup.endpoint(quick, 10, "quick"), setup.endpoint(slow, 10, "slow")]
    virtual(dispatch([(endpoints[0], single(500)), (endpoints[1], single(100, begin=1000))]))
    assert max(moment for _, moment in quick.sent) - quick.sent[0][1] < 60.0
    assert [endpoint.stats.made for endpoint in endpoints] == [500, 100]


def test_chains_and_requests_interleave(virtual: Run) -> None:
    setup, server = EngineSetup(), Server(1.0)
    endpoint = setup.endpoint(server, 4)
    ended: list[int] = []

    async def chain(index: int, client: ModelClient) -> None:
        for step in range(3):
            await client.complete(make_request(1000 * index + step))
        ended.append(index)

    def source() -> Iterator[WorkItem]:
        for index in range(1, 9):
            yield partial(chain, index)
            yield partial(ask, make_request(index))

    async def scenario() -> float:
        began = asyncio.get_running_loop().time()
        await dispatch([(endpoint, source())])
        return asyncio.get_running_loop().time() - began

    seconds = virtual(scenario())
    assert sorted(ended) == list(range(1, 9))
    assert endpoint.stats.made == 8 * 3 + 8
    assert seconds <= 32 / 4 * 1.0 + 1.5  # nearly always four at a time: no worker waits for a chain to end


def test_a_waiting_retry_does_not_block_others(virtual: Run, single: Single) -> None:
    busy = CallError(Failure.SERVER, "busy", status=503, retry_after_seconds=50.0)
    server = Server(1.0, {make_request(0).key: [busy]})
    setup = EngineSetup()
    endpoint = setup.endpoint(server, 1)
    virtual(dispatch([(endpoint, single(40))]))
    assert endpoint.stats.made == 40
    first, again = server.moments(make_request(0))
    assert again - first >= 51.0
    assert max(moment for key, moment in server.sent if key != make_request(0).key) - first < 41.0


# -- failures ----------------------------------------------------------------------------------------


def test_a_failing_item_does_not_stop_others(virtual: Run, single: Single) -> None:
    bad = {make_request(index).key for index in range(0, 300, 7)}
    refused = CallError(Failure.BAD_REQUEST, "no", status=400)
    server = Server(0.1, otherwise=lambda request: refused if request.key in bad else answer())
    setup = EngineSetup()
    endpoint = setup.endpoint(server)
    virtual(dispatch([(endpoint, single(300))]))
    assert (endpoint.stats.done, endpoint.stats.failed, endpoint.stats.made) == (
        300,
        len(bad),
        300 - len(bad),
    )
    assert set(setup.memory.answered) == {make_request(index).key for index in range(300)} - bad
    assert {key for key, *_ in setup.writer.failures} == bad


def test_every_request_is_answered_once_despite_faults(virtual: Run, single: Single) -> None:
    kinds = [
        broken(),
        CallError(Failure.CONNECTION, "reset", charged=True),
        CallError(Failure.MALFORMED, "not JSON", status=200, charged=True),
        CallError(Failure.TIMEOUT, "late", charged=True),
        CallError(Failure.RATE_LIMITED, "slow down", status=429, retry_after_seconds=2.0),
    ]
    scripted = {make_request(index).key: [kinds[index % 5]] * (1 + index % 3) for index in range(0, 200, 3)}
    server = Server(0.1, {key: list(script) for key, script in scripted.items()})
    setup = EngineSetup()
    endpoint = setup.endpoint(server)
    virtual(dispatch([(endpoint, single(200))]))
    assert endpoint.stats.made == len(setup.memory.answered) == 200
    failures = sum(len(script) for script in scripted.values())
    assert endpoint.stats.retried == len(setup.writer.failures) == failures
    assert len(server.sent) == 200 + failures
    assert endpoint.stats.rate_limited == sum(
        error.failure is Failure.RATE_LIMITED for _, error, _, _ in setup.writer.failures
    )


@pytest.mark.parametrize("failure", [Failure.AUTHENTICATION, Failure.UNKNOWN_MODEL, Failure.NO_BUDGET])
def test_a_stopped_endpoint_ends_and_others_finish(virtual: Run, single: Single, failure: Failure) -> None:
    setup = EngineSetup()
    stopping = Server(0.1, otherwise=lambda request: CallError(failure, "never"))
    endpoints = [setup.endpoint(stopping, 10, "stopping"), setup.endpoint(Server(0.1), 10, "going")]
    virtual(dispatch([(endpoints[0], single(5000)), (endpoints[1], single(300, begin=10_000))]))
    stopped, going = (endpoint.stats for endpoint in endpoints)
    assert stopped.stopped == "never"
    assert len(stopping.sent) <= 10  # those in flight when the first one failed
    assert stopped.done < 5000
    assert (going.done, going.stopped) == (300, "")
    assert not setup.memory.claims or set(setup.memory.claims.values()) == {"ours"}


def test_a_dead_address_gives_one_error(virtual: Run, single: Single) -> None:
    server = Server(0.1, otherwise=lambda request: CallError(Failure.CONNECTION, "no connection"))
    setup, policy = EngineSetup(), RetryPolicy(stop_after=20)
    endpoint = setup.endpoint(server, 10, policy=policy)
    virtual(dispatch([(endpoint, single(5000))]))
    assert endpoint.stats.stopped == "no connection"
    assert len(server.sent) < 600 * policy.max_tries


def test_an_unexpected_error_ends_all_endpoints(virtual: Run, single: Single) -> None:
    """After a database error or a bug, no endpoint continues in the background."""
    setup = EngineSetup()
    servers = [Server(0.1), Server(0.1)]
    endpoints = [setup.endpoint(server, 10, str(index)) for index, server in enumerate(servers)]

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


def test_an_error_in_a_source_is_raised(virtual: Run, single: Single) -> None:
    def source() -> Iterator[WorkItem]:
        yield from single(3)
        raise UserError("this prompt cannot be filled", code="prompt.unfillable")

    with user_error("prompt.unfillable"):
        virtual(dispatch([(EngineSetup().endpoint(Server()), source())], Interrupt()))


# -- interrupts --------------------------------------------------------------------------------------


def interrupted_after(seconds: float, sources: list[Any], grace_seconds: float) -> Any:
    async def scenario() -> float:
        interrupt, loop = Interrupt(), asyncio.get_running_loop()
        loop.call_later(seconds, interrupt.request)
        await dispatch(sources, interrupt, grace_seconds)
        return loop.time()

    return scenario()


def test_an_interrupt_waits_only_for_requests_in_flight(virtual: Run, single: Single) -> None:
    setup, server = EngineSetup(), Server(4.0)
    endpoint = setup.endpoint(server, 10)
    ended = virtual(interrupted_after(5.0, [(endpoint, single(5000))], grace_seconds=30.0))
    assert len(server.sent) == 20  # two rounds had begun
    assert len(setup.memory.answered) == 20
    assert ended < 1000.0 + 10.0
    assert endpoint.stats.stopped == "stopped by the user"


def test_requests_beyond_the_grace_period_are_charged(virtual: Run, single: Single) -> None:
    setup, server = EngineSetup(), Server(1000.0)
    endpoint = setup.endpoint(server, 10)
    ended = virtual(interrupted_after(5.0, [(endpoint, single(5000))], grace_seconds=30.0))
    assert ended == pytest.approx(1000.0 + 35.0)
    assert server.in_flight == 0
    assert setup.memory.answered == {}
    assert [error.failure for _, error, _, _ in setup.writer.failures] == [Failure.INTERRUPTED] * 10
    assert all(error.charged for _, error, _, _ in setup.writer.failures)
    virtual(setup.tracker.close())
    assert setup.memory.claims == {}  # the next run claims them at once


def test_an_interrupt_does_not_wait_for_retries_or_other_processes(virtual: Run, single: Single) -> None:
    memory = FakeStore(claims={make_request(index).key: "theirs" for index in range(50, 60)})
    setup = EngineSetup(memory)
    limited = CallError(Failure.RATE_LIMITED, "slow down", status=429, retry_after_seconds=900.0)
    server = Server(1.0, otherwise=lambda request: limited)
    endpoint = setup.endpoint(server, 4)
    ended = virtual(interrupted_after(10.0, [(endpoint, single(100))], grace_seconds=600.0))
    assert ended < 1000.0 + 12.0


def test_an_interrupt_after_the_end_has_no_effect(virtual: Run, single: Single) -> None:
    setup = EngineSetup()
    endpoint = setup.endpoint(Server(0.1))
    virtual(interrupted_after(1e6, [(endpoint, single(20))], grace_seconds=1.0))
    assert (endpoint.stats.made, endpoint.stopped) == (20, None)


def test_a_stopped_endpoint_rejects_new_requests(virtual: Run) -> None:
    setup = EngineSetup()
    endpoint = setup.endpoint(Server())

    async def scenario() -> None:
        endpoint.interrupt()
        with pytest.raises(EndpointDisabled, match="stopped by the user"):
            await endpoint.client.complete(make_request(1))

    virtual(scenario())
