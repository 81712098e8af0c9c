"""Judge audit: compare judges with the human ratings of the dataset.

Each judge compares, in both orders, every pair of responses to a dialogue whose human ratings differ. Control
judges take part in every audit as baselines. Judgments of an audit are stored like any other but form no
contest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from agents.control_judges import rules
from agents.errors import UserError
from agents.hashing import content_id
from agents.judge import DEFAULT_PROMPT, Judge
from agents.models.registry import Registry
from agents.prompt_lookup import get_prompt
from agents.seeded_order import seeded_order
from agents.types import Comparison, Dialogue, Response, ResponseSet, Split
from harness.data.dataset import Dataset
from harness.data.splits import dialogues_in_split
from harness.engine.dispatcher import WorkItem
from harness.engine.run import RequestSettings, RequestSource, run_requests
from harness.workflows.judge import Retries, next_attempts
from harness.workflows.judge_cost import CostEstimate, estimate_judging_cost
from harness.workflows.records import save_judges
from harness.workflows.request_options import RequestOptions
from harness.workflows.workspace import Workspace
from prompts import Prompt
from results.analysis import audit_baselines
from results.analysis.judge_audit import AuditSummary, summarize_audit
from results.db.store import Store
from results.queries.judge_audits import AUDIT, rated_pairs

SEED = 0
BOTH = "both"
FITTED_CONTROL_JUDGES = tuple(f"control/{name}" for name in audit_baselines.FITTED)


@dataclass(frozen=True)
class AuditPlan:
    """Plan of a judge audit.

    Attributes:
        dialogues: dialogues in the seeded order.
        responders: names of the responders.
        sets: response set of each responder.
        responses: responses of each responder, by dialogue key.
        ratings: human rating (1 to 3) per dialogue and responder.
        raters_elsewhere: (sum, count) of the rater's other ratings, per dialogue and responder.
        judges: audited judges, then the control judges.
        samples: samples per comparison, ≥ 1.
        seed: seed of the order and of the resampling.
        split: "train" or "test".
        data_sha256: hash of the dataset file.
    """

    dialogues: tuple[Dialogue, ...]
    responders: tuple[str, ...]
    sets: tuple[ResponseSet, ...]
    responses: tuple[Mapping[str, Response], ...]
    ratings: tuple[tuple[int, ...], ...]
    raters_elsewhere: tuple[tuple[tuple[int, int], ...], ...]
    judges: tuple[Judge, ...]
    samples: int
    seed: int
    split: str
    data_sha256: str

    @cached_property
    def pairs(self) -> list[tuple[int, int, int]]:
        """Positions (dialogue, first responder, second responder) of every pair with different ratings."""
        return rated_pairs(np.array(self.ratings, dtype=np.int64))

    @cached_property
    def spec(self) -> dict[str, Any]:
        """Inputs that determine the requests and the results, including the ratings."""
        return {
            "dialogues": content_id("dialogues-1", [dialogue.key for dialogue in self.dialogues]),
            "judges": sorted(judge.id for judge in self.judges),
            "responders": list(self.responders),
            "sets": [response_set.id for response_set in self.sets],
            "ratings": ["".join(map(str, row)) for row in self.ratings],
            "raters_elsewhere": [[list(pair) for pair in row] for row in self.raters_elsewhere],
            "samples": self.samples,
            "seed": self.seed,
            "split": self.split,
            "data_sha256": self.data_sha256,
        }

    @property
    def without_control_judges(self) -> AuditPlan:
        """The plan without control judges, whose requests cost nothing."""
        return replace(self, judges=tuple(judge for judge in self.judges if not judge.is_control))

    @property
    def requests_per_judge(self) -> int:
        """Number of requests per judge: both orders, every sample."""
        return 2 * len(self.pairs) * self.samples

    def comparisons(self) -> Iterator[Comparison]:
        """Yield every pair in both orders."""
        for position, first, second in self.pairs:
            dialogue = self.dialogues[position]
            first_response, second_response = (
                self.responses[first][dialogue.key],
                self.responses[second][dialogue.key],
            )
            yield from Comparison(dialogue, first_response, second_response).both_orders()

    def work(self, judge: Judge, retries: Retries) -> Iterator[WorkItem]:
        """Yield one work item per judgment."""
        for comparison in self.comparisons():
            for sample in range(self.samples):
                judgment_key = (judge.id, comparison.first.id, comparison.second.id, sample)
                yield judge.call(comparison, sample, retries.get(judgment_key, 0))


def plan_audit(
    dataset: Dataset,
    judges: Sequence[Judge],
    prompt: Prompt,
    *,
    split: Split = Split.TEST,
    limit: int | None = None,
    samples: int = 1,
    seed: int = SEED,
) -> AuditPlan:
    """Plan an audit on one split.

    Args:
        dataset: the dataset with its ratings.
        judges: judges to audit; control judges are added.
        prompt: prompt that the control judges are constructed with; they do not use it.
        split: train or test.
        limit: size of a seeded random subset of the dialogues; None for all.
        samples: samples per comparison, ≥ 1.
        seed: seed of the order and of the subset.

    Raises:
        UserError: invalid split, or no pair with different ratings.
    """
    if split not in (Split.TRAIN, Split.TEST):
        raise UserError(
            "an audit runs on the train split or on the test split",
            code="audit.invalid-split",
            where="--on",
            found=str(split),
            remedy="Audit each split separately: the test split was selected by its low ratings.",
        )
    dialogues = tuple(seeded_order(dialogues_in_split(dataset, split), seed)[:limit])
    responders = tuple(dataset.texts)
    sets_and_responses = [dataset.responses(name) for name in responders]
    ratings = tuple(tuple(dataset.rated[dialogue.id][name] for name in responders) for dialogue in dialogues)
    judge_by_id = {judge.id: judge for judge in judges}
    for name in rules.NAMES:
        judge = Judge(rules.model(name), prompt)
        judge_by_id.setdefault(judge.id, judge)
    if split is Split.TRAIN:
        # these were fitted on the train ratings; `results.analysis.audit_baselines` cross-validates them
        judge_by_id = {
            key: judge for key, judge in judge_by_id.items() if judge.model.id not in FITTED_CONTROL_JUDGES
        }
    plan = AuditPlan(
        dialogues=dialogues,
        responders=responders,
        sets=tuple(response_set for response_set, _ in sets_and_responses),
        responses=tuple(
            {response.dialogue: response for response in responses} for _, responses in sets_and_responses
        ),
        ratings=ratings,
        raters_elsewhere=_raters_elsewhere(dataset, dialogues, responders),
        judges=tuple(judge_by_id.values()),
        samples=samples,
        seed=seed,
        split=str(split),
        data_sha256=dataset.sha256,
    )
    if not plan.pairs:
        raise UserError(
            "no two responses to the same dialogue have different human ratings",
            code="audit.no-pairs",
            where=dataset.source,
            found=f"{len(dialogues)} dialogues in the {split} split",
            remedy="Choose another split or more dialogues.",
        )
    return plan


def _raters_elsewhere(
    dataset: Dataset, dialogues: Sequence[Dialogue], responders: Sequence[str]
) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Return (sum, count) of the other ratings by each response's rater, over both splits."""
    totals: dict[tuple[str, str], list[int]] = {}
    rater_of = {}
    for rating in dataset.ratings:
        rater = (rating.part, rating.rater)
        totals.setdefault(rater, []).append(rating.value)
        rater_of[rating.dialogue_id, rating.responder] = (rater, rating.value)

    def others(dialogue: Dialogue, responder: str) -> tuple[int, int]:
        rater, own = rater_of[dialogue.id, responder]
        return sum(totals[rater]) - own, len(totals[rater]) - 1

    return tuple(tuple(others(dialogue, name) for name in responders) for dialogue in dialogues)


