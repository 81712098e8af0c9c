"""What a run that makes responses would take, before anything is asked.

The number of calls is exact but for what is asked again: everything that is to be asked is rendered (an
answer that is not known yet by a stand-in of usual length), and identical calls are counted once. Tokens are
estimated from bytes; the most it can cost is an upper bound: every byte a token, the whole output, every
allowed try charged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from agents.clients.base import ModelRequest
from agents.improver import Improver
from agents.messages import Message
from agents.models.retirement import check_not_retired
from agents.models.spec import Model
from agents.responder import Responder
from agents.types import Dialogue
from harness.engine.budget import lookup_price
from harness.engine.rate_limited_client import INITIAL_TOKENS_PER_BYTE
from harness.engine.rate_limiter import INITIAL_LATENCY_SECONDS, MAX_IN_FLIGHT
from harness.engine.run import RequestSettings
from harness.terminal.output import print_json, print_line
from harness.workflows.generate import GenerationPlan
from results.db.store import Store
from results.queries.responses import load_generations
from results.render.format import format_usd

TYPICAL_OUTPUT_TOKENS = 60  # of a response of some 40 words
STAND_IN = "a response of the usual length " * 7


@dataclass(frozen=True, slots=True)
class GenerationCost:
    """What one model's share would take.

    Attributes:
        model: its id.
        calls: to be asked, identical ones once.  known: of the plan's, those answered already.
        input_tokens, output_tokens: estimates.
        seconds: estimate at the limits given; None where neither a rate nor a concurrency is known.
        expected_usd: estimate.  maximum_usd: upper bound. None where the price is not known.
    """

    model: str
    calls: int
    known: int
    input_tokens: int
    output_tokens: int
    seconds: float | None
    expected_usd: float | None
    maximum_usd: float | None


async def estimate_generation_cost(
    store: Store, plan: GenerationPlan, settings: RequestSettings
) -> list[GenerationCost]:
    """A forecast for each model of a plan; asks nothing.

    Raises:
        UserError: a retired model would be asked.
    """
    there: set[tuple[str, str, int]] = set()
    for of in plan.sets:
        for dialogue, reads in (await load_generations(store, of.id)).items():
            there |= {(of.id, dialogue, read.step) for read in reads}
    found = [_forecast(plan, model, there, settings) for model in plan.models]
    calls = {model: one.calls for model, one in zip(plan.models, found, strict=True)}
    check_not_retired(calls, settings.allow_retired)
    return found


def _forecast(
    plan: GenerationPlan, model: Model, there: set[tuple[str, str, int]], settings: RequestSettings
) -> GenerationCost:
    price = lookup_price(model, dict(settings.prices))
    asked: set[str] = set()
    known: set[str] = set()
    size, most = 0, 0.0
    for place, call in _calls(plan, model):
        if place in there:
            known.add(call.key)
            continue
        if call.key in asked:
            continue
        asked.add(call.key)
        size += len(call.body)
        most += price.upper_bound(call) if price is not None else 0.0
    each = TYPICAL_OUTPUT_TOKENS + (1000 if model.capabilities.thinking else 0)
    given, made = size * INITIAL_TOKENS_PER_BYTE, float(len(asked) * each)
    expected = None if price is None else given * price.input_usd + made * price.output_usd
    return GenerationCost(
        model=model.id,
        calls=len(asked),
        known=len(known),
        input_tokens=round(given),
        output_tokens=round(made),
        seconds=_seconds(model, len(asked), given + made, settings),
        expected_usd=expected,
        maximum_usd=None if price is None else most * settings.policy.max_tries,
    )


def _calls(plan: GenerationPlan, model: Model) -> Iterator[tuple[tuple[str, str, int], ModelRequest]]:
    for dialogue in plan.dialogues:
        for agent in plan.agents_of(model):
            if not plan.can(agent, dialogue):
                continue
            if isinstance(agent, Responder):
                yield (agent.set.id, dialogue.key, 1), agent.call(dialogue)
                continue
            base = plan.bases[agent.base.id]
            if base.responder is not None:
                yield (base.set.id, dialogue.key, 1), base.responder.call(dialogue)
            original = base.responses.get(dialogue.key)
            yield from _chain(agent, dialogue, original.text if original is not None else STAND_IN)


def _chain(
    agent: Improver, dialogue: Dialogue, text: str
) -> Iterator[tuple[tuple[str, str, int], ModelRequest]]:
    said: tuple[Message, ...] = ()
    for step in range(1, agent.steps + 1):
        messages = agent.messages(step, dialogue, text, said)
        yield (agent.set.id, dialogue.key, step), ModelRequest(agent.model, messages, agent.sampling)
        text = f"{STAND_IN}{agent.set.id} {step}"  # of this chain alone
        said = (*messages, Message("assistant", text))


def _seconds(model: Model, calls: int, tokens: float, settings: RequestSettings) -> float | None:
    """The longest of what rates and concurrency allow; one round trip is the least."""
    limits = settings.limits_of(model)
    needed = [INITIAL_LATENCY_SECONDS]
    if limits.requests_per_minute:
        needed.append(60 * calls / limits.requests_per_minute)
    if limits.tokens_per_minute:
        needed.append(60 * tokens / limits.tokens_per_minute)
    if limits.max_in_flight:
        needed.append(INITIAL_LATENCY_SECONDS * calls / min(limits.max_in_flight, MAX_IN_FLIGHT))
    if not calls:
        return 0.0
    return max(needed) if len(needed) > 1 else None


def lines(forecasts: Sequence[GenerationCost]) -> Iterator[str]:
    """A forecast for people."""
    for each in forecasts:
        time = "not known without a limit" if each.seconds is None else f"about {each.seconds:,.0f} s"
        yield f"{each.model}: {each.calls:,} calls ({each.known:,} known)"
        yield (
            f"    estimates: {each.input_tokens:,} tokens in, {each.output_tokens:,} out; time {time}; "
            f"cost {format_usd(each.expected_usd)}"
        )
        yield f"    at most {format_usd(each.maximum_usd)}, every allowed retry charged in full"


def print_generation_cost(forecasts: Sequence[GenerationCost], as_json: bool) -> None:
    """The forecasts: to stdout."""
    if as_json:
        told: dict[str, Any] = {"dry_run": True, "models": [asdict(each) for each in forecasts]}
        print_json(told)
        return
    for line in lines(forecasts):
        print_line(line)
    print_line("Nothing was asked.")
