"""One lane: one model at one address, with its own limits, patience and counters.

record (look up, claim, commit) → retry → reserve money, and of the day → limit (concurrency, rate) → client
"""

from __future__ import annotations

from functools import partial

from agents.clients.base import ModelClient, ModelRequest
from agents.errors import CallError, EndpointDisabled, Failure
from agents.models.spec import Model
from harness.engine.budget import BudgetedClient, Price, Reservation, RunBudget
from harness.engine.daily_quota import DailyQuota, DailyQuotaClient
from harness.engine.event_log import EndpointStats, EventLog
from harness.engine.limits import Limits
from harness.engine.outage import Outage
from harness.engine.rate_limited_client import RateLimitedClient
from harness.engine.rate_limiter import RateLimiter
from harness.engine.recording_client import RecordingClient
from harness.engine.request_tracker import RequestTracker
from harness.engine.retry import GiveUp, RetryAfter, RetryDecision, RetryingClient, RetryPolicy

LOW_WATER_MARK = 128  # claimed calls that wait at the gate; with fewer, the next batch is claimed at once


class Endpoint:
    """The stack of clients that every call of one model passes.

    Args:
        most_output_tokens: the longest answer of this model that the run has stored, to reserve money by.

    Attributes:
        name: shown to people.
        client: the outermost client; `retrying`: the one below it; `rate_limiter`: who may send.
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
        self._ledger = tracker
        self._price = price
        self._purse = run_budget
        self._events = events or EventLog(None)
        policy = policy or RetryPolicy()
        outage = Outage(policy.patience_seconds, 2 * policy.initial_backoff_seconds)
        self.rate_limiter = RateLimiter(limits or Limits(), self._limit_changed, outage)
        self._reservation = Reservation(price, longest_output_tokens, self._overspent)
        inner: ModelClient = RateLimitedClient(
            client, self.rate_limiter, self._abandoned, self._reservation.check
        )
        if limits is not None and (limits.requests_per_day or limits.tokens_per_day):
            inner = DailyQuotaClient(inner, DailyQuota(limits, partial(tracker.usage_since, model.id)))
        if run_budget is not None and price is not None:
            inner = BudgetedClient(inner, run_budget, self._reservation)
        self.retrying = RetryingClient(inner, self.name, policy, self._try_failed, self._stopped)
        self.client = RecordingClient(
            self.retrying,
            tracker,
            self.stats,
            price,
            lambda: self.rate_limiter.waiting < LOW_WATER_MARK,
            self._outcome_read,
        )

    @property
    def stopped(self) -> EndpointDisabled | None:
        """Why the lane takes no more calls, or None."""
        return self.retrying.stopped

    @property
    def spent_usd(self) -> float | None:
        """What its answers have cost in this invocation; None where the price is not known."""
        return self.stats.spent_usd if self._price is not None else None

    @property
    def unanswered_usd(self) -> float | None:
        """The most that attempts without an answer may have cost; None where the price is not known."""
        return self.stats.unanswered_usd if self._price is not None else None

    def interrupt(self) -> None:
        """Send nothing more; what is in flight may still be answered."""
        asked = CallError(Failure.INTERRUPTED, "stopped as asked")
        self.retrying.stop(asked)
        self._ledger.abort(EndpointDisabled(self.name, asked))

    async def settled(self) -> None:
        """Until every answer that was got so far is committed.

        Raises:
            UserError: the database cannot be written.
        """
        await self._ledger.settled()

    async def close(self) -> None:
        """Close every client of the stack."""
        await self.client.close()

    def _limit_changed(self, reason: str) -> None:
        self._events.write("limit", lane=self.name, reason=reason)

    def _try_failed(self, call: ModelRequest, error: CallError, tries: int, decision: RetryDecision) -> None:
        stats = self.stats
        stats.rate_limited += error.failure is Failure.RATE_LIMITED
        stats.retried += isinstance(decision, RetryAfter)
        if isinstance(decision, GiveUp):
            stats.failure = str(error)
        cost = self._reservation.bound(call) if self._price is not None and error.charged else None
        stats.unanswered_usd += cost or 0.0
        self._ledger.record_failure(call, error, tries, cost)
        self._events.write(
            "retry" if isinstance(decision, RetryAfter) else "error",
            lane=self.name,
            call=call.key,
            failure=error.failure,
            status=error.status,
            tries=tries,
            wait_seconds=round(decision.seconds, 3) if isinstance(decision, RetryAfter) else None,
        )

    def _abandoned(self, call: ModelRequest) -> None:
        """A call in flight was cancelled: what it cost nobody knows, so it is charged in full."""
        error = CallError(Failure.INTERRUPTED, "stopped before its answer came", charged=True)
        cost = self._reservation.bound(call) if self._price is not None else None
        self.stats.unanswered_usd += cost or 0.0
        if self._purse is not None:
            self._purse.keep(cost or 0.0)
        self._ledger.record_failure(call, error, 1, cost)

    def _outcome_read(self, call: ModelRequest, reading: object) -> None:
        cause = self.retrying.streak.read(call, reading)
        if cause is not None:
            self.retrying.stop(cause)

    def _overspent(self, words: str) -> None:
        """An answer cost more than its request could, by what the model is said to accept."""
        self.stats.warning = words
        self._events.write("overspent", lane=self.name, reason=words)

    def _stopped(self, stopped: EndpointDisabled) -> None:
        self.stats.stopped = str(stopped.cause)
        self.stats.adaptation = stopped.cause.adaptation
        self.rate_limiter.fail_waiters(stopped)
        self._events.write("stopped", lane=self.name, failure=stopped.cause.failure)
