"""A new checkpoint from its folder to its win rates: generate what is missing, judge what is missing, sum up.

Student against base, and against every other opponent, by every judge in both orders, on the dialogues of one
split; whatever is known is reused. Composes serving and judging; shows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from agents.errors import UserError
from agents.judge import Judge
from agents.models.registry import Registry
from agents.models.spec import Model
from harness.data.author_resolver import Author, resolve_author
from harness.engine.run import RequestSettings
from harness.serving.backends import ServingConfig
from harness.serving.checkpoint_resolver import ServedModels
from harness.workflows import generate, judge
from harness.workflows.generate_students import respond
from harness.workflows.generation_plan import DialogueSubset, direct_responder
from prompts import Library
from results.analysis.contest_results import JudgingResult
from results.analysis.quality_gate import BASE, GateDecision, Requirement, combine_decisions, decide
from results.db.store import Store


@dataclass(frozen=True)
class BenchPlan:
    """What is benched.

    Attributes:
        who: the base, one student, and the base as a contestant.
        how: how they are asked.
        chosen: the dialogues.
        stored: other opponents whose responses are looked up: `dataset:…`, `file:…`, or who are asked
            beside the student: `base-cut`, another student.
        models: other opponents that are asked where they have not answered yet, by the name they are given.
        judges: each judges every pair in both orders.
        requirements: the gate; none for none.
    """

    who: ServedModels
    how: ServingConfig
    chosen: DialogueSubset
    judges: tuple[Judge, ...]
    stored: tuple[str, ...] = ()
    models: Mapping[str, Model] | None = None
    requirements: tuple[Requirement, ...] = ()

    @property
    def student(self) -> str:
        """The student's name, with the preset's."""
        return _named(self.who.students[0].author, self.how, merged=self.how.merged)


@dataclass(frozen=True)
class BenchResult:
    """What came of it.

    Attributes:
        generated: how the responses were made.
        contests: by opponent, as it was named; the base first. Fewer where the run did not get so far.
        gates: what each requirement came to.
    """

    student: str
    generated: generate.GenerationResult
    contests: Mapping[str, JudgingResult]
    gates: Mapping[Requirement, GateDecision]

    @property
    def decision(self) -> GateDecision:
        """Of all requirements together."""
        return combine_decisions(list(self.gates.values()))

    @property
    def stopped(self) -> str:
        """Why it did not come to its end; "" where it did."""
        if self.generated.interrupted or any(one.interrupted for one in self.contests.values()):
            return "interrupted"
        endpoints = [*self.generated.endpoints.items()]
        for one in self.contests.values():
            endpoints += [
                (judge.contest.judge, judge.endpoint) for judge in one.judges if judge.endpoint is not None
            ]
        return "; ".join(
            f"{name}: {endpoint.problem.rstrip('.')}" for name, endpoint in endpoints if endpoint.problem
        )


async def bench(
    store: Store, registry: Registry, what: BenchPlan, settings: RequestSettings, library: Library
) -> BenchResult:
    """Generate, judge and sum up.

    Raises:
        UserError: an opponent has no responses to these dialogues; as `respond` and `judge_contest`.
    """
    chosen, models = what.chosen, what.models or {}
    others = [direct_responder(model, library) for model in models.values()]
    made = await respond(store, registry, chosen, what.who, what.how, settings, library, others=others)
    unfinished = made.interrupted or any(
        endpoint.stopped or endpoint.failed for endpoint in made.endpoints.values()
    )
    contests: dict[str, JudgingResult] = {}
    if not unfinished:
        student = await resolve_author(what.student, chosen.dataset, store)
        for name, opponent in await _opponents(store, what):
            plan = _plan(what, student, opponent)
            contests[name] = await judge.judge_contest(store, registry, plan, settings)
            if contests[name].interrupted:
                break
    gates = {one: _decided(one, contests) for one in what.requirements}
    return BenchResult(what.student, made, contests, gates)


async def _opponents(store: Store, what: BenchPlan) -> list[tuple[str, Author]]:
    """The base first; by the name they were given."""
    dataset = what.chosen.dataset
    base = await resolve_author(_named(what.who.base_name, what.how), dataset, store)
    beside = {one.author.partition(":")[0] if one.cut else one.author: one for one in what.who.authors}
    named = []
    for name in what.stored:
        one = beside.get(name)
        merged = what.how.merged and one is not None and one.checkpoint is not None
        named.append((name, name if one is None else _named(one.author, what.how, merged=merged)))
    named += [(name, of.id) for name, of in (what.models or {}).items()]
    return [(BASE, base), *[(name, await resolve_author(written, dataset, store)) for name, written in named]]


def _plan(what: BenchPlan, student: Author, opponent: Author) -> judge.JudgingPlan:
    chosen = what.chosen
    plan = judge.plan_judging(
        chosen.dataset, student, opponent, what.judges, split=chosen.split, seed=chosen.seed
    )
    wanted = {dialogue.key for dialogue in chosen.dialogues()}
    kept = tuple(dialogue for dialogue in plan.dialogues if dialogue.key in wanted)
    if not kept:
        raise UserError(
            f"{student.name} and {opponent.name} have no dialogue in common",
            code="responses.no-common-dialogues",
            found=f"{student.name}, {opponent.name}",
        )
    return replace(plan, dialogues=kept)


def _decided(one: Requirement, contests: Mapping[str, JudgingResult]) -> GateDecision:
    if one.opponent not in contests:
        return GateDecision.UNDECIDED
    return decide(one.bound, {judge.contest.judge: judge.hard for judge in contests[one.opponent].judges})


def _named(author: str, how: ServingConfig, *, merged: bool = False) -> str:
    name = how.set_name
    if merged:
        name = f"{name or 'cut'}-merged"
    return f"{author}@{name}" if name else author
