"""Budget of a run: the maximum cost of a request is reserved before sending, under a hard cap on spending.

Before a request is sent, an upper bound of its cost is reserved: the UTF-8 bytes of the input counted as
tokens, plus the maximum output, plus the thinking tokens that the model bills beyond it. After the response,
the reservation is replaced by the cost of the reported usage. An attempt that may have been charged (a
timeout) counts with its full bound. The first request of a model is sent alone. If a response costs more than
was reserved, all later reservations grow by the largest ratio seen. The cap belongs to the run: the budget
draws on what the database reports as left, so earlier invocations and other processes count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from agents.clients.base import ModelClient, ModelRequest
from agents.errors import CallError, Failure
from agents.messages import Completion
from harness.engine.prices import Price, max_billable_tokens

ROUNDING_USD = 1e-9  # smaller differences are rounding errors
PREFETCH_REQUESTS = 32  # requests' worth of budget drawn ahead, to query the database rarely


class RunBudget:
    """Share of a run's budget held by one process; refilled from the database when it runs low.

    Args:
        draw: `draw(total_usd)` asks the database to hold `total_usd` for this process (everything it has in
            flight or not committed yet) and returns the amount granted. Nothing is sent beyond what is
            granted.
        budget_usd: the cap of the run, for messages.
    """

    def __init__(self, draw: Callable[[float], Awaitable[float]], budget_usd: float) -> None:
        self._draw = draw
        self.budget_usd = budget_usd
        self._reserved = 0.0  # for requests in flight
        self._in_flight = 0
        self._uncommitted = 0.0  # spent and not yet recorded in the database
        self._committed = 0.0
        self._granted = 0.0
        self._lock = asyncio.Lock()
        self._changed = asyncio.Event()

    @property
    def held_usd(self) -> float:
        """Amount in flight, or spent and not committed yet."""
        return self._reserved + self._uncommitted

    async def reserve(self, usd: float) -> None:
        """Reserve `usd` for one request.

        Raises:
            CallError: NO_BUDGET if the request could exceed the cap and no request in flight can release any.
        """
        if self.held_usd + usd > self._granted:
            async with self._lock:
                await self._draw_until(usd)
        self._reserved += usd
        self._in_flight += 1

    def settle(self, reserved_usd: float, spent_usd: float) -> None:
        """Replace the reservation of a finished request by its cost, held until it is committed."""
        self._in_flight -= 1
        self._reserved = self._reserved - reserved_usd if self._in_flight else 0.0  # drops rounding errors
        self.hold(spent_usd)

    def hold(self, spent_usd: float) -> None:
        """Hold an amount that was (or may have been) spent until it is committed."""
        self._uncommitted += spent_usd
        self._changed.set()

    def committed(self, usd: float) -> None:
        """Stop holding a cost that the database has recorded."""
        self._uncommitted -= usd
        self._granted -= usd
        self._committed += usd
        self._changed.set()

    async def _draw_until(self, usd: float) -> None:
        while self.held_usd + usd > self._granted:
            self._changed.clear()
            committed = self._committed
            granted = await self._draw(self.held_usd + usd * PREFETCH_REQUESTS)
            # commits made in the meantime may be missing from `granted`: assume that they are
            self._granted = granted - (self._committed - committed)
            if self.held_usd + usd <= self._granted:
                return
            if self._in_flight == 0 and self._uncommitted < ROUNDING_USD and self._committed == committed:
                raise CallError(
                    Failure.NO_BUDGET,
                    f"the budget of ${self.budget_usd:,.4g} is reached: the next request could cost "
                    f"${usd:.4f} and ${max(0.0, self._granted):.4f} is left. "
                    "Raise it with --budget and run the same command.",
                )
            if self._committed == committed:
                await self._changed.wait()


class StaleReservationError(Exception):
    """The reservation of a request became too small before the request was sent."""


class Reservation:
    """Reservations of the requests of one model: their upper bound times the largest ratio seen.

    Args:
        price: price of the model; None if unknown, and nothing is reserved.
        longest_output_tokens: longest stored completion of earlier invocations of the run.
        on_overrun: called with a message when a completion costs more than was reserved.

    Attributes:
        ratio: largest ratio of a completion's cost to its upper bound so far, ≥ 1.
    """

    def __init__(
        self,
        price: Price | None,
        longest_output_tokens: int = 0,
        on_overrun: Callable[[str], None] = lambda message: None,
    ) -> None:
        self.price = price
        self.ratio = 1.0
        self._longest_output_tokens = longest_output_tokens
        self._on_overrun = on_overrun
        self._reserved: dict[str, float] = {}

    def bound(self, request: ModelRequest) -> float:
        """Return the maximum cost of one attempt of this request, as far as known, in US dollars."""
        if self.price is None:
            return 0.0
        if self._longest_output_tokens > max_billable_tokens(request):
            self.ratio = max(self.ratio, self._longest_output_tokens / max_billable_tokens(request))
        return self.price.upper_bound(request) * self.ratio

    def make(self, request: ModelRequest) -> float:
        """Record and return the amount to reserve for this request now, in US dollars."""
        reserved = self._reserved[request.key] = self.bound(request)
        return reserved

    def check(self, request: ModelRequest) -> None:
        """Verify that enough is reserved for a request before it is sent.

        Raises:
            StaleReservationError: the ratio has grown since the reservation.
        """
        reserved = self._reserved.get(request.key)
        if reserved is not None and reserved < self.bound(request):
            raise StaleReservationError

    def settle(self, request: ModelRequest) -> None:
        """Forget the reservation of a finished request."""
        self._reserved.pop(request.key, None)

    def learn(self, request: ModelRequest, cost_usd: float) -> None:
        """Update the ratio from the cost of a completion."""
        if self.price is None:
            return
        bound = self.price.upper_bound(request)
        if bound <= 0 or cost_usd <= bound * self.ratio * (1 + ROUNDING_USD):
            return
        self.ratio = cost_usd / bound
        self._on_overrun(
            f"{request.model.id}: a completion cost ${cost_usd:.4f}, but its output limit allows only "
            f"${bound:.4f}: the provider bills beyond it. From now on {self.ratio:.1f} times as much is "
            "reserved. Set thinking_tokens in a models file (--models FILE) to reserve enough from the start."
        )


class BudgetedClient:
    """Client that reserves the upper bound of an attempt before sending; the first request is sent alone."""

    def __init__(self, inner: ModelClient, run_budget: RunBudget, reservation: Reservation) -> None:
        self._inner = inner
        self._run_budget = run_budget
        self._reservation = reservation
        self._has_completed = False  # whether a completion has shown what the model bills
        self._first_request = asyncio.Lock()

    async def complete(self, request: ModelRequest) -> Completion:
        """Send the request if the budget allows it.

        Raises:
            CallError: NO_BUDGET, or as the wrapped client.
        """
        if not self._has_completed:
            async with self._first_request:
                if not self._has_completed:
                    return await self._complete_reserved(request)
        return await self._complete_reserved(request)

    async def close(self) -> None:
        """Close the wrapped client."""
        await self._inner.close()

    async def _complete_reserved(self, request: ModelRequest) -> Completion:
        while True:
            try:
                return await self._send(request)
            except StaleReservationError:
                continue  # nothing was sent: reserve again

    async def _send(self, request: ModelRequest) -> Completion:
        reserved = self._reservation.make(request)
        await self._run_budget.reserve(reserved)
        spent = 0.0
        try:
            completion = await self._inner.complete(request)
            price = self._reservation.price
            spent = price.cost(request, completion.usage) if price is not None else 0.0
            self._reservation.learn(request, spent)
            self._has_completed = True
        except CallError as error:
            spent = reserved if error.charged else 0.0
            raise
        finally:  # if a request in flight was cancelled, the endpoint charges its full bound
            self._reservation.settle(request)
            self._run_budget.settle(reserved, spent)
        return completion
