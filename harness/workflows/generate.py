"""Generation runs: models respond to dialogues, teachers improve responses; all completions are stored.

A work item is one dialogue for one response set: one request, or a chain in which each request needs the
previous completion. A teacher that improves its own initial response begins the chain with that response,
which the engine requests once for all strategies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from agents.clients.base import ModelClient
from agents.errors import Fault, UserError
from agents.hashing import content_id
from agents.improver import Improver
from agents.messages import Sampling
from agents.models.registry import Registry
from agents.models.spec import Model
from agents.responder import Responder
from agents.response_set_spec import ResponseSetSpec
from agents.types import Dialogue, Response, ResponseSet, Split
from harness.data.author_resolver import Author
from harness.engine.dispatcher import WorkItem
from harness.engine.run import RequestSettings, RequestSource, run_requests
from harness.workflows.records import save_prompt
from harness.workflows.response_sets import ResponseSetSummary, summarize_response_set
from results.analysis.endpoint_report import EndpointReport
from results.db.store import Store
from results.queries.responses import last_attempts, load_generations, response_set_cost

ResponseAgent = Responder | Improver
AttemptCounts = Mapping[tuple[str, str], Mapping[int, int]]  # (set id, dialogue key) → step → attempt number


@dataclass(frozen=True)
class InitialResponses:
    """Initial responses of an improver: stored ones, or ones that a responder generates on demand.

    Attributes:
        set: response set of the initial responses.
        responses: stored responses by dialogue key.
        responder: responder that generates them; None for stored responses.
    """

    set: ResponseSet
    responses: Mapping[str, Response]
    responder: Responder | None = None

    @classmethod
    def from_author(cls, author: Author) -> InitialResponses:
        """Use the stored responses of an author."""
        return cls(author.set, author.responses)

    @classmethod
    def from_responder(cls, responder: Responder) -> InitialResponses:
        """Generate the responses when they are needed."""
        return cls(responder.set, {}, responder)

    async def initial_response(
        self, client: ModelClient, dialogue: Dialogue, attempts: AttemptCounts
    ) -> Response | None:
        """Return the response to improve; None if it is unusable."""
        if self.responder is None:
            return self.responses[dialogue.key]
        outcome = await self.responder.respond(client, dialogue, attempts.get((self.set.id, dialogue.key)))
        return None if outcome.flaw else outcome.response


@dataclass(frozen=True)
class GenerationPlan:
    """Plan of a generation run.

    Attributes:
        agents: responders and improvers; each makes one response set.
        dialogues: dialogues in the seeded order.
        bases: id of the initial set → initial responses that improvers start from.
        split: split of the dialogues.
        data_sha256: hash of the dataset file.
    """

    agents: tuple[ResponseAgent, ...]
    dialogues: tuple[Dialogue, ...]
    bases: Mapping[str, InitialResponses]
    split: str = Split.TRAIN
    data_sha256: str = ""

    @property
    def kind(self) -> str:
        """Kind of the run: "responding" or "improving"."""
        return "improving" if self.bases else "responding"

    @cached_property
    def spec(self) -> dict[str, Any]:
        """Inputs that determine the requests."""
        return {
            "sets": sorted(agent.set.id for agent in self.agents),
            "dialogues": content_id("dialogues-1", [dialogue.key for dialogue in self.dialogues]),
            "split": str(self.split),
            "data_sha256": self.data_sha256,
        }

    @property
    def models(self) -> tuple[Model, ...]:
        """Models that receive requests, each once."""
        return tuple(dict.fromkeys(agent.model for agent in self.agents))

    @property
    def ignored_parameters(self) -> tuple[str, ...]:
        """Ids of models that ignore the requested temperature or top-p."""
        sampled_models = [agent.model for agent in self.agents if _wants_sampling(agent.sampling)]
        return tuple(
            dict.fromkeys(model.id for model in sampled_models if not model.capabilities.temperature)
        )

    @property
    def sets(self) -> tuple[ResponseSet, ...]:
        """Response sets of the run, generated initial responses first."""
        generated = [base.set for base in self.bases.values() if base.responder is not None]
        return (*generated, *(agent.set for agent in self.agents))

    def agents_of(self, model: Model) -> list[ResponseAgent]:
        """Return the agents that use a model."""
        return [agent for agent in self.agents if agent.model == model]

    def can(self, agent: ResponseAgent, dialogue: Dialogue) -> bool:
        """Return whether the agent can process this dialogue."""
        if isinstance(agent, Responder):
            return True
        base = self.bases[agent.base.id]
        return base.responder is not None or dialogue.key in base.responses

    def work(self, model: Model, attempts: AttemptCounts) -> Iterator[WorkItem]:
        """Yield one work item per dialogue and set, grouped by dialogue."""
        for dialogue in self.dialogues:
            for agent in self.agents_of(model):
                item_attempts = attempts.get((agent.set.id, dialogue.key))
                if isinstance(agent, Responder) and not item_attempts:
                    yield agent.call(dialogue)
                elif self.can(agent, dialogue):
                    yield partial(self._run_item, agent, dialogue, attempts)

    def count(self, model: Model) -> int:
        """Return the number of work items of a model."""
        return sum(
            self.can(agent, dialogue) for dialogue in self.dialogues for agent in self.agents_of(model)
        )

    async def _run_item(
        self, agent: ResponseAgent, dialogue: Dialogue, attempts: AttemptCounts, client: ModelClient
    ) -> None:
        item_attempts = attempts.get((agent.set.id, dialogue.key))
        if isinstance(agent, Responder):
            await agent.respond(client, dialogue, item_attempts)
            return
        original = await self.bases[agent.base.id].initial_response(client, dialogue, attempts)
        if original is not None:
            await agent.improve(client, dialogue, original, item_attempts)


@dataclass(frozen=True)
class GenerationResult:
    """Result of a generation run.

    Attributes:
        run_id, kind, spec: identity of the run.
        sets: summaries of its response sets.
        endpoints: model id → what its endpoint did in this invocation.
        cost_usd: cost of all completions; None when a price is unknown.
        interrupted: whether this invocation was interrupted.
    """

    run_id: str
    kind: str
    spec: Mapping[str, Any]
    sets: tuple[ResponseSetSummary, ...]
    endpoints: Mapping[str, EndpointReport]
    cost_usd: float | None
    interrupted: bool = False


async def generate(
    store: Store,
    registry: Registry,
    plan: GenerationPlan,
    settings: RequestSettings,
    *,
    retry_unusable: bool = False,
) -> GenerationResult:
    """Generate and store the missing responses of a plan.

    Args:
        retry_unusable: repeat requests whose response is unusable or, for responders, empty.

    Raises:
        UserError: a response set with one of these names and other settings exists; else as for
            `run_requests`.
    """
    await _check_names(store, plan)
    attempts = await _attempt_numbers(store, plan, retry=retry_unusable)

    async def describe(run_id: str) -> None:
        await store.save_dialogues(plan.dialogues)
        for base in plan.bases.values():
            await store.save_responses(base.set, _responses_to(base, plan.dialogues))
        for agent in (*plan.agents, *(base.responder for base in plan.bases.values())):
            if agent is not None:
                await store.save_responses(agent.set, ())
                for prompt in agent.prompts:
                    await save_prompt(store, prompt)
        await store.save_run_dialogues(run_id, [dialogue.key for dialogue in plan.dialogues])

    sources = [
        RequestSource(model, partial(plan.work, model, attempts), plan.count(model)) for model in plan.models
    ]
    report = await run_requests(store, registry, settings, plan.kind, plan.spec, describe, sources)
    sets = [await summarize_response_set(store, response_set, plan.dialogues) for response_set in plan.sets]
    cost = await response_set_cost(store, [response_set.id for response_set in plan.sets])
    return GenerationResult(
        report.run_id, plan.kind, plan.spec, tuple(sets), report.endpoints, cost, report.interrupted
    )


def _wants_sampling(sampling: Sampling) -> bool:
    return sampling.temperature is not None or sampling.top_p is not None


def _responses_to(base: InitialResponses, dialogues: Sequence[Dialogue]) -> list[Response]:
    return [base.responses[dialogue.key] for dialogue in dialogues if dialogue.key in base.responses]


async def _check_names(store: Store, plan: GenerationPlan) -> None:
    """Check that no other response set has the name of one in the plan.

    Raises:
        UserError: a set with the same name and other settings exists.
    """
    faults = []
    for response_set in plan.sets:
        for other in await store.response_sets(response_set.author, response_set.preset):
            if other.id != response_set.id and await store.responses(other.id):
                faults.append(
                    Fault(
                        f"{response_set.author}@{response_set.preset} exists with other settings: "
                        f"{_describe_differences(other, response_set)}",
                        code="response-set.settings-differ",
                    )
                )
    if faults:
        raise UserError(
            "a response set with this name and other settings already exists",
            code="response-set.exists",
            where="--preset",
            remedy="Use the same settings as before, or name the new set with --preset NAME"
            + (" (to improve stored responses: --initial-responses AUTHOR)." if plan.bases else "."),
            faults=faults,
        )


def _describe_differences(existing: ResponseSet, requested: ResponseSet) -> str:
    """Return the settings in which two response sets differ, as text."""
    old, new = ResponseSetSpec.from_made(existing.made), ResponseSetSpec.from_made(requested.made)
    if not old.is_recorded:
        return existing.made
    return "; ".join(f"{name} {own}, here {other}" for name, (own, other) in old.differences(new).items())


async def _attempt_numbers(store: Store, plan: GenerationPlan, *, retry: bool) -> AttemptCounts:
    """Return the attempt number of each step that was repeated or is to be repeated now."""
    attempts_by_item: dict[tuple[str, str], dict[int, int]] = {}
    responder_sets = {agent.set.id for agent in plan.agents if isinstance(agent, Responder)}
    responder_sets |= {base.set.id for base in plan.bases.values() if base.responder is not None}
    for response_set in plan.sets:
        answered = (
            {response.dialogue for response in await store.responses(response_set.id)}
            if response_set.id in responder_sets
            else set()
        )
        for dialogue, steps in last_attempts(await load_generations(store, response_set.id)).items():
            attempts_by_item[response_set.id, dialogue] = {
                step: last + (retry and not usable and dialogue not in answered)
                for step, (last, usable) in steps.items()
            }
    return attempts_by_item
