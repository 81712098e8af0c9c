"""Money: what a call may cost at most, what it did cost, and a ceiling that is never crossed.

Prices come from genai-prices (US dollars per token), or from the user; unknown is unknown, never 0.
Before a request is sent, its upper bound is reserved: the input's UTF-8 bytes as tokens, plus the maximum
output, plus the thinking that the model bills beyond that. After the answer the reservation shrinks to
the usage returned; a try that may have been charged for (a timeout) is charged in full. The first request
of a model goes alone; where an answer costs more than was reserved, every later reservation grows by the
worst ratio seen. The ceiling belongs to the run: a purse draws from what the database says is left, so
that earlier invocations and other processes count.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from genai_prices import Usage as PricedUsage
from genai_prices import calc_price

from agents.clients.base import ModelClient, ModelRequest
from agents.errors import CallError, Failure, UserError
from agents.messages import Completion, Usage
from agents.models.spec import ApiProtocol, Model

EMULATED = "emulated-"
ROUNDING_USD = 1e-9  # less than this is the rounding of sums
PREFETCH_REQUESTS = 32  # how many calls' worth a purse draws ahead, to ask the database rarely


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per token, ≥ 0."""

    input_usd: float
    output_usd: float

    def upper_bound(self, call: ModelRequest) -> float:
        """The most that one try of this call can cost where the model keeps its limit, in US dollars."""
        return len(call.body) * self.input_usd + max_billable_tokens(call) * self.output_usd

    def cost(self, call: ModelRequest, usage: Usage) -> float:
        """What an answer cost; of what the provider did not count, the most that it can be."""
        read = len(call.body) if usage.input_tokens is None else usage.input_tokens
        written = max_billable_tokens(call) if usage.output_tokens is None else usage.output_tokens
        return read * self.input_usd + written * self.output_usd


def max_billable_tokens(call: ModelRequest) -> int:
    """The most output tokens that one try can be billed for: its limit, and thinking beside it."""
    return call.sampling.max_output_tokens + call.model.capabilities.thinking_tokens


FREE = Price(0.0, 0.0)


def lookup_price(model: Model, given: dict[str, Price]) -> Price | None:
    """The price of a model: the user's own, else genai-prices', else None.

    Control judges and models served by the user's own vLLM cost nothing per token. An emulated model is
    priced as the model it emulates, so that a rehearsal shows what the real thing would cost.
    """
    for name in (model.id, model.id.replace(EMULATED, "")):
        if name in given:
            return given[name]
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
    # a 0 there is what nobody knows, or what is not sold by the token
    return Price(*per_thousand) if all(per_thousand) else None


def parse_prices(texts: tuple[str, ...]) -> dict[str, Price]:
    """`--price openai/my-model=2.5,10`: US dollars per million input and output tokens."""
    prices = {}
    for text in texts:
        name, _, numbers = text.partition("=")
        try:
            given, made = (float(number) for number in numbers.split(","))
        except ValueError:
            given = made = -1.0
        if "/" not in name or not (0 <= given < math.inf and 0 <= made < math.inf):
            raise UserError(
                "a price must read MODEL=INPUT,OUTPUT in US dollars per million tokens",
                where="--price",
                found=repr(text),
                remedy="For example: --price openai/my-model=2.5,10",
            )
        prices[name] = Price(given / 1e6, made / 1e6)
    return prices


class RunBudget:
    """One process's share of a run's budget, drawn from the ledger when it runs low.

    `draw(total_usd)` asks the ledger to hold `total_usd` for this process (everything it has in flight or
    has not committed yet) and answers how much of it is granted. Nothing is sent that is not granted.
    """

    def __init__(self, draw: Callable[[float], Awaitable[float]], budget_usd: float) -> None:
        self._draw = draw
        self.budget_usd = budget_usd
        self._reserved = 0.0  # for calls in flight
        self._in_flight = 0
        self._uncommitted = 0.0  # spent, and not known to the ledger yet
        self._committed = 0.0
        self._granted = 0.0
        self._lock = asyncio.Lock()
        self._changed = asyncio.Event()

    @property
    def held_usd(self) -> float:
        """What is in flight, or spent and not committed yet."""
        return self._reserved + self._uncommitted

    async def reserve(self, usd: float) -> None:
        """Set `usd` aside for one call.

        Raises:
            CallError: NO_BUDGET, where asking could cross the ceiling and nothing in flight can free any.
        """
        if self.held_usd + usd > self._granted:
            async with self._lock:
                await self._draw_for(usd)
        self._reserved += usd
        self._in_flight += 1

    def settle(self, reserved_usd: float, spent_usd: float) -> None:
        """The call is over: only what it cost stays held, until it is committed."""
        self._in_flight -= 1
        self._reserved = self._reserved - reserved_usd if self._in_flight else 0.0  # no rounding is kept
        self.keep(spent_usd)

    def keep(self, spent_usd: float) -> None:
        """This was spent (or may have been), and will be committed."""
        self._uncommitted += spent_usd
        self._changed.set()

    def committed(self, usd: float) -> None:
        """The ledger knows of this cost now; it is no longer held here."""
        self._uncommitted -= usd
        self._granted -= usd
        self._committed += usd
        self._changed.set()

    async def _draw_for(self, usd: float) -> None:
        while self.held_usd + usd > self._granted:
            self._changed.clear()
            committed = self._committed
            granted = await self._draw(self.held_usd + usd * PREFETCH_REQUESTS)
            # what was committed meanwhile may or may not be in the answer: it is taken to be missing
            self._granted = granted - (self._committed - committed)
            if self.held_usd + usd <= self._granted:
                return
            if self._in_flight == 0 and self._uncommitted < ROUNDING_USD and self._committed == committed:
                raise CallError(
                    Failure.NO_BUDGET,
                    f"the budget of ${self.budget_usd:,.4g} is reached: the next call could cost "
                    f"${usd:.4f} and ${max(0.0, self._granted):.4f} is left. "
                    "Raise it with --budget and run the same command.",
                )
            if self._committed == committed:
                await self._changed.wait()


