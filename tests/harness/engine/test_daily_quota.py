"""Daily quotas: counted exactly, over all runs, with one clear error when exhausted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agents.errors import CallError, EndpointDisabled, Failure
from agents.messages import Usage
from harness.engine.daily_quota import DAY_SECONDS, REFRESH_SECONDS, DailyQuota, DailyQuotaClient
from harness.engine.dispatcher import dispatch
from harness.engine.limits import Limits
from harness.engine.rate_limited_client import RateLimitedClient
from harness.engine.rate_limiter import RateLimiter
from results.db.store import ModelUsage
from tests.harness.engine.conftest import FakeStore, Server, answer, make_request
from tests.harness.engine.test_dispatcher import EngineSetup, requests

Run = Callable[[Any], Any]


@dataclass
class Day:
    """Clock, and the usage by other processes as recorded in the database."""

    now: float = 1e9
    used: ModelUsage = ModelUsage(0, 0)  # noqa: RUF009  (a frozen value)
    queried_since: tuple[float, ...] = ()

    async def since(self, moment: float) -> ModelUsage:
        self.queried_since += (moment,)
        await asyncio.sleep(0.01)
        return self.used

    def quota(self, **limits: int) -> DailyQuota:
        return DailyQuota(Limits(**limits), self.since, lambda: self.now)


def is_quota_error(outcome: object, limit: str) -> bool:
    """Return whether the outcome is QUOTA_EXHAUSTED and its message names the limit."""
    return (
        isinstance(outcome, CallError)
        and outcome.failure is Failure.QUOTA_EXHAUSTED
        and limit in str(outcome)
    )


async def many(client: DailyQuotaClient, count: int, max_tokens: int = 5) -> list[Any]:
    completions = (client.complete(make_request(index, max_tokens=max_tokens)) for index in range(count))
    return list(await asyncio.gather(*completions, return_exceptions=True))


def test_requests_of_all_processes_count(virtual: Run) -> None:
    day, server = Day(used=ModelUsage(30, 0)), Server()
    client = DailyQuotaClient(server, day.quota(requests_per_day=100))
    outcomes = virtual(many(client, 200))
    assert len(server.sent) == 70
    assert outcomes.count(answer()) == 70
    refused = [outcome for outcome in outcomes if outcome != answer()]
    assert all(
        is_quota_error(each, "the limit of 100 requests per day is reached; run the same command later")
        for each in refused
    )
    assert day.queried_since == (day.now - DAY_SECONDS,) * 2  # at the start, and before it stops


def test_every_attempt_counts_as_a_request(virtual: Run) -> None:
    server = Server(otherwise=lambda request: CallError(Failure.SERVER, "oops", status=500))
    outcomes = virtual(many(DailyQuotaClient(server, Day().quota(requests_per_day=3)), 5))
    assert len(server.sent) == 3
    assert sum(is_quota_error(outcome, "3 requests per day") for outcome in outcomes) == 2


def test_token_quota_is_kept_and_unused_reservations_are_released(virtual: Run) -> None:
    size = len(make_request(10).body) + 5  # maximum of one request
    server = Server(otherwise=lambda request: answer(usage=Usage(10, 2)))
    client = DailyQuotaClient(server, Day(used=ModelUsage(0, 40)).quota(tokens_per_day=40 + 3 * size))
    outcomes = virtual(many(client, 90))
    answered = outcomes.count(answer(usage=Usage(10, 2)))
    assert answered * 12 <= 3 * size < (answered + 1) * 12 + size  # everything that certainly fits
    assert server.max_in_flight_seen == 3
    assert sum(is_quota_error(outcome, "tokens per day is reached") for outcome in outcomes) == 90 - answered


def test_unreported_usage_counts_in_full(virtual: Run) -> None:
    size = len(make_request(1).body) + 5
    server = Server(otherwise=lambda request: answer(usage=Usage()))
    virtual(many(DailyQuotaClient(server, Day().quota(tokens_per_day=4 * size)), 9))
    assert len(server.sent) == 4


def test_a_quota_below_one_request_is_an_error(virtual: Run) -> None:
    (outcome,) = virtual(many(DailyQuotaClient(Server(), Day().quota(tokens_per_day=50)), 1, max_tokens=1000))
    assert is_quota_error(outcome, "the limit of 50 tokens per day is below what one request may use: 1,")


def test_unsent_requests_count_nothing(virtual: Run) -> None:
    rate_limiter = RateLimiter(Limits(max_in_flight=1))
    quota = Day().quota(requests_per_day=2)
    client = DailyQuotaClient(RateLimitedClient(Server(), rate_limiter), quota)

    async def scenario() -> list[Any]:
        waiting = asyncio.ensure_future(many(client, 2))
        await asyncio.sleep(0.5)
        rate_limiter.fail_waiters(EndpointDisabled("lane", CallError(Failure.AUTHENTICATION, "no")))
        first, second = await waiting
        assert first == answer()
        assert isinstance(second, EndpointDisabled)
        again = DailyQuotaClient(Server(), quota)
        return [await again.complete(make_request(3)), *await many(again, 1)]

    third, fourth = virtual(scenario())
    assert third == answer()
    assert is_quota_error(fourth, "2 requests per day")


def test_quota_is_available_again_after_a_day(virtual: Run) -> None:
    day = Day()
    client = DailyQuotaClient(Server(), day.quota(requests_per_day=10))

    async def scenario() -> list[int]:
        counts = []
        for _ in range(3):
            counts.append((await many(client, 10)).count(answer()))
            day.now += DAY_SECONDS + 120.0
        return counts

    assert virtual(scenario()) == [10, 10, 10]


def test_usage_of_other_processes_is_refreshed(virtual: Run) -> None:
    day = Day()
    client = DailyQuotaClient(Server(), day.quota(requests_per_day=100))

    async def scenario() -> list[Any]:
        for _ in range(3):
            await many(client, 5)
        assert len(day.queried_since) == 1
        day.used = ModelUsage(90, 0)  # another process, on another machine
        day.now += REFRESH_SECONDS + 1.0
        return await many(client, 5)

    outcomes = virtual(scenario())
    assert outcomes.count(answer()) == 0
    assert len(day.queried_since) == 2 or len(day.queried_since) == 3


def test_an_exhausted_endpoint_stops_and_others_continue(virtual: Run) -> None:
    house = EngineSetup(FakeStore(used=ModelUsage(40, 0)))
    server = Server(0.1)
    limited = house.endpoint(server, limits=Limits(max_in_flight=10, requests_per_day=100), name="limited")
    other = house.endpoint(Server(0.1), name="other")
    virtual(dispatch([(limited, requests(500)), (other, requests(200, begin=1000))]))
    assert len(server.sent) == limited.stats.made == 60
    assert limited.stats.stopped == "the limit of 100 requests per day is reached; run the same command later"
    assert (other.stats.made, other.stats.stopped) == (200, "")
    completions = [error.failure for _, error, _, _ in house.writer.failures]
    assert set(completions) == {Failure.QUOTA_EXHAUSTED}


def test_without_daily_limits_usage_is_not_queried(virtual: Run) -> None:
    house = EngineSetup()
    virtual(dispatch([(house.endpoint(Server()), requests(20))]))
    assert house.memory.queries == 0
