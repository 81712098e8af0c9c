"""Daily quota of an endpoint: the endpoint stops with one clear error before it exceeds the quota.

The count is the sum of what the database has recorded for the model over the last 24 hours, by any run, and
of what this process sends itself. Requests of other processes are counted once they are committed: the
database is queried again every `REFRESH_SECONDS`, and always before the endpoint stops. Every attempt is one
request. Until the usage is known, its tokens count with an upper bound (UTF-8 bytes of the input plus the
maximum output).
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
from harness.engine.budgeted_client import StaleReservationError
from harness.engine.limits import Limits

DAY_SECONDS = 24 * 3600.0
REFRESH_SECONDS = 60.0
BUCKET_SECONDS = 60.0  # resolution of the record of what was sent


class UsageCounts(Protocol):
    """Requests sent to a model and the tokens they used."""

    @property
    def requests(self) -> int:
        """Number of requests, answered or not."""

    @property
    def tokens(self) -> int:
        """Input and output tokens together."""


class DailyQuota:
    """Remaining daily quota of one endpoint.

    Args:
        limits: only the daily limits are used.
        used_since: returns the usage by all other invocations since a time (Unix seconds).
        now: clock in Unix seconds.
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
        self._other_usage: UsageCounts | None = None
        self._refreshed_at = 0.0
        self._sent: deque[list[float]] = deque()  # [start of the minute, requests, tokens]
        self._requests = self._tokens = 0.0  # sums over `_sent`
        self._in_flight = 0
        self._reserved = 0.0
        self._lock = asyncio.Lock()
        self._settled = asyncio.Event()
        self._exhausted: CallError | None = None

    async def reserve(self, tokens: float) -> None:
        """Reserve one request of at most `tokens` tokens.

        Raises:
            CallError: QUOTA_EXHAUSTED if the request would exceed a limit.
        """
        if self._is_stale() or self._exceeded_limit(tokens):
            async with self._lock:
                await self._wait_for(tokens)
        self._in_flight += 1
        self._reserved += tokens

    def settle(self, reserved: float, used: float, *, sent: bool = True) -> None:
        """Replace a reservation by the tokens used; a request that was not sent counts nothing."""
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
            if self._exhausted is not None:
                raise self._exhausted
            self._settled.clear()
            if self._is_stale() or (self._exceeded_limit(tokens) and not self._in_flight):
                self._other_usage = await self._used_since(self._now() - DAY_SECONDS)
                self._refreshed_at = self._now()
            crossed = self._exceeded_limit(tokens)
            if not crossed:
                return
            if not self._in_flight:
                self._exhausted = self._quota_error(crossed, tokens)
                raise self._exhausted
            # requests in flight may use fewer tokens than reserved, so wait for them before stopping
            await self._settled.wait()

    def _is_stale(self) -> bool:
        return self._other_usage is None or self._now() - self._refreshed_at > REFRESH_SECONDS

    def _exceeded_limit(self, tokens: float) -> str:
        """Return the limit that one more request of this size would exceed, or ""."""
        requests, used = self._current_usage()
        limits = self._limits
        if limits.requests_per_day is not None and requests + 1 > limits.requests_per_day:
            return "requests"
        if limits.tokens_per_day is not None and used + tokens > limits.tokens_per_day:
            return "tokens"
        return ""

    def _current_usage(self) -> tuple[float, float]:
        """Return requests and tokens of the last 24 hours, including those in flight."""
        while self._sent and self._sent[0][0] + BUCKET_SECONDS <= self._now() - DAY_SECONDS:
            expired = self._sent.popleft()
            self._count(expired, -expired[1], -expired[2])
        requests, tokens = self._in_flight + self._requests, self._reserved + self._tokens
        if self._other_usage is not None:
            requests, tokens = requests + self._other_usage.requests, tokens + self._other_usage.tokens
        return requests, tokens

    def _quota_error(self, unit: str, tokens: float) -> CallError:
        limit = self._limits.requests_per_day if unit == "requests" else self._limits.tokens_per_day
        assert limit is not None
        if unit == "tokens" and tokens > limit:
            return CallError(
                Failure.QUOTA_EXHAUSTED,
                f"the limit of {limit:,} tokens per day is below what one request may use: {tokens:,.0f}",
            )
        return CallError(
            Failure.QUOTA_EXHAUSTED,
            f"the limit of {limit:,} {unit} per day is reached; run the same command later",
        )


class DailyQuotaClient:
    """Client that reserves daily quota for every attempt before it is sent."""

    def __init__(self, inner: ModelClient, allowance: DailyQuota) -> None:
        self._inner = inner
        self._allowance = allowance

    async def complete(self, request: ModelRequest) -> Completion:
        """Send the request if the daily quota allows it.

        Raises:
            CallError: QUOTA_EXHAUSTED, or as the wrapped client.
        """
        reserved = float(len(request.body) + request.sampling.max_output_tokens)
        await self._allowance.reserve(reserved)
        used, sent = reserved, True
        try:
            completion = await self._inner.complete(request)
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
        """Close the wrapped client."""
        await self._inner.close()
