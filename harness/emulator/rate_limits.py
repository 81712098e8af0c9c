"""Rate limits per model: requests and tokens per minute. The clock is an argument.

A limit of R per minute is a leaky bucket that leaks R/60 per second. It holds one second's worth of requests
(at least two), or ten seconds' worth of tokens. In any T seconds, at most R·T/60 plus the bucket's capacity
is admitted: a steady stream at the limit passes, a burst does not. Real providers enforce their limits over
shorter periods than a minute, too.

Only admitted requests count; a request that gets a 429 does not. Its tokens count with its maximum, and
unused tokens are returned with the response. A request larger than the bucket is admitted when the bucket is
empty, and the next one waits for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

BURST_SECONDS = 1.0
BURST_REQUESTS = 2.0
TOKEN_BURST_SECONDS = 10.0


class LeakyBucket:
    """Leaky bucket.

    Args:
        per_minute: amount it leaks in 60 seconds, > 0.
        capacity: capacity, > 0.
    """

    def __init__(self, per_minute: float, capacity: float) -> None:
        self.per_minute = per_minute
        self.capacity = capacity
        self._level = 0.0
        self._at = -math.inf

    @property
    def per_second(self) -> float:
        """Amount it leaks per second."""
        return self.per_minute / 60.0

    def level(self, now: float) -> float:
        """Return the current content; `now` is in seconds and never decreases."""
        if now > self._at:
            self._level = max(0.0, self._level - (now - self._at) * self.per_second)
            self._at = now
        return self._level

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until `amount` (at most the capacity) fits; 0 if it fits now."""
        excess = self.level(now) + min(amount, self.capacity) - self.capacity
        return excess / self.per_second if excess > 1e-9 else 0.0

    def add(self, amount: float, now: float) -> None:
        """Add `amount`, or remove it if negative."""
        self._level = max(0.0, self.level(now) + amount)


@dataclass(frozen=True, slots=True)
class LimitStatus:
    """State of one limit: limit per minute, remaining amount, and seconds until it is fully available."""

    limit: float
    remaining: float
    reset_seconds: float


@dataclass(frozen=True, slots=True)
class ModelLimitStatus:
    """State of a model's limits; None for no limit."""

    requests: LimitStatus | None = None
    tokens: LimitStatus | None = None


class ModelLimits:
    """Limits of one model; None for no limit."""

    def __init__(self, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        self._requests = _request_bucket(requests_per_minute) if requests_per_minute else None
        self._tokens = (
            LeakyBucket(tokens_per_minute, tokens_per_minute * TOKEN_BURST_SECONDS / 60.0)
            if tokens_per_minute
            else None
        )

    def lower(self, requests_per_minute: float, now: float) -> None:
        """Change the request limit from now on; the content of the bucket stays."""
        level = self._requests.level(now) if self._requests else 0.0
        self._requests = _request_bucket(requests_per_minute)
        self._requests.add(min(level, self._requests.capacity), now)

    def admit(self, tokens: float, now: float) -> float:
        """Count one request with this number of tokens and return 0, or return the seconds to wait without
        counting it.
        """
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

    def refund(self, tokens: float, now: float) -> None:
        """Return tokens that were counted and not used, ≥ 0."""
        if self._tokens is not None:
            self._tokens.add(-tokens, now)

    def status(self, now: float) -> ModelLimitStatus:
        """Return the state for the headers: a minute's worth minus the content of the bucket remains."""
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
    """Limits of all models of one server, which may drop after a number of requests.

    Args:
        requests_per_minute, tokens_per_minute: limits per model; None for none.
        lower_to_rpm, lower_after_requests: every model's request limit after this number of admitted requests
            in total.
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

    def limits_for(self, model: str) -> ModelLimits:
        """Return the limits of a model."""
        if model not in self._models:
            self._models[model] = ModelLimits(self._requests_per_minute, self._tokens_per_minute)
        return self._models[model]

    def admit(self, model: str, tokens: float, now: float) -> float:
        """Count one request as `ModelLimits.admit` does, and lower all limits when the number of requests is
        reached.
        """
        limits = self.limits_for(model)
        wait = limits.admit(tokens, now)
        if wait == 0.0:
            self.admitted += 1
            if self.admitted == self._lower_after and self._lower_to is not None:
                self._requests_per_minute = self._lower_to
                for limits_of_model in self._models.values():
                    limits_of_model.lower(self._lower_to, now)
        return wait