class StaleReservationError(Exception):
    """More must be reserved for a request than was, before it may be sent."""


class Reservation:
    """What is reserved for each request of one model: its upper bound, times the worst ratio seen.

    Args:
        price: of the model; None where it is not known, and nothing is reserved.
        most_output_tokens: the longest answer that is stored, from earlier invocations of the run.
        on_overspent: called with words for people when an answer costs more than was reserved.

    Attributes:
        ratio: cost of an answer over its upper bound, the worst so far, ≥ 1.
    """

    def __init__(
        self,
        price: Price | None,
        longest_output_tokens: int = 0,
        on_overspent: Callable[[str], None] = lambda words: None,
    ) -> None:
        self.price = price
        self.ratio = 1.0
        self._most_output_tokens = longest_output_tokens
        self._on_overspent = on_overspent
        self._reserved: dict[str, float] = {}

    def bound(self, call: ModelRequest) -> float:
        """The most that one try of this call can cost, as far as is known, in US dollars."""
        if self.price is None:
            return 0.0
        if self._most_output_tokens > max_billable_tokens(call):
            self.ratio = max(self.ratio, self._most_output_tokens / max_billable_tokens(call))
        return self.price.upper_bound(call) * self.ratio

    def make(self, call: ModelRequest) -> float:
        """What is to be reserved for this call now, in US dollars."""
        reserved = self._reserved[call.key] = self.bound(call)
        return reserved

    def check(self, call: ModelRequest) -> None:
        """Let a request be sent only with as much reserved as is known to be needed.

        Raises:
            StaleReservationError: the ratio has grown since.
        """
        reserved = self._reserved.get(call.key)
        if reserved is not None and reserved < self.bound(call):
            raise StaleReservationError

    def settle(self, call: ModelRequest) -> None:
        """The call is over."""
        self._reserved.pop(call.key, None)

    def learn(self, call: ModelRequest, cost_usd: float) -> None:
        """Take note of what an answer cost."""
        if self.price is None:
            return
        bound = self.price.upper_bound(call)
        if bound <= 0 or cost_usd <= bound * self.ratio * (1 + ROUNDING_USD):
            return
        self.ratio = cost_usd / bound
        self._on_overspent(
            f"{call.model.id}: an answer cost ${cost_usd:.4f} where its stated limit allows ${bound:.4f}: "
            f"the provider bills beyond that limit. From now on {self.ratio:.1f} times it is reserved; "
            "thinking_tokens in a file of models (--models FILE) says so beforehand."
        )


class BudgetedClient:
    """Reserves a try's upper bound before it is sent, and settles it after; the first request goes alone."""

    def __init__(self, inner: ModelClient, run_budget: RunBudget, reservation: Reservation) -> None:
        self._inner = inner
        self._purse = run_budget
        self._reservation = reservation
        self._known = False  # whether the model has answered, and shown what it bills
        self._first = asyncio.Lock()

    async def complete(self, call: ModelRequest) -> Completion:
        """Ask, if the ceiling allows.

        Raises:
            CallError: NO_BUDGET, or as the wrapped client.
        """
        if not self._known:
            async with self._first:
                if not self._known:
                    return await self._reserved(call)
        return await self._reserved(call)

    async def close(self) -> None:
        """Close what is wrapped."""
        await self._inner.close()

    async def _reserved(self, call: ModelRequest) -> Completion:
        while True:
            try:
                return await self._ask(call)
            except StaleReservationError:
                continue  # nothing was sent: reserve anew

    async def _ask(self, call: ModelRequest) -> Completion:
        reserved = self._reservation.make(call)
        await self._purse.reserve(reserved)
        spent = 0.0
        try:
            completion = await self._inner.complete(call)
            price = self._reservation.price
            spent = price.cost(call, completion.usage) if price is not None else 0.0
            self._reservation.learn(call, spent)
            self._known = True
        except CallError as error:
            spent = reserved if error.charged else 0.0
            raise
        finally:  # cancelled: if it was in flight, the lane has it charged in full
            self._reservation.settle(call)
            self._purse.settle(reserved, spent)
        return completion