async def run_audit(
    store: Store,
    registry: Registry,
    plan: AuditPlan,
    settings: RequestSettings,
    *,
    retry_unscored: bool = False,
    exclude_same_family: bool = False,
) -> AuditSummary:
    """Request the missing judgments of an audit, store them and compute the results.

    Args:
        retry_unscored: request unscored judgments once more.
        exclude_same_family: as for `summarize_audit`; all pairs are judged.

    Raises:
        UserError: as for `run_requests`.
    """
    retries = await next_attempts(store, plan.judges) if retry_unscored else {}

    async def describe(run_id: str) -> None:
        await store.save_dialogues(plan.dialogues)
        for response_set, responses in zip(plan.sets, plan.responses, strict=True):
            await store.save_responses(response_set, [responses[dialogue.key] for dialogue in plan.dialogues])
        await save_judges(store, plan.judges)
        await store.save_run_dialogues(run_id, [dialogue.key for dialogue in plan.dialogues])

    sources = [
        RequestSource(judge.model, partial(plan.work, judge, retries), plan.requests_per_judge)
        for judge in plan.judges
    ]
    report = await run_requests(store, registry, settings, AUDIT, plan.spec, describe, sources)
    return await summarize_audit(
        store,
        report.run_id,
        report.endpoints,
        interrupted=report.interrupted,
        exclude_same_family=exclude_same_family,
    )


