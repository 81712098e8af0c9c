"""Benchmark of a checkpoint: generate missing responses, judge missing contests, decide the quality gate.

The student is compared with its base and every other opponent by every judge in both orders, on the dialogues
of one split. Stored responses and judgments are reused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from agents.author_names import AuthorKind, AuthorName
from agents.errors import UserError
from agents.judge import DEFAULT_PROMPT, Judge
from agents.models.registry import Registry
from agents.models.spec import Model
from agents.prompt_lookup import get_prompt
from agents.types import Split
from finetune.checkpoint import read_checkpoint
from harness.data.author_resolver import Author, resolve_author
from harness.engine.run import RequestSettings
from harness.serving.backends import ServingConfig
from harness.serving.checkpoint_resolver import (
    BASE_CUT,
    ServedModels,
    checkpoint_folders,
    known_student_names,
)
from harness.serving.options import ServingOptions
from harness.workflows import generate, judge
from harness.workflows.generate_students import respond
from harness.workflows.generation_plan import DialogueSubset, direct_responder
from harness.workflows.request_options import RequestOptions
from harness.workflows.workspace import Workspace
from prompts import Library
from results.analysis.contest_results import JudgingResult
from results.analysis.quality_gate import (
    BASE,
    GateDecision,
    Requirement,
    combine_decisions,
    decide,
    parse_requirement,
)
from results.db.store import Store

SEEN = (
    "no dialogues were kept back from its training: it may have seen those of the development split. Build "
    "data with `empathy data build --hold-out`, or say --split test."
)


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
        AuthorName.parse(author.author).kind if author.truncated else author.author: author
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


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """Judges, opponents and gate of a benchmark.

    Attributes:
        judges: names of models, sets of models and control judges.
        against: further opponents than the base: a model, `dataset:…`, `file:…`, `base-truncated`, a student.
        requirements: quality gate, such as "win_rate>0.55"; empty for none.
        judge_prompt: name of the judge prompt.
        split: split of the dialogues.
        limit: number of dialogues, a seeded random subset; None for all.
        seed: of the subset.
        preset: sampling preset of student and base; "" for the default.
    """

    judges: tuple[str, ...]
    against: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    judge_prompt: str = DEFAULT_PROMPT
    split: Split = Split.DEVELOPMENT
    limit: int | None = None
    seed: int = 0
    preset: str = ""

    @property
    def requested(self) -> tuple[str, ...]:
        """Opponents that are models and have to respond."""
        return tuple(
            name
            for name in dict.fromkeys(self.against)
            if (author := AuthorName.parse(name)).kind in (AuthorKind.MODEL, AuthorKind.OTHER)
            and author.preset is None
        )

    @property
    def stored(self) -> tuple[str, ...]:
        """Opponents with stored responses, or served beside the student."""
        return tuple(name for name in dict.fromkeys(self.against) if name not in self.requested)

    def gates(self) -> tuple[Requirement, ...]:
        """Return the requirements of the quality gate.

        Raises:
            UserError: one is invalid.
        """
        return tuple(parse_requirement(text, (BASE, *self.against)) for text in self.requirements)


async def bench_checkpoint(
    workspace: Workspace,
    checkpoint: Path,
    options: BenchOptions,
    requests: RequestOptions,
    serving: ServingOptions | None = None,
) -> BenchResult:
    """Serve a checkpoint with its base, generate, judge against every opponent, and decide the gate.

    Args:
        checkpoint: folder of the checkpoint.

    Raises:
        UserError: the checkpoint, an opponent, a judge or an option is invalid.
    """
    settings, requirements, serving = requests.settings(), options.gates(), serving or ServingOptions()
    prompt = get_prompt(workspace.library, options.judge_prompt, "--judge-prompt")
    student = read_checkpoint(checkpoint)
    if options.split is Split.DEVELOPMENT and (student.record.get("health") or {}).get("slice") != "held out":
        requests.warn(f"{checkpoint}: {SEEN}")
    known = known_student_names(serving.places)
    beside = [name for name in options.stored if name == BASE_CUT or name in known]
    places = (checkpoint, *(checkpoint_folders(serving.places) if beside else ()))
    serving = replace(serving, places=places)
    served = serving.select_served_models([f"student:{student.name}", BASE, *beside])
    config = serving.serving(served, options.preset, quiet=requests.quiet)
    subset = DialogueSubset(workspace.dataset, options.split, options.limit, options.seed)
    judges = requests.registry().expanded(options.judges)
    names = tuple(dict.fromkeys([*judges, *options.requested]))
    with requests.models(names) as (registry, models):
        by_name = dict(zip(names, models, strict=True))
        plan = BenchPlan(
            served,
            config,
            subset,
            tuple(Judge(by_name[name], prompt) for name in judges),
            options.stored,
            {name: by_name[name] for name in options.requested},
            requirements,
        )
        store = await workspace.store(create=True)
        return await bench(store, registry, plan, settings, workspace.library)
