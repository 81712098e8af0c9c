"""A client that waits at the lane's gate, and tells the gate what it learns.

Estimates a call's tokens from its body (characters by a ratio learned from usage) and from the running
mean of outputs; both are corrected by the usage returned. Frees its place the moment the answer is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from agents.call import Call, ModelClient
from agents.errors import CallError, Failure
from agents.messages import Completion
from harness.engine.gate import Gate

FIRST_TOKENS_PER_BYTE = 0.25
FIRST_OUTPUT_TOKENS = 64.0
LEARNING_RATE = 0.05


class LimitedClient:
    """One call at a time through the gate, as many at once as it allows.

    Args:
        on_abandoned: told of a call that was sent and then cancelled: its answer, and what it cost, are lost.
    """

    def __init__(
        self, inner: ModelClient, gate: Gate, on_abandoned: Callable[[Call], None] = lambda _: None
    ) -> None:
        self._inner = inner
        self._gate = gate
        self._on_abandoned = on_abandoned
        self._tokens_per_byte = FIRST_TOKENS_PER_BYTE
        self._output_tokens: float | None = None
        self._failed: set[str] = set()

    def estimate_tokens(self, call: Call) -> float:
        """Input and output tokens this call will probably use."""
        output = self._output_tokens
        if output is None:
            output = min(FIRST_OUTPUT_TOKENS, call.sampling.max_output_tokens)
        return len(call.body) * self._tokens_per_byte + output

    async def complete(self, call: Call) -> Completion:
        """Ask when there is room.

        Raises:
            CallError: as the wrapped client.
        """
        gate = self._gate
        reserved = self.estimate_tokens(call)
        await gate.enter(reserved, again=call.key in self._failed)
        loop = asyncio.get_running_loop()
        sent_at = loop.time()
        try:
            completion = await self._inner.complete(call)
        except CallError as error:
            self._failed.add(call.key)
            if error.failure is Failure.RATE_LIMITED:
                gate.rate_limited(sent_at, error.retry_after_seconds)
            loop.call_soon(gate.leave)  # not before it is decided whether this error stops the lane
            raise
        except BaseException:
            gate.leave()
            self._on_abandoned(call)
            raise
        self._failed.discard(call.key)
        used = self._learn(call, completion)
        gate.answered(loop.time() - sent_at, used - reserved, completion.server_limits)
        gate.leave()
        return completion

    async def close(self) -> None:
        """Close the gate and what is wrapped."""
        await self._gate.close()
        await self._inner.close()

    def _learn(self, call: Call, completion: Completion) -> float:
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
