"""Endpoint: one model at one address, with its own limits, retries and counters.

Its clients, outermost first: recording (look up, claim, commit) → retrying → budget and daily quota → rate
limiting (concurrency, rate) → HTTP client.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from agents.clients.base import ModelClient, ModelRequest
from agents.errors import CallError, EndpointDisabled, Failure
from agents.models.spec import ApiProtocol, Model
from harness.engine.budgeted_client import BudgetedClient, Reservation, RunBudget
from harness.engine.daily_quota import DailyQuota, DailyQuotaClient
from harness.engine.event_log import EndpointStats, EventLog
from harness.engine.limits import Limits
from harness.engine.outage import Outage
from harness.engine.prices import Price
from harness.engine.rate_limited_client import RateLimitedClient
from harness.engine.rate_limiter import RateLimiter
from harness.engine.recording_client import RecordingClient
from harness.engine.request_tracker import RequestTracker
from harness.engine.retrying_client import GiveUp, RetryAfter, RetryDecision, RetryingClient, RetryPolicy


class Endpoint:
    """Stack of clients that every request to one model passes.

    Args:
        longest_output_tokens: longest completion of this model that the run has stored, for the reservations
            of the budget.

    Attributes:
        name: name for display.
        client: the outermost client.
        retrying: the client below it.
        rate_limiter: admits the requests.
        stats: counters.
    """

    def __init__(
        self,
        model: Model,
        client: ModelClient,
        tracker: RequestTracker,
        *,
        name: str = "",
        limits: Limits | None = None,
        policy: RetryPolicy | None = None,
        price: Price | None = None,
        run_budget: RunBudget | None = None,
        longest_output_tokens: int = 0,
        events: EventLog | None = None,
    ) -> None:
        self.name = name or model.id
        self.model = model
        self.stats = EndpointStats()
        self._tracker = tracker
        self._price = price
        self._run_budget = run_budget
        self._events = events or EventLog(None)
        policy = policy or RetryPolicy()
        outage = Outage(policy.patience_seconds, 2 * policy.initial_backoff_seconds)
        self.rate_limiter = RateLimiter(limits or Limits(), self._limit_changed, outage)
        self._reservation = Reservation(price, longest_output_tokens, self._budget_overrun)
        inner: ModelClient = RateLimitedClient(
            client, self.rate_limiter, self._request_cancelled, self._reservation.check
        )
        if limits is not None and (limits.requests_per_day or limits.tokens_per_day):
            inner = DailyQuotaClient(inner, DailyQuota(limits, partial(tracker.usage_since, model.id)))
        if run_budget is not None and price is not None:
            inner = BudgetedClient(inner, run_budget, self._reservation)
        self.retrying = RetryingClient(inner, self.name, policy, self._attempt_failed, self._stopped)
        self.client = RecordingClient(
            self.retrying,
            tracker,
            self.stats,
            price,
            self._outcome_parsed,
        )

    @property
    def stopped(self) -> EndpointDisabled | None:
        """Return the reason why the endpoint accepts no more requests, or None."""
        return self.retrying.stopped

    @property
    def spent_usd(self) -> float | None:
        """Cost of its completions in this invocation; None if the price is unknown."""
        return self.stats.spent_usd if self._price is not None else None

    @property
    def unanswered_usd(self) -> float | None:
        """Upper bound of the cost of attempts without a completion; None if the price is unknown."""
        return self.stats.unanswered_usd if self._price is not None else None

    def interrupt(self) -> None:
        """Send nothing more; requests in flight may still be answered."""
        cause = CallError(Failure.INTERRUPTED, "stopped by the user")
        self.retrying.stop(cause)
        disabled = EndpointDisabled(self.name, cause)
        self._tracker.abort(disabled)
        if self._run_budget is not None:
            self._run_budget.stop(disabled)

    async def drain(self) -> None:
        """Wait until every completion received so far is committed.

        Raises:
            UserError: the database cannot be written.
        """
        await self._tracker.drain()

    async def close(self) -> None:
        """Close every client of the stack."""
        await self.client.close()

    def _limit_changed(self, reason: str) -> None:
        self._log("limit", {"reason": reason})

    def _attempt_failed(
        self, request: ModelRequest, error: CallError, attempts: int, decision: RetryDecision
    ) -> None:
        stats = self.stats
        stats.rate_limited += error.failure is Failure.RATE_LIMITED
        stats.retried += isinstance(decision, RetryAfter)
        if isinstance(decision, GiveUp):
            stats.failure = str(error)
        cost = self._reservation.bound(request) if self._price is not None and error.charged else None
        stats.unanswered_usd += cost or 0.0
        self._tracker.record_failure(request, error, attempts, cost)
        self._log(
            "retry" if isinstance(decision, RetryAfter) else "error",
            {
                "call": request.key,
                "failure": error.failure,
                "status": error.status,
                "tries": attempts,
                "wait_seconds": round(decision.seconds, 3) if isinstance(decision, RetryAfter) else None,
            },
        )

    def _request_cancelled(self, request: ModelRequest) -> None:
        """Charge the full bound of a request that was cancelled in flight, because its cost is unknown."""
        error = CallError(Failure.INTERRUPTED, "stopped before the response arrived", charged=True)
        cost = self._reservation.bound(request) if self._price is not None else None
        self.stats.unanswered_usd += cost or 0.0
        if self._run_budget is not None:
            self._run_budget.hold(cost or 0.0)
        self._tracker.record_failure(request, error, 1, cost)

    def _outcome_parsed(self, request: ModelRequest, parsed: object) -> None:
        """Count outcomes without a verdict; a judge function may give none as often as it likes."""
        if self.model.protocol is ApiProtocol.CONTROL:
            return
        cause = self.retrying.streak.record_parsed(request, parsed)
        if cause is not None:
            self.retrying.stop(cause)

    def _budget_overrun(self, message: str) -> None:
        """Record that a completion cost more than the model's stated limits allow."""
        self.stats.warning = message
        self._log("overspent", {"reason": message})

    def _stopped(self, stopped: EndpointDisabled) -> None:
        self.stats.stopped = str(stopped.cause)
        self.stats.adaptation = stopped.cause.adaptation
        self.rate_limiter.fail_waiters(stopped)
        self._log("stopped", {"failure": stopped.cause.failure})

    def _log(self, event: str, details: Mapping[str, Any]) -> None:
        self._events.write(event, **{"lane": self.name, **details})  # "lane": the log's key for the endpoint
