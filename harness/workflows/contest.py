"""Contest of two authors by name: judge them, with one or several judges, or with a cheap and a gold judge.

options = ContestOptions(a="dataset:gpt-4", b="dataset:human", judges=("control/ratings",))
async with Workspace(data="sample") as workspace:
    outcome = await judge_authors(workspace, options, RequestOptions())
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from agents.clients.base import ModelClient
from agents.errors import UserError
from agents.function_judge import FunctionJudge, FunctionJudgeClient, JudgeFunction
from agents.judge import DEFAULT_PROMPT, Judge, judge_temperature, select_judge_prompt
from agents.models.registry import Registry
from agents.models.spec import Model
from agents.types import Fidelity, ResponseSet, Split
from harness.engine.run import RequestSettings
from harness.workflows.judge import JudgingPlan, judge_contest, plan_judging
from harness.workflows.judge_cheap_gold import gold_subset, judge_cheap_gold
from harness.workflows.judge_cost import CostEstimate, estimate_judging_cost
from harness.workflows.request_options import RequestOptions
from harness.workflows.workspace import Workspace
from results.analysis.breakdowns import Breakdowns, compute_breakdowns
from results.analysis.cheap_gold import CheapGoldResult
from results.analysis.contest_results import JudgingResult
from results.analysis.early_stopping import check_feasible, parse_stopping_rule
from results.analysis.judge_panel import split_by_family
from results.db.store import Store

DEFAULT_GOLD_SHARE = 0.2


@dataclass(frozen=True, kw_only=True)
class ContestOptions:
    """Authors to compare, their judges and the settings of both.

    Attributes:
        a, b: names of the authors: "dataset:human", "openai/gpt-6-luna", "student:NAME", "file:PATH".
        judges: names of models, sets of models and control judges, or functions.
        judge_prompt: name of the judge prompt.
        split: split of the dialogues.
        limit: number of dialogues, a seeded random subset; None for all.
        samples: verdicts per comparison, ≥ 1.
        temperature: of the judges, ≥ 0; None for the default of the fidelity.
        seed: of the subset and of the bootstrap.
        fidelity: variant of the experiment.
        retry_unscored: whether to ask again for unscored comparisons.
        stop_when: stopping rule, "decided" or an interval half-width; None to judge every dialogue.
        estimand: what the interval of early stopping estimates: "population" or "these-dialogues".
        exclude_same_family: whether to exclude judges of an author's model family.
        group_by: dialogue property for a breakdown: "sentiment" or "emotion"; None for none.
        length_control: whether to add the win rate at equal length to the breakdowns.
        snapshots: answering models to restrict the result to.
    """

    a: str
    b: str
    judges: tuple[str | JudgeFunction, ...]
    judge_prompt: str = DEFAULT_PROMPT
    split: Split = Split.TEST
    limit: int | None = None
    samples: int = 1
    temperature: float | None = None
    seed: int = 0
    fidelity: Fidelity = Fidelity.OURS
    retry_unscored: bool = False
    stop_when: str | None = None
    estimand: str = "population"
    exclude_same_family: bool = False
    group_by: str | None = None
    length_control: bool = False
    snapshots: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CheapGoldOptions:
    """A cheap judge for every dialogue and a gold judge for a share of them.

    Attributes:
        cheap, gold: names of the two judges.
        share: share of dialogues for the gold judge, in (0, 1].
        stratified: whether the gold judge gets more of the dialogues where the cheap one is inconsistent.
    """

    cheap: str
    gold: str
    share: float = DEFAULT_GOLD_SHARE
    stratified: bool = False


@dataclass(frozen=True)
class ContestOutcome:
    """Result of a contest with its breakdowns."""

    result: JudgingResult
    breakdowns: Breakdowns


@dataclass(frozen=True)
class PlannedContest:
    """Contest that is ready to be judged, with its open models."""

    store: Store
    registry: Registry
    plan: JudgingPlan
    settings: RequestSettings


async def judge_authors(
    workspace: Workspace, options: ContestOptions, requests: RequestOptions
) -> ContestOutcome:
    """Judge author A against author B on the dialogues with responses of both; store and return the result.

    Raises:
        UserError: an author, a judge or an option is invalid.
    """
    async with planned_contest(workspace, options, requests) as planned:
        store, plan = planned.store, planned.plan
        retry = options.retry_unscored
        await requests.confirm_cost(
            lambda: estimate_judging_cost(store, plan, planned.settings, retry_unscored=retry)
        )
        result = await judge_contest(
            store, planned.registry, plan, planned.settings, retry_unscored=retry, snapshots=options.snapshots
        )
        breakdowns = await compute_breakdowns(
            store, result, seed=options.seed, by=options.group_by, length=options.length_control
        )
        return ContestOutcome(result, breakdowns)


async def estimate_contest(
    workspace: Workspace, options: ContestOptions, requests: RequestOptions
) -> tuple[JudgingPlan, list[CostEstimate]]:
    """Return the plan of a contest and the cost of each judge; no request is sent.

    Raises:
        UserError: as for `judge_authors`.
    """
    async with planned_contest(workspace, options, requests) as planned:
        estimates = await estimate_judging_cost(
            planned.store, planned.plan, planned.settings, retry_unscored=options.retry_unscored
        )
        return planned.plan, estimates


@asynccontextmanager
async def planned_contest(
    workspace: Workspace, options: ContestOptions, requests: RequestOptions
) -> AsyncIterator[PlannedContest]:
    """Provide the plan of a contest and its open models while the block runs."""
    settings = requests.settings()
    rule = None if options.stop_when is None else parse_stopping_rule(options.stop_when, options.estimand)
    functions = function_judges(options.judges)
    names = tuple(dict.fromkeys(name for name in options.judges if isinstance(name, str)))
    workspace.dataset  # noqa: B018  (a missing dataset is reported before models)
    with requests.models(names) as (registry, models):
        clients: dict[Model, ModelClient] = {judge.model: FunctionJudgeClient(judge) for judge in functions}
        judges = [_make_judge(workspace, options, model) for model in (*models, *clients)]
        store = await workspace.store(create=True)
        a, b = [await workspace.author(name, create=True) for name in (options.a, options.b)]
        if options.exclude_same_family:
            judges = await without_same_family(store, judges, (a.set, b.set), requests)
        plan = plan_judging(
            workspace.dataset,
            a,
            b,
            judges,
            split=options.split,
            limit=options.limit,
            samples=options.samples,
            seed=options.seed,
            until=rule,
        )
        if rule is not None:
            feasibility = check_feasible(len(plan.dialogues), rule, len(plan.judges))
            if rule.half_width is not None:
                requests.warn(f"Stopping when {rule} ({rule.estimand}): {feasibility.note}.")
        settings = replace(settings, clients={**settings.clients, **clients})
        try:
            yield PlannedContest(store, registry, plan, settings)
        finally:
            for client in clients.values():
                await client.close()


def function_judges(judges: Sequence[str | JudgeFunction]) -> list[FunctionJudge]:
    """Return the judges that are functions.

    Raises:
        UserError: a function has no name or version, or two have the same name.
    """
    made = [FunctionJudge.from_function(judge) for judge in judges if not isinstance(judge, str)]
    by_name: dict[str, FunctionJudge] = {}
    for judge in made:
        other = by_name.setdefault(judge.model.name, judge)
        if other.model.identity != judge.model.identity:
            raise UserError(
                "two judge functions have the same name",
                code="judge.function-name",
                found=repr(judge.model.name),
                remedy="Set the attribute `name` of one of them.",
            )
    return list(by_name.values())


def _make_judge(workspace: Workspace, options: ContestOptions, model: Model) -> Judge:
    """Return the judge of a model."""
    temperature = options.temperature
    if temperature is None:
        temperature = judge_temperature(options.fidelity, options.samples)
    prompt = select_judge_prompt(
        model, options.judge_prompt, options.fidelity, workspace.library, "--judge-prompt"
    )
    return Judge(model, prompt, temperature)


async def without_same_family(
    store: Store, judges: Sequence[Judge], sets: Sequence[ResponseSet], requests: RequestOptions
) -> list[Judge]:
    """Return the judges of other model families than the authors', and report the excluded ones.

    Raises:
        UserError: no judge remains.
    """
    kept, same_family = await split_by_family(store, judges, sets)
    if same_family:
        requests.warn(f"Excluded, same model family as an author: {', '.join(same_family)}")
    return list(kept)


async def judge_authors_cheap_gold(
    workspace: Workspace, options: ContestOptions, both: CheapGoldOptions, requests: RequestOptions
) -> CheapGoldResult:
    """Judge two authors with both judges and combine their verdicts.

    Raises:
        UserError: as for `judge_authors`, or a judge's name stands for several models.
    """
    async with _planned_cheap_gold(workspace, options, both, requests) as (planned, gold):
        for plan in (planned.plan, gold):
            await requests.confirm_cost(partial(_estimate, planned, plan, options))
        return await judge_cheap_gold(
            planned.store,
            planned.registry,
            planned.plan,
            gold,
            planned.settings,
            retry_unscored=options.retry_unscored,
            stratified=both.stratified,
        )


async def estimate_cheap_gold(
    workspace: Workspace, options: ContestOptions, both: CheapGoldOptions, requests: RequestOptions
) -> list[CostEstimate]:
    """Return the cost of both judges; no request is sent.

    Raises:
        UserError: as for `judge_authors_cheap_gold`.
    """
    async with _planned_cheap_gold(workspace, options, both, requests) as (planned, gold):
        return [
            estimate for plan in (planned.plan, gold) for estimate in await _estimate(planned, plan, options)
        ]


async def _estimate(
    planned: PlannedContest, plan: JudgingPlan, options: ContestOptions
) -> list[CostEstimate]:
    return await estimate_judging_cost(
        planned.store, plan, planned.settings, retry_unscored=options.retry_unscored
    )


@asynccontextmanager
async def _planned_cheap_gold(
    workspace: Workspace, options: ContestOptions, both: CheapGoldOptions, requests: RequestOptions
) -> AsyncIterator[tuple[PlannedContest, JudgingPlan]]:
    """Provide the plans of the cheap and of the gold judge."""
    if both.cheap == both.gold:
        raise _not_two_judges(f"--cheap {both.cheap}, --gold {both.gold}", "Name two different judges.")
    options = replace(options, judges=(both.cheap, both.gold))
    async with planned_contest(workspace, options, requests) as planned:
        judges = planned.plan.judges
        if len(judges) != 2:
            found = ", ".join(judge.model.id for judge in judges)
            raise _not_two_judges(found, "Name one model with each of them.")
        cheap, gold = judges
        plan = replace(planned.plan, judges=(cheap,))
        yield replace(planned, plan=plan), gold_subset(plan, gold, both.share)


def _not_two_judges(found: str, remedy: str) -> UserError:
    return UserError(
        "--cheap and --gold need two different judges",
        code="cheap-gold.judges",
        where="--cheap, --gold",
        found=found,
        remedy=remedy,
    )
