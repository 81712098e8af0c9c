"""Prices of models, from genai-prices or the user; an unknown price is unknown, never 0."""

from __future__ import annotations

import math
from dataclasses import dataclass

from genai_prices import Usage as PricedUsage
from genai_prices import calc_price

from agents.clients.base import ModelRequest
from agents.errors import UserError
from agents.messages import Usage
from agents.models.spec import ApiProtocol, Model

EMULATED = "emulated-"


@dataclass(frozen=True, slots=True)
class Price:
    """Price of a model in US dollars per token, ≥ 0."""

    input_usd: float
    output_usd: float

    def upper_bound(self, request: ModelRequest) -> float:
        """Return the maximum cost of one attempt in US dollars, provided that the model keeps its output
        limit.
        """
        return len(request.body) * self.input_usd + max_billable_tokens(request) * self.output_usd

    def cost(self, request: ModelRequest, usage: Usage) -> float:
        """Return the cost of a completion in US dollars; counts that the provider does not report are bounded
        from above.
        """
        input_tokens = len(request.body) if usage.input_tokens is None else usage.input_tokens
        output_tokens = max_billable_tokens(request) if usage.output_tokens is None else usage.output_tokens
        return input_tokens * self.input_usd + output_tokens * self.output_usd


def max_billable_tokens(request: ModelRequest) -> int:
    """Return the maximum number of output tokens billed for one attempt: the output limit plus separate
    thinking.
    """
    return request.sampling.max_output_tokens + request.model.capabilities.thinking_tokens


FREE = Price(0.0, 0.0)


def lookup_price(model: Model, user_prices: dict[str, Price]) -> Price | None:
    """Return the price of a model: the user's own, else that of genai-prices, else None.

    Control judges and models on the user's own vLLM cost nothing per token. An emulated model has the price
    of the model it emulates, so that a rehearsal shows the cost of the real run.
    """
    for name in (model.id, model.id.replace(EMULATED, "")):
        if name in user_prices:
            return user_prices[name]
    if model.protocol is ApiProtocol.CONTROL or model.provider == "vllm":
        return FREE
    name = model.name.removeprefix(EMULATED)
    try:
        per_thousand = [
            float(calc_price(usage, model_ref=name, provider_id=model.provider).total_price) / 1000
            for usage in (PricedUsage(input_tokens=1000), PricedUsage(output_tokens=1000))
        ]
    except LookupError:
        return None
    # a price of 0 is unknown, or the model is not sold by the token
    return Price(*per_thousand) if all(per_thousand) else None


def parse_prices(texts: tuple[str, ...]) -> dict[str, Price]:
    """Parse `--price openai/my-model=2.5,10` (US dollars per million input and output tokens).

    Raises:
        UserError: price.invalid.
    """
    prices = {}
    for text in texts:
        name, _, numbers = text.partition("=")
        try:
            input_price, output_price = (float(number) for number in numbers.split(","))
        except ValueError:
            input_price = output_price = -1.0
        if "/" not in name or not (0 <= input_price < math.inf and 0 <= output_price < math.inf):
            raise UserError(
                "a price must have the form MODEL=INPUT,OUTPUT, in US dollars per million tokens",
                code="price.invalid",
                where="--price",
                found=repr(text),
                remedy="For example: --price openai/my-model=2.5,10",
            )
        prices[name] = Price(input_price / 1e6, output_price / 1e6)
    return prices
