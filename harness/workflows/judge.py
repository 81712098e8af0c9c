"""Judging runs: any number of judges compare two authors on every dialogue in both orders.

The module plans a run, sends its requests through the engine, stores the judgments and summarizes them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from agents.clients.base import ModelClient
from agents.errors import Adaptation, CallError, EndpointDisabled, UserError
from agents.hashing import content_id
from agents.judge import Judge
from agents.models.registry import Registry
from agents.seeded_order import seeded_order
from agents.types import Comparison, Dialogue, Split
from harness.data.author_resolver import Author, missing_responses_remedy
from harness.data.dataset import Dataset
from harness.data.splits import dialogues_in_split
from harness.engine.dispatcher import WorkItem
from harness.engine.run import RequestSettings, RequestSource, run_requests
from harness.workflows.records import save_judges
from harness.workflows.stopping_monitor import StoppingMonitor
from results.analysis.contest_results import SEED, JudgingResult, summarize_judging
from results.analysis.early_stopping import JudgmentIndex, StoppingRule
from results.analysis.endpoint_report import RunReport
from results.db.store import Store
from results.queries.contests import load_contests

MIN_BUDGET_USD = 1e-9  # too small for any request
MAX_ADAPTATIONS = 6  # one per parameter that a model may refuse
JUDGING = "judging"
JUDGING_UNTIL = "judging until known"  # other analyses skip its contests, which may be incomplete
Retries = Mapping[tuple[str, str, str, int], int]


@dataclass(frozen=True)
class JudgingPlan:
    """Plan of a judging run.

    Attributes:
        a, b: compared authors.
        dialogues: dialogues with responses of both authors, in the seeded order.
        judges: judges of every comparison.
        samples: samples per comparison, ≥ 1.
        seed: seed of the order, the subset and the resampling.
        split: split of the dialogues.
        data_sha256: hash of the dataset file.
        until: stopping rule of each contest; None judges every dialogue.
    """

    a: Author
    b: Author
    dialogues: tuple[Dialogue, ...]
    judges: tuple[Judge, ...]
    samples: int = 1
    seed: int = SEED
    split: str = Split.TEST
    data_sha256: str = ""
    until: StoppingRule | None = None

    @property
    def kind(self) -> str:
        """Kind of the run."""
        return JUDGING if self.until is None else JUDGING_UNTIL

    @cached_property
    def spec(self) -> dict[str, Any]:
        """Inputs that determine the requests and the results."""
        stopping = {} if self.until is None else self.until.spec
        return {
            **stopping,
            "a": self.a.set.id,
            "b": self.b.set.id,
            "dialogues": content_id("dialogues-1", [dialogue.key for dialogue in self.dialogues]),
            "judges": sorted(judge.id for judge in self.judges),
            "samples": self.samples,
            "seed": self.seed,
            "split": str(self.split),
            "data_sha256": self.data_sha256,
        }

    def adapted(self, adaptations: Mapping[str, Adaptation]) -> JudgingPlan:
        """Return the plan with adapted settings for these model ids."""
        judges = tuple(
            replace(judge, model=judge.model.adapted(adaptations[judge.model.id]))
            if judge.model.id in adaptations
            else judge
            for judge in self.judges
        )
        return replace(self, judges=judges)

    @property
    def requests_per_judge(self) -> int:
        """Number of requests per judge: both orders, every sample."""
        return 2 * len(self.dialogues) * self.samples

    def comparisons(self) -> Iterator[Comparison]:
        """Yield every pair in both orders, dialogue by dialogue."""
        for dialogue in self.dialogues:
            a, b = self.a.responses[dialogue.key], self.b.responses[dialogue.key]
            yield from Comparison(dialogue, a, b).both_orders()

    def work(
        self, judge: Judge, retries: Retries, monitor: StoppingMonitor | None = None
    ) -> Iterator[WorkItem]:
        """Yield one work item per judgment of this judge.

        Args:
            judge: the judge.
            retries: judgment → attempt number.
            monitor: delays items until their interim look is near, and ends the work when the rule is met.
        """
        for number, comparison in enumerate(self.comparisons()):
            for sample in range(self.samples):
                if monitor is not None and monitor.answered:
                    return
                judgment_key = (judge.id, comparison.first.id, comparison.second.id, sample)
                attempt = retries.get(judgment_key, 0)
                if monitor is None:
                    yield judge.call(comparison, sample, attempt)
                else:
                    index = (number // 2, number % 2 == 0, sample)
                    yield partial(_request_when_due, monitor, index, judge, comparison, attempt)


async def _request_when_due(
    monitor: StoppingMonitor,
    index: JudgmentIndex,
    judge: Judge,
    comparison: Comparison,
    attempt: int,
    client: ModelClient,
) -> None:
    """Request one judgment, unless the stopping rule is met when its turn comes."""
    if not await monitor.wait_for_turn(index[0]):
        return
    sample = index[2]
    request = judge.call(comparison, sample, attempt)
    try:
        completion = await client.complete(request)
    except EndpointDisabled:
        monitor.close()
        raise
    except CallError:
        monitor.give_up(index)
        raise
    comparison_ids = (comparison.dialogue.key, comparison.first.id, comparison.second.id)
    monitor.record_judgment(index, judge.read(*comparison_ids, sample, attempt, completion, request.key))


def plan_judging(
    dataset: Dataset,
    a: Author,
    b: Author,
    judges: Sequence[Judge],
    *,
    split: Split = Split.TEST,
    limit: int | None = None,
    samples: int = 1,
    seed: int = SEED,
    until: StoppingRule | None = None,
) -> JudgingPlan:
    """Plan the contest of A against B on the dialogues of a split with responses of both.

    Args:
        dataset: the dataset.
        a, b: the authors.
        judges: the judges.
        split: split of the dialogues.
        limit: size of a seeded random subset; None for all.
        samples: samples per comparison, ≥ 1.
        seed: seed of the order and of the subset.
        until: stopping rule; None judges every dialogue.

    Raises:
        UserError: the same author twice, or no dialogue with responses of both.
    """
    if a.set.id == b.set.id:
        raise UserError(
            "an author cannot be judged against itself",
            code="contest.same-author",
            found=a.name,
            remedy="Name two different authors.",
        )
    split_dialogues = dialogues_in_split(dataset, split)
    common = [
        dialogue
        for dialogue in split_dialogues
        if dialogue.key in a.responses and dialogue.key in b.responses
    ]
    if not common:
        raise UserError(
            f"{a.name} and {b.name} have no dialogue in common in the {split} split",
            code="responses.no-common-dialogues",
            found=f"{len(a.responses)} and {len(b.responses)} responses, {len(split_dialogues)} dialogues",
            remedy=missing_responses_remedy((a, b), split_dialogues, str(split)),
        )
    ordered = seeded_order(common, seed)[:limit]
    distinct_judges = tuple({judge.id: judge for judge in judges}.values())  # without duplicates
    return JudgingPlan(a, b, tuple(ordered), distinct_judges, samples, seed, split, dataset.sha256, until)


async def judge_contest(
    store: Store,
    registry: Registry,
    plan: JudgingPlan,
    settings: RequestSettings,
    *,
    retry_unscored: bool = False,
    snapshots: Collection[str] = (),
) -> JudgingResult:
    """Judge a contest, store its judgments and summarize them.

    Models that refuse a parameter are requested again without it.

    Args:
        retry_unscored: request unscored judgments once more.
        snapshots: answering models to restrict to, as for `load_contests`.

    Raises:
        UserError: as for `run_requests`.
    """
    adapted: list[str] = []
    for _ in range(MAX_ADAPTATIONS):
        monitors = _stopping_monitors(plan)
        report = await run_judging(
            store, registry, plan, settings, retry_unscored=retry_unscored, monitors=monitors
        )
        adaptations = report.adaptations
        if not adaptations or report.interrupted or not settings.adapt:
            break
        settings = await _reduced_budget(store, report.run_id, settings)
        for judge in plan.judges:
            if judge.model.id in adaptations:
                await store.withdraw_contest(report.run_id, judge.id)
                adapted.append(_describe_adaptation(judge.model.id, adaptations[judge.model.id]))
                settings.warn(adapted[-1])
        plan = plan.adapted(adaptations)
    summary = await summarize_judging(store, report.run_id, None, report, snapshots)
    return _with_current_names(replace(summary, adapted=tuple(adapted)), plan)


async def _reduced_budget(store: Store, run_id: str, settings: RequestSettings) -> RequestSettings:
    """Return the settings with the budget reduced by what a run has spent."""
    if settings.budget_usd is None:
        return settings
    remaining_usd = settings.budget_usd - await store.spent_usd(run_id)
    return replace(settings, budget_usd=max(MIN_BUDGET_USD, remaining_usd))


def _describe_adaptation(model: str, adaptation: Adaptation) -> str:
    """Describe the refused parameter, its replacement and the permanent setting."""
    return (
        f"{model} does not accept {adaptation.parameter}; using {adaptation} instead. To set this "
        f'permanently, add an entry [[model]] with match = "{model}" and these settings to a models file '
        "(--models FILE)."
    )


def _with_current_names(summary: JudgingResult, plan: JudgingPlan) -> JudgingResult:
    """Return the result with the current names of the authors.

    A file is identified by its content and may have been stored under another name.
    """
    sets = {author.set.id: author.set for author in (plan.a, plan.b)}
    results = []
    for result in summary.contests:
        contest = result.contest
        renamed = replace(contest, a=sets.get(contest.a.id, contest.a), b=sets.get(contest.b.id, contest.b))
        results.append(replace(result, contest=renamed))
    return replace(summary, contests=tuple(results))


def _stopping_monitors(plan: JudgingPlan) -> dict[str, StoppingMonitor]:
    """Return one monitor per judge of a plan with a stopping rule, else {}."""
    if plan.until is None:
        return {}
    return {
        judge.id: StoppingMonitor(
            len(plan.dialogues), plan.until, n_contests=len(plan.judges), samples=plan.samples
        )
        for judge in plan.judges
    }


async def run_judging(
    store: Store,
    registry: Registry,
    plan: JudgingPlan,
    settings: RequestSettings,
    *,
    retry_unscored: bool = False,
    monitors: Mapping[str, StoppingMonitor] | None = None,
) -> RunReport:
    """Request and store the missing judgments of a plan.

    Args:
        retry_unscored: request unscored judgments once more.
        monitors: judge id → monitor of early stopping.

    Raises:
        UserError: as for `run_requests`.
    """
    retries = await next_attempts(store, plan.judges) if retry_unscored else {}

    async def describe(run_id: str) -> None:
        await store.save_dialogues(plan.dialogues)
        for author in (plan.a, plan.b):
            await store.save_responses(
                author.set, [author.responses[dialogue.key] for dialogue in plan.dialogues]
            )
        await save_judges(store, plan.judges)
        await store.save_run_dialogues(run_id, [dialogue.key for dialogue in plan.dialogues])
        await store.save_contests(
            run_id, [(judge.id, plan.a.set.id, plan.b.set.id, plan.samples) for judge in plan.judges]
        )

    monitor_of = monitors or {}
    required_models = await answering_models(store, plan) if settings.require_one_model else {}
    sources = [
        RequestSource(
            judge.model,
            partial(plan.work, judge, retries, monitor_of.get(judge.id)),
            plan.requests_per_judge,
            required_models.get(judge.id),
        )
        for judge in plan.judges
    ]
    return await run_requests(store, registry, settings, plan.kind, plan.spec, describe, sources)


async def answering_models(store: Store, plan: JudgingPlan) -> dict[str, str]:
    """Return judge id → model that answered most of the stored requests of the contest."""
    run_id = content_id("run-1", [plan.kind, plan.spec])
    return {
        contest.judge_id: next(iter(contest.answering_models))
        for contest in await load_contests(store, run_id)
        if contest.answering_models
    }


async def next_attempts(store: Store, judges: Sequence[Judge]) -> Retries:
    """Return the next attempt number of unscored judgments, and the last one of all others."""
    last = await store.last_attempts([judge.id for judge in judges])
    return {judgment_key: attempt + (not scored) for judgment_key, (attempt, scored) in last.items()}
