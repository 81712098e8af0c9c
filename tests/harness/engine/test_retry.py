"""What is done about a failed try: the decision's laws, and the one layer that carries it out."""

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
from harness.engine.retry import (
    MAX_TRUSTED_WAITS,
    GiveUp,
    RetryAfter,
    RetryDecision,
    RetryingClient,
    RetryPolicy,
    StopEndpoint,
    decide,
)
from tests.harness.engine.conftest import Server, answer, question

Run = Callable[[Any], Any]

POLICY = RetryPolicy()
STOPPING = [Failure.AUTHENTICATION, Failure.UNKNOWN_MODEL, Failure.QUOTA_EXHAUSTED, Failure.NO_BUDGET]
HOPELESS = [Failure.BAD_REQUEST, Failure.TOO_LARGE]
PASSING = [Failure.SERVER, Failure.TIMEOUT, Failure.CONNECTION, Failure.MALFORMED, Failure.RATE_LIMITED]

tries = some.integers(1, 40)
waits = some.none() | some.floats(0, 10_000)
put_off = some.floats(0, 4000)
jitter = some.floats(0, 1, exclude_max=True)


# -- the decision ------------------------------------------------------------------------------------


@given(some.sampled_from(STOPPING), tries, waits, put_off, jitter)
def test_what_no_further_call_can_pass_stops_the_lane(
    failure: Failure, failed: int, asked: float | None, waited: float, spread: float
) -> None:
    error = CallError(failure, "no", retry_after_seconds=asked)
    assert decide(error, failed, waited, POLICY, spread) == StopEndpoint()


@given(some.sampled_from(HOPELESS), tries, waits, put_off, jitter)
def test_what_this_call_can_never_pass_is_given_up_at_once(
    failure: Failure, failed: int, asked: float | None, waited: float, spread: float
) -> None:
    error = CallError(failure, "no", retry_after_seconds=asked)
    assert decide(error, failed, waited, POLICY, spread) == GiveUp()


@given(some.sampled_from(PASSING), tries, some.floats(0, 10_000), put_off, jitter)
def test_the_servers_wait_is_never_shortened_and_kept_to_the_letter_while_it_helps(
    failure: Failure, failed: int, asked: float, waited: float, spread: float
) -> None:
    error = CallError(failure, "wait", retry_after_seconds=asked)
    decision = decide(error, failed, waited, POLICY, spread)
    if isinstance(decision, RetryAfter):
        assert decision.seconds >= asked
        assert decision.seconds == asked or failed > MAX_TRUSTED_WAITS
        assert waited + decision.seconds <= POLICY.patience_seconds


@given(some.sampled_from(PASSING), tries, jitter)
def test_the_backoff_doubles_within_its_bounds(failure: Failure, failed: int, spread: float) -> None:
    decision = decide(CallError(failure, "no"), failed, 0.0, POLICY, spread)
    if failure is Failure.TIMEOUT and failed == 1:
        assert decision == RetryAfter(0.0)  # it has waited a whole timeout already
    elif isinstance(decision, RetryAfter):
        whole = min(POLICY.max_backoff_seconds, POLICY.initial_backoff_seconds * 2 ** (failed - 1))
        assert whole / 2 <= decision.seconds <= whole


@given(some.sampled_from(PASSING), tries, waits, put_off, jitter)
def test_a_rate_limit_costs_patience_and_anything_else_tries(
    failure: Failure, failed: int, asked: float | None, waited: float, spread: float
) -> None:
    decision = decide(CallError(failure, "no", retry_after_seconds=asked), failed, waited, POLICY, spread)
    assert not isinstance(decision, StopEndpoint)
    if failure is not Failure.RATE_LIMITED and failed >= POLICY.max_tries:
        assert decision == GiveUp()
    if waited + (asked or 0.0) > POLICY.patience_seconds:
        assert decision == GiveUp()


# -- the layer ---------------------------------------------------------------------------------------


