"""Judges against the dataset's human ratings: every pair with different ratings, asked in both orders.

Control judges stand in every audit as its floors. Asked through the same engine, stored like any judgment
and read back from the database. An audit's judgments are no contests: they are about pairs of responders, and
only where their ratings differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from agents.control_judges import rules
from agents.errors import UserError
from agents.hashing import content_id
from agents.judge import Judge
from agents.models.registry import Registry
from agents.seeded_order import seeded_order
from agents.types import Comparison, Dialogue, Response, ResponseSet, Split
from harness.data.dataset import Dataset
from harness.data.splits import dialogues_in_split
from harness.engine.dispatcher import WorkItem
from harness.engine.run import RequestSettings, RequestSource, run_requests
from harness.workflows.judge import Retries, next_attempts
from harness.workflows.records import save_judges
from prompts import Prompt
from results.analysis import audit_baselines
from results.analysis.judge_audit import AuditSummary, summarize_audit
from results.db.store import Store
from results.queries.judge_audits import AUDIT, pairs_of

SEED = 0
NOT_ASKED_ON_TRAIN = tuple(f"control/{name}" for name in audit_baselines.FITTED)


@dataclass(frozen=True)
class AuditPlan:
    """What is to be asked.

    Attributes:
        dialogues: in the seeded order.
        responders: names; sets, responses: theirs, in the same order (responses by dialogue key).
        judges: whoever is audited, then the control judges that are asked.
        raters_elsewhere: per dialogue and responder (sum, count) of the rater's other ratings.
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
        """(dialogue, first responder, second responder) of every pair with different ratings."""
        return pairs_of(np.array(self.ratings, dtype=np.int64))

    @cached_property
    def spec(self) -> dict[str, Any]:
        """Everything that decides what is asked and summarised, the ratings included."""
        return {
            "dialogues": content_id("dialogues-1", [dialogue.key for dialogue in self.dialogues]),
            "judges": sorted(judge.id for judge in self.judges),
            "responders": list(self.responders),
            "sets": [of.id for of in self.sets],
            "ratings": ["".join(map(str, row)) for row in self.ratings],
            "raters_elsewhere": [[list(pair) for pair in row] for row in self.raters_elsewhere],
            "samples": self.samples,
            "seed": self.seed,
            "split": self.split,
            "data_sha256": self.data_sha256,
        }

    @property
    def without_control_judges(self) -> AuditPlan:
        """The same of the judges that are asked for money alone."""
        return replace(self, judges=tuple(judge for judge in self.judges if not judge.is_control))

    @property
    def requests_per_judge(self) -> int:
        """Both orders, every sample."""
        return 2 * len(self.pairs) * self.samples

    def comparisons(self) -> Iterator[Comparison]:
        """Every pair in both orders."""
        for place, first, second in self.pairs:
            dialogue = self.dialogues[place]
            one, other = self.responses[first][dialogue.key], self.responses[second][dialogue.key]
            yield from Comparison(dialogue, one, other).both_orders()

    def work(self, judge: Judge, retries: Retries) -> Iterator[WorkItem]:
        """One piece of work per judgment."""
        for comparison in self.comparisons():
            for sample in range(self.samples):
                of = (judge.id, comparison.first.id, comparison.second.id, sample)
                yield judge.call(comparison, sample, retries.get(of, 0))


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
    """The plan of an audit on one split.

    Args:
        prompt: what the control judges are made with; they do not read it.
        limit: only so many dialogues, a seeded random subset.

    Raises:
        UserError: another split than train or test, or no pair with different ratings.
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
    made = [dataset.responses(name) for name in responders]
    ratings = tuple(tuple(dataset.rated[d.id][name] for name in responders) for d in dialogues)
    asked = {judge.id: judge for judge in judges}
    for name in rules.NAMES:
        judge = Judge(rules.model(name), prompt)
        asked.setdefault(judge.id, judge)
    if (
        split is Split.TRAIN
    ):  # they have seen these ratings: out of fold only, see `results.analysis.audit_baselines`
        asked = {key: judge for key, judge in asked.items() if judge.model.id not in NOT_ASKED_ON_TRAIN}
    plan = AuditPlan(
        dialogues=dialogues,
        responders=responders,
        sets=tuple(of for of, _ in made),
        responses=tuple({response.dialogue: response for response in of} for _, of in made),
        ratings=ratings,
        raters_elsewhere=_raters_elsewhere(dataset, dialogues, responders),
        judges=tuple(asked.values()),
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
    """What each response's rater gave all their other responses, in either split: (sum, count)."""
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
    """Ask what is not answered yet, store, and summarise.

    Args:
        without_kin: as `summarize_audit`; all pairs are asked about.

    Raises:
        UserError: as `run_requests`.
    """
    retries = await next_attempts(store, plan.judges) if retry_unscored else {}

    async def describe(run_id: str) -> None:
        await store.save_dialogues(plan.dialogues)
        for of, responses in zip(plan.sets, plan.responses, strict=True):
            await store.save_responses(of, [responses[dialogue.key] for dialogue in plan.dialogues])
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