@dataclass(frozen=True, kw_only=True)
class AuditOptions:
    """Judges to audit, and on what.

    Attributes:
        judges: names of models; control judges are added.
        split: "test", "train", or "both" for two separate audits.
        judge_prompts: names of judge prompts; each judge is audited with each.
        limit: number of dialogues, a seeded random subset; None for all.
        samples: verdicts per comparison, ≥ 1.
        seed: of the subset and of the bootstrap.
        exclude_same_family: whether to exclude, for each judge, pairs with a response of its model family.
        retry_unscored: whether to ask again for unscored comparisons.
    """

    judges: tuple[str, ...] = ()
    split: str = "test"
    judge_prompts: tuple[str, ...] = (DEFAULT_PROMPT,)
    limit: int | None = None
    samples: int = 1
    seed: int = SEED
    exclude_same_family: bool = False
    retry_unscored: bool = False


async def audit_judges(
    workspace: Workspace, options: AuditOptions, requests: RequestOptions
) -> list[AuditSummary]:
    """Audit judges on each split, store their judgments and return the results.

    Raises:
        UserError: a judge, a prompt or an option is invalid.
    """
    settings = requests.settings()
    with _planned_audits(workspace, options, requests) as (registry, plans):
        store = await workspace.store(create=True)
        for plan in plans:
            await requests.confirm_cost(
                partial(estimate_judging_cost, store, plan, settings, retry_unscored=options.retry_unscored)
            )
        summaries = []
        for plan in plans:
            summaries.append(
                await run_audit(
                    store,
                    registry,
                    plan,
                    settings,
                    retry_unscored=options.retry_unscored,
                    exclude_same_family=options.exclude_same_family,
                )
            )
            if summaries[-1].interrupted:
                break
        return summaries


async def estimate_audit(
    workspace: Workspace, options: AuditOptions, requests: RequestOptions
) -> list[tuple[AuditPlan, CostEstimate]]:
    """Return the plan and the cost of each audited judge on each split; no request is sent.

    Raises:
        UserError: as for `audit_judges`.
    """
    settings, retry = requests.settings(), options.retry_unscored
    with _planned_audits(workspace, options, requests) as (_, plans):
        store = await workspace.store(create=True)
        return [
            (plan, estimate)
            for plan in plans
            for estimate in await estimate_judging_cost(
                store, plan.without_control_judges, settings, retry_unscored=retry
            )
        ]


@contextmanager
def _planned_audits(
    workspace: Workspace, options: AuditOptions, requests: RequestOptions
) -> Iterator[tuple[Registry, list[AuditPlan]]]:
    """Provide the plan of each split while the models are open."""
    names = dict.fromkeys(options.judge_prompts)
    prompts = [get_prompt(workspace.library, name, "--judge-prompt") for name in names]
    splits = [Split.TRAIN, Split.TEST] if options.split == BOTH else [Split(options.split)]
    dataset = workspace.dataset
    with requests.models(tuple(dict.fromkeys(options.judges))) as (registry, models):
        temperature = None if options.samples > 1 else 0.0
        judges = [Judge(model, prompt, temperature) for model in models for prompt in prompts]
        plans = [
            plan_audit(
                dataset,
                judges,
                prompts[0],
                split=split,
                limit=options.limit,
                samples=options.samples,
                seed=options.seed,
            )
            for split in splits
        ]
        fitted = [name for name in options.judges if name in FITTED_CONTROL_JUDGES]
        if fitted and Split.TRAIN in splits:
            requests.warn(
                f"{', '.join(fitted)}: fitted on the training ratings; on the train split, only "
                "out-of-fold predictions are used."
            )
        yield registry, plans
