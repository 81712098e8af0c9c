"""A judging run: two authors, any number of judges, every pair in both orders, everything stored.

From names to a plan (pure but for reading what is stored), from the plan to calls, from the database to a
summary. What a number means is the statistics' business; how calls are made, the engine's.
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

MIN_BUDGET_USD = 1e-9  # buys nothing
MAX_ADAPTATIONS = 6  # one for each parameter that a model may refuse
JUDGING = "judging"
JUDGING_UNTIL = "judging until known"  # its contests may be judged in part: other tools pass it over
Retries = Mapping[tuple[str, str, str, int], int]


@dataclass(frozen=True)
class JudgingPlan:
    """What is to be judged.

    Attributes:
        a, b: the contestants.
        dialogues: those that both answered, in the seeded order.
        judges: each judges every pair in both orders.
        samples: repetitions of every comparison, ≥ 1.
        seed: of the order, the subset and the resampling.
        split: where the dialogues come from, for people.
        data_sha256: the dataset's content.
        until: what each contest is judged until; None judges every dialogue.
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
        """The kind of its run."""
        return JUDGING if self.until is None else JUDGING_UNTIL

    @cached_property
    def spec(self) -> dict[str, Any]:
        """Everything that decides what is asked and summarised."""
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
        """The plan with models, by id, asked under the settings that they accept."""
        judges = tuple(
            replace(judge, model=judge.model.adapted(adaptations[judge.model.id]))
            if judge.model.id in adaptations
            else judge
            for judge in self.judges
        )
        return replace(self, judges=judges)

    @property
    def requests_per_judge(self) -> int:
        """Both orders, every sample."""
        return 2 * len(self.dialogues) * self.samples

    def comparisons(self) -> Iterator[Comparison]:
        """Every pair in both orders, dialogue by dialogue."""
        for dialogue in self.dialogues:
            a, b = self.a.responses[dialogue.key], self.b.responses[dialogue.key]
            yield from Comparison(dialogue, a, b).both_orders()

    def work(
        self, judge: Judge, retries: Retries, watch: StoppingMonitor | None = None
    ) -> Iterator[WorkItem]:
        """One piece of work per judgment of this judge; `watch` holds it back, and ends it."""
        for number, comparison in enumerate(self.comparisons()):
            for sample in range(self.samples):
                if watch is not None and watch.answered:
                    return
                of = (judge.id, comparison.first.id, comparison.second.id, sample)
                attempt = retries.get(of, 0)
                if watch is None:
                    yield judge.call(comparison, sample, attempt)
                else:
                    place = (number // 2, number % 2 == 0, sample)
                    yield partial(_ask_watched, watch, place, judge, comparison, attempt)


async def _ask_watched(
    watch: StoppingMonitor,
    place: JudgmentIndex,
    judge: Judge,
    comparison: Comparison,
    attempt: int,
    client: ModelClient,
) -> None:
    """Ask, where the question is still open when this dialogue's turn comes."""
    if not await watch.wait_for_turn(place[0]):
        return
    sample = place[2]
    call = judge.call(comparison, sample, attempt)
    try:
        answer = await client.complete(call)
    except EndpointDisabled:
        watch.close()
        raise
    except CallError:
        watch.give_up(place)
        raise
    of = (comparison.dialogue.key, comparison.first.id, comparison.second.id)
    watch.told(place, judge.read(*of, sample, attempt, answer, call.key))


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
    """The plan for judging A against B on the dialogues of a split that both answered.

    Raises:
        UserError: the same author twice, or no dialogue that both answered.
    """
    if a.set.id == b.set.id:
        raise UserError(
            "an author cannot be judged against itself",
            code="contest.same-author",
            found=a.name,
            remedy="Name two different authors.",
        )
    of_split = dialogues_in_split(dataset, split)
    both = [d for d in of_split if d.key in a.responses and d.key in b.responses]
    if not both:
        raise UserError(
            f"{a.name} and {b.name} have no dialogue in common in the {split} split",
            code="responses.no-common-dialogues",
            found=f"{len(a.responses)} and {len(b.responses)} responses, {len(of_split)} dialogues",
            remedy=missing_responses_remedy((a, b), of_split, str(split)),
        )
    ordered = seeded_order(both, seed)[:limit]
    different = tuple({judge.id: judge for judge in judges}.values())  # one named twice is one judge
    return JudgingPlan(a, b, tuple(ordered), different, samples, seed, split, dataset.sha256, until)


async def judge_contest(
    store: Store,
    registry: Registry,
    plan: JudgingPlan,
    settings: RequestSettings,
    *,
    retry_unscored: bool = False,
    snapshots: Collection[str] = (),
) -> JudgingResult:
    """Judge, store and summarise; `snapshots` as `load_contests` takes them.

    Raises:
        UserError: as `run_requests`.
    """
    adapted: list[str] = []
    for _ in range(MAX_ADAPTATIONS):
        watches = _watches(plan)
        report = await run_judging(
            store, registry, plan, settings, retry_unscored=retry_unscored, watches=watches
        )
        adaptations = report.adaptations
        if not adaptations or report.interrupted or not settings.adapt:
            break
        settings = await _reduced_budget(store, report.run_id, settings)
        for judge in plan.judges:
            if judge.model.id in adaptations:
                await store.withdraw_contest(report.run_id, judge.id)
                adapted.append(_adapted_words(judge.model.id, adaptations[judge.model.id]))
                settings.warn(adapted[-1])
        plan = plan.adapted(adaptations)
    given_up = {judge_id: watch.given_up for judge_id, watch in watches.items()}
    summary = await summarize_judging(store, report.run_id, plan.seed, report, given_up, snapshots)
    return _as_named(replace(summary, adapted=tuple(adapted)), plan)


async def _reduced_budget(store: Store, run_id: str, settings: RequestSettings) -> RequestSettings:
    """The settings of a run that goes on under another id: what the first one spent is gone."""
    if settings.budget_usd is None:
        return settings
    left = settings.budget_usd - await store.spent_usd(run_id)
    return replace(settings, budget_usd=max(MIN_BUDGET_USD, left))


def _adapted_words(model: str, adaptation: Adaptation) -> str:
    """What a model refused, how it is asked from now on, and what makes it so for good."""
    return (
        f"{model} does not accept {adaptation.parameter}: it is asked with {adaptation}. To ask it so from "
        f'the start, add an entry [[model]] with match = "{model}" and these settings to a file given with '
        "--models."
    )


def _as_named(summary: JudgingResult, plan: JudgingPlan) -> JudgingResult:
    """The summary with the authors as they were named now: a copied file is known by its content, and may
    have been stored under another name."""
    sets = {author.set.id: author.set for author in (plan.a, plan.b)}
    judges = []
    for judge in summary.judges:
        contest = judge.contest
        named = replace(contest, a=sets.get(contest.a.id, contest.a), b=sets.get(contest.b.id, contest.b))
        judges.append(replace(judge, contest=named))
    return replace(summary, judges=tuple(judges))


def _watches(plan: JudgingPlan) -> dict[str, StoppingMonitor]:
    """One for each judge of a plan whose contests stop when they are answered."""
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
    watches: Mapping[str, StoppingMonitor] | None = None,
) -> RunReport:
    """Judge and store; what a run of the plan did. `watches`, by judge, end what is answered.

    Raises:
        UserError: as `run_requests`.
    """
    retries = await next_attempts(store, plan.judges) if retry_unscored else {}

    async def describe(run_id: str) -> None:
        await store.save_dialogues(plan.dialogues)
        for author in (plan.a, plan.b):
            await store.save_responses(author.set, [author.responses[d.key] for d in plan.dialogues])
        await save_judges(store, plan.judges)
        await store.save_run_dialogues(run_id, [dialogue.key for dialogue in plan.dialogues])
        await store.save_contests(
            run_id, [(judge.id, plan.a.set.id, plan.b.set.id, plan.samples) for judge in plan.judges]
        )

    watched = watches or {}
    names = await answering_models(store, plan) if settings.require_one_model else {}
    sources = [
        RequestSource(
            judge.model,
            partial(plan.work, judge, retries, watched.get(judge.id)),
            plan.requests_per_judge,
            names.get(judge.id),
        )
        for judge in plan.judges
    ]
    return await run_requests(store, registry, settings, plan.kind, plan.spec, describe, sources)


async def answering_models(store: Store, plan: JudgingPlan) -> dict[str, str]:
    """For each judge of a plan, the name under which most of its stored answers in that contest came."""
    run_id = content_id("run-1", [plan.kind, plan.spec])
    return {
        contest.judge_id: next(iter(contest.answerers))
        for contest in await load_contests(store, run_id)
        if contest.answerers
    }


async def next_attempts(store: Store, judges: Sequence[Judge]) -> Retries:
    """For every judgment that is unscored: the number of the next attempt; for the others, of the last."""
    last = await store.last_attempts([judge.id for judge in judges])
    return {place: attempt + (not scored) for place, (attempt, scored) in last.items()}
