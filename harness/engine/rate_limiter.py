"""The gate of a lane: who may send now, under limits of requests, tokens and concurrency.

*Why.* A provider refuses what comes too fast (429) and a client that waits too long wastes its limit.
*Objects.* One `RateLimiter` per lane. Waiting calls stand in one queue; **one dispatcher** takes requests from
asyncio-throttle for all of them (its waiters poll: ten thousand of them would cost a core), and takes
tokens from a bucket of one second's worth. Where no rate is known there is no dispatcher: a call passes as
soon as there is room.
*Algorithm.* Concurrency starts at `max_in_flight` where that is given (and never passes it), at twice
rate × latency where a rate is known, and otherwise at 8, doubling with every full round of answers until
the first 429, then growing by one a round. A 429 pauses the lane for as long as the server asks, and
shrinks concurrency by a quarter and the paced rates by a tenth, at most once per round trip; the rates
recover by 2 % a second. A limit that the server states in its headers is adopted at once where none was
given, or where it is lower than the one given. In an outage (`harness.engine.outage`) nobody is let in
but one request after each pause. Every change is reported with its reason.

The gate knows nothing of keys, money, retries or what a call says. Time is the event loop's own.
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
MIN_WAIT_SECONDS = 1e-6  # less is rounding
MAX_UNCOMMITTED = 256  # answers that may wait for their commit, beside what may be in flight


@dataclass(slots=True)
class TokenBucket:
    """Tokens per minute, as a bucket of one second's worth that refills steadily.

    It may go below zero: a call larger than the bucket passes when the bucket is full, and the debt is
    waited off by the next. `level` is in tokens.
    """

    per_minute: float
    level: float
    at: float

    @classmethod
    def full(cls, per_minute: float, now: float) -> TokenBucket:
        """A bucket that holds one second's worth."""
        return cls(per_minute, per_minute / 60, now)

    def wait_seconds(self, tokens: float, now: float) -> float:
        """How long until `tokens` may be taken, ≥ 0."""
        per_second = self.per_minute / 60
        self.level = min(per_second, self.level + (now - self.at) * per_second)
        self.at = now
        wait = (min(tokens, per_second) - self.level) / per_second
        return wait if wait > MIN_WAIT_SECONDS else 0.0

    def take(self, tokens: float) -> None:
        """Take (or, negative, give back) tokens."""
        self.level -= tokens


