"""When an endpoint that does not answer is paused, probed with one request, and given up.

*Why.* A provider that is overloaded refuses every request for minutes. Requests that wait one by one use up
their tries in seconds while the whole queue follows them.
*States.* An endpoint is up; or in an outage, and then either paused or probed with one request.
*Rules.* An outage begins with failures of the endpoint (not of one request) and no answer since they were
sent: three of them, or one where nothing else is in flight. The pause is a third of the outage so far,
between 1 and 120 seconds, and never shorter than the server asks. One request then probes; an answer ends
the outage, another failure prolongs it. After the patience, or where the server asks to wait longer than
that, the endpoint is given up.

Times are seconds of the event loop's clock. Pure but for its own state: the gate acts on it.
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
"""Failures that say "not now": a request that meets one in an outage uses up no try."""

AMBIGUOUS_FAILURES = frozenset({Failure.SERVER, Failure.MALFORMED})
"""Failures of one request, which do not end an outage either."""


class OutageAction(Enum):
    """What a failure means for its endpoint."""

    REQUEST = auto()  # the request's own: the endpoint goes on
    PAUSE = auto()  # the endpoint waits
    GIVE_UP = auto()  # the patience is exhausted


@dataclass(slots=True)
class Outage:
    """The state of one endpoint.

    Attributes:
        patience_seconds: how long an outage may last, ≥ 0.
        least_pause_seconds: the first pause, ≥ 0.
        began_at: of the present outage; None while the endpoint is up.
        probing: whether the one request that probes is in flight.
        answered: whether the endpoint has ever answered.
        pause_seconds: the pause that the last ruling asks for, ≥ 0.
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
        """How long the present outage has lasted; 0 where there is none."""
        return 0.0 if self.began_at is None else now - self.began_at

    def answer(self, now: float, sent_at: float) -> bool:
        """Take note of an answer; whether it ends an outage."""
        self.answered, self._answered_at, self._failures = True, now, 0
        if self.began_at is None or sent_at < self.began_at:
            return False
        self.began_at, self.probing = None, False
        return True

    def failure(self, error: CallError, now: float, sent_at: float, in_flight: int) -> OutageAction:
        """Take note of a failed request, and rule what follows.

        Args:
            sent_at: when it was sent.
            in_flight: requests in flight, this one included.
        """
        asked = error.retry_after_seconds or 0.0
        of_endpoint = self._is_of_endpoint(error.failure)
        if of_endpoint and error.failure is not Failure.CONNECTION and asked > self.patience_seconds:
            self.pause_seconds = asked
            return OutageAction.GIVE_UP
        if self.began_at is not None:
            return self._in_outage(self.began_at, error.failure, now, sent_at, asked)
        if not (of_endpoint or error.failure is Failure.TIMEOUT) or not self.is_reachable(error):
            return OutageAction.REQUEST
        self._failures += 1
        silent = self._answered_at < sent_at
        if silent and (self._failures >= MIN_FAILURES or in_flight <= 1):
            self.began_at = now
            return self._pause(now, asked)
        return OutageAction.REQUEST

    def is_reachable(self, error: CallError) -> bool:
        """Whether there is anybody at the address: it has answered before, or refuses in HTTP's own words."""
        return self.answered or error.failure in (Failure.UNAVAILABLE, Failure.RATE_LIMITED)

    def _is_of_endpoint(self, failure: Failure) -> bool:
        return failure in ENDPOINT_FAILURES and (self.answered or failure is not Failure.CONNECTION)

    def _in_outage(
        self, began_at: float, failure: Failure, now: float, sent_at: float, asked: float
    ) -> OutageAction:
        if sent_at < began_at:  # of the wave with which the outage began
            self.pause_seconds = asked
            return OutageAction.PAUSE if self._is_of_endpoint(failure) else OutageAction.REQUEST
        self.probing = False
        if failure not in ENDPOINT_FAILURES | AMBIGUOUS_FAILURES | {Failure.TIMEOUT}:
            self.began_at = None  # it answers again, if only with a refusal of this request
            return OutageAction.REQUEST
        return self._pause(now, asked)

    def _pause(self, now: float, asked: float) -> OutageAction:
        duration = self.duration(now)
        own = min(MAX_PAUSE_SECONDS, max(self.min_pause_seconds, duration * PAUSE_SHARE))
        self.pause_seconds = max(asked, own)
        if duration + self.pause_seconds > self.patience_seconds:
            return OutageAction.GIVE_UP
        return OutageAction.PAUSE
