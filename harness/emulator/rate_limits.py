"""Requests and tokens a minute, per model: who is admitted, who waits and how long. The clock is an argument.

Each limit of R a minute is a leaky bucket that leaks R/60 a second and holds one second's worth, at least
two requests, or ten seconds' worth of tokens. So in any T seconds at most R·T/60 plus what the bucket holds
is admitted: a steady stream at the limit passes, a burst does not. Real providers enforce their minutes in
shorter periods, too.

A request counts when it is admitted; one that gets a 429 counts nothing. Its tokens count with what it asks
for at most, and what it did not use is given back with its answer. A request larger than the bucket is
admitted by an empty bucket, and the next wait for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

BURST_SECONDS = 1.0
BURST_REQUESTS = 2.0
TOKEN_BURST_SECONDS = 10.0


class LeakyBucket:
    """One leaky bucket.

    Args:
        per_minute: what it leaks in 60 seconds, > 0.
        holds: what it holds at once, > 0.
    """

    def __init__(self, per_minute: float, holds: float) -> None:
        self.per_minute = per_minute
        self.holds = holds
        self._level = 0.0
        self._at = -math.inf

    @property
    def per_second(self) -> float:
        """What it leaks in a second."""
        return self.per_minute / 60.0

    def level(self, now: float) -> float:
        """What is in it; `now` in seconds, never falling."""
        if now > self._at:
            self._level = max(0.0, self._level - (now - self._at) * self.per_second)
            self._at = now
        return self._level

    def wait(self, amount: float, now: float) -> float:
        """Seconds until `amount` (if that is more than it holds, all it holds) would fit; 0 if it does."""
        over = self.level(now) + min(amount, self.holds) - self.holds
        return over / self.per_second if over > 1e-9 else 0.0

    def add(self, amount: float, now: float) -> None:
        """Put `amount` in, or take it out where it is negative."""
        self._level = max(0.0, self.level(now) + amount)


@dataclass(frozen=True, slots=True)
class LimitStatus:
    """How one limit stands: the limit a minute, what remains of it, and seconds until all of it does."""

    limit: float
    remaining: float
    reset_seconds: float


@dataclass(frozen=True, slots=True)
class ModelLimitStatus:
    """How a model's limits stand; None where there is none."""

    requests: LimitStatus | None = None
    tokens: LimitStatus | None = None


class ModelLimits:
    """The limits of one model; None for none."""

    def __init__(self, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        self._requests = _request_bucket(requests_per_minute) if requests_per_minute else None
        self._tokens = (
            LeakyBucket(tokens_per_minute, tokens_per_minute * TOKEN_BURST_SECONDS / 60.0)
            if tokens_per_minute
            else None
        )

    def lower(self, requests_per_minute: float, now: float) -> None:
        """Let the request limit be another from now on; what is in the bucket stays there."""
        level = self._requests.level(now) if self._requests else 0.0
        self._requests = _request_bucket(requests_per_minute)
        self._requests.add(min(level, self._requests.holds), now)

    def admit(self, tokens: float, now: float) -> float:
        """Take one request of so many tokens: 0, or the seconds to wait where it is not admitted."""
        waits = [
            bucket.wait(amount, now)
            for bucket, amount in ((self._requests, 1.0), (self._tokens, tokens))
            if bucket is not None
        ]
        wait = max(waits, default=0.0)
        if wait == 0.0:
            if self._requests is not None:
                self._requests.add(1.0, now)
            if self._tokens is not None:
                self._tokens.add(tokens, now)
        return wait

    def give_back(self, tokens: float, now: float) -> None:
        """Return tokens that were counted and not used, ≥ 0."""
        if self._tokens is not None:
            self._tokens.add(-tokens, now)

    def standing(self, now: float) -> ModelLimitStatus:
        """What the headers say: of a minute's worth, what is not in the bucket remains."""
        return ModelLimitStatus(_gauge(self._requests, now), _gauge(self._tokens, now))


def _request_bucket(per_minute: float) -> LeakyBucket:
    return LeakyBucket(per_minute, max(BURST_REQUESTS, per_minute * BURST_SECONDS / 60.0))


def _gauge(bucket: LeakyBucket | None, now: float) -> LimitStatus | None:
    if bucket is None:
        return None
    level = bucket.level(now)
    return LimitStatus(
        bucket.per_minute, max(0.0, math.floor(bucket.per_minute - level)), level / bucket.per_second
    )


class EmulatedRateLimiter:
    """The limits of all models of one server, and their fall after a number of requests.

    Args:
        requests_per_minute, tokens_per_minute: per model; None for none.
        lower_to_rpm, lower_after_requests: every model's request limit once so many were admitted in all.
    """

    def __init__(
        self,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        lower_to_rpm: float | None = None,
        lower_after_requests: int | None = None,
    ) -> None:
        self._requests_per_minute = requests_per_minute
        self._tokens_per_minute = tokens_per_minute
        self._lower_to = lower_to_rpm
        self._lower_after = lower_after_requests
        self._models: dict[str, ModelLimits] = {}
        self.admitted = 0

    def of(self, model: str) -> ModelLimits:
        """The limits of a model."""
        if model not in self._models:
            self._models[model] = ModelLimits(self._requests_per_minute, self._tokens_per_minute)
        return self._models[model]

    def admit(self, model: str, tokens: float, now: float) -> float:
        """As `ModelLimits.admit`; counts towards the fall."""
        limits = self.of(model)
        wait = limits.admit(tokens, now)
        if wait == 0.0:
            self.admitted += 1
            if self.admitted == self._lower_after and self._lower_to is not None:
                self._requests_per_minute = self._lower_to
                for each in self._models.values():
                    each.lower(self._lower_to, now)
        return wait