def throttle_settings(requests_per_minute: float) -> tuple[int, float]:
    """(whole number of requests, period in seconds) for asyncio-throttle.

    Its `rate_limit` must be whole; a tenth of a second's worth at a time also smooths the opening burst.
    """
    count = max(1, int(requests_per_minute // 600))
    return count, 60 * count / requests_per_minute


class RateLimiter:
    """Admission of one lane's calls. Not thread-safe; lives in one event loop.

    Attributes:
        in_flight: calls that have entered and not left.
        backlog: how many answers, of all lanes, wait for their commit: a death now would lose what is in
            flight and these, so the two together stay within `concurrency` and `MAX_UNCOMMITTED`.
        concurrency: how many may be in flight now.
        requests_per_minute, tokens_per_minute: the rates kept now, or None.
        outage: whether the endpoint answers at all.
        pause_reason: why nobody is let in now, for people; "" while somebody is.

    Args:
        outage: how long an outage may last, and how it is waited out.
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
        self._room = float(limits.max_in_flight or INITIAL_IN_FLIGHT)
        self._slow_start = True
        self._squeezed_at = -math.inf
        self._paused_until = -math.inf
        self._waiters: deque[tuple[asyncio.Future[None], float]] = deque()
        self._wake = asyncio.Event()
        self._dispatcher: asyncio.Task[None] | None = None
        self._throttler: Pacer | None = None
        self._bucket: TokenBucket | None = None
        self._refusal: Exception | None = None
        self.in_flight = 0
        self.uncommitted: Callable[[], int] = lambda: 0
        self.requests_per_minute: float | None = None
        self.tokens_per_minute: float | None = None
        self._set_rates()

    # -- what is allowed now -------------------------------------------------------------------------

    @property
    def paced(self) -> bool:
        """Whether a rate is known, so that the dispatcher admits."""
        return self.requests_per_minute is not None or self.tokens_per_minute is not None

    @property
    def concurrency(self) -> int:
        """How many calls may be in flight now, ≥ 1."""
        if self._limits.max_in_flight is None and self.paced:
            wanted = 2 * self._requests_per_second() * self._latency_seconds
            return max(INITIAL_IN_FLIGHT, min(MAX_IN_FLIGHT, math.ceil(wanted)))
        return max(1, int(self._room))

    @property
    def waiting(self) -> int:
        """How many calls wait to be let in."""
        return len(self._waiters)

    @property
    def ceiling(self) -> int:
        """The most that can ever be in flight: what a pump must be able to feed."""
        return self._limits.max_in_flight or MAX_IN_FLIGHT

    @property
    def pause_seconds(self) -> float:
        """How long nobody will be let in, ≥ 0."""
        return max(0.0, self._paused_until - _now()) if self._reason else 0.0

    @property
    def pause_reason(self) -> str:
        """Why nobody is let in now; "" where the gate is open."""
        return self._reason if self._reason and (self.outage.is_active or self._is_paused()) else ""

    # -- passing -------------------------------------------------------------------------------------

    async def acquire(self, tokens: float, *, again: bool = False) -> None:
        """Wait until a call of about `tokens` (input and output) may be sent.

        Args:
            again: it was here before: it goes to the head of the queue, not behind all who have not been.

        Raises:
            Exception: the error given to `fail_waiters`.
        """
        if self._refusal is not None:
            raise self._refusal
        if not self._waiters and not self.paced and self._places() > 0 and not self._is_paused():
            self._count_in()
            return
        self._tokens_per_call += 0.05 * (tokens - self._tokens_per_call)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if again:
            self._waiters.appendleft((future, tokens))
        else:
            self._waiters.append((future, tokens))
        self._admit_more()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.abandoned()  # admitted in the very moment of being cancelled
            raise

    def wake(self) -> None:
        """The backlog has shrunk: there may be room now."""
        if self._waiters:
            self._admit_more()

    def release(self) -> None:
        """A call has its answer, or has failed: its place is free."""
        self.in_flight -= 1
        if self._waiters:
            self._admit_more()

    def abandoned(self) -> None:
        """A call was cancelled: its place is free, and it taught nothing."""
        self.outage.probing = False
        self.release()

    def answered(
        self,
        latency_seconds: float,
        correction_tokens: float = 0.0,
        said: ServerLimits | None = None,
    ) -> None:
        """Learn from an answer, before it leaves.

        Args:
            latency_seconds: how long it took.
            correction_tokens: used beyond (or, negative, below) what it entered with.
            said: the limits that the server stated with it.
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
        if said is not None:
            self.update_limits(said)
        if self._room < self.ceiling:
            # one more per answer doubles within a round; one per round once a 429 has been met
            self._room = min(self.ceiling, self._room + (1.0 if self._slow_start else 1.0 / self._room))
        if self._rate_factor < 1.0:
            self._recover()

    def failed(self, error: CallError, sent_at: float) -> OutageAction:
        """Learn from a failure of any kind, before it leaves; what it means for the endpoint."""
        now, was_on = _now(), self.outage.is_active
        ruling = self.outage.failure(error, now, sent_at, self.in_flight)
        if was_on and not self.outage.is_active:
            self._resume()
        if ruling is OutageAction.PAUSE and self.outage.pause_seconds:
            status = f", HTTP {error.status}" if error.status else ""
            duration = f" for {self.outage.duration(now):.0f} s" if self.outage.duration(now) >= 1 else ""
            self._reason = f"{error.failure}{status}{duration}"
            self._pause(now, self.outage.pause_seconds, self._reason)
        return ruling

    def rate_limited(self, sent_at: float, retry_after_seconds: float | None) -> None:
        """A 429: pause as asked; shrink, unless the call was sent before the last shrinking."""
        now = asyncio.get_running_loop().time()
        if retry_after_seconds:
            self._reason = "rate limited"
            self._pause(now, retry_after_seconds, "429: the server asks to wait")
        if sent_at < self._squeezed_at:
            return
        self._squeezed_at = self._recovered_at = now
        self._slow_start = False
        self._room = max(1.0, min(self._room, max(self.in_flight, 1)) * CONCURRENCY_DECREASE)
        self._rate_factor = max(MIN_RATE_FACTOR, self._rate_factor * RATE_DECREASE)
        self._set_rates()
        rates = f", rates to {self._rate_factor:.0%}" if self.paced else ""
        self._on_change(f"429: concurrency to {self.concurrency}{rates}")

    def update_limits(self, said: ServerLimits) -> None:
        """Adopt the limits that the server states, where they are news."""
        requests = said.requests_per_minute or self._server_requests
        tokens = said.tokens_per_minute or self._server_tokens
        if requests == self._server_requests and tokens == self._server_tokens:
            return
        self._server_requests, self._server_tokens = requests, tokens
        before = (self.requests_per_minute, self.tokens_per_minute)
        self._set_rates()
        if before != (self.requests_per_minute, self.tokens_per_minute):
            self._on_change(
                f"the server states {_rates(self._server_requests, self._server_tokens)}: "
                f"keeping {_rates(self.requests_per_minute, self.tokens_per_minute)}"
            )

    def fail_waiters(self, error: Exception) -> None:
        """Let nobody else in: all who wait, and all who come, get this error."""
        self._refusal = error
        while self._waiters:
            future, _ = self._waiters.popleft()
            if not future.done():
                future.set_exception(error)

    async def close(self) -> None:
        """End the dispatcher. Idempotent."""
        if self._dispatcher is not None:
            self._dispatcher.cancel()
            await asyncio.gather(self._dispatcher, return_exceptions=True)
            self._dispatcher = None

    # -- inside --------------------------------------------------------------------------------------

    def _places(self) -> int:
        """How many may be let in now; ≤ 0 where none."""
        if self.outage.is_active:
            return 0 if self.outage.probing else 1
        room = self.concurrency - self.in_flight
        # whoever has just come back is not in the backlog yet
        return min(room, room + MAX_UNCOMMITTED - 1 - self.uncommitted())

    def _is_paused(self) -> bool:
        return self._paused_until > _now()

    def _admit_more(self) -> None:
        if self.paced:
            if self._dispatcher is None:
                self._dispatcher = asyncio.get_running_loop().create_task(self._dispatch())
            self._wake.set()
            return
        places = self._places()
        while places > 0 and self._waiters and not self._is_paused():
            places -= self._admit(self._waiters.popleft()[0])

    def _admit(self, future: asyncio.Future[None]) -> bool:
        """Let one in, unless it was cancelled while it waited."""
        if future.done():
            return False
        self._count_in()
        future.set_result(None)
        return True

    def _count_in(self) -> None:
        self.in_flight += 1
        if self.outage.is_active:
            self.outage.probing = True

    def _resume(self) -> None:
        """The endpoint answers again: begin as with a new one, but carefully where it had met a 429."""
        self._room = min(self._room, float(INITIAL_IN_FLIGHT))
        self._slow_start = self._squeezed_at == -math.inf
        self._on_change(f"it answers again: concurrency {self.concurrency}")

    async def _dispatch(self) -> None:
        """The one dispatcher: everybody's requests and tokens, in the order of asking."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            while self._waiters and self._waiters[0][0].done():
                self._waiters.popleft()  # cancelled while waiting
            if not self._waiters or self._places() <= 0:
                await self._wake.wait()
                continue
            if (pause := self._paused_until - loop.time()) > 0:
                await asyncio.sleep(pause)
                continue
            _, tokens = self._waiters[0]
            if self._bucket is not None and (wait := self._bucket.wait_seconds(tokens, loop.time())) > 0:
                await asyncio.sleep(wait)
                continue
            if self._throttler is not None:
                await self._throttler.acquire()
                if (pause := self._paused_until - loop.time()) > 0:
                    await asyncio.sleep(pause)  # asked of us while we waited for our turn
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
            asyncio.get_running_loop().call_at(self._paused_until, self._pause_over)
            self._on_change(f"{reason}: paused for {seconds:.3g} s")

    def _pause_over(self) -> None:
        """Let in who waits; a little later where the timer came early (some count whole milliseconds)."""
        if self._is_paused():
            loop = asyncio.get_running_loop()
            loop.call_later(max(0.001, self._paused_until - loop.time()), self._pause_over)
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
                self._on_change("no 429 for a while: rates back to what is stated")

    def _set_rates(self) -> None:
        self.requests_per_minute = self._kept(self._limits.requests_per_minute, self._server_requests)
        self.tokens_per_minute = self._kept(self._limits.tokens_per_minute, self._server_tokens)
        if self.requests_per_minute is None:
            self._throttler = None
        else:
            count, period = throttle_settings(self.requests_per_minute)
            if self._throttler is None:
                self._throttler = Pacer(count, period)
            self._throttler.set(count, period)
        if self.tokens_per_minute is None:
            self._bucket = None
        elif self._bucket is None:
            self._bucket = TokenBucket.full(self.tokens_per_minute, _now())
        else:
            self._bucket.per_minute = self.tokens_per_minute

    def _kept(self, given: float | None, stated: float | None) -> float | None:
        known = [rate for rate in (given, stated) if rate is not None]
        return min(known) * self._rate_factor if known else None


def _now() -> float:
    return asyncio.get_running_loop().time()


def _rates(requests: float | None, tokens: float | None) -> str:
    """`600 requests, 30,000 tokens a minute`: the limits that are known."""
    known = [f"{rate:,.0f} {what}" for rate, what in ((requests, "requests"), (tokens, "tokens")) if rate]
    return f"{', '.join(known)} a minute" if known else "no limit"
