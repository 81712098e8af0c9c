"""Cost estimate of a generation run, without sending a request.

The number of requests is exact except for repeated ones: every request is rendered (with a placeholder of
typical length for completions not known yet), and identical requests are counted once. Tokens are estimated
from bytes. The maximum cost is an upper bound that counts every byte as a token, the maximum output, and
every allowed attempt.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agents.clients.base import ModelRequest
from agents.improver import Improver
from agents.messages import Message
from agents.models.retirement import check_not_retired
from agents.models.spec import Model
from agents.responder import Responder
from agents.types import Dialogue
from harness.engine.run import RequestSettings
from harness.workflows.generate import GenerationPlan
from harness.workflows.request_cost import RequestTally
from results.db.store import Store
from results.queries.responses import load_generations

TYPICAL_OUTPUT_TOKENS = 60  # response of about 40 words
STAND_IN = "a response of the usual length " * 7


@dataclass(frozen=True, slots=True)
class GenerationCost:
    """Cost estimate of one model in a generation run.

    Attributes:
        model: model id.
        calls: number of distinct requests to send.
        known: number of requests of the plan with a stored completion.
        input_tokens, output_tokens: estimated tokens.
        seconds: estimated time at the configured limits; None without a rate or concurrency limit.
        expected_usd: estimated cost; None if the price is unknown.
        maximum_usd: upper bound on the cost; None if the price is unknown.
    """

    model: str
    calls: int
    known: int
    input_tokens: int
    output_tokens: int
    seconds: float | None
    expected_usd: float | None
    maximum_usd: float | None

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.model


async def estimate_generation_cost(
    store: Store, plan: GenerationPlan, settings: RequestSettings
) -> list[GenerationCost]:
    """Estimate the cost of a plan for each of its models.

    Raises:
        UserError: the plan uses a retired model.
    """
    stored: set[tuple[str, str, int]] = set()
    for response_set in plan.sets:
        for dialogue, reads in (await load_generations(store, response_set.id)).items():
            stored |= {(response_set.id, dialogue, read.step) for read in reads}
    costs = [_estimate_model(plan, model, stored, settings) for model in plan.models]
    n_requests = {model: cost.calls for model, cost in zip(plan.models, costs, strict=True)}
    check_not_retired(n_requests, settings.allow_retired)
    return costs


def _estimate_model(
    plan: GenerationPlan, model: Model, stored: set[tuple[str, str, int]], settings: RequestSettings
) -> GenerationCost:
    tally, known = RequestTally(model, settings), set()
    for item, request in _requests(plan, model):
        if item in stored:
            known.add(request.key)
        else:
            tally.add(request)
    output_tokens = TYPICAL_OUTPUT_TOKENS + (1000 if model.capabilities.thinking else 0)
    return GenerationCost(model=model.id, known=len(known), **tally.cost(output_tokens))


def _requests(plan: GenerationPlan, model: Model) -> Iterator[tuple[tuple[str, str, int], ModelRequest]]:
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
            yield from _chain_requests(agent, dialogue, original.text if original is not None else STAND_IN)


def _chain_requests(
    agent: Improver, dialogue: Dialogue, text: str
) -> Iterator[tuple[tuple[str, str, int], ModelRequest]]:
    history: tuple[Message, ...] = ()
    for step in range(1, agent.steps + 1):
        messages = agent.messages(step, dialogue, text, history)
        yield (agent.set.id, dialogue.key, step), ModelRequest(agent.model, messages, agent.sampling)
        text = f"{STAND_IN}{agent.set.id} {step}"  # unique to this chain
        history = (*messages, Message("assistant", text))
