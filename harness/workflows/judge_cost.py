"""Cost estimate of a judging run, without sending a request.

The number of requests is exact except for retries: every request is rendered and its key is looked up, so
stored and duplicate requests are not counted. Tokens are estimated from bytes, and time from the limits. The
maximum cost is an upper bound that counts every byte as a token, the maximum output, and every allowed
attempt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from agents.clients.base import ModelRequest
from agents.judge import Judge
from agents.models.retirement import check_not_retired
from agents.types import Comparison
from harness.engine.run import RequestSettings
from harness.workflows.judge import Retries, next_attempts
from harness.workflows.request_cost import RequestTally
from results.db.store import Store

CHUNK = 500
VERDICT_TOKENS = 4.0


class ComparisonPlan(Protocol):
    """Plan of comparisons to judge: a contest or an audit."""

    @property
    def judges(self) -> Sequence[Judge]:
        """Judges of every comparison."""
        ...

    @property
    def samples(self) -> int:
        """Samples per comparison, ≥ 1."""
        ...

    def comparisons(self) -> Iterator[Comparison]:
        """Yield every pair in both orders."""
        ...


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """Cost estimate of one judge.

    Attributes:
        judge: name of the judge.
        calls: exact number of requests, without retries.
        known: number of judgments with a stored completion, or identical to another one in the run.
        input_tokens, output_tokens: estimated tokens.
        seconds: estimated time at the configured limits; None without a rate or concurrency limit.
        expected_usd: estimated cost; None if the price is unknown.
        maximum_usd: upper bound on the cost with every allowed attempt; None if the price is unknown.
    """

    judge: str
    calls: int
    known: int
    input_tokens: float
    output_tokens: float
    seconds: float | None
    expected_usd: float | None
    maximum_usd: float | None

    @property
    def name(self) -> str:
        """Name of the judge."""
        return self.judge


async def estimate_judging_cost(
    store: Store, plan: ComparisonPlan, settings: RequestSettings, *, retry_unscored: bool = False
) -> list[CostEstimate]:
    """Estimate the cost of each judge of a plan.

    Args:
        retry_unscored: as for `judge_contest`.

    Raises:
        UserError: the plan uses a retired judge.
    """
    retries = await next_attempts(store, plan.judges) if retry_unscored else {}
    estimates = [await _estimate_judge(store, plan, judge, settings, retries) for judge in plan.judges]
    n_requests = {judge.model: estimate.calls for judge, estimate in zip(plan.judges, estimates, strict=True)}
    check_not_retired(n_requests, settings.allow_retired)
    return estimates


async def _estimate_judge(
    store: Store, plan: ComparisonPlan, judge: Judge, settings: RequestSettings, retries: Retries
) -> CostEstimate:
    tally, known = RequestTally(judge.model, settings), 0
    requests = _requests(plan, judge, retries)
    while chunk := list(islice(requests, CHUNK)):
        stored_keys = await store.completed_keys([request.key for request in chunk])
        known += sum(request.key in stored_keys or not tally.add(request) for request in chunk)
    most = judge.sampling.max_output_tokens
    verdict_tokens = most if judge.model.capabilities.thinking else min(VERDICT_TOKENS, most)
    return CostEstimate(judge=judge.name, known=known, **tally.cost(verdict_tokens))


def _requests(plan: ComparisonPlan, judge: Judge, retries: Retries) -> Iterator[ModelRequest]:
    for comparison in plan.comparisons():
        for sample in range(plan.samples):
            judgment_key = (judge.id, comparison.first.id, comparison.second.id, sample)
            yield judge.call(comparison, sample, retries.get(judgment_key, 0))
