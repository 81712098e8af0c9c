"""Outage of an endpoint: when to pause it, probe it with one request, and give it up.

An overloaded provider rejects every request for minutes. If requests waited one by one, they would use up
their attempts in seconds while the whole queue followed.

An endpoint is either up or in an outage; in an outage it is either paused or being probed with one request.
An outage begins with failures of the endpoint (not of a single request) without a successful response since
they were sent: three of them, or one if nothing else is in flight. The pause is a third of the outage's
duration so far, between 1 and 120 seconds, and never shorter than the server requests. Then one request
probes the endpoint: a response ends the outage, another failure prolongs it. The endpoint is given up once
the outage exceeds the patience, or if the server requests a longer wait.

Times are seconds of the event loop's clock. The state machine has no side effects; the rate limiter acts on
its decisions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, auto

from agents.errors import CallError, Failure

MIN_FAILURES = 3
PAUSE_SHARE = 1 / 3
MAX_PAUSE_SECONDS = 120.0

ENDPOINT_FAILURES = frozenset({Failure.UNAVAILABLE, Failure.RATE_LIMITED, Failure.CONNECTION})
"""Temporary failures of the endpoint; during an outage they do not count as an attempt of the request."""

AMBIGUOUS_FAILURES = frozenset({Failure.SERVER, Failure.MALFORMED})
"""Failures of a single request that do not prove that an outage is over."""


class OutageAction(Enum):
    """Effect of a failure on its endpoint."""

    REQUEST = auto()  # a failure of this request only; the endpoint continues
    PAUSE = auto()  # pause the endpoint
    GIVE_UP = auto()  # the outage exceeds the patience


@dataclass(slots=True)
class Outage:
    """Outage state of one endpoint.

    Attributes:
        patience_seconds: maximum duration of an outage, ≥ 0.
        min_pause_seconds: length of the first pause, ≥ 0.
        began_at: start of the current outage; None while the endpoint is up.
        probing: whether a probe request is in flight.
        answered: whether the endpoint has ever responded successfully.
        pause_seconds: pause requested by the most recent action, ≥ 0.
    """

    patience_seconds: float = 3600.0
    min_pause_seconds: float = 1.0
    began_at: float | None = None
    probing: bool = False
    answered: bool = False
    pause_seconds: float = 0.0
    _answered_at: float = -math.inf
    _failures: int = 0

    @property
    def is_active(self) -> bool:
        """Whether the endpoint is in an outage."""
        return self.began_at is not None

    def duration(self, now: float) -> float:
        """Return the duration of the current outage in seconds; 0 without an outage."""
        return 0.0 if self.began_at is None else now - self.began_at

    def answer(self, now: float, sent_at: float) -> bool:
        """Record a successful response; return whether it ends an outage."""
        self.answered, self._answered_at, self._failures = True, now, 0
        if self.began_at is None or sent_at < self.began_at:
            return False
        self.began_at, self.probing = None, False
        return True

    def failure(self, error: CallError, now: float, sent_at: float, in_flight: int) -> OutageAction:
        """Record a failed request and decide what follows.

        Args:
            sent_at: when the request was sent.
            in_flight: number of requests in flight, including this one.
        """
        requested_seconds = error.retry_after_seconds or 0.0
        endpoint_failed = self._is_endpoint_failure(error.failure)
        if (
            endpoint_failed
            and error.failure is not Failure.CONNECTION
            and requested_seconds > self.patience_seconds
        ):
            self.pause_seconds = requested_seconds
            return OutageAction.GIVE_UP
        if self.began_at is not None:
            return self._in_outage(self.began_at, error.failure, now, sent_at, requested_seconds)
        if not (endpoint_failed or error.failure is Failure.TIMEOUT) or not self.is_reachable(error):
            return OutageAction.REQUEST
        self._failures += 1
        no_response_since = self._answered_at < sent_at
        if no_response_since and (self._failures >= MIN_FAILURES or in_flight <= 1):
            self.began_at = now
            return self._pause(now, requested_seconds)
        return OutageAction.REQUEST

    def is_reachable(self, error: CallError) -> bool:
        """Return whether a server is listening: it has responded before, or rejects the request with an HTTP
        status.
        """
        return self.answered or error.failure in (Failure.UNAVAILABLE, Failure.RATE_LIMITED)

    def _is_endpoint_failure(self, failure: Failure) -> bool:
        return failure in ENDPOINT_FAILURES and (self.answered or failure is not Failure.CONNECTION)

    def _in_outage(
        self, began_at: float, failure: Failure, now: float, sent_at: float, requested_seconds: float
    ) -> OutageAction:
        if sent_at < began_at:  # sent before the outage began, like the failures that started it
            self.pause_seconds = requested_seconds
            return OutageAction.PAUSE if self._is_endpoint_failure(failure) else OutageAction.REQUEST
        self.probing = False
        if failure not in ENDPOINT_FAILURES | AMBIGUOUS_FAILURES | {Failure.TIMEOUT}:
            self.began_at = None  # the server responds again, although it rejects this request
            return OutageAction.REQUEST
        return self._pause(now, requested_seconds)

    def _pause(self, now: float, requested_seconds: float) -> OutageAction:
        duration = self.duration(now)
        backoff = min(MAX_PAUSE_SECONDS, max(self.min_pause_seconds, duration * PAUSE_SHARE))
        self.pause_seconds = max(requested_seconds, backoff)
        if duration + self.pause_seconds > self.patience_seconds:
            return OutageAction.GIVE_UP
        return OutageAction.PAUSE