class Retrying:
    """A retrying client before a server, and what it told."""

    def __init__(self, server: Any, policy: RetryPolicy = POLICY) -> None:
        self.failures: list[tuple[str, Failure, int, RetryDecision]] = []
        self.stops: list[EndpointDisabled] = []
        self.client = RetryingClient(server, "lane", policy, self._failed, self.stops.append)

    def _failed(self, call: ModelRequest, error: CallError, tries: int, decision: RetryDecision) -> None:
        self.failures.append((call.key, error.failure, tries, decision))


def limited(seconds: float | None = None) -> CallError:
    return CallError(Failure.RATE_LIMITED, "slow down", status=429, retry_after_seconds=seconds)


def broken() -> CallError:
    return CallError(Failure.SERVER, "oops", status=500)


def test_it_waits_as_long_as_it_is_asked_to(virtual: Run) -> None:
    call = question(1)
    server = Server(1.0, {call.key: [limited(7.5), limited(0.25)]})

    async def scenario() -> None:
        assert await Retrying(server).client.complete(call) == answer()

    virtual(scenario())
    first, second, third = server.moments(call)
    assert [second - first, third - second] == pytest.approx([8.5, 1.25])


def test_rate_limits_do_not_use_up_the_tries(virtual: Run) -> None:
    call = question(1)
    script = [limited(1.0), broken()] * (POLICY.max_tries - 1) + [limited(1.0)] * 9
    server = Server(1.0, {call.key: list(script)})
    retrying = Retrying(server)
    assert virtual(retrying.client.complete(call)) == answer()
    assert [tries for _, _, tries, _ in retrying.failures] == list(range(1, len(script) + 1))
    assert server.counts[call.key] == len(script) + 1


def test_a_call_that_fails_for_good_is_given_up_after_its_tries(virtual: Run) -> None:
    server = Server(otherwise=lambda call: broken())
    retrying = Retrying(server)
    with pytest.raises(CallError, match="oops"):
        virtual(retrying.client.complete(question(1)))
    assert len(server.sent) == POLICY.max_tries
    assert isinstance(retrying.failures[-1][3], GiveUp)
    assert retrying.stops == []


def test_a_server_that_says_now_for_ever_is_not_asked_for_ever(virtual: Run) -> None:
    server = Server(0.1, otherwise=lambda call: limited(0.0))
    with pytest.raises(CallError, match="slow down"):
        virtual(Retrying(server).client.complete(question(1)))
    assert MAX_TRUSTED_WAITS < len(server.sent) < 300
    assert server.sent[-1][1] - server.sent[0][1] <= POLICY.patience_seconds + len(server.sent)


def test_a_waiting_retry_holds_no_slot(virtual: Run) -> None:
    first, second = question(1), question(2)
    server = Server(1.0, {first.key: [broken()]})

    async def scenario() -> None:
        retrying = Retrying(RateLimitedClient(server, RateLimiter(Limits(max_in_flight=1))))
        await asyncio.gather(retrying.client.complete(first), retrying.client.complete(second))

    virtual(scenario())
    assert [key for key, _ in server.sent] == [first.key, second.key, first.key]
    assert server.most_in_flight == 1


def test_retries_do_not_wait_for_the_first_pass_to_end(virtual: Run) -> None:
    calls = [question(at) for at in range(100)]
    server = Server(1.0, {calls[0].key: [broken()]})

    async def scenario() -> None:
        retrying = Retrying(RateLimitedClient(server, RateLimiter(Limits(max_in_flight=2))))
        await asyncio.gather(*(retrying.client.complete(call) for call in calls))

    virtual(scenario())
    again = [at for at, (key, _) in enumerate(server.sent) if key == calls[0].key][1]
    assert again <= 4


@pytest.mark.parametrize("failure", STOPPING)
def test_a_failing_kind_stops_the_lane_once_and_asks_no_more(virtual: Run, failure: Failure) -> None:
    bad, waiting, late = question(1), question(2), question(3)
    server = Server(1.0, {bad.key: [CallError(failure, "never")], waiting.key: [limited(1000.0)]})
    retrying = Retrying(server)

    async def scenario() -> tuple[list[Any], float]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        outcomes = await asyncio.gather(
            *(retrying.client.complete(call) for call in (bad, waiting)), return_exceptions=True
        )
        outcomes += await asyncio.gather(retrying.client.complete(late), return_exceptions=True)
        return outcomes, loop.time() - began

    outcomes, seconds = virtual(scenario())
    assert all(isinstance(outcome, EndpointDisabled) for outcome in outcomes)
    assert all(outcome.cause.failure is failure for outcome in outcomes)
    assert len(retrying.stops) == 1
    assert seconds < 2.0  # the call that was to wait a thousand seconds hears of it at once
    assert late.key not in server.counts


