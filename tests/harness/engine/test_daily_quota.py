"""Limits a day: kept to the call, over all runs, and one clear error when they are reached."""

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
from tests.harness.engine.conftest import Memory, Server, answer, question
from tests.harness.engine.test_dispatcher import House, calls

Run = Callable[[Any], Any]


@dataclass
class Day:
    """A clock, and what everybody else has asked, as the database says."""

    now: float = 1e9
    used: ModelUsage = ModelUsage(0, 0)  # noqa: RUF009  (a frozen value)
    asked_about: tuple[float, ...] = ()

    async def since(self, moment: float) -> ModelUsage:
        self.asked_about += (moment,)
        await asyncio.sleep(0.01)
        return self.used

    def allowance(self, **limits: int) -> DailyQuota:
        return DailyQuota(Limits(**limits), self.since, lambda: self.now)


def is_quota_error(outcome: object, limit: str) -> bool:
    """Return whether the outcome is QUOTA_EXHAUSTED and its message names the limit."""
    return (
        isinstance(outcome, CallError)
        and outcome.failure is Failure.QUOTA_EXHAUSTED
        and limit in str(outcome)
    )


async def many(client: DailyQuotaClient, count: int, most: int = 5) -> list[Any]:
    asked = (client.complete(question(at, most=most)) for at in range(count))
    return list(await asyncio.gather(*asked, return_exceptions=True))


def test_requests_are_counted_to_the_last_and_those_of_others_too(virtual: Run) -> None:
    day, server = Day(used=ModelUsage(30, 0)), Server()
    client = DailyQuotaClient(server, day.allowance(requests_per_day=100))
    outcomes = virtual(many(client, 200))
    assert len(server.sent) == 70
    assert outcomes.count(answer()) == 70
    refused = [outcome for outcome in outcomes if outcome != answer()]
    assert all(
        is_quota_error(each, "the limit of 100 requests per day is reached; run the same command later")
        for each in refused
    )
    assert day.asked_about == (day.now - DAY_SECONDS,) * 2  # at the beginning, and before it stops


def test_every_try_is_a_request(virtual: Run) -> None:
    server = Server(otherwise=lambda call: CallError(Failure.SERVER, "oops", status=500))
    outcomes = virtual(many(DailyQuotaClient(server, Day().allowance(requests_per_day=3)), 5))
    assert len(server.sent) == 3
    assert sum(is_quota_error(outcome, "3 requests per day") for outcome in outcomes) == 2


def test_tokens_never_cross_their_limit_and_what_is_not_used_is_used_by_others(virtual: Run) -> None:
    size = len(question(10).body) + 5  # the most that one call may take
    server = Server(otherwise=lambda call: answer(usage=Usage(10, 2)))
    client = DailyQuotaClient(server, Day(used=ModelUsage(0, 40)).allowance(tokens_per_day=40 + 3 * size))
    outcomes = virtual(many(client, 90))
    answered = outcomes.count(answer(usage=Usage(10, 2)))
    assert answered * 12 <= 3 * size < (answered + 1) * 12 + size  # all that is certain to fit
    assert server.most_in_flight == 3
    assert sum(is_quota_error(outcome, "tokens per day is reached") for outcome in outcomes) == 90 - answered


def test_usage_that_is_not_said_counts_in_full(virtual: Run) -> None:
    size = len(question(1).body) + 5
    server = Server(otherwise=lambda call: answer(usage=Usage()))
    virtual(many(DailyQuotaClient(server, Day().allowance(tokens_per_day=4 * size)), 9))
    assert len(server.sent) == 4


def test_a_limit_below_one_call_says_so(virtual: Run) -> None:
    (outcome,) = virtual(many(DailyQuotaClient(Server(), Day().allowance(tokens_per_day=50)), 1, most=1000))
    assert is_quota_error(outcome, "the limit of 50 tokens per day is below what one request may use: 1,")


def test_what_was_never_sent_counts_nothing(virtual: Run) -> None:
    rate_limiter = RateLimiter(Limits(max_in_flight=1))
    allowance = Day().allowance(requests_per_day=2)
    client = DailyQuotaClient(RateLimitedClient(Server(), rate_limiter), allowance)

    async def scenario() -> list[Any]:
        waiting = asyncio.ensure_future(many(client, 2))
        await asyncio.sleep(0.5)
        rate_limiter.fail_waiters(EndpointDisabled("lane", CallError(Failure.AUTHENTICATION, "no")))
        first, second = await waiting
        assert first == answer()
        assert isinstance(second, EndpointDisabled)
        again = DailyQuotaClient(Server(), allowance)
        return [await again.complete(question(3)), *await many(again, 1)]

    third, fourth = virtual(scenario())
    assert third == answer()
    assert is_quota_error(fourth, "2 requests per day")


def test_a_day_later_there_is_room_again(virtual: Run) -> None:
    day = Day()
    client = DailyQuotaClient(Server(), day.allowance(requests_per_day=10))

    async def scenario() -> list[int]:
        counts = []
        for _ in range(3):
            counts.append((await many(client, 10)).count(answer()))
            day.now += DAY_SECONDS + 120.0
        return counts

    assert virtual(scenario()) == [10, 10, 10]


def test_what_others_do_meanwhile_is_looked_up_now_and_then(virtual: Run) -> None:
    day = Day()
    client = DailyQuotaClient(Server(), day.allowance(requests_per_day=100))

    async def scenario() -> list[Any]:
        for _ in range(3):
            await many(client, 5)
        assert len(day.asked_about) == 1
        day.used = ModelUsage(90, 0)  # another process, on another machine
        day.now += REFRESH_SECONDS + 1.0
        return await many(client, 5)

    outcomes = virtual(scenario())
    assert outcomes.count(answer()) == 0
    assert len(day.asked_about) == 2 or len(day.asked_about) == 3


def test_a_lane_stops_with_one_error_and_the_others_go_on(virtual: Run) -> None:
    house = House(Memory(used=ModelUsage(40, 0)))
    server = Server(0.1)
    limited = house.endpoint(server, limits=Limits(max_in_flight=10, requests_per_day=100), name="limited")
    other = house.endpoint(Server(0.1), name="other")
    virtual(dispatch([(limited, calls(500)), (other, calls(200, begin=1000))]))
    assert len(server.sent) == limited.stats.made == 60
    assert limited.stats.stopped == "the limit of 100 requests per day is reached; run the same command later"
    assert (other.stats.made, other.stats.stopped) == (200, "")
    told = [error.failure for _, error, _, _ in house.notes.failures]
    assert set(told) == {Failure.QUOTA_EXHAUSTED}


def test_without_such_limits_nothing_is_looked_up(virtual: Run) -> None:
    house = House()
    virtual(dispatch([(house.endpoint(Server()), calls(20))]))
    assert house.memory.looks == 0
