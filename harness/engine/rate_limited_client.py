"""Client that waits for the endpoint's rate limiter and reports every outcome to it.

It estimates the tokens of a request from the length of its body (with a ratio learned from the reported
usage) and from the running mean of the output lengths. The reported usage corrects both. The concurrency slot
is released as soon as the response arrives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from agents.clients.base import ModelClient, ModelRequest
from agents.errors import CallError, Failure
from agents.messages import Completion
from harness.engine.outage import ENDPOINT_FAILURES, Outage, OutageAction
from harness.engine.rate_limiter import RateLimiter
from results.render.format import format_duration

INITIAL_TOKENS_PER_BYTE = 0.25
INITIAL_OUTPUT_TOKENS = 64.0
LEARNING_RATE = 0.05


class RateLimitedClient:
    """Client that sends each request once the rate limiter admits it.

    Args:
        on_abandoned: called with a request that was sent and then cancelled; its response and cost are
            unknown.
        check: called after admission and before sending; an exception it raises ends the request unsent.
    """

    def __init__(
        self,
        inner: ModelClient,
        rate_limiter: RateLimiter,
        on_cancelled: Callable[[ModelRequest], None] = lambda _: None,
        check: Callable[[ModelRequest], None] = lambda _: None,
    ) -> None:
        self._inner = inner
        self._rate_limiter = rate_limiter
        self._on_cancelled = on_cancelled
        self._check = check
        self._tokens_per_byte = INITIAL_TOKENS_PER_BYTE
        self._output_tokens: float | None = None
        self._failed: set[str] = set()
        self._suspects: set[str] = set()  # keys of requests that failed while others were answered
        self._failed_probe = ""  # key of the last failed probe request; other requests are tried before it

    def estimate_tokens(self, request: ModelRequest) -> float:
        """Return the expected number of input and output tokens of a request."""
        output = self._output_tokens
        if output is None:
            output = min(INITIAL_OUTPUT_TOKENS, request.sampling.max_output_tokens)
        return len(request.body) * self._tokens_per_byte + output

    async def complete(self, request: ModelRequest) -> Completion:
        """Send the request once the rate limiter admits it.

        Raises:
            CallError: as the wrapped client.
        """
        rate_limiter = self._rate_limiter
        reserved = self.estimate_tokens(request)
        await rate_limiter.acquire(
            reserved, is_retry=request.key in self._failed and request.key != self._failed_probe
        )
        loop = asyncio.get_running_loop()
        sent_at = loop.time()
        try:
            self._check(request)
        except BaseException:
            rate_limiter.record_cancellation()
            raise
        try:
            completion = await self._inner.complete(request)
        except CallError as error:
            self._record_failure(request, error, sent_at)
            loop.call_soon(rate_limiter.release)  # after the decision whether this error stops the endpoint
            raise
        except BaseException:
            rate_limiter.record_cancellation()
            self._on_cancelled(request)
            raise
        self._failed.discard(request.key)
        self._suspects.discard(request.key)
        used = self._update_estimates(request, completion)
        rate_limiter.record_response(loop.time() - sent_at, used - reserved, completion.server_limits)
        rate_limiter.release()
        return completion

    def _record_failure(self, request: ModelRequest, error: CallError, sent_at: float) -> None:
        """Report a failure to the rate limiter and store its decision in the error.

        A request that failed while others were answered, and that is the last one left, uses up its attempts:
        the request may be at fault, not the endpoint.
        """
        rate_limiter = self._rate_limiter
        if error.failure is Failure.UNKNOWN_MODEL and error.status == 200 and rate_limiter.outage.answered:
            error.failure = Failure.UNAVAILABLE  # a maintenance page: the model was there before
        self._failed.add(request.key)
        if error.failure is Failure.RATE_LIMITED:
            rate_limiter.record_rate_limit(sent_at, error.retry_after_seconds)
        if rate_limiter.outage.probing:
            self._failed_probe = request.key
        action = rate_limiter.record_failure(error, sent_at)
        if action is OutageAction.REQUEST:
            self._suspects.add(request.key)
        is_last_suspect = request.key in self._suspects and not rate_limiter.waiting
        error.paused = (
            action is OutageAction.PAUSE and error.failure in ENDPOINT_FAILURES and not is_last_suspect
        )
        if action is OutageAction.GIVE_UP:
            error.ending = _outage_error(request, error, rate_limiter.outage)

    async def close(self) -> None:
        """Stop the rate limiter and close the wrapped client."""
        await self._rate_limiter.close()
        await self._inner.close()

    def _update_estimates(self, request: ModelRequest, completion: Completion) -> float:
        """Return the tokens that were used, and move the estimates towards them."""
        usage = completion.usage
        if usage.input_tokens is None or usage.output_tokens is None:
            return self.estimate_tokens(request)
        ratio = usage.input_tokens / max(1, len(request.body))
        self._tokens_per_byte += LEARNING_RATE * (ratio - self._tokens_per_byte)
        if self._output_tokens is None:
            self._output_tokens = float(usage.output_tokens)
        else:
            self._output_tokens += LEARNING_RATE * (usage.output_tokens - self._output_tokens)
        return float(usage.input_tokens + usage.output_tokens)


def _outage_error(request: ModelRequest, error: CallError, outage: Outage) -> CallError:
    """Return the error that gives up the endpoint: the requested wait or the outage exceeds the patience."""
    patience, name = format_duration(outage.patience_seconds), request.model.id
    requested_seconds = error.retry_after_seconds or 0.0
    if requested_seconds > outage.patience_seconds:
        resume_at = datetime.now().astimezone() + timedelta(seconds=requested_seconds)
        message = (
            f"{name}: the server requests a wait of {format_duration(requested_seconds)}, until "
            f"{resume_at:%Y-%m-%d %H:%M}, which exceeds the patience of {patience} (--patience). "
            "Run the same command then."
        )
    else:
        duration = format_duration(outage.duration(asyncio.get_running_loop().time()))
        message = (
            f"{name}: no response for {duration}, which exceeds the patience of {patience} (--patience). "
            "Run the same command later."
        )
    return CallError(Failure.OUTAGE, f"{message} Last error: {error}", status=error.status)
