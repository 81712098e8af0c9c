"""Reports on a run and its endpoints in one invocation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agents.errors import Adaptation


@dataclass(frozen=True, slots=True)
class EndpointReport:
    """Report on one endpoint in this invocation.

    Attributes:
        made, reused, retried, rate_limited, failed: numbers of requests.
        spent_usd: cost of the completions; None when a price is unknown.
        stopped: why the endpoint was disabled, or "".
        failure: why the last failed request failed, or "".
        unanswered_usd: upper bound on the cost of attempts without a completion; None like `spent_usd`.
        warning: warning to show beside the result, or "".
        adaptation: setting under which the model may accept a refused parameter; None if unknown.
        answers: answering model → number of completions.
    """

    made: int
    reused: int
    retried: int
    rate_limited: int
    failed: int
    spent_usd: float | None
    stopped: str
    failure: str = ""
    unanswered_usd: float | None = None
    warning: str = ""
    adaptation: Adaptation | None = None
    answers: Mapping[str, int] = field(default_factory=dict)

    @property
    def problem(self) -> str:
        """One-line description of a problem; "" if every request has a completion."""
        if self.stopped:
            return f"stopped: {self.stopped}"
        if not self.failed:
            return ""
        requests = "1 request" if self.failed == 1 else f"{self.failed:,} requests"
        reason = f" ({self.failure.rstrip('.')})" if self.failure else ""
        return f"{requests} failed{reason}; repeat the command to send them again."


@dataclass(frozen=True)
class RunReport:
    """Report on a run in this invocation: its id, its endpoints by model id, whether it was interrupted."""

    run_id: str
    endpoints: Mapping[str, EndpointReport]
    interrupted: bool

    @property
    def adaptations(self) -> dict[str, Adaptation]:
        """Model id → setting under which the model may accept a refused parameter."""
        return {
            name: endpoint.adaptation
            for name, endpoint in self.endpoints.items()
            if endpoint.adaptation is not None
        }