def test_the_first_cause_stands(virtual: Run) -> None:
    async def scenario() -> tuple[EndpointDisabled, EndpointDisabled]:
        client = Retrying(Server()).client
        first = client.stop(CallError(Failure.AUTHENTICATION, "first"))
        return first, client.stop(CallError(Failure.NO_BUDGET, "second"))

    first, second = virtual(scenario())
    assert first is second
    assert str(first) == "lane: first"


def test_many_given_up_in_a_row_stop_the_lane_and_a_verdict_between_forgives(virtual: Run) -> None:
    policy = RetryPolicy(max_tries=1, stop_after=5)

    def run(good: set[int]) -> tuple[int, int]:
        calls = [question(at) for at in range(20)]
        keys = {calls[at].key for at in good}
        server = Server(1.0, otherwise=lambda call: answer() if call.key in keys else broken())
        retrying = Retrying(server, policy)

        async def scenario() -> None:
            for call in calls:
                (outcome,) = await asyncio.gather(retrying.client.complete(call), return_exceptions=True)
                if outcome == answer():
                    retrying.client.streak.reset()  # as whoever reads the answer does

        virtual(scenario())
        return len(server.sent), len(retrying.stops)

    assert run(set()) == (5, 1)
    assert run({4, 9, 14, 19}) == (20, 0)


def test_requests_that_are_never_accepted_stop_the_endpoint(virtual: Run) -> None:
    server = Server(otherwise=lambda call: CallError(Failure.BAD_REQUEST, "too long", status=400))
    retrying = Retrying(server)

    async def scenario() -> list[Any]:
        asked = [retrying.client.complete(question(at)) for at in range(3 * POLICY.stop_after)]
        return [(await asyncio.gather(each, return_exceptions=True))[0] for each in asked]

    outcomes = virtual(scenario())
    assert len(server.sent) == POLICY.stop_after
    assert [type(each) for each in outcomes].count(CallError) == POLICY.stop_after - 1
    assert [type(each) for each in outcomes].count(EndpointDisabled) == 2 * POLICY.stop_after + 1


@pytest.mark.parametrize(
    ("failure", "tries"),
    [
        (Failure.TLS, 1),
        (Failure.PROXY, 1),
        (Failure.MALFORMED, 2),
        (Failure.TIMEOUT, 2),
        (Failure.CONNECTION, 3),
    ],
)
def test_an_endpoint_that_never_answered_fails_fast(virtual: Run, failure: Failure, tries: int) -> None:
    server = Server(otherwise=lambda call: CallError(failure, "nobody there"))
    with pytest.raises(EndpointDisabled):
        virtual(Retrying(server).client.complete(question(1)))
    assert len(server.sent) == tries


def test_an_endpoint_that_has_answered_is_given_all_tries(virtual: Run) -> None:
    server = Server(1.0, {question(1).key: [answer()]}, lambda call: broken())
    retrying = Retrying(server)

    async def scenario() -> None:
        await retrying.client.complete(question(1))
        with pytest.raises(CallError):
            await retrying.client.complete(question(2))

    virtual(scenario())
    assert server.counts[question(2).key] == POLICY.max_tries


def test_a_refused_parameter_stops_a_new_endpoint_at_once_and_is_named(virtual: Run) -> None:
    setting = Adaptation("max_tokens", (("token_limit", "max_completion_tokens"),))
    error = CallError(Failure.BAD_REQUEST, "no", status=400, adaptation=setting)
    server = Server(otherwise=lambda call: error)
    retrying = Retrying(server)
    with pytest.raises(EndpointDisabled):
        virtual(retrying.client.complete(question(1)))
    assert len(server.sent) == 1
    assert retrying.stops[0].cause.adaptation == setting
