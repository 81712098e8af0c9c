"""What a run of judges would take, before anything is asked: calls exactly; the rest as estimates.

Renders every call and looks its key up, so the number of first-pass calls is exact: what is answered already
and what is identical within the run is not counted. Tokens are estimated from bytes and time from limits; the
maximum spend is an upper bound: every byte a token, the whole output, every allowed try charged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Protocol

from agents.clients.base import ModelRequest
from agents.judge import Judge
from agents.models.retirement import check_not_retired
from agents.types import Comparison
from harness.engine.budget import Price, lookup_price
from harness.engine.rate_limited_client import INITIAL_TOKENS_PER_BYTE
from harness.engine.rate_limiter import INITIAL_LATENCY_SECONDS, MAX_IN_FLIGHT
from harness.engine.run import RequestSettings
from harness.terminal.output import print_json, print_line
from harness.workflows.judge import Retries, next_attempts
from results.db.store import Store
from results.render.format import format_usd

CHUNK = 500
VERDICT_TOKENS = 4.0


class ComparisonPlan(Protocol):
    """A plan of comparisons that judges are to be asked about: a contest's, or an audit's."""

    @property
    def judges(self) -> Sequence[Judge]:
        """Who is asked."""
        ...

    @property
    def samples(self) -> int:
        """Repetitions of every comparison, ≥ 1."""
        ...

    def comparisons(self) -> Iterator[Comparison]:
        """Every pair in both orders."""
        ...


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What one judge's share would take.

    Attributes:
        judge: its name.
        calls: first-pass calls, exactly.
        known: judgments whose answer is stored already, or identical to another's of this run.
        input_tokens, output_tokens: estimates.
        seconds: estimate, at the limits given; None where neither a rate nor a concurrency is known.
        expected_usd: estimate at the price; maximum_usd: upper bound with every allowed try; None where
            the price is not known.
    """

    judge: str
    calls: int
    known: int
    input_tokens: float
    output_tokens: float
    seconds: float | None
    expected_usd: float | None
    maximum_usd: float | None


async def estimate_judging_cost(
    store: Store, plan: ComparisonPlan, settings: RequestSettings, *, retry_unscored: bool = False
) -> list[CostEstimate]:
    """An estimate for each judge of a plan (asked as `judge_contest` would be); asks nothing.

    Raises:
        UserError: a retired judge would be asked.
    """
    retries = await next_attempts(store, plan.judges) if retry_unscored else {}
    found = [await _estimate(store, plan, judge, settings, retries) for judge in plan.judges]
    calls = {judge.model: one.calls for judge, one in zip(plan.judges, found, strict=True)}
    check_not_retired(calls, settings.allow_retired)
    return found


async def _estimate(
    store: Store, plan: ComparisonPlan, judge: Judge, settings: RequestSettings, retries: Retries
) -> CostEstimate:
    price = lookup_price(judge.model, dict(settings.prices))
    asked: set[str] = set()
    size = known = 0
    most = 0.0
    calls = _calls(plan, judge, retries)
    while chunk := list(islice(calls, CHUNK)):
        answered = await store.completed_keys([call.key for call in chunk])
        for call in chunk:
            if call.key in answered or call.key in asked:
                known += 1
                continue
            asked.add(call.key)
            size += len(call.body)
            most += price.upper_bound(call) if price is not None else 0.0
    thinking = judge.model.capabilities.thinking
    each = judge.sampling.max_output_tokens if thinking else VERDICT_TOKENS
    tokens, output = size * INITIAL_TOKENS_PER_BYTE, len(asked) * min(each, judge.sampling.max_output_tokens)
    return CostEstimate(
        judge=judge.name,
        calls=len(asked),
        known=known,
        input_tokens=round(tokens),
        output_tokens=round(output),
        seconds=_seconds(judge, len(asked), tokens + output, settings),
        expected_usd=_expected(price, tokens, output),
        maximum_usd=most * settings.policy.max_tries if price is not None else None,
    )


def _calls(plan: ComparisonPlan, judge: Judge, retries: Retries) -> Iterator[ModelRequest]:
    for comparison in plan.comparisons():
        for sample in range(plan.samples):
            place = (judge.id, comparison.first.id, comparison.second.id, sample)
            yield judge.call(comparison, sample, retries.get(place, 0))


def _expected(price: Price | None, tokens: float, output: float) -> float | None:
    return None if price is None else tokens * price.input_usd + output * price.output_usd


def _seconds(judge: Judge, calls: int, tokens: float, settings: RequestSettings) -> float | None:
    """The longest of what the rates and the concurrency allow; one round trip is the least."""
    if judge.is_control or not calls:
        return 0.0
    limits = settings.limits_of(judge.model)
    needed = [INITIAL_LATENCY_SECONDS]
    if limits.requests_per_minute:
        needed.append(60 * calls / limits.requests_per_minute)
    if limits.tokens_per_minute:
        needed.append(60 * tokens / limits.tokens_per_minute)
    if limits.max_in_flight:
        needed.append(INITIAL_LATENCY_SECONDS * calls / min(limits.max_in_flight, MAX_IN_FLIGHT))
    return max(needed) if len(needed) > 1 else None


def print_cost_estimate(
    estimates: Sequence[CostEstimate],
    as_json: bool,
    *,
    data: Mapping[str, Any] | None = None,
    lines: Sequence[str] = (),
) -> None:
    """The estimates: to stdout; with `data` beside them in JSON, `lines` in text."""
    if as_json:
        rows = {"dry_run": True, "judges": [asdict(each) for each in estimates], **(data or {})}
        print_json(rows)
        return
    for each in estimates:
        for line in told(each):
            print_line(line)
    for line in lines:
        print_line(line)
    print_line("Nothing was asked.")


def told(each: CostEstimate) -> list[str]:
    """An estimate as lines for people."""
    time = "not known without a limit" if each.seconds is None else f"about {each.seconds:,.0f} s"
    return [
        f"{each.judge}: {each.calls:,} calls ({each.known:,} known), exactly",
        f"    estimates: {each.input_tokens:,.0f} tokens in, {each.output_tokens:,.0f} out; time {time}; "
        f"cost {format_usd(each.expected_usd)}",
        f"    at most {format_usd(each.maximum_usd)}, every allowed retry charged in full",
    ]
