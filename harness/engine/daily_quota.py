"""Limits a day: a lane stops, with one clear error, before it crosses one.

Counts what the database says that every run asked of the model in the last 24 hours, and beside that what
this process sends itself. What another process does at the same time is seen once that has committed it:
looked up anew every `REFRESH_SECONDS`, and always before the lane stops. Every try is a request; its tokens
count with their upper bound (the input's UTF-8 bytes, plus the maximum output) until the usage is known.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from agents.clients.base import ModelClient, ModelRequest
from agents.errors import CallError, EndpointDisabled, Failure
from agents.messages import Completion
from harness.engine.budget import StaleReservationError
from harness.engine.limits import Limits

DAY_SECONDS = 24 * 3600.0
REFRESH_SECONDS = 60.0
BUCKET_SECONDS = 60.0  # how finely it is remembered when something was sent


class UsageCounts(Protocol):
    """What a model was asked: requests (answered or not) and tokens."""

    @property
    def requests(self) -> int:
        """How many, answered or not."""

    @property
    def tokens(self) -> int:
        """Of requests and answers together."""


class DailyQuota:
    """What is left of one lane's day.

    Args:
        limits: of which only those a day matter here.
        used_since: what everybody but this process asked since a moment (seconds since 1970).
        now: seconds since 1970.
    """

    def __init__(
        self,
        limits: Limits,
        usage_since: Callable[[float], Awaitable[UsageCounts]],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._limits = limits
        self._used_since = usage_since
        self._now = now
        self._others: UsageCounts | None = None
        self._looked_at = 0.0
        self._sent: deque[list[float]] = deque()  # [begin of the minute, requests, tokens]
        self._requests = self._tokens = 0.0  # their sums
        self._in_flight = 0
        self._reserved = 0.0
        self._lock = asyncio.Lock()
        self._settled = asyncio.Event()
        self._reached: CallError | None = None

    async def reserve(self, tokens: float) -> None:
        """Count one request of at most `tokens`.

        Raises:
            CallError: QUOTA_EXHAUSTED, where a limit would be crossed.
        """
        if self._is_stale() or self._crossed(tokens):
            async with self._lock:
                await self._wait_for(tokens)
        self._in_flight += 1
        self._reserved += tokens

    def settle(self, reserved: float, used: float, *, sent: bool = True) -> None:
        """The try is over: it used so many tokens; or it was never sent, and counts nothing."""
        self._in_flight -= 1
        self._reserved -= reserved
        if sent:
            minute = self._now() // BUCKET_SECONDS * BUCKET_SECONDS
            if not self._sent or self._sent[-1][0] < minute:
                self._sent.append([minute, 0.0, 0.0])
            self._count(self._sent[-1], 1.0, used)
        self._settled.set()

    def _count(self, minute: list[float], requests: float, tokens: float) -> None:
        minute[1], minute[2] = minute[1] + requests, minute[2] + tokens
        self._requests, self._tokens = self._requests + requests, self._tokens + tokens

    async def _wait_for(self, tokens: float) -> None:
        while True:
            if self._reached is not None:
                raise self._reached
            self._settled.clear()
            if self._is_stale() or (self._crossed(tokens) and not self._in_flight):
                self._others = await self._used_since(self._now() - DAY_SECONDS)
                self._looked_at = self._now()
            crossed = self._crossed(tokens)
            if not crossed:
                return
            if not self._in_flight:
                self._reached = self._error(crossed, tokens)
                raise self._reached
            # what is counted has to be sent before the lane stops, and may use fewer tokens than reserved
            await self._settled.wait()

    def _is_stale(self) -> bool:
        return self._others is None or self._now() - self._looked_at > REFRESH_SECONDS

    def _crossed(self, tokens: float) -> str:
        """The limit that one more request of so many tokens would cross, or ""."""
        requests, used = self._used()
        limits = self._limits
        if limits.requests_per_day is not None and requests + 1 > limits.requests_per_day:
            return "requests"
        if limits.tokens_per_day is not None and used + tokens > limits.tokens_per_day:
            return "tokens"
        return ""

    def _used(self) -> tuple[float, float]:
        """Requests and tokens in the last 24 hours, what is in flight included."""
        while self._sent and self._sent[0][0] + BUCKET_SECONDS <= self._now() - DAY_SECONDS:
            gone = self._sent.popleft()
            self._count(gone, -gone[1], -gone[2])
        requests, tokens = self._in_flight + self._requests, self._reserved + self._tokens
        if self._others is not None:
            requests, tokens = requests + self._others.requests, tokens + self._others.tokens
        return requests, tokens

    def _error(self, unit: str, tokens: float) -> CallError:
        limit = self._limits.requests_per_day if unit == "requests" else self._limits.tokens_per_day
        assert limit is not None
        if unit == "tokens" and tokens > limit:
            return CallError(
                Failure.QUOTA_EXHAUSTED,
                f"the limit of {limit:,} tokens a day is below what a call may take: {tokens:,.0f}",
            )
        return CallError(
            Failure.QUOTA_EXHAUSTED,
            f"the limit of {limit:,} {unit} a day is reached; run the same command later",
        )


class DailyQuotaClient:
    """Counts every try against the day's limits before it is sent."""

    def __init__(self, inner: ModelClient, allowance: DailyQuota) -> None:
        self._inner = inner
        self._allowance = allowance

    async def complete(self, call: ModelRequest) -> Completion:
        """Ask, if the day's limits allow.

        Raises:
            CallError: QUOTA_EXHAUSTED, or as the wrapped client.
        """
        reserved = float(len(call.body) + call.sampling.max_output_tokens)
        await self._allowance.reserve(reserved)
        used, sent = reserved, True
        try:
            completion = await self._inner.complete(call)
            usage = completion.usage
            if usage.input_tokens is not None and usage.output_tokens is not None:
                used = float(usage.input_tokens + usage.output_tokens)
        except CallError as error:
            used = reserved if error.charged else 0.0
            raise
        except (EndpointDisabled, StaleReservationError):
            sent = False
            raise
        finally:
            self._allowance.settle(reserved, used, sent=sent)
        return completion

    async def close(self) -> None:
        """Close what is wrapped."""
        await self._inner.close()
