"""Rate limiter of an endpoint: requests, tokens, concurrency and pauses.

A provider rejects requests that arrive too fast (429), and a client that waits too long leaves part of its
limit unused.

There is one `RateLimiter` per endpoint. Waiting requests form one queue. One dispatcher task acquires request
slots from asyncio-throttle for all of them (its waiters poll, so ten thousand of them would use a full core)
and takes tokens from a bucket that holds one second's worth. If no rate is known, there is no dispatcher, and
a request passes as soon as a concurrency slot is free.

Concurrency starts at `max_in_flight` if configured, which is also its maximum. Otherwise it is twice rate ×
latency if a rate is known. Otherwise it starts at 8 and doubles with every full round of responses until the
first 429, then grows by one per round. A 429 pauses the endpoint for as long as the server requests; at most
once per round trip it also reduces concurrency by a quarter and the paced rates by a tenth. The rates recover
by 2 % per second. A limit stated in the server's headers is adopted at once if none is configured or if it is
lower than the configured one. During an outage (`harness.engine.outage`) only one probe request is sent after
each pause. Every change is reported with its reason.

The limiter does not depend on API keys, cost, retries or the content of a request. Time is the event loop's
clock.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from agents.errors import CallError
from agents.messages import ServerLimits
from harness.engine.limits import Limits
from harness.engine.outage import Outage, OutageAction
from harness.engine.pacer import Pacer

INITIAL_IN_FLIGHT = 8
MAX_IN_FLIGHT = 2048
CONCURRENCY_DECREASE = 0.75
RATE_DECREASE = 0.9
MIN_RATE_FACTOR = 0.05
RECOVERY_PER_SECOND = 1.02
INITIAL_LATENCY_SECONDS = 1.0
INITIAL_TOKENS_PER_REQUEST = 400.0
MIN_WAIT_SECONDS = 1e-6  # shorter waits are rounding errors
MAX_UNCOMMITTED = 256  # completions that may wait for their commit, in addition to the requests in flight


@dataclass(slots=True)
class TokenBucket:
    """Token bucket for a rate per minute; it holds one second's worth and refills steadily.

    The level (in tokens) may be negative: a request larger than the bucket passes when the bucket is full,
    and the following requests wait until the debt is refilled.
    """

    per_minute: float
    level: float
    updated_at: float

    @classmethod
    def full(cls, per_minute: float, now: float) -> TokenBucket:
        """Return a bucket filled with one second's worth."""
        return cls(per_minute, per_minute / 60, now)

    def wait_seconds(self, tokens: float, now: float) -> float:
        """Return the seconds until `tokens` may be taken, ≥ 0."""
        per_second = self.per_minute / 60
        self.level = min(per_second, self.level + (now - self.updated_at) * per_second)
        self.updated_at = now
        wait = (min(tokens, per_second) - self.level) / per_second
        return wait if wait > MIN_WAIT_SECONDS else 0.0

    def take(self, tokens: float) -> None:
        """Take tokens; a negative number returns them."""
        self.level -= tokens


