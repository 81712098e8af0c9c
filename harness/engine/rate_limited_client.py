"""A client that waits at the lane's gate, and tells the gate what it learns.

Estimates a call's tokens from its body (characters by a ratio learned from usage) and from the running
mean of outputs; both are corrected by the usage returned. Frees its place the moment the answer is there.
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
    """One call at a time through the gate, as many at once as it allows.

    Args:
        on_abandoned: told of a call that was sent and then cancelled: its answer, and what it cost, are
        lost. check: called when a call has been let in, before it is sent; what it raises ends the call
        unsent.
    """

    def __init__(
        self,
        inner: ModelClient,
        rate_limiter: RateLimiter,
        on_abandoned: Callable[[ModelRequest], None] = lambda _: None,
        check: Callable[[ModelRequest], None] = lambda _: None,
    ) -> None:
        self._inner = inner
        self._gate = rate_limiter
        self._on_abandoned = on_abandoned
        self._check = check
        self._tokens_per_byte = INITIAL_TOKENS_PER_BYTE
        self._output_tokens: float | None = None
        self._failed: set[str] = set()
        self._suspects: set[str] = set()  # requests that failed while others were answered
        self._probe = ""  # the key of the last request that probed in vain: others are tried before it

    def estimate_tokens(self, call: ModelRequest) -> float:
        """Input and output tokens this call will probably use."""
        output = self._output_tokens
        if output is None:
            output = min(INITIAL_OUTPUT_TOKENS, call.sampling.max_output_tokens)
        return len(call.body) * self._tokens_per_byte + output

    async def complete(self, call: ModelRequest) -> Completion:
        """Ask when there is room.

        Raises:
            CallError: as the wrapped client.
        """
        rate_limiter = self._gate
        reserved = self.estimate_tokens(call)
        await rate_limiter.acquire(reserved, again=call.key in self._failed and call.key != self._probe)
        loop = asyncio.get_running_loop()
        sent_at = loop.time()
        try:
            self._check(call)
        except BaseException:
            rate_limiter.abandoned()
            raise
        try:
            completion = await self._inner.complete(call)
        except CallError as error:
            self._note_failure(call, error, sent_at)
            loop.call_soon(rate_limiter.release)  # not before it is decided whether this error stops the lane
            raise
        except BaseException:
            rate_limiter.abandoned()
            self._on_abandoned(call)
            raise
        self._failed.discard(call.key)
        self._suspects.discard(call.key)
        used = self._learn(call, completion)
        rate_limiter.answered(loop.time() - sent_at, used - reserved, completion.server_limits)
        rate_limiter.release()
        return completion

    def _note_failure(self, call: ModelRequest, error: CallError, sent_at: float) -> None:
        """Let the gate learn from a failure, and mark the error with what the gate rules.

        A request that failed while others were answered, and is the last one left, uses up its tries: it may
        be the request, not the endpoint.
        """
        rate_limiter = self._gate
        if error.failure is Failure.UNKNOWN_MODEL and error.status == 200 and rate_limiter.outage.answered:
            error.failure = Failure.UNAVAILABLE  # a page of maintenance, where there were answers before
        self._failed.add(call.key)
        if error.failure is Failure.RATE_LIMITED:
            rate_limiter.rate_limited(sent_at, error.retry_after_seconds)
        if rate_limiter.outage.probing:
            self._probe = call.key
        ruling = rate_limiter.failed(error, sent_at)
        if ruling is OutageAction.REQUEST:
            self._suspects.add(call.key)
        alone = call.key in self._suspects and not rate_limiter.waiting
        error.paused = ruling is OutageAction.PAUSE and error.failure in ENDPOINT_FAILURES and not alone
        if ruling is OutageAction.GIVE_UP:
            error.ending = _given_up(call, error, rate_limiter.outage)

    async def close(self) -> None:
        """Close the gate and what is wrapped."""
        await self._gate.close()
        await self._inner.close()

    def _learn(self, call: ModelRequest, completion: Completion) -> float:
        """Tokens really used; the estimates move towards them."""
        usage = completion.usage
        if usage.input_tokens is None or usage.output_tokens is None:
            return self.estimate_tokens(call)
        ratio = usage.input_tokens / max(1, len(call.body))
        self._tokens_per_byte += LEARNING_RATE * (ratio - self._tokens_per_byte)
        if self._output_tokens is None:
            self._output_tokens = float(usage.output_tokens)
        else:
            self._output_tokens += LEARNING_RATE * (usage.output_tokens - self._output_tokens)
        return float(usage.input_tokens + usage.output_tokens)


def _given_up(call: ModelRequest, error: CallError, outage: Outage) -> CallError:
    """Why the endpoint is given up: it asks to wait too long, or did not answer for too long."""
    patience, name = format_duration(outage.patience_seconds), call.model.id
    asked = error.retry_after_seconds or 0.0
    if asked > outage.patience_seconds:
        until = (datetime.now().astimezone() + timedelta(seconds=asked)).strftime("%Y-%m-%d %H:%M")
        words = (
            f"{name}: the server asks to wait {format_duration(asked)}, until {until}, longer than the patience of "
            f"{patience} (--patience). Run the same command then."
        )
    else:
        words = (
            f"{name}: no answer for {format_duration(outage.duration(asyncio.get_running_loop().time()))}; the patience "
            f"is {patience} (--patience). Run the same command later."
        )
    return CallError(Failure.OUTAGE, f"{words} Last: {error}", status=error.status)
