"""Benchmark of a checkpoint: generate missing responses, judge missing contests, decide the quality gate.

The student is compared with its base and every other opponent by every judge in both orders, on the dialogues
of one split. Stored responses and judgments are reused.
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
    """Plan of a benchmark.

    Attributes:
        served_models: served models: the student and its base.
        serving: serving configuration.
        subset: dialogues.
        judges: judges of every contest.
        stored: further opponents with stored responses (`dataset:…`, `file:…`), or served beside the student
            (`base-cut`, another student).
        models: further opponents that are requested, by name.
        requirements: requirements of the quality gate; empty for no gate.
    """

    served_models: ServedModels
    serving: ServingConfig
    subset: DialogueSubset
    judges: tuple[Judge, ...]
    stored: tuple[str, ...] = ()
    models: Mapping[str, Model] | None = None
    requirements: tuple[Requirement, ...] = ()

    @property
    def student(self) -> str:
        """Name of the student, with the preset."""
        return _set_name(self.served_models.students[0].author, self.serving, merged=self.serving.merged)


@dataclass(frozen=True)
class BenchResult:
    """Result of a benchmark.

    Attributes:
        student: name of the student.
        generated: result of the generation run.
        contests: opponent → result, base first; incomplete if the run stopped early.
        gates: requirement → decision.
    """

    student: str
    generated: generate.GenerationResult
    contests: Mapping[str, JudgingResult]
    gates: Mapping[Requirement, GateDecision]

    @property
    def decision(self) -> GateDecision:
        """Decision on all requirements together."""
        return combine_decisions(list(self.gates.values()))

    @property
    def stopped(self) -> str:
        """Return the reason why the benchmark is incomplete; "" if it is complete."""
        if self.generated.interrupted or any(contest.interrupted for contest in self.contests.values()):
            return "interrupted"
        endpoints = [*self.generated.endpoints.items()]
        for summary in self.contests.values():
            endpoints += [
                (result.contest.judge, endpoint)
                for result in summary.contests
                if (endpoint := summary.endpoint(result)) is not None
            ]
        return "; ".join(
            f"{name}: {endpoint.problem.rstrip('.')}" for name, endpoint in endpoints if endpoint.problem
        )


async def bench(
    store: Store, registry: Registry, plan: BenchPlan, settings: RequestSettings, library: Library
) -> BenchResult:
    """Run a benchmark.

    Raises:
        UserError: an opponent has no responses to these dialogues; else as for `respond` and `judge_contest`.
    """
    subset, models = plan.subset, plan.models or {}
    others = [direct_responder(model, library) for model in models.values()]
    generated = await respond(
        store, registry, subset, plan.served_models, plan.serving, settings, library, others=others
    )
    unfinished = generated.interrupted or any(
        endpoint.stopped or endpoint.failed for endpoint in generated.endpoints.values()
    )
    contests: dict[str, JudgingResult] = {}
    if not unfinished:
        student = await resolve_author(plan.student, subset.dataset, store)
        for name, opponent in await _opponents(store, plan):
            contest_plan = _contest_plan(plan, student, opponent)
            contests[name] = await judge.judge_contest(store, registry, contest_plan, settings)
            if contests[name].interrupted:
                break
    gates = {requirement: _decide_requirement(requirement, contests) for requirement in plan.requirements}
    return BenchResult(plan.student, generated, contests, gates)


async def _opponents(store: Store, plan: BenchPlan) -> list[tuple[str, Author]]:
    """Return the opponents by their given names, base first."""
    dataset = plan.subset.dataset
    base = await resolve_author(_set_name(plan.served_models.base_name, plan.serving), dataset, store)
    served_authors = {
        author.author.partition(":")[0] if author.truncated else author.author: author
        for author in plan.served_models.authors
    }
    names = []
    for name in plan.stored:
        author = served_authors.get(name)
        merged = plan.serving.merged and author is not None and author.checkpoint is not None
        names.append(
            (name, name if author is None else _set_name(author.author, plan.serving, merged=merged))
        )
    names += [(name, model.id) for name, model in (plan.models or {}).items()]
    return [
        (BASE, base),
        *[(name, await resolve_author(full_name, dataset, store)) for name, full_name in names],
    ]


def _contest_plan(bench_plan: BenchPlan, student: Author, opponent: Author) -> judge.JudgingPlan:
    subset = bench_plan.subset
    plan = judge.plan_judging(
        subset.dataset, student, opponent, bench_plan.judges, split=subset.split, seed=subset.seed
    )
    selected_keys = {dialogue.key for dialogue in subset.dialogues()}
    dialogues = tuple(dialogue for dialogue in plan.dialogues if dialogue.key in selected_keys)
    if not dialogues:
        raise UserError(
            f"{student.name} and {opponent.name} have no dialogue in common",
            code="responses.no-common-dialogues",
            found=f"{student.name}, {opponent.name}",
        )
    return replace(plan, dialogues=dialogues)


def _decide_requirement(requirement: Requirement, contests: Mapping[str, JudgingResult]) -> GateDecision:
    if requirement.opponent not in contests:
        return GateDecision.UNDECIDED
    return decide(
        requirement.bound,
        {result.contest.judge: result.hard for result in contests[requirement.opponent].contests},
    )


def _set_name(author: str, serving: ServingConfig, *, merged: bool = False) -> str:
    name = serving.set_name
    if merged:
        name = f"{name or 'cut'}-merged"
    return f"{author}@{name}" if name else author