def throttle_settings(requests_per_minute: float) -> tuple[int, float]:
    """Return the number of requests and the period in seconds for asyncio-throttle.

    asyncio-throttle requires a whole number of requests. A period of about a tenth of a second also smooths
    the initial burst.
    """
    count = max(1, int(requests_per_minute // 600))
    return count, 60 * count / requests_per_minute


class RateLimiter:
    """Admission of one endpoint's requests. Not thread-safe; bound to one event loop.

    Args:
        limits: the configured limits.
        on_change: called with a reason whenever a limit changes.
        outage: outage settings and state; the default settings if None.

    Attributes:
        in_flight: number of requests admitted and not yet released.
        uncommitted: returns the number of completions, of all endpoints, that wait for their commit. If the
            process dies, those and the requests in flight are lost, so their sum is kept within `concurrency`
            plus `MAX_UNCOMMITTED`.
        requests_per_minute, tokens_per_minute: rates in effect, or None.
        outage: outage state of the endpoint.
    """

    def __init__(
        self,
        limits: Limits,
        on_change: Callable[[str], None] | None = None,
        outage: Outage | None = None,
    ) -> None:
        limits.check()
        self._limits = limits
        self.outage = outage or Outage()
        self._reason = ""
        self._on_change = on_change or (lambda _: None)
        self._server_requests: float | None = None
        self._server_tokens: float | None = None
        self._rate_factor = 1.0
        self._recovered_at = 0.0
        self._latency_seconds = INITIAL_LATENCY_SECONDS
        self._latency_seen = False
        self._tokens_per_call = INITIAL_TOKENS_PER_REQUEST
        self._max_concurrency = float(limits.max_in_flight or INITIAL_IN_FLIGHT)
        self._slow_start = True
        self._reduced_at = -math.inf
        self._paused_until = -math.inf
        self._waiters: deque[tuple[asyncio.Future[None], float]] = deque()
        self._wake = asyncio.Event()
        self._dispatcher: asyncio.Task[None] | None = None
        self._pacer: Pacer | None = None
        self._bucket: TokenBucket | None = None
        self._waiter_error: Exception | None = None
        self.in_flight = 0
        self.uncommitted: Callable[[], int] = lambda: 0
        self.requests_per_minute: float | None = None
        self.tokens_per_minute: float | None = None
        self._set_rates()

    # -- current limits ------------------------------------------------------------------------------

    @property
    def paced(self) -> bool:
        """Whether a rate is known, so that the dispatcher task admits the requests."""
        return self.requests_per_minute is not None or self.tokens_per_minute is not None

    @property
    def concurrency(self) -> int:
        """Maximum number of requests in flight now, ≥ 1."""
        if self._limits.max_in_flight is None and self.paced:
            target = 2 * self._requests_per_second() * self._latency_seconds
            return max(INITIAL_IN_FLIGHT, min(MAX_IN_FLIGHT, math.ceil(target)))
        return max(1, int(self._max_concurrency))

    @property
    def waiting(self) -> int:
        """Number of requests waiting to be admitted."""
        return len(self._waiters)

    @property
    def ceiling(self) -> int:
        """Maximum concurrency that can ever be reached."""
        return self._limits.max_in_flight or MAX_IN_FLIGHT

    @property
    def pause_seconds(self) -> float:
        """Remaining seconds of the current pause, ≥ 0."""
        return max(0.0, self._paused_until - _now()) if self._reason else 0.0

    @property
    def pause_reason(self) -> str:
        """Reason of the current pause, for display; "" when requests are admitted."""
        return self._reason if self._reason and (self.outage.is_active or self._is_paused()) else ""

    # -- admission -----------------------------------------------------------------------------------

    async def acquire(self, tokens: float, *, is_retry: bool = False) -> None:
        """Wait until a request of about `tokens` tokens (input and output) may be sent.

        Args:
            is_retry: whether the request was admitted before; a retry goes to the head of the queue.

        Raises:
            Exception: the error passed to `fail_waiters`.
        """
        if self._waiter_error is not None:
            raise self._waiter_error
        if not self._waiters and not self.paced and self._free_slots() > 0 and not self._is_paused():
            self._count_admitted()
            return
        self._tokens_per_call += 0.05 * (tokens - self._tokens_per_call)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if is_retry:
            self._waiters.appendleft((future, tokens))
        else:
            self._waiters.append((future, tokens))
        self._admit_more()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.record_cancellation()  # admitted and cancelled at the same moment
            raise

    def wake(self) -> None:
        """Admit waiting requests after completions were committed."""
        if self._waiters:
            self._admit_more()

    def release(self) -> None:
        """Release the slot of a request that was answered or has failed."""
        self.in_flight -= 1
        if self._waiters:
            self._admit_more()

    def record_cancellation(self) -> None:
        """Release the slot of a cancelled request without learning from it."""
        self.outage.probing = False
        self.release()

    def record_response(
        self,
        latency_seconds: float,
        correction_tokens: float = 0.0,
        server_limits: ServerLimits | None = None,
    ) -> None:
        """Learn from a response; call `release` afterwards.

        Args:
            latency_seconds: time from sending to the response.
            correction_tokens: tokens used beyond the estimate passed to `acquire`; negative if fewer were
                used.
            server_limits: limits that the server stated with the response.
        """
        now = _now()
        if self.outage.answer(now, now - latency_seconds):
            self._resume()
        if self._latency_seen:
            self._latency_seconds += 0.1 * (latency_seconds - self._latency_seconds)
        else:
            self._latency_seconds, self._latency_seen = latency_seconds, True
        if correction_tokens and self._bucket is not None:
            self._bucket.take(correction_tokens)
        if server_limits is not None:
            self.update_limits(server_limits)
        if self._max_concurrency < self.ceiling:
            # one more per response doubles concurrency in a round; after a 429 it grows by one per round
            self._max_concurrency = min(
                self.ceiling,
                self._max_concurrency + (1.0 if self._slow_start else 1.0 / self._max_concurrency),
            )
        if self._rate_factor < 1.0:
            self._recover()

    def record_failure(self, error: CallError, sent_at: float) -> OutageAction:
        """Learn from a failure and return what it means for the endpoint; call `release` afterwards."""
        now, was_active = _now(), self.outage.is_active
        action = self.outage.failure(error, now, sent_at, self.in_flight)
        if was_active and not self.outage.is_active:
            self._resume()
        if action is OutageAction.PAUSE and self.outage.pause_seconds:
            status = f", HTTP {error.status}" if error.status else ""
            duration = f" for {self.outage.duration(now):.0f} s" if self.outage.duration(now) >= 1 else ""
            self._reason = f"{error.failure}{status}{duration}"
            self._pause(now, self.outage.pause_seconds, self._reason)
        return action

    def record_rate_limit(self, sent_at: float, retry_after_seconds: float | None) -> None:
        """Handle a 429: pause as requested, and reduce the limits unless the request was sent before the last
        reduction.
        """
        now = asyncio.get_running_loop().time()
        if retry_after_seconds:
            self._reason = "rate limited"
            self._pause(now, retry_after_seconds, "429: the server requests a pause")
        if sent_at < self._reduced_at:
            return
        self._reduced_at = self._recovered_at = now
        self._slow_start = False
        self._max_concurrency = max(
            1.0, min(self._max_concurrency, max(self.in_flight, 1)) * CONCURRENCY_DECREASE
        )
        self._rate_factor = max(MIN_RATE_FACTOR, self._rate_factor * RATE_DECREASE)
        self._set_rates()
        rates = f", rates to {self._rate_factor:.0%}" if self.paced else ""
        self._on_change(f"429: concurrency to {self.concurrency}{rates}")

    def update_limits(self, server_limits: ServerLimits) -> None:
        """Adopt the limits that the server states, if they changed."""
        requests = server_limits.requests_per_minute or self._server_requests
        tokens = server_limits.tokens_per_minute or self._server_tokens
        if requests == self._server_requests and tokens == self._server_tokens:
            return
        self._server_requests, self._server_tokens = requests, tokens
        before = (self.requests_per_minute, self.tokens_per_minute)
        self._set_rates()
        if before != (self.requests_per_minute, self.tokens_per_minute):
            self._on_change(
                f"the server states {_describe_rates(self._server_requests, self._server_tokens)}: "
                f"using {_describe_rates(self.requests_per_minute, self.tokens_per_minute)}"
            )

    def fail_waiters(self, error: Exception) -> None:
        """Raise this error for all waiting and all future requests."""
        self._waiter_error = error
        while self._waiters:
            future, _ = self._waiters.popleft()
            if not future.done():
                future.set_exception(error)

    async def close(self) -> None:
        """Stop the dispatcher task. Idempotent."""
        if self._dispatcher is not None:
            self._dispatcher.cancel()
            await asyncio.gather(self._dispatcher, return_exceptions=True)
            self._dispatcher = None

    # -- internals -----------------------------------------------------------------------------------

    def _free_slots(self) -> int:
        """Return the number of requests that may be admitted now; ≤ 0 for none."""
        if self.outage.is_active:
            return 0 if self.outage.probing else 1
        free_slots = self.concurrency - self.in_flight
        # the request that was just answered does not count as uncommitted yet
        return min(free_slots, free_slots + MAX_UNCOMMITTED - 1 - self.uncommitted())

    def _is_paused(self) -> bool:
        return self._paused_until > _now()

    def _admit_more(self) -> None:
        if self.paced:
            if self._dispatcher is None:
                self._dispatcher = asyncio.get_running_loop().create_task(self._dispatch())
            self._wake.set()
            return
        free_slots = self._free_slots()
        while free_slots > 0 and self._waiters and not self._is_paused():
            free_slots -= self._admit(self._waiters.popleft()[0])

    def _admit(self, future: asyncio.Future[None]) -> bool:
        """Admit a waiting request unless it was cancelled while waiting."""
        if future.done():
            return False
        self._count_admitted()
        future.set_result(None)
        return True

    def _count_admitted(self) -> None:
        self.in_flight += 1
        if self.outage.is_active:
            self.outage.probing = True

    def _resume(self) -> None:
        """Restart with the initial concurrency after an outage; grow slowly if a 429 has been seen."""
        self._max_concurrency = min(self._max_concurrency, float(INITIAL_IN_FLIGHT))
        self._slow_start = self._reduced_at == -math.inf
        self._on_change(f"the endpoint responds again: concurrency {self.concurrency}")

    async def _dispatch(self) -> None:
        """Admit all waiting requests in order, as the rates allow."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            while self._waiters and self._waiters[0][0].done():
                self._waiters.popleft()  # cancelled while waiting
            if not self._waiters or self._free_slots() <= 0:
                await self._wake.wait()
                continue
            if (pause := self._paused_until - loop.time()) > 0:
                await asyncio.sleep(pause)
                continue
            _, tokens = self._waiters[0]
            if self._bucket is not None and (wait := self._bucket.wait_seconds(tokens, loop.time())) > 0:
                await asyncio.sleep(wait)
                continue
            if self._pacer is not None:
                await self._pacer.acquire()
                if (pause := self._paused_until - loop.time()) > 0:
                    await asyncio.sleep(pause)  # requested by the server while waiting for the pacer
            if self._waiters and not self._waiters[0][0].done():
                future, tokens = self._waiters.popleft()
                if self._bucket is not None:
                    self._bucket.take(tokens)
                self._admit(future)

    def _requests_per_second(self) -> float:
        by_requests = math.inf if self.requests_per_minute is None else self.requests_per_minute
        by_tokens = (
            math.inf if self.tokens_per_minute is None else self.tokens_per_minute / self._tokens_per_call
        )
        return min(by_requests, by_tokens) / 60

    def _pause(self, now: float, seconds: float, reason: str) -> None:
        if now + seconds > self._paused_until:
            self._paused_until = now + seconds
            asyncio.get_running_loop().call_at(self._paused_until, self._end_pause)
            self._on_change(f"{reason}: paused for {seconds:.3g} s")

    def _end_pause(self) -> None:
        """End a pause; wait again if the timer fired early (some clocks count whole milliseconds)."""
        if self._is_paused():
            loop = asyncio.get_running_loop()
            loop.call_later(max(0.001, self._paused_until - loop.time()), self._end_pause)
        elif self._waiters:
            self._admit_more()

    def _recover(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._recovered_at >= 1.0:
            self._rate_factor = min(
                1.0, self._rate_factor * RECOVERY_PER_SECOND ** (now - self._recovered_at)
            )
            self._recovered_at = now
            self._set_rates()
            if self._rate_factor == 1.0 and self.paced:
                self._on_change("no recent 429: rates restored to the stated limits")

    def _set_rates(self) -> None:
        self.requests_per_minute = self._effective_rate(
            self._limits.requests_per_minute, self._server_requests
        )
        self.tokens_per_minute = self._effective_rate(self._limits.tokens_per_minute, self._server_tokens)
        if self.requests_per_minute is None:
            self._pacer = None
        else:
            count, period = throttle_settings(self.requests_per_minute)
            if self._pacer is None:
                self._pacer = Pacer(count, period)
            self._pacer.set(count, period)
        if self.tokens_per_minute is None:
            self._bucket = None
        elif self._bucket is None:
            self._bucket = TokenBucket.full(self.tokens_per_minute, _now())
        else:
            self._bucket.per_minute = self.tokens_per_minute

    def _effective_rate(self, configured: float | None, server_stated: float | None) -> float | None:
        known = [rate for rate in (configured, server_stated) if rate is not None]
        return min(known) * self._rate_factor if known else None


def _now() -> float:
    return asyncio.get_running_loop().time()


def _describe_rates(requests: float | None, tokens: float | None) -> str:
    """Return the known limits as text, for example `600 requests, 30,000 tokens per minute`."""
    known = [f"{rate:,.0f} {unit}" for rate, unit in ((requests, "requests"), (tokens, "tokens")) if rate]
    return f"{', '.join(known)} per minute" if known else "no limit"
