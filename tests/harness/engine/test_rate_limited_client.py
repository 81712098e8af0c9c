"""Rate-limited client: estimates that learn from usage, slots that are released, and retries in order."""

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
from tests.harness.engine.conftest import Server, answer, make_request

Run = Callable[[Any], Any]


async def all_of(client: RateLimitedClient, requests: list[ModelRequest]) -> list[Any]:
    return list(
        await asyncio.gather(*(client.complete(request) for request in requests), return_exceptions=True)
    )


def test_estimate_learns_from_usage_and_respects_the_output_limit(virtual: Run) -> None:
    request, long = make_request(1, max_tokens=5), make_request(2, max_tokens=4000)
    size = len(request.body)
    server = Server(otherwise=lambda request: answer(usage=Usage(size * 2, 3)))
    client = RateLimitedClient(server, RateLimiter(Limits(max_in_flight=1)))
    assert client.estimate_tokens(request) == size * INITIAL_TOKENS_PER_BYTE + 5
    assert client.estimate_tokens(long) == len(long.body) * INITIAL_TOKENS_PER_BYTE + INITIAL_OUTPUT_TOKENS
    virtual(all_of(client, [make_request(index) for index in range(300)]))
    assert client.estimate_tokens(request) == pytest.approx(size * 2 + 3, rel=0.05)


def test_unreported_usage_changes_no_estimate(virtual: Run) -> None:
    client = RateLimitedClient(
        Server(otherwise=lambda request: answer(usage=Usage())), RateLimiter(Limits(max_in_flight=1))
    )
    before = client.estimate_tokens(make_request(1))
    virtual(all_of(client, [make_request(index) for index in range(20)]))
    assert client.estimate_tokens(make_request(1)) == before


def test_token_limit_holds_despite_a_wrong_first_estimate(virtual: Run) -> None:
    """Each request takes 300 tokens, four times the estimate: 6,000 per minute allow 20 requests."""
    server = Server(0.1, otherwise=lambda request: answer(usage=Usage(295, 5)))

    async def scenario() -> None:
        client = RateLimitedClient(server, RateLimiter(Limits(tokens_per_minute=6000)))
        await all_of(client, [make_request(index) for index in range(200)])

    virtual(scenario())
    moments = sorted(moment for _, moment in server.sent)
    late = moments[100:]
    assert (len(late) - 1) * 300 / (late[-1] - late[0]) * 60 == pytest.approx(6000, rel=0.03)


@pytest.mark.parametrize("outcome", [CallError(Failure.SERVER, "oops", status=500), ValueError("a bug")])
def test_a_failure_releases_its_slot(virtual: Run, outcome: Exception) -> None:
    server = Server(otherwise=lambda request: outcome)
    rate_limiter = RateLimiter(Limits(max_in_flight=2))
    outcomes = virtual(
        all_of(RateLimitedClient(server, rate_limiter), [make_request(index) for index in range(10)])
    )
    assert [type(each) for each in outcomes] == [type(outcome)] * 10
    assert (rate_limiter.in_flight, rate_limiter.waiting) == (0, 0)


def test_a_cancelled_request_releases_its_slot_and_is_reported_if_sent(virtual: Run) -> None:
    rate_limiter, server, abandoned = RateLimiter(Limits(max_in_flight=2)), Server(10.0), []
    client = RateLimitedClient(server, rate_limiter, lambda request: abandoned.append(request.key))

    async def scenario() -> None:
        asking = [asyncio.ensure_future(client.complete(make_request(index))) for index in range(4)]
        await asyncio.sleep(1.0)
        for each in asking:
            each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    virtual(scenario())
    assert (rate_limiter.in_flight, rate_limiter.waiting) == (0, 0)
    assert abandoned == [make_request(0).key, make_request(1).key]


def test_a_429_reaches_the_rate_limiter_with_its_wait(virtual: Run) -> None:
    changes: list[str] = []
    limited = CallError(Failure.RATE_LIMITED, "slow down", status=429, retry_after_seconds=3.0)
    first = make_request(0)
    server = Server(1.0, {first.key: [limited]})

    async def scenario() -> list[float]:
        client = RateLimitedClient(server, RateLimiter(Limits(max_in_flight=8), changes.append))
        await all_of(client, [first])
        await all_of(client, [make_request(1)])
        return [moment for _, moment in server.sent]

    sent, then = virtual(scenario())
    assert then == pytest.approx(sent + 1.0 + 3.0)
    assert any("paused for 3 s" in change for change in changes)
    assert any("concurrency to" in change for change in changes)


def test_nothing_is_sent_during_a_pause(virtual: Run) -> None:
    """The dispatcher task waits for the pacer when another request gets a 429."""
    limited = CallError(Failure.RATE_LIMITED, "slow down", status=429, retry_after_seconds=10.0)
    requests = [make_request(index) for index in range(6)]
    server = Server(1.5, {requests[0].key: [limited]})

    async def scenario() -> None:
        client = RateLimitedClient(server, RateLimiter(Limits(requests_per_minute=60)))
        await all_of(client, requests)

    virtual(scenario())
    moments = [moment for _, moment in server.sent]
    refused = moments[0] + 1.5
    assert not [moment for moment in moments if refused < moment < refused + 9.999]


def test_a_retry_goes_to_the_head_of_the_queue(virtual: Run) -> None:
    requests = [make_request(index) for index in range(20)]
    server = Server(1.0, {requests[0].key: [CallError(Failure.SERVER, "oops", status=500)]})

    async def twice(client: RateLimitedClient, request: ModelRequest) -> Completion:
        try:
            return await client.complete(request)
        except CallError:
            return await client.complete(request)

    async def scenario() -> None:
        client = RateLimitedClient(server, RateLimiter(Limits(max_in_flight=1)))
        await asyncio.gather(*(twice(client, request) for request in requests))

    virtual(scenario())
    order = [key for key, _ in server.sent]
    assert requests[0].key in order[1:3]  # its own slot, or the next free one


def test_server_limits_reach_the_rate_limiter(virtual: Run) -> None:
    server_limits = ServerLimits(requests_per_minute=120.0)
    rate_limiter = RateLimiter(Limits())
    server = Server(otherwise=lambda request: answer().with_measurements(1.0, server_limits))
    virtual(all_of(RateLimitedClient(server, rate_limiter), [make_request(1)]))
    assert rate_limiter.requests_per_minute == 120.0


def test_closing_closes_the_rate_limiter_and_the_wrapped_client(virtual: Run) -> None:
    server = Server()

    async def scenario() -> None:
        client = RateLimitedClient(server, RateLimiter(Limits(requests_per_minute=60)))
        await client.complete(make_request(1))
        await client.close()
        await client.close()

    virtual(scenario())
    assert server.closed == 2


def test_a_waiter_failed_and_cancelled_at_once_leaks_no_slot(virtual: Run) -> None:
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
def test_concurrency_recovers_after_a_429_at_a_known_rate(virtual: Run, rpm: float | None) -> None:
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
