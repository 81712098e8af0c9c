"""Runs that make responses: contestants and teachers respond, teachers improve; everything is stored.

From names to a plan (pure but for reading what is stored), from the plan to calls, from the database to a
summary. A piece of work is one dialogue for one set: one call, or a chain of calls each waiting for the one
before it; where a teacher improves its own initial response, the chain begins with asking for that, and the
engine asks it once for all strategies. How calls are made is the engine's business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import orjson

from agents.clients.base import ModelClient
from agents.errors import Fault, UserError
from agents.hashing import content_id
from agents.improver import Improver
from agents.messages import Sampling
from agents.models.registry import Registry
from agents.models.spec import Model
from agents.responder import Responder
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
AttemptCounts = Mapping[
    tuple[str, str], Mapping[int, int]
]  # (set, dialogue) → step → number of the last attempt


@dataclass(frozen=True)
class InitialResponses:
    """What is improved: stored responses, or those that a responder is asked for on the way."""

    set: ResponseSet
    responses: Mapping[str, Response]
    responder: Responder | None = None

    @classmethod
    def from_author(cls, author: Author) -> InitialResponses:
        """Responses that are there."""
        return cls(author.set, author.responses)

    @classmethod
    def from_responder(cls, responder: Responder) -> InitialResponses:
        """Responses that are asked for when they are needed."""
        return cls(responder.set, {}, responder)

    async def original(
        self, client: ModelClient, dialogue: Dialogue, tries: AttemptCounts
    ) -> Response | None:
        """The response to improve; None where there is none that is worth improving."""
        if self.responder is None:
            return self.responses[dialogue.key]
        got = await self.responder.respond(client, dialogue, tries.get((self.set.id, dialogue.key)))
        return None if got.flaw else got.response


@dataclass(frozen=True)
class GenerationPlan:
    """What is to be made.

    Attributes:
        agents: each makes one set, for every dialogue.
        bases: what improvers improve, by the base set's id.
        dialogues: in the seeded order.
        split: where the dialogues come from, for people.
        data_sha256: the dataset's content.
    """

    agents: tuple[ResponseAgent, ...]
    dialogues: tuple[Dialogue, ...]
    bases: Mapping[str, InitialResponses]
    split: str = Split.TRAIN
    data_sha256: str = ""

    @property
    def kind(self) -> str:
        """The run's kind: "responding" or "improving"."""
        return "improving" if self.bases else "responding"

    @cached_property
    def spec(self) -> dict[str, Any]:
        """Everything that decides what is asked."""
        return {
            "sets": sorted(agent.set.id for agent in self.agents),
            "dialogues": content_id("dialogues-1", [dialogue.key for dialogue in self.dialogues]),
            "split": str(self.split),
            "data_sha256": self.data_sha256,
        }

    @property
    def models(self) -> tuple[Model, ...]:
        """Each model that is asked, once."""
        return tuple(dict.fromkeys(agent.model for agent in self.agents))

    @property
    def ignored_parameters(self) -> tuple[str, ...]:
        """The models that are to have a temperature or top-p, and take none."""
        wanted = [agent.model for agent in self.agents if _wants_sampling(agent.sampling)]
        return tuple(dict.fromkeys(model.id for model in wanted if not model.capabilities.temperature))

    @property
    def sets(self) -> tuple[ResponseSet, ...]:
        """Every set that is made, those made on the way first."""
        asked = [base.set for base in self.bases.values() if base.responder is not None]
        return (*asked, *(agent.set for agent in self.agents))

    def agents_of(self, model: Model) -> list[ResponseAgent]:
        """The agents that ask a model."""
        return [agent for agent in self.agents if agent.model == model]

    def can(self, agent: ResponseAgent, dialogue: Dialogue) -> bool:
        """Whether there is something for the agent to do with this dialogue."""
        if isinstance(agent, Responder):
            return True
        base = self.bases[agent.base.id]
        return base.responder is not None or dialogue.key in base.responses

    def work(self, model: Model, tries: AttemptCounts) -> Iterator[WorkItem]:
        """One piece of work per dialogue and set, the sets of one dialogue one after another."""
        for dialogue in self.dialogues:
            for agent in self.agents_of(model):
                again = tries.get((agent.set.id, dialogue.key))
                if isinstance(agent, Responder) and not again:
                    yield agent.call(dialogue)
                elif self.can(agent, dialogue):
                    yield partial(self._do, agent, dialogue, tries)

    def count(self, model: Model) -> int:
        """How many pieces of work `work` gives."""
        return sum(self.can(agent, one) for one in self.dialogues for agent in self.agents_of(model))

    async def _do(
        self, agent: ResponseAgent, dialogue: Dialogue, tries: AttemptCounts, client: ModelClient
    ) -> None:
        again = tries.get((agent.set.id, dialogue.key))
        if isinstance(agent, Responder):
            await agent.respond(client, dialogue, again)
            return
        original = await self.bases[agent.base.id].original(client, dialogue, tries)
        if original is not None:
            await agent.improve(client, dialogue, original, again)


