"""Outages: an unavailable endpoint is paused, probed with one request, and given up after the patience."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from agents.clients.base import ModelRequest
from agents.errors import CallError, EndpointDisabled, Failure
from agents.messages import Completion
from harness.engine.limits import Limits
from harness.engine.outage import Outage, OutageAction
from harness.engine.rate_limited_client import RateLimitedClient
from harness.engine.rate_limiter import RateLimiter
from harness.engine.retrying_client import RetryingClient, RetryPolicy
from tests.harness.engine.conftest import Server, answer, make_request

Run = Callable[[Any], Any]
NOT_NOW = [Failure.UNAVAILABLE, Failure.RATE_LIMITED]


class OutageEndpoint:
    """Rate limiter and retrying client in front of a server, with a record of every failed attempt."""

    def __init__(self, server: Server, patience_seconds: float = 3600.0, **limits: Any) -> None:
        self.failures: Counter[Failure] = Counter()
        self.stops: list[EndpointDisabled] = []
        self.rate_limiter = RateLimiter(Limits(**limits), outage=Outage(patience_seconds))
        inner = RateLimitedClient(server, self.rate_limiter)
        policy = RetryPolicy(patience_seconds=patience_seconds)
        self.client = RetryingClient(inner, "endpoint", policy, self._failed, self._stopped)

    def _failed(self, request: ModelRequest, error: CallError, attempts: int, decision: Any) -> None:
        self.failures[error.failure] += 1

    def _stopped(self, stopped: EndpointDisabled) -> None:
        self.stops.append(stopped)
        self.rate_limiter.fail_waiters(stopped)

    async def all_of(self, requests: list[ModelRequest]) -> list[Any]:
        return list(
            await asyncio.gather(
                *(self.client.complete(request) for request in requests), return_exceptions=True
            )
        )


def until(
    seconds: float, failure: Failure, **details: Any
) -> Callable[[ModelRequest], Completion | CallError]:
    """Return a server behaviour that fails until this time of the loop's clock."""

    def outcome(request: ModelRequest) -> Completion | CallError:
        now = asyncio.get_running_loop().time()
        return CallError(failure, "not now", **details) if now < 1000.0 + seconds else answer()

    return outcome


@pytest.mark.parametrize("failure", NOT_NOW)
@pytest.mark.parametrize("seconds", [5, 40, 75, 600])
def test_an_outage_is_waited_out_with_few_requests(virtual: Run, failure: Failure, seconds: float) -> None:
    server = Server(0.1, otherwise=until(seconds, failure))
    endpoint = OutageEndpoint(server)
    requests = [make_request(index) for index in range(200)]

    async def scenario() -> float:
        assert await endpoint.all_of(requests) == [answer()] * 200
        return asyncio.get_running_loop().time() - 1000.0

    duration = virtual(scenario())
    assert duration < seconds * 1.4 + 10, "the last pause is a third of the outage at most"
    assert len(server.sent) - 200 < 40, "a first wave, then one request after each pause"


def test_only_one_request_probes(virtual: Run) -> None:
    server = Server(0.5, otherwise=until(60, Failure.UNAVAILABLE))
    endpoint = OutageEndpoint(server, max_in_flight=64)

    async def scenario() -> int:
        tasks = asyncio.ensure_future(endpoint.all_of([make_request(index) for index in range(300)]))
        await asyncio.sleep(5)  # the first requests have failed
        server.max_in_flight_seen = 0
        await asyncio.sleep(50)
        during = server.max_in_flight_seen
        assert endpoint.rate_limiter.pause_reason
        await tasks
        return during

    assert virtual(scenario()) == 1


@pytest.mark.parametrize("failure", [*NOT_NOW, Failure.CONNECTION])
def test_an_outage_uses_up_no_attempts(virtual: Run, failure: Failure) -> None:
    def outcome(request: ModelRequest) -> Completion | CallError:
        now = asyncio.get_running_loop().time()
        return CallError(failure, "not now") if 1002.0 < now < 1200.0 else answer()

    endpoint = OutageEndpoint(Server(0.2, otherwise=outcome), max_in_flight=16)
    assert virtual(endpoint.all_of([make_request(index) for index in range(800)])) == [answer()] * 800
    assert endpoint.failures[failure] < 50


def test_an_outage_beyond_the_patience_gives_one_error(virtual: Run) -> None:
    server = Server(0.1, otherwise=until(1e9, Failure.UNAVAILABLE, status=503))
    endpoint = OutageEndpoint(server, patience_seconds=300)

    async def scenario() -> tuple[list[Any], float]:
        outcomes = await endpoint.all_of([make_request(index) for index in range(100)])
        return outcomes, asyncio.get_running_loop().time() - 1000.0

    outcomes, duration = virtual(scenario())
    assert {type(each) for each in outcomes} == {EndpointDisabled}
    assert [each.cause.failure for each in endpoint.stops] == [Failure.OUTAGE]
    assert 150 < duration <= 300
    assert len(server.sent) < 40


