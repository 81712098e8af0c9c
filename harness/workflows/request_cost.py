"""Cost of requests before they are sent: tokens from bytes, time from limits, and an upper bound."""

from __future__ import annotations

from typing_extensions import TypedDict

from agents.clients.base import ModelRequest
from agents.models.spec import ApiProtocol, Model
from harness.engine.prices import lookup_price
from harness.engine.rate_limited_client import INITIAL_TOKENS_PER_BYTE
from harness.engine.rate_limiter import INITIAL_LATENCY_SECONDS, MAX_IN_FLIGHT
from harness.engine.run import RequestSettings


class RequestCost(TypedDict):
    """Cost of requests to one model.

    Attributes:
        calls: number of distinct requests.
        input_tokens, output_tokens: estimated tokens.
        seconds: estimated time at the configured limits; None without a rate or concurrency limit.
        expected_usd: estimated cost; None if the price is unknown.
        maximum_usd: upper bound on the cost with every allowed attempt; None if the price is unknown.
    """

    calls: int
    input_tokens: int
    output_tokens: int
    seconds: float | None
    expected_usd: float | None
    maximum_usd: float | None


class RequestTally:
    """Counter of distinct requests to one model.

    Args:
        model: the model.
        settings: limits, prices and retries.
    """

    def __init__(self, model: Model, settings: RequestSettings) -> None:
        self._model = model
        self._settings = settings
        self._price = lookup_price(model, dict(settings.prices))
        self._keys: set[str] = set()
        self._bytes = 0
        self._maximum_usd = 0.0

    def add(self, request: ModelRequest) -> bool:
        """Count a request; return whether it is a new one."""
        if request.key in self._keys:
            return False
        self._keys.add(request.key)
        self._bytes += len(request.body)
        self._maximum_usd += self._price.upper_bound(request) if self._price is not None else 0.0
        return True

    def cost(self, output_tokens: float) -> RequestCost:
        """Return the cost of the requests.

        Args:
            output_tokens: expected tokens of one completion.
        """
        input_tokens, total_output = self._bytes * INITIAL_TOKENS_PER_BYTE, len(self._keys) * output_tokens
        price, expected, maximum = self._price, None, None
        if price is not None:
            expected = input_tokens * price.input_usd + total_output * price.output_usd
            maximum = self._maximum_usd * self._settings.policy.max_tries
        return {
            "calls": len(self._keys),
            "input_tokens": round(input_tokens),
            "output_tokens": round(total_output),
            "seconds": self._seconds(input_tokens + total_output),
            "expected_usd": expected,
            "maximum_usd": maximum,
        }

    def _seconds(self, tokens: float) -> float | None:
        """Return the longest time implied by the limits, at least one round trip."""
        calls, limits = len(self._keys), self._settings.limits_of(self._model)
        if self._model.protocol is ApiProtocol.CONTROL or not calls:
            return 0.0
        needed = [INITIAL_LATENCY_SECONDS]
        if limits.requests_per_minute:
            needed.append(60 * calls / limits.requests_per_minute)
        if limits.tokens_per_minute:
            needed.append(60 * tokens / limits.tokens_per_minute)
        if limits.max_in_flight:
            needed.append(INITIAL_LATENCY_SECONDS * calls / min(limits.max_in_flight, MAX_IN_FLIGHT))
        return max(needed) if len(needed) > 1 else None