@dataclass(frozen=True)
class GenerationResult:
    """A run's result: its sets, and what its lanes did in this invocation."""

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
    """Make every response of a plan that is not there yet, store, and summarise.

    Args:
        retry_unusable: ask once more where an answer may not train (or, of a contestant, has no text).

    Raises:
        UserError: another set of one of these names is there; else as `run_requests`.
    """
    await _check_names(store, plan)
    tries = await _tries(store, plan, again=retry_unusable)

    async def describe(run_id: str) -> None:
        await store.save_dialogues(plan.dialogues)
        for base in plan.bases.values():
            await store.save_responses(base.set, _of(base, plan.dialogues))
        for agent in (*plan.agents, *(base.responder for base in plan.bases.values())):
            if agent is not None:
                await store.save_responses(agent.set, ())
                for prompt in agent.prompts:
                    await save_prompt(store, prompt)
        await store.save_run_dialogues(run_id, [dialogue.key for dialogue in plan.dialogues])

    sources = [
        RequestSource(model, partial(plan.work, model, tries), plan.count(model)) for model in plan.models
    ]
    report = await run_requests(store, registry, settings, plan.kind, plan.spec, describe, sources)
    sets = [await summarize_response_set(store, of, plan.dialogues) for of in plan.sets]
    cost = await response_set_cost(store, [of.id for of in plan.sets])
    return GenerationResult(
        report.run_id, plan.kind, plan.spec, tuple(sets), report.endpoints, cost, report.interrupted
    )


def _wants_sampling(sampling: Sampling) -> bool:
    return sampling.temperature is not None or sampling.top_p is not None


def _of(base: InitialResponses, dialogues: Sequence[Dialogue]) -> list[Response]:
    return [base.responses[one.key] for one in dialogues if one.key in base.responses]


async def _check_names(store: Store, plan: GenerationPlan) -> None:
    """A name means one set: a second one made in another way needs another name."""
    faults = []
    for of in plan.sets:
        for other in await store.response_sets(of.author, of.preset):
            if other.id != of.id and await store.responses(other.id):
                faults.append(
                    Fault(
                        f"{of.author}@{of.preset} exists with other settings: {_apart(other, of)}",
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


def _apart(there: ResponseSet, wanted: ResponseSet) -> str:
    """In which points two sets were made differently."""
    try:
        one, other = orjson.loads(there.made), orjson.loads(wanted.made)
    except orjson.JSONDecodeError:
        return there.made
    points = _points(one), _points(other)
    keys = [key for key in sorted({*points[0], *points[1]}) if points[0].get(key) != points[1].get(key)]
    if len(keys) > 1:  # it says the same in one word
        keys = [key for key in keys if key != "identity"]
    return "; ".join(f"{key} {points[0].get(key)}, here {points[1].get(key)}" for key in keys)


def _points(made: Mapping[str, Any]) -> dict[str, Any]:
    """What a set was made with, one level flat: `run dtype`, `sampling seed`."""
    flat: dict[str, Any] = {}
    for key, value in made.items():
        inner = value if isinstance(value, dict) else {"": value}
        flat |= {f"{key} {name}".strip(): one for name, one in inner.items()}
    return flat


async def _tries(store: Store, plan: GenerationPlan, *, again: bool) -> AttemptCounts:
    """For every answer that was asked more than once, or is to be now: the number of the last attempt."""
    found: dict[tuple[str, str], dict[int, int]] = {}
    contestants = {agent.set.id for agent in plan.agents if isinstance(agent, Responder)}
    contestants |= {base.set.id for base in plan.bases.values() if base.responder is not None}
    for of in plan.sets:
        there = {one.dialogue for one in await store.responses(of.id)} if of.id in contestants else set()
        for dialogue, steps in last_attempts(await load_generations(store, of.id)).items():
            found[of.id, dialogue] = {
                step: last + (again and not usable and dialogue not in there)
                for step, (last, usable) in steps.items()
            }
    return found
