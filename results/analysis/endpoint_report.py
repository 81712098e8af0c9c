"""Reports of what a run and its endpoints did in one invocation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agents.errors import Adaptation


@dataclass(frozen=True, slots=True)
class EndpointReport:
    """What a lane did in this invocation.

    Attributes:
        made, reused, retried, rate_limited, failed: counts of calls.
        spent_usd: cost of the answers; None where the price is not known.
        stopped: why it took no more calls, or "".
        failure: why the last of those that got no answer got none, or "".
        unanswered_usd: the most that attempts without an answer may have cost; None as for `spent_usd`.
        warning: what is to be said of the endpoint beside its result, or "".
        adaptation: the setting under which the model may accept what it refused; None where none is known.
        answers: answering name → number of answers.
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
        """What went wrong, in a line for people; "" where every call has its answer."""
        if self.stopped:
            return f"stopped: {self.stopped}"
        if not self.failed:
            return ""
        calls = "1 call" if self.failed == 1 else f"{self.failed:,} calls"
        why = f" ({self.failure.rstrip('.')})" if self.failure else ""
        return f"{calls} got no answer{why}; the same command asks again."


@dataclass(frozen=True)
class RunReport:
    """What a run did in this invocation: its id, its lanes by model id, whether it was interrupted."""

    run_id: str
    endpoints: Mapping[str, EndpointReport]
    interrupted: bool

    @property
    def adaptations(self) -> dict[str, Adaptation]:
        """By model id, the settings under which models may accept what they refused."""
        return {
            name: endpoint.adaptation
            for name, endpoint in self.endpoints.items()
            if endpoint.adaptation is not None
        }
