"""The client at the gate: estimates that learn, places that are freed, and turns that are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from agents.clients.base import ModelRequest
from agents.errors import CallError, Failure
from agents.messages import Completion, ServerLimits, Usage
from harness.engine.limits import Limits
from harness.engine.rate_limited_client import (
    INITIAL_OUTPUT_TOKENS,
    INITIAL_TOKENS_PER_BYTE,
    RateLimitedClient,
)
from harness.engine.rate_limiter import RateLimiter
from tests.harness.engine.conftest import Server, answer, question

Run = Callable[[Any], Any]


async def all_of(client: RateLimitedClient, calls: list[ModelRequest]) -> list[Any]:
    return list(await asyncio.gather(*(client.complete(call) for call in calls), return_exceptions=True))


def test_the_estimate_learns_from_usage_and_never_expects_more_than_may_come(virtual: Run) -> None:
    call, long = question(1, most=5), question(2, most=4000)
    size = len(call.body)
    server = Server(otherwise=lambda call: answer(usage=Usage(size * 2, 3)))
    client = RateLimitedClient(server, RateLimiter(Limits(max_in_flight=1)))
    assert client.estimate_tokens(call) == size * INITIAL_TOKENS_PER_BYTE + 5
    assert client.estimate_tokens(long) == len(long.body) * INITIAL_TOKENS_PER_BYTE + INITIAL_OUTPUT_TOKENS
    virtual(all_of(client, [question(at) for at in range(300)]))
    assert client.estimate_tokens(call) == pytest.approx(size * 2 + 3, rel=0.05)


def test_usage_that_is_not_said_teaches_nothing(virtual: Run) -> None:
    client = RateLimitedClient(
        Server(otherwise=lambda call: answer(usage=Usage())), RateLimiter(Limits(max_in_flight=1))
    )
    before = client.estimate_tokens(question(1))
    virtual(all_of(client, [question(at) for at in range(20)]))
    assert client.estimate_tokens(question(1)) == before


def test_a_token_limit_holds_though_the_first_estimate_was_far_off(virtual: Run) -> None:
    """Each call takes 300 tokens, four times what was expected: 6,000 a minute are 20 calls a minute."""
    server = Server(0.1, otherwise=lambda call: answer(usage=Usage(295, 5)))

    async def scenario() -> None:
        client = RateLimitedClient(server, RateLimiter(Limits(tokens_per_minute=6000)))
        await all_of(client, [question(at) for at in range(200)])

    virtual(scenario())
    moments = sorted(moment for _, moment in server.sent)
    late = moments[100:]
    assert (len(late) - 1) * 300 / (late[-1] - late[0]) * 60 == pytest.approx(6000, rel=0.03)


@pytest.mark.parametrize("outcome", [CallError(Failure.SERVER, "oops", status=500), ValueError("a bug")])
def test_a_failure_frees_its_place(virtual: Run, outcome: Exception) -> None:
    server = Server(otherwise=lambda call: outcome)
    rate_limiter = RateLimiter(Limits(max_in_flight=2))
    outcomes = virtual(all_of(RateLimitedClient(server, rate_limiter), [question(at) for at in range(10)]))
    assert [type(each) for each in outcomes] == [type(outcome)] * 10
    assert (rate_limiter.in_flight, rate_limiter.waiting) == (0, 0)


def test_a_cancelled_call_frees_its_place_and_is_told_only_if_it_was_sent(virtual: Run) -> None:
    rate_limiter, server, abandoned = RateLimiter(Limits(max_in_flight=2)), Server(10.0), []
    client = RateLimitedClient(server, rate_limiter, lambda call: abandoned.append(call.key))

    async def scenario() -> None:
        asking = [asyncio.ensure_future(client.complete(question(at))) for at in range(4)]
        await asyncio.sleep(1.0)
        for each in asking:
            each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    virtual(scenario())
    assert (rate_limiter.in_flight, rate_limiter.waiting) == (0, 0)
    assert abandoned == [question(0).key, question(1).key]


def test_a_429_is_told_to_the_gate_with_its_wait(virtual: Run) -> None:
    changes: list[str] = []
    limited = CallError(Failure.RATE_LIMITED, "slow down", status=429, retry_after_seconds=3.0)
    first = question(0)
    server = Server(1.0, {first.key: [limited]})

    async def scenario() -> list[float]:
        client = RateLimitedClient(server, RateLimiter(Limits(max_in_flight=8), changes.append))
        await all_of(client, [first])
        await all_of(client, [question(1)])
        return [moment for _, moment in server.sent]

    sent, then = virtual(scenario())
    assert then == pytest.approx(sent + 1.0 + 3.0)
    assert any("paused for 3 s" in change for change in changes)
    assert any("concurrency to" in change for change in changes)


def test_nothing_is_sent_in_a_pause_though_its_turn_was_being_waited_for(virtual: Run) -> None:
    """The dispatcher waits for the throttle when the 429 of another call comes in."""
    limited = CallError(Failure.RATE_LIMITED, "slow down", status=429, retry_after_seconds=10.0)
    calls = [question(at) for at in range(6)]
    server = Server(1.5, {calls[0].key: [limited]})

    async def scenario() -> None:
        client = RateLimitedClient(server, RateLimiter(Limits(requests_per_minute=60)))
        await all_of(client, calls)

    virtual(scenario())
    moments = [moment for _, moment in server.sent]
    refused = moments[0] + 1.5
    assert not [moment for moment in moments if refused < moment < refused + 9.999]


def test_a_call_that_failed_goes_to_the_head_of_the_queue(virtual: Run) -> None:
    calls = [question(at) for at in range(20)]
    server = Server(1.0, {calls[0].key: [CallError(Failure.SERVER, "oops", status=500)]})

    async def twice(client: RateLimitedClient, call: ModelRequest) -> Completion:
        try:
            return await client.complete(call)
        except CallError:
            return await client.complete(call)

    async def scenario() -> None:
        client = RateLimitedClient(server, RateLimiter(Limits(max_in_flight=1)))
        await asyncio.gather(*(twice(client, call) for call in calls))

    virtual(scenario())
    order = [key for key, _ in server.sent]
    assert calls[0].key in order[1:3]  # its own place, or the next that is free


def test_what_the_server_says_of_its_limits_reaches_the_gate(virtual: Run) -> None:
    said = ServerLimits(requests_per_minute=120.0)
    rate_limiter = RateLimiter(Limits())
    server = Server(otherwise=lambda call: answer().with_measurements(1.0, said))
    virtual(all_of(RateLimitedClient(server, rate_limiter), [question(1)]))
    assert rate_limiter.requests_per_minute == 120.0


def test_closing_closes_the_gate_and_what_is_wrapped(virtual: Run) -> None:
    server = Server()

    async def scenario() -> None:
        client = RateLimitedClient(server, RateLimiter(Limits(requests_per_minute=60)))
        await client.complete(question(1))
        await client.close()
        await client.close()

    virtual(scenario())
    assert server.closed == 2


def test_who_is_refused_and_cancelled_at_once_takes_no_place_with_him(virtual: Run) -> None:
    rate_limiter = RateLimiter(Limits(max_in_flight=1))

    async def scenario() -> None:
        await rate_limiter.acquire(1.0)
        waiting = asyncio.ensure_future(rate_limiter.acquire(1.0))
        await asyncio.sleep(0)
        rate_limiter.fail_waiters(ValueError("refused"))
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        rate_limiter.release()

    virtual(scenario())
    assert rate_limiter.in_flight == 0


@pytest.mark.parametrize("rpm", [None, 60_000.0])
def test_room_that_a_429_took_comes_back_with_answers_at_a_known_rate_too(
    virtual: Run, rpm: float | None
) -> None:
    async def scenario() -> tuple[int, int]:
        rate_limiter = RateLimiter(Limits(max_in_flight=64, requests_per_minute=rpm))
        for _ in range(64):
            await rate_limiter.acquire(1.0)
        rate_limiter.record_rate_limit(asyncio.get_running_loop().time(), None)
        squeezed = rate_limiter.concurrency
        for _ in range(64 * 20):
            rate_limiter.record_response(0.3)
        await rate_limiter.close()
        return squeezed, rate_limiter.concurrency

    assert virtual(scenario()) == (48, 64)