@pytest.mark.parametrize("failure", NOT_NOW)
def test_a_wait_beyond_the_patience_stops_the_endpoint_at_once(virtual: Run, failure: Failure) -> None:
    def outcome(request: ModelRequest) -> Completion | CallError:
        if asyncio.get_running_loop().time() < 1003.0:
            return answer()
        return CallError(failure, "come back tomorrow", status=429, retry_after_seconds=86_400)

    server = Server(1.0, otherwise=outcome)
    endpoint = OutageEndpoint(server, max_in_flight=2)

    async def scenario() -> float:
        await endpoint.all_of([make_request(index) for index in range(100)])
        return asyncio.get_running_loop().time()

    assert virtual(scenario()) < 1010
    (stopped,) = endpoint.stops
    assert stopped.cause.failure is Failure.OUTAGE
    assert "24:00:00" in str(stopped.cause)


def test_the_probe_waits_as_long_as_the_server_requests(virtual: Run) -> None:
    server = Server(0.1, otherwise=until(100, Failure.UNAVAILABLE, retry_after_seconds=30.0))
    endpoint = OutageEndpoint(server, max_in_flight=1)
    virtual(endpoint.all_of([make_request(index) for index in range(20)]))
    moments = [moment for _, moment in server.sent][:4]
    assert all(later - earlier >= 30.0 for earlier, later in pairwise(moments))


def test_failures_between_successes_are_not_an_outage(virtual: Run) -> None:
    def outcome(request: ModelRequest) -> Completion | CallError:
        return (
            CallError(Failure.UNAVAILABLE, "one in ten")
            if int(request.key[-1], 16) == 0 and first(request)
            else answer()
        )

    tried: set[str] = set()

    def first(request: ModelRequest) -> bool:
        is_first = request.key not in tried
        tried.add(request.key)
        return is_first

    endpoint = OutageEndpoint(Server(0.3, otherwise=outcome), max_in_flight=64)

    async def scenario() -> float:
        assert await endpoint.all_of([make_request(index) for index in range(2000)]) == [answer()] * 2000
        return asyncio.get_running_loop().time() - 1000.0

    assert virtual(scenario()) < 2000 / 64 * 0.3 * 1.3
    assert endpoint.failures[Failure.UNAVAILABLE] > 50


@pytest.mark.parametrize("which", [3, 200, 399])
def test_a_request_that_always_fails_does_not_block_others(virtual: Run, which: int) -> None:
    poison = make_request(which).key

    def outcome(request: ModelRequest) -> Completion | CallError:
        return CallError(Failure.UNAVAILABLE, "always") if request.key == poison else answer()

    server = Server(0.3, otherwise=outcome)
    endpoint = OutageEndpoint(server, max_in_flight=4)

    async def scenario() -> tuple[list[Any], float]:
        outcomes = await endpoint.all_of([make_request(index) for index in range(400)])
        return outcomes, asyncio.get_running_loop().time() - 1000.0

    outcomes, duration = virtual(scenario())
    assert outcomes.count(answer()) == 399
    assert duration < 120
    assert server.counts[poison] <= 2 * RetryPolicy().max_tries


def test_an_address_that_never_responded_is_not_waited_for() -> None:
    outage = Outage()
    refused = CallError(Failure.CONNECTION, "refused")
    assert [outage.failure(refused, 1.0 + index, 1.0 + index, 1) for index in range(5)] == [
        OutageAction.REQUEST
    ] * 5


def test_a_response_to_an_earlier_request_does_not_end_an_outage() -> None:
    outage = Outage()
    outage.answer(0.0, 0.0)
    error = CallError(Failure.UNAVAILABLE, "not now")
    assert outage.failure(error, 10.0, 9.0, 1) is OutageAction.PAUSE
    assert not outage.answer(11.0, 8.0)
    assert outage.is_active
    assert outage.answer(12.0, 11.5)
    assert not outage.is_active


def test_a_rejected_request_ends_an_outage() -> None:
    outage = Outage()
    assert outage.failure(CallError(Failure.UNAVAILABLE, "x"), 1.0, 0.5, 1) is OutageAction.PAUSE
    assert outage.failure(CallError(Failure.BAD_REQUEST, "x"), 3.0, 2.5, 1) is OutageAction.REQUEST
    assert not outage.is_active
