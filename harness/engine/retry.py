"""What is done about a request that got no completion: one pure decision, and the layer that carries it out.

A waiting retry holds no slot: this client stands outside the limit, and every further try passes the gate
anew. An endpoint that says "not now" is paused by its gate (`harness.engine.outage`); tries are for the
faults of one request. Answers that cannot be read are answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass

from agents.clients.base import ModelClient, ModelRequest
from agents.errors import CallError, EndpointDisabled, Failure
from agents.messages import Completion
from harness.engine.failure_streak import FailureStreak

MAX_TRUSTED_WAITS = 8


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient an endpoint is.

    Attributes:
        most_tries: tries of one request that fail for another reason than a rate limit, ≥ 1.
        patience_seconds: how long an outage may last, and how long one request may be put off by rate
        limits. first_wait_seconds, longest_wait_seconds: the backoff doubles from the first to the
        longest. stop_after: outcomes of one kind with no verdict between them, before the endpoint stops.
    """

    max_tries: int = 6
    patience_seconds: float = 3600.0
    initial_backoff_seconds: float = 0.5
    max_backoff_seconds: float = 30.0
    stop_after: int = 20


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Try again, no sooner than this."""

    seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """This call gets no answer now; the next run asks again."""


@dataclass(frozen=True, slots=True)
class StopEndpoint:
    """No call of this lane can get an answer."""


RetryDecision = RetryAfter | GiveUp | StopEndpoint

_STOPPING = {
    Failure.AUTHENTICATION,
    Failure.UNKNOWN_MODEL,
    Failure.WRONG_MODEL,
    Failure.RETIRED,
    Failure.QUOTA_EXHAUSTED,
    Failure.NO_BUDGET,
    Failure.NO_VERDICTS,
    Failure.OUTAGE,
    Failure.GONE,
}
_TRIES_UNANSWERED = {
    Failure.TLS: 1,
    Failure.PROXY: 1,
    Failure.MALFORMED: 2,
    Failure.TIMEOUT: 2,
    Failure.CONNECTION: 3,
}
"""Tries of one request, after which an endpoint that has never answered stops."""


def decide(
    error: CallError,
    failed_tries: int,
    put_off_seconds: float,
    policy: RetryPolicy,
    jitter: float,
    *,
    answered: bool = True,
) -> RetryDecision:
    """What to do after the `failed_tries`-th ≥ 1 failed try of this kind (rate-limited or not).

    `put_off_seconds` is how long rate limits have kept this request waiting; `jitter` in [0, 1) spreads the
    backoff over its upper half; `answered` is whether the endpoint ever has. A server's own wait is
    honoured to the letter, never shortened; where it was in vain `MAX_TRUSTED_WAITS` times, the backoff is
    waited too (a server may say "0" for ever).
    """
    if error.failure in _STOPPING or (error.adaptation is not None and not answered):
        return StopEndpoint()
    most_unanswered = _TRIES_UNANSWERED.get(error.failure)
    if error.failure is Failure.SERVER and error.charged:  # generations that break off one after another
        most_unanswered = 3
    if not answered and most_unanswered is not None and failed_tries >= most_unanswered:
        return StopEndpoint()
    if error.failure in (Failure.BAD_REQUEST, Failure.TOO_LARGE):
        return GiveUp()
    backoff = min(policy.max_backoff_seconds, policy.initial_backoff_seconds * 2 ** min(failed_tries - 1, 16))
    backoff *= 0.5 + 0.5 * jitter
    if error.failure is Failure.TIMEOUT and failed_tries == 1:
        backoff = 0.0  # it has waited a whole timeout already
    asked = error.retry_after_seconds
    wait = backoff if asked is None else asked if failed_tries <= MAX_TRUSTED_WAITS else max(asked, backoff)
    limited = error.failure is Failure.RATE_LIMITED
    if put_off_seconds + wait > policy.patience_seconds or (failed_tries >= policy.max_tries and not limited):
        return GiveUp()
    return RetryAfter(wait)


class RetryingClient:
    """Tries again as `decide` says; calls `on_failure(call, error, tries, decision)` after every failed try.

    After `policy.stop_after` requests that were given up for one reason with no verdict between, the
    endpoint stops: a refused parameter, a dead proxy or a full quota is one error, not ten thousand.

    Attributes:
        stopped: why the endpoint stopped, or None.
        streak: outcomes without use; shared with whoever reads the answers.
        waiting: how many requests wait for a further try.
        on_waiting: called when one begins to: there is room for another.
    """

    def __init__(
        self,
        inner: ModelClient,
        endpoint: str,
        policy: RetryPolicy,
        on_failure: Callable[[ModelRequest, CallError, int, RetryDecision], None],
        on_stop: Callable[[EndpointDisabled], None],
        seed: int = 0,
    ) -> None:
        self._inner = inner
        self._lane = endpoint
        self._policy = policy
        self._on_failure = on_failure
        self._on_stop = on_stop
        self._random = random.Random(seed)
        self._answered = False
        self.streak = FailureStreak(policy.stop_after)
        self._stopping = asyncio.Event()
        self.stopped: EndpointDisabled | None = None
        self.waiting = 0
        self.on_waiting: Callable[[], None] = lambda: None

    def stop(self, cause: CallError) -> EndpointDisabled:
        """Take no more calls; those that wait for a further try give up. The first cause stands."""
        if self.stopped is None:
            self.stopped = EndpointDisabled(self._lane, cause)
            self._stopping.set()
            self._on_stop(self.stopped)
        return self.stopped

    async def complete(self, call: ModelRequest) -> Completion:
        """The answer, however many tries it takes within the policy.

        Raises:
            CallError: given up; all tries have been told.
            LaneStopped: this or an earlier call stopped the lane.
        """
        put_off_seconds = 0.0
        failed = {True: 0, False: 0}  # by whether a rate limit was the reason
        while True:
            if self.stopped is not None:
                raise self.stopped
            try:
                completion = await self._inner.complete(call)
            except CallError as error:
                limited = error.failure is Failure.RATE_LIMITED
                failed[limited] += not error.paused
                decision = self._decide(error, max(1, failed[limited]), put_off_seconds)
                self._on_failure(call, error, failed[True] + failed[False], decision)
                if isinstance(decision, StopEndpoint):
                    raise self.stop(error.ending or error) from error
                if isinstance(decision, GiveUp):
                    raise
                if limited and not error.paused:
                    put_off_seconds += decision.seconds
                if decision.seconds or not error.paused:
                    await self._wait(decision.seconds)
            else:
                self._answered = True
                return completion

    async def close(self) -> None:
        """Close what is wrapped."""
        await self._inner.close()

    def _decide(self, error: CallError, failed_tries: int, put_off_seconds: float) -> RetryDecision:
        if error.ending is not None:
            return StopEndpoint()
        if error.paused:  # the gate waits
            return RetryAfter(0.0)
        decision = decide(
            error,
            failed_tries,
            put_off_seconds,
            self._policy,
            self._random.random(),
            answered=self._answered,
        )
        if not isinstance(decision, GiveUp):
            return decision
        return StopEndpoint() if self.streak.count(error.failure) else decision

    async def _wait(self, seconds: float) -> None:
        self.waiting += 1
        self.on_waiting()
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), seconds)
        finally:
            self.waiting -= 1
