"""Retry policy: what follows a request without a completion, and the client that carries it out.

A waiting retry holds no concurrency slot: this client wraps the rate limiter, and every further attempt
passes the limiter again. An endpoint that is temporarily unavailable is paused by its rate limiter
(`harness.engine.outage`); attempts are counted only for failures of the request itself. A completion that
cannot be parsed counts as a completion.
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
    """Retry policy of one endpoint.

    Attributes:
        max_tries: attempts of one request that may fail for another reason than a rate limit, ≥ 1.
        patience_seconds: maximum duration of an outage, and maximum time that rate limits may delay one
            request.
        initial_backoff_seconds, max_backoff_seconds: the backoff doubles from the first to the second.
        stop_after: number of consecutive outcomes of one kind without a verdict, after which the endpoint
            stops.
    """

    max_tries: int = 6
    patience_seconds: float = 3600.0
    initial_backoff_seconds: float = 0.5
    max_backoff_seconds: float = 30.0
    stop_after: int = 20


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Retry after a delay."""

    seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Give up this request for now; the next run sends it again."""


@dataclass(frozen=True, slots=True)
class StopEndpoint:
    """Stop the endpoint: none of its requests can be answered."""


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
_MAX_UNANSWERED_ATTEMPTS = {
    Failure.TLS: 1,
    Failure.PROXY: 1,
    Failure.MALFORMED: 2,
    Failure.TIMEOUT: 2,
    Failure.CONNECTION: 3,
}
"""Failed attempts of one request after which an endpoint that has never responded stops."""


def decide(
    error: CallError,
    failed_attempts: int,
    delayed_seconds: float,
    policy: RetryPolicy,
    jitter: float,
    *,
    answered: bool = True,
) -> RetryDecision:
    """Decide what follows a failed attempt.

    Args:
        failed_attempts: number of failed attempts of this kind (rate-limited or not), including this one, ≥
            1.
        delayed_seconds: how long rate limits have delayed this request so far.
        jitter: number in [0, 1) that spreads the backoff over its upper half.
        answered: whether the endpoint has ever responded successfully.

    A wait requested by the server is never shortened. After `MAX_TRUSTED_WAITS` unsuccessful waits, the
    backoff applies too, because a server may keep requesting 0 seconds.
    """
    if error.failure in _STOPPING or (error.adaptation is not None and not answered):
        return StopEndpoint()
    max_unanswered = _MAX_UNANSWERED_ATTEMPTS.get(error.failure)
    if error.failure is Failure.SERVER and error.charged:  # the generation broke off and was billed
        max_unanswered = 3
    if not answered and max_unanswered is not None and failed_attempts >= max_unanswered:
        return StopEndpoint()
    if error.failure in (Failure.BAD_REQUEST, Failure.TOO_LARGE, Failure.FUNCTION):
        return GiveUp()
    backoff = min(
        policy.max_backoff_seconds, policy.initial_backoff_seconds * 2 ** min(failed_attempts - 1, 16)
    )
    backoff *= 0.5 + 0.5 * jitter
    if error.failure is Failure.TIMEOUT and failed_attempts == 1:
        backoff = 0.0  # the attempt has already waited for a full timeout
    wait = error.retry_after_seconds
    if wait is None:
        wait = backoff
    elif failed_attempts > MAX_TRUSTED_WAITS:
        wait = max(wait, backoff)
    is_rate_limited = error.failure is Failure.RATE_LIMITED
    if delayed_seconds + wait > policy.patience_seconds or (
        failed_attempts >= policy.max_tries and not is_rate_limited
    ):
        return GiveUp()
    return RetryAfter(wait)


class RetryingClient:
    """Client that retries as `decide` says and reports every failed attempt.

    After `policy.stop_after` requests that were given up for one reason without a verdict in between, the
    endpoint stops: a rejected parameter, a dead proxy or an exhausted quota becomes one error instead of ten
    thousand.

    Args:
        endpoint: name of the endpoint, for messages.
        on_failure: called as `on_failure(request, error, attempts, decision)` after every failed attempt.
        on_stop: called once when the endpoint stops.

    Attributes:
        stopped: why the endpoint stopped, or None.
        streak: consecutive outcomes without a verdict; also updated by the code that reads the completions.
        waiting: number of requests that wait for a further attempt.
        on_waiting: called when a request starts to wait, because another one can be sent.
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
        self._endpoint = endpoint
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
        """Accept no further requests; waiting retries give up. The first cause is kept."""
        if self.stopped is None:
            self.stopped = EndpointDisabled(self._endpoint, cause)
            self._stopping.set()
            self._on_stop(self.stopped)
        return self.stopped

    async def complete(self, request: ModelRequest) -> Completion:
        """Return the completion, after as many attempts as the policy allows.

        Raises:
            CallError: the request was given up; all attempts have been reported.
            EndpointDisabled: this or an earlier request stopped the endpoint.
        """
        delayed_seconds = 0.0
        failed = {True: 0, False: 0}  # number of failed attempts, by whether a rate limit was the reason
        while True:
            if self.stopped is not None:
                raise self.stopped
            try:
                completion = await self._inner.complete(request)
            except CallError as error:
                is_rate_limited = error.failure is Failure.RATE_LIMITED
                failed[is_rate_limited] += not error.paused
                decision = self._decide(error, max(1, failed[is_rate_limited]), delayed_seconds)
                self._on_failure(request, error, failed[True] + failed[False], decision)
                if isinstance(decision, StopEndpoint):
                    raise self.stop(error.ending or error) from error
                if isinstance(decision, GiveUp):
                    raise
                if is_rate_limited and not error.paused:
                    delayed_seconds += decision.seconds
                if decision.seconds or not error.paused:
                    await self._wait(decision.seconds)
            else:
                self._answered = True
                return completion

    async def close(self) -> None:
        """Close the wrapped client."""
        await self._inner.close()

    def _decide(self, error: CallError, failed_attempts: int, delayed_seconds: float) -> RetryDecision:
        if error.ending is not None:
            return StopEndpoint()
        if error.paused:  # the rate limiter waits
            return RetryAfter(0.0)
        decision = decide(
            error,
            failed_attempts,
            delayed_seconds,
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
