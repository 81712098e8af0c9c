"""Retry policy: the decisions, and the client that carries them out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from agents.clients.base import ModelRequest
from agents.errors import Adaptation, CallError, EndpointDisabled, Failure
from harness.engine.limits import Limits
from harness.engine.rate_limited_client import RateLimitedClient
from harness.engine.rate_limiter import RateLimiter
from harness.engine.retrying_client import (
    MAX_TRUSTED_WAITS,
    GiveUp,
    RetryAfter,
    RetryDecision,
    RetryingClient,
    RetryPolicy,
    StopEndpoint,
    decide,
)
from tests.harness.engine.conftest import Server, answer, make_request

Run = Callable[[Any], Any]

POLICY = RetryPolicy()
STOPPING = [Failure.AUTHENTICATION, Failure.UNKNOWN_MODEL, Failure.QUOTA_EXHAUSTED, Failure.NO_BUDGET]
HOPELESS = [Failure.BAD_REQUEST, Failure.TOO_LARGE]
PASSING = [Failure.SERVER, Failure.TIMEOUT, Failure.CONNECTION, Failure.MALFORMED, Failure.RATE_LIMITED]

attempts = some.integers(1, 40)
waits = some.none() | some.floats(0, 10_000)
put_off = some.floats(0, 4000)
jitter = some.floats(0, 1, exclude_max=True)


# -- decision ----------------------------------------------------------------------------------------


@given(some.sampled_from(STOPPING), attempts, waits, put_off, jitter)
def test_fatal_failures_stop_the_endpoint(
    failure: Failure, failed: int, requested_seconds: float | None, waited: float, spread: float
) -> None:
    error = CallError(failure, "no", retry_after_seconds=requested_seconds)
    assert decide(error, failed, waited, POLICY, spread) == StopEndpoint()


@given(some.sampled_from(HOPELESS), attempts, waits, put_off, jitter)
def test_invalid_requests_are_given_up_at_once(
    failure: Failure, failed: int, requested_seconds: float | None, waited: float, spread: float
) -> None:
    error = CallError(failure, "no", retry_after_seconds=requested_seconds)
    assert decide(error, failed, waited, POLICY, spread) == GiveUp()


@given(some.sampled_from(PASSING), attempts, some.floats(0, 10_000), put_off, jitter)
def test_the_wait_requested_by_the_server_is_never_shortened(
    failure: Failure, failed: int, requested_seconds: float, waited: float, spread: float
) -> None:
    error = CallError(failure, "wait", retry_after_seconds=requested_seconds)
    decision = decide(error, failed, waited, POLICY, spread)
    if isinstance(decision, RetryAfter):
        assert decision.seconds >= requested_seconds
        assert decision.seconds == requested_seconds or failed > MAX_TRUSTED_WAITS
        assert waited + decision.seconds <= POLICY.patience_seconds


@given(some.sampled_from(PASSING), attempts, jitter)
def test_the_backoff_doubles_within_its_bounds(failure: Failure, failed: int, spread: float) -> None:
    decision = decide(CallError(failure, "no"), failed, 0.0, POLICY, spread)
    if failure is Failure.TIMEOUT and failed == 1:
        assert decision == RetryAfter(0.0)  # the attempt has already waited for a full timeout
    elif isinstance(decision, RetryAfter):
        backoff = min(POLICY.max_backoff_seconds, POLICY.initial_backoff_seconds * 2 ** (failed - 1))
        assert backoff / 2 <= decision.seconds <= backoff


@given(some.sampled_from(PASSING), attempts, waits, put_off, jitter)
def test_rate_limits_use_patience_and_other_failures_use_attempts(
    failure: Failure, failed: int, requested_seconds: float | None, waited: float, spread: float
) -> None:
    decision = decide(
        CallError(failure, "no", retry_after_seconds=requested_seconds), failed, waited, POLICY, spread
    )
    assert not isinstance(decision, StopEndpoint)
    if failure is not Failure.RATE_LIMITED and failed >= POLICY.max_tries:
        assert decision == GiveUp()
    if waited + (requested_seconds or 0.0) > POLICY.patience_seconds:
        assert decision == GiveUp()


# -- client ------------------------------------------------------------------------------------------


class RetryRecorder:
    """Retrying client in front of a server, with a record of what it reported."""

    def __init__(self, server: Any, policy: RetryPolicy = POLICY) -> None:
        self.failures: list[tuple[str, Failure, int, RetryDecision]] = []
        self.stops: list[EndpointDisabled] = []
        self.client = RetryingClient(server, "lane", policy, self._failed, self.stops.append)

    def _failed(
        self, request: ModelRequest, error: CallError, attempts: int, decision: RetryDecision
    ) -> None:
        self.failures.append((request.key, error.failure, attempts, decision))


def limited(seconds: float | None = None) -> CallError:
    return CallError(Failure.RATE_LIMITED, "slow down", status=429, retry_after_seconds=seconds)


def broken() -> CallError:
    return CallError(Failure.SERVER, "oops", status=500)


def test_waits_as_long_as_the_server_requests(virtual: Run) -> None:
    request = make_request(1)
    server = Server(1.0, {request.key: [limited(7.5), limited(0.25)]})

    async def scenario() -> None:
        assert await RetryRecorder(server).client.complete(request) == answer()

    virtual(scenario())
    first, second, third = server.moments(request)
    assert [second - first, third - second] == pytest.approx([8.5, 1.25])


def test_rate_limits_use_up_no_attempts(virtual: Run) -> None:
    request = make_request(1)
    script = [limited(1.0), broken()] * (POLICY.max_tries - 1) + [limited(1.0)] * 9
    server = Server(1.0, {request.key: list(script)})
    retrying = RetryRecorder(server)
    assert virtual(retrying.client.complete(request)) == answer()
    assert [attempts for _, _, attempts, _ in retrying.failures] == list(range(1, len(script) + 1))
    assert server.counts[request.key] == len(script) + 1


def test_a_request_is_given_up_after_its_attempts(virtual: Run) -> None:
    server = Server(otherwise=lambda request: broken())
    retrying = RetryRecorder(server)
    with pytest.raises(CallError, match="oops"):
        virtual(retrying.client.complete(make_request(1)))
    assert len(server.sent) == POLICY.max_tries
    assert isinstance(retrying.failures[-1][3], GiveUp)
    assert retrying.stops == []


def test_retries_end_if_the_server_always_requests_0_seconds(virtual: Run) -> None:
    server = Server(0.1, otherwise=lambda request: limited(0.0))
    with pytest.raises(CallError, match="slow down"):
        virtual(RetryRecorder(server).client.complete(make_request(1)))
    assert MAX_TRUSTED_WAITS < len(server.sent) < 300
    assert server.sent[-1][1] - server.sent[0][1] <= POLICY.patience_seconds + len(server.sent)


def test_a_waiting_retry_holds_no_slot(virtual: Run) -> None:
    first, second = make_request(1), make_request(2)
    server = Server(1.0, {first.key: [broken()]})

    async def scenario() -> None:
        retrying = RetryRecorder(RateLimitedClient(server, RateLimiter(Limits(max_in_flight=1))))
        await asyncio.gather(retrying.client.complete(first), retrying.client.complete(second))

    virtual(scenario())
    assert [key for key, _ in server.sent] == [first.key, second.key, first.key]
    assert server.max_in_flight_seen == 1


def test_retries_do_not_wait_for_the_first_pass_to_end(virtual: Run) -> None:
    requests = [make_request(index) for index in range(100)]
    server = Server(1.0, {requests[0].key: [broken()]})

    async def scenario() -> None:
        retrying = RetryRecorder(RateLimitedClient(server, RateLimiter(Limits(max_in_flight=2))))
        await asyncio.gather(*(retrying.client.complete(request) for request in requests))

    virtual(scenario())
    again = [index for index, (key, _) in enumerate(server.sent) if key == requests[0].key][1]
    assert again <= 4


@pytest.mark.parametrize("failure", STOPPING)
def test_a_fatal_failure_stops_the_endpoint_once(virtual: Run, failure: Failure) -> None:
    bad, waiting, late = make_request(1), make_request(2), make_request(3)
    server = Server(1.0, {bad.key: [CallError(failure, "never")], waiting.key: [limited(1000.0)]})
    retrying = RetryRecorder(server)

    async def scenario() -> tuple[list[Any], float]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        outcomes = await asyncio.gather(
            *(retrying.client.complete(request) for request in (bad, waiting)), return_exceptions=True
        )
        outcomes += await asyncio.gather(retrying.client.complete(late), return_exceptions=True)
        return outcomes, loop.time() - began

    outcomes, seconds = virtual(scenario())
    assert all(isinstance(outcome, EndpointDisabled) for outcome in outcomes)
    assert all(outcome.cause.failure is failure for outcome in outcomes)
    assert len(retrying.stops) == 1
    assert seconds < 2.0  # the request with a wait of a thousand seconds fails at once
    assert late.key not in server.counts


def test_the_first_cause_is_kept(virtual: Run) -> None:
    async def scenario() -> tuple[EndpointDisabled, EndpointDisabled]:
        client = RetryRecorder(Server()).client
        first = client.stop(CallError(Failure.AUTHENTICATION, "first"))
        return first, client.stop(CallError(Failure.NO_BUDGET, "second"))

    first, second = virtual(scenario())
    assert first is second
    assert str(first) == "lane: first"


def test_consecutive_failures_stop_the_endpoint_unless_a_verdict_intervenes(virtual: Run) -> None:
    policy = RetryPolicy(max_tries=1, stop_after=5)

    def run(good: set[int]) -> tuple[int, int]:
        requests = [make_request(index) for index in range(20)]
        keys = {requests[index].key for index in good}
        server = Server(1.0, otherwise=lambda request: answer() if request.key in keys else broken())
        retrying = RetryRecorder(server, policy)

        async def scenario() -> None:
            for request in requests:
                (outcome,) = await asyncio.gather(retrying.client.complete(request), return_exceptions=True)
                if outcome == answer():
                    retrying.client.streak.reset()  # as the code that reads the completion does

        virtual(scenario())
        return len(server.sent), len(retrying.stops)

    assert run(set()) == (5, 1)
    assert run({4, 9, 14, 19}) == (20, 0)


def test_requests_that_are_never_accepted_stop_the_endpoint(virtual: Run) -> None:
    server = Server(otherwise=lambda request: CallError(Failure.BAD_REQUEST, "too long", status=400))
    retrying = RetryRecorder(server)

    async def scenario() -> list[Any]:
        requested_seconds = [
            retrying.client.complete(make_request(index)) for index in range(3 * POLICY.stop_after)
        ]
        return [(await asyncio.gather(each, return_exceptions=True))[0] for each in requested_seconds]

    outcomes = virtual(scenario())
    assert len(server.sent) == POLICY.stop_after
    assert [type(each) for each in outcomes].count(CallError) == POLICY.stop_after - 1
    assert [type(each) for each in outcomes].count(EndpointDisabled) == 2 * POLICY.stop_after + 1


@pytest.mark.parametrize(
    ("failure", "attempts"),
    [
        (Failure.TLS, 1),
        (Failure.PROXY, 1),
        (Failure.MALFORMED, 2),
        (Failure.TIMEOUT, 2),
        (Failure.CONNECTION, 3),
    ],
)
def test_an_endpoint_that_never_responded_fails_fast(virtual: Run, failure: Failure, attempts: int) -> None:
    server = Server(otherwise=lambda request: CallError(failure, "nobody there"))
    with pytest.raises(EndpointDisabled):
        virtual(RetryRecorder(server).client.complete(make_request(1)))
    assert len(server.sent) == attempts


def test_an_endpoint_that_has_responded_gets_all_attempts(virtual: Run) -> None:
    server = Server(1.0, {make_request(1).key: [answer()]}, lambda request: broken())
    retrying = RetryRecorder(server)

    async def scenario() -> None:
        await retrying.client.complete(make_request(1))
        with pytest.raises(CallError):
            await retrying.client.complete(make_request(2))

    virtual(scenario())
    assert server.counts[make_request(2).key] == POLICY.max_tries


def test_a_rejected_parameter_stops_a_new_endpoint(virtual: Run) -> None:
    setting = Adaptation("max_tokens", (("token_limit", "max_completion_tokens"),))
    error = CallError(Failure.BAD_REQUEST, "no", status=400, adaptation=setting)
    server = Server(otherwise=lambda request: error)
    retrying = RetryRecorder(server)
    with pytest.raises(EndpointDisabled):
        virtual(retrying.client.complete(make_request(1)))
    assert len(server.sent) == 1
    assert retrying.stops[0].cause.adaptation == setting
