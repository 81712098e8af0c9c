"""Rate limiter in virtual time: limits are used, never exceeded, and learned."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from agents.errors import CallError, EndpointDisabled, Failure
from agents.messages import ServerLimits
from harness.engine.limits import Limits
from harness.engine.rate_limiter import INITIAL_IN_FLIGHT, MAX_IN_FLIGHT, RateLimiter, throttle_settings
from tests.errors import user_error

Run = Callable[[Any], Any]


async def _sent(
    rate_limiter: RateLimiter, requests: int, latency_seconds: float, tokens: float = 100.0
) -> list[float]:
    """Return the times at which requests were admitted, each answered after the latency."""
    loop = asyncio.get_running_loop()
    moments: list[float] = []

    async def single() -> None:
        await rate_limiter.acquire(tokens)
        moments.append(loop.time())
        await asyncio.sleep(latency_seconds)
        rate_limiter.record_response(latency_seconds)
        rate_limiter.release()

    await asyncio.gather(*(single() for _ in range(requests)))
    await rate_limiter.close()
    return moments


@pytest.mark.parametrize("rpm", [20, 500, 700, 3000, 10_000])
def test_request_limit_is_used_to_98_percent_and_never_exceeded(virtual: Run, rpm: int) -> None:
    async def scenario() -> list[float]:
        return await _sent(
            RateLimiter(Limits(requests_per_minute=rpm)), requests=2 * rpm, latency_seconds=0.3
        )

    moments = virtual(scenario())
    achieved = (len(moments) - 1) / (moments[-1] - moments[0]) * 60
    count, period = throttle_settings(rpm)
    assert 0.98 * rpm <= achieved <= 1.001 * rpm
    # a request sent one poll late counts from its due time; no window contains an extra request for it
    assert all(
        later - earlier >= 0.97 * period for earlier, later in zip(moments, moments[count:], strict=False)
    )


def test_token_limit_is_used_to_98_percent_and_never_exceeded(virtual: Run) -> None:
    async def scenario() -> list[float]:
        return await _sent(
            RateLimiter(Limits(tokens_per_minute=60_000)), 2000, latency_seconds=0.3, tokens=100
        )

    moments = virtual(scenario())
    rate = (len(moments) - 1) * 100 / (moments[-1] - moments[0]) * 60
    assert 0.98 * 60_000 <= rate <= 1.02 * 60_000  # one second's worth may be sent in advance


def test_the_tighter_of_two_limits_applies(virtual: Run) -> None:
    async def scenario() -> list[float]:
        limits = Limits(requests_per_minute=3000, tokens_per_minute=60_000)
        return await _sent(RateLimiter(limits), 1000, latency_seconds=0.3, tokens=100)

    moments = virtual(scenario())
    assert (len(moments) - 1) / (moments[-1] - moments[0]) == pytest.approx(10, rel=0.03)


def test_tokens_beyond_the_estimate_delay_later_requests(virtual: Run) -> None:
    async def scenario() -> float:
        rate_limiter = RateLimiter(Limits(tokens_per_minute=6000))  # 100 per second
        loop = asyncio.get_running_loop()
        await rate_limiter.acquire(100)
        rate_limiter.record_response(0.0, correction_tokens=900)
        rate_limiter.release()
        before = loop.time()
        await rate_limiter.acquire(100)
        await rate_limiter.close()
        return loop.time() - before

    assert virtual(scenario()) == pytest.approx(10, rel=0.01)


def test_configured_concurrency_is_the_start_and_the_maximum(virtual: Run) -> None:
    async def scenario() -> tuple[int, int]:
        rate_limiter = RateLimiter(Limits(max_in_flight=50))
        max_tokens = 0

        async def single() -> None:
            nonlocal max_tokens
            await rate_limiter.acquire(1)
            max_tokens = max(max_tokens, rate_limiter.in_flight)
            await asyncio.sleep(1)
            rate_limiter.record_response(1.0)
            rate_limiter.release()

        await asyncio.gather(*(single() for _ in range(500)))
        return max_tokens, rate_limiter.concurrency

    assert virtual(scenario()) == (50, 50)


def test_concurrency_starts_small_and_doubles_every_round(virtual: Run) -> None:
    async def scenario() -> list[int]:
        rate_limiter = RateLimiter(Limits())
        moments = await _sent(rate_limiter, 8 + 16 + 32 + 64, latency_seconds=1.0)
        starts = sorted(set(moments))
        return [moments.count(start) for start in starts]

    assert virtual(scenario()) == [8, 16, 32, 64]


def test_a_429_reduces_once_per_round_trip_and_slows_growth(virtual: Run) -> None:
    async def scenario() -> tuple[int, int, int, list[str]]:
        changes: list[str] = []
        rate_limiter = RateLimiter(Limits(max_in_flight=100), changes.append)
        for _ in range(100):
            await rate_limiter.acquire(1)
        sent_at = asyncio.get_running_loop().time()
        await asyncio.sleep(1)
        for _ in range(10):
            rate_limiter.record_rate_limit(sent_at, None)
        after_first = rate_limiter.concurrency
        for _ in range(after_first):
            rate_limiter.record_response(1.0)
        return after_first, rate_limiter.concurrency, len(changes), changes

    first, grown, count, changes = virtual(scenario())
    assert (first, count) == (75, 1)
    assert 75 <= grown <= 77
    assert "429" in changes[0]


def test_the_wait_requested_by_the_server_is_kept_exactly(virtual: Run) -> None:
    async def scenario() -> float:
        rate_limiter = RateLimiter(Limits(max_in_flight=4))
        loop = asyncio.get_running_loop()
        await rate_limiter.acquire(1)
        rate_limiter.record_rate_limit(loop.time(), 7.5)
        rate_limiter.release()
        before = loop.time()
        await rate_limiter.acquire(1)
        return loop.time() - before

    assert virtual(scenario()) == pytest.approx(7.5)


def test_server_limits_are_adopted_but_never_raise_a_configured_one(virtual: Run) -> None:
    async def scenario() -> tuple[float | None, ...]:
        unknown, configured = RateLimiter(Limits()), RateLimiter(Limits(requests_per_minute=600))
        unknown.update_limits(ServerLimits(requests_per_minute=1200, tokens_per_minute=90_000))
        configured.update_limits(ServerLimits(requests_per_minute=1200))
        first = (unknown.requests_per_minute, unknown.tokens_per_minute, configured.requests_per_minute)
        configured.update_limits(ServerLimits(requests_per_minute=300))
        lowered = configured.requests_per_minute
        configured.update_limits(ServerLimits())  # no statement: nothing changes
        return (*first, lowered, configured.requests_per_minute)

    assert virtual(scenario()) == (1200, 90_000, 600, 300, 300)


def test_rates_recover_after_a_429(virtual: Run) -> None:
    async def scenario() -> tuple[float, float]:
        rate_limiter = RateLimiter(Limits(requests_per_minute=600))
        rate_limiter.record_rate_limit(asyncio.get_running_loop().time(), None)
        squeezed = rate_limiter.requests_per_minute or 0.0
        for _ in range(20):
            await asyncio.sleep(1)
            rate_limiter.record_response(0.3)
        return squeezed, rate_limiter.requests_per_minute or 0.0

    assert virtual(scenario()) == (pytest.approx(540), pytest.approx(600))


def test_a_known_rate_sets_the_concurrency(virtual: Run) -> None:
    async def scenario() -> tuple[int, int]:
        rate_limiter = RateLimiter(Limits(requests_per_minute=6000))
        before = rate_limiter.concurrency
        for _ in range(100):
            rate_limiter.record_response(4.0)
        return before, rate_limiter.concurrency

    assert virtual(scenario()) == (200, 800)
    assert INITIAL_IN_FLIGHT < MAX_IN_FLIGHT


def test_fail_waiters_reaches_waiting_and_new_requests(virtual: Run) -> None:
    async def scenario() -> list[type[BaseException]]:
        rate_limiter = RateLimiter(Limits(max_in_flight=1))
        await rate_limiter.acquire(1)
        waiting = asyncio.ensure_future(rate_limiter.acquire(1))
        await asyncio.sleep(0)
        rate_limiter.fail_waiters(EndpointDisabled("lane", CallError(Failure.AUTHENTICATION, "no")))
        outcomes = await asyncio.gather(waiting, rate_limiter.acquire(1), return_exceptions=True)
        return [type(outcome) for outcome in outcomes if isinstance(outcome, BaseException)]

    assert virtual(scenario()) == [EndpointDisabled, EndpointDisabled]


@pytest.mark.parametrize("paced", [True, False])
def test_a_cancelled_waiter_leaks_no_slot(virtual: Run, paced: bool) -> None:
    async def scenario() -> int:
        rate_limiter = RateLimiter(Limits(max_in_flight=1, requests_per_minute=6000 if paced else None))
        await rate_limiter.acquire(1)
        waiting = [asyncio.ensure_future(rate_limiter.acquire(1)) for _ in range(3)]
        await asyncio.sleep(0.1)
        waiting[0].cancel()
        await asyncio.sleep(0)
        rate_limiter.release()
        await waiting[1]
        rate_limiter.release()
        await waiting[2]
        rate_limiter.release()
        await rate_limiter.close()
        return rate_limiter.in_flight

    assert virtual(scenario()) == 0


def test_all_invalid_limits_are_reported_at_once() -> None:
    with user_error("endpoint.invalid-limits") as error:
        Limits(requests_per_minute=-1, tokens_per_minute=0, max_in_flight=0).check()
    assert [fault.code for fault in error.faults] == ["option.out-of-range"] * 3
    assert [fault.found for fault in error.faults] == ["-1", "0", "0"]
    with user_error("option.contradiction", found="100 per minute, 50 per day"):
        Limits(requests_per_minute=100, requests_per_day=50).check()


def test_throttle_settings_are_whole_and_exact() -> None:
    for rpm in (1, 20, 59.5, 600, 601, 700, 1199, 3000, 100_000):
        count, period = throttle_settings(rpm)
        assert isinstance(count, int)
        assert count / period * 60 == pytest.approx(rpm)
    settings = [throttle_settings(rpm)[1] for rpm in (600, 3000)]
    assert all(earlier == pytest.approx(later) for earlier, later in pairwise(settings))
