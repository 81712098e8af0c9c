"""A cheap judge on every dialogue, a gold one on a random share: what the gold one would have said of all.

Two ordinary judging runs: the share is the beginning of a seeded order that is drawn before anything is
asked, both orders of a dialogue together, and nobody's verdicts decide it. So either run can be gone on with,
compared and reported like any other, and a larger share later holds the smaller one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from agents.errors import UserError
from agents.judge import Judge
from agents.registry import Registry
from harness.data.splits import seeded_order
from harness.runs.judging import JudgeSummary, Plan, Summary, judge_contest
from harness.runs.running import Settings
from results.statistics.ppi import CheapAndGold, Saving, cheap_and_gold, saving
from results.statistics.refusal import Refusal
from results.statistics.scores import dialogue_scores
from results.store import Store

GOLD_SEED = 20260701  # apart from the seed of the order, so that --limit and the share are independent draws


@dataclass(frozen=True, eq=False)
class Gilded:
    """What came of it.

    Attributes:
        cheap, gold: the two runs' results.
        estimate: of the gold judge's win rate of A, or why there is none.
        saved: money; all None where a price is not known or there is no estimate.
        share: of dialogues that the gold judge was asked about, in (0, 1].
    """

    cheap: Summary
    gold: Summary
    estimate: CheapAndGold | Refusal
    saved: Saving
    share: float


def gold_plan(plan: Plan, gold: Judge, share: float) -> Plan:
    """The gold judge's plan: a random share of the dialogues, the same for the same dialogues and share.

    Raises:
        UserError: a share outside (0, 1], or one of fewer than two dialogues.
    """
    if not 0 < share <= 1:
        raise UserError("the share lies above 0 and is at most 1", where="--gold-share", found=f"{share:g}")
    count = round(share * len(plan.dialogues))
    if count < 2:
        raise UserError(
            "this share is fewer than two dialogues",
            where="--gold-share",
            found=f"{share:g} of {len(plan.dialogues)}",
            remedy="Ask for a larger share, or judge more dialogues.",
        )
    chosen = {dialogue.key for dialogue in seeded_order(plan.dialogues, GOLD_SEED)[:count]}
    kept = tuple(dialogue for dialogue in plan.dialogues if dialogue.key in chosen)
    return replace(plan, dialogues=kept, judges=(gold,))


async def gild(
    store: Store,
    registry: Registry,
    plan: Plan,
    gold: Plan,
    settings: Settings,
    *,
    retry_unscored: bool = False,
) -> Gilded:
    """Ask both judges what is not answered yet, and combine them.

    Args:
        plan: of the cheap judge alone.  gold: as `gold_plan` gives it.

    Raises:
        UserError: as `judge_contest`.
    """
    cheap = await judge_contest(store, registry, plan, settings, retry_unscored=retry_unscored)
    if cheap.interrupted:
        why = Refusal("cheap and gold estimate", "interrupted before the gold judge was asked")
        return Gilded(cheap, cheap, why, Saving(None, None, None), 0.0)
    gold_summary = await judge_contest(store, registry, gold, settings, retry_unscored=retry_unscored)
    found = combined(cheap.judges[0], gold_summary.judges[0])
    saved = Saving(None, None, None)
    if isinstance(found, CheapAndGold):
        saved = saving(found, cheap.judges[0].contest.cost_usd, gold_summary.judges[0].contest.cost_usd)
    return Gilded(cheap, gold_summary, found, saved, len(gold.dialogues) / len(plan.dialogues))


def combined(cheap: JudgeSummary, gold: JudgeSummary, *, level: float = 0.95) -> CheapAndGold | Refusal:
    """The estimate from two contests of the same authors, the gold one about some of the dialogues."""
    place = {dialogue.key: at for at, dialogue in enumerate(cheap.contest.dialogues)}
    of_gold = np.full(len(place), np.nan)
    mirrored = cheap.contest.a.id != gold.contest.a.id
    columns = gold.contest.columns.relabelled() if mirrored else gold.contest.columns
    scores = dialogue_scores(columns).score
    for at, dialogue in enumerate(gold.contest.dialogues):
        of_gold[place[dialogue.key]] = scores[at]
    return cheap_and_gold(dialogue_scores(cheap.contest.columns).score, of_gold, level=level)
