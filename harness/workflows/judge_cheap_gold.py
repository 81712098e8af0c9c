"""A cheap judge on every dialogue, a gold one on a random share: what the gold one would have said of all.

Two ordinary judging runs: the share is the beginning of a seeded order that is drawn before anything is
asked, both orders of a dialogue together, and nobody's verdicts decide it. So either run can be gone on with,
compared and reported like any other, and a larger share later holds the smaller one. A stratified share is
drawn after the cheap judge is done, in the same seeded order within each stratum, with known probabilities.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from agents.errors import UserError
from agents.judge import Judge
from agents.models.registry import Registry
from agents.seeded_order import seeded_order
from harness.engine.run import RequestSettings
from harness.workflows.judge import JudgingPlan, judge_contest
from results.analysis.cheap_gold import CheapGoldResult, estimate_win_rate
from results.analysis.contest_results import JudgeResult
from results.db.store import Store
from results.statistics.not_estimable import NotEstimable
from results.statistics.ppi import CheapAndGold, CostSaving, cost_saving
from results.statistics.scores import dialogue_scores
from results.statistics.stratified_ppi import (
    NAMES,
    allocation,
    assign_strata,
)

Floats = NDArray[np.float64]

GOLD_SEED = 20260701  # apart from the seed of the order, so that --limit and the share are independent draws


def gold_subset(plan: JudgingPlan, gold: Judge, share: float) -> JudgingPlan:
    """The gold judge's plan: a random share of the dialogues, the same for the same dialogues and share.

    Raises:
        UserError: a share outside (0, 1], or one of fewer than two dialogues.
    """
    if not 0 < share <= 1:
        raise UserError(
            "the gold share must be greater than 0 and at most 1",
            code="cheap-gold.invalid-share",
            where="--gold-share",
            found=f"{share:g}",
        )
    count = round(share * len(plan.dialogues))
    if count < 2:
        raise UserError(
            "the gold share selects fewer than two dialogues",
            code="cheap-gold.too-few-dialogues",
            where="--gold-share",
            found=f"{share:g} of {len(plan.dialogues)}",
            remedy="Use a larger share, or judge more dialogues.",
        )
    chosen = {dialogue.key for dialogue in seeded_order(plan.dialogues, GOLD_SEED)[:count]}
    kept = tuple(dialogue for dialogue in plan.dialogues if dialogue.key in chosen)
    return replace(plan, dialogues=kept, judges=(gold,))


def stratified_gold_subset(plan: JudgingPlan, gold: JudgingPlan, cheap: JudgeResult) -> JudgingPlan:
    """As many dialogues as in `gold`, more of them where the cheap judge is inconsistent.

    Dialogues that the cheap judge has not judged to the end are in no stratum. The least of each stratum is
    asked even where that is more than the share.
    """
    scores = dialogue_scores(cheap.contest.columns).score
    place = {dialogue.key: at for at, dialogue in enumerate(cheap.contest.dialogues)}
    complete = [
        dialogue
        for dialogue in seeded_order(plan.dialogues, GOLD_SEED)
        if not np.isnan(scores[place[dialogue.key]])
    ]
    strata = assign_strata(scores[[place[dialogue.key] for dialogue in complete]])
    members = [
        [one for one, code in zip(complete, strata, strict=True) if code == at] for at in range(len(NAMES))
    ]
    counts = allocation([len(one) for one in members], len(gold.dialogues))
    chosen = {one.key for group, count in zip(members, counts, strict=True) for one in group[:count]}
    return replace(gold, dialogues=tuple(one for one in plan.dialogues if one.key in chosen))


async def judge_cheap_gold(
    store: Store,
    registry: Registry,
    plan: JudgingPlan,
    gold: JudgingPlan,
    settings: RequestSettings,
    *,
    retry_unscored: bool = False,
    stratified: bool = False,
) -> CheapGoldResult:
    """Ask both judges what is not answered yet, and combine them.

    Args:
        plan: of the cheap judge alone.  gold: as `gold_subset` gives it.
        stratified: the gold judge's dialogues are drawn anew, by `stratified_gold_subset`.

    Raises:
        UserError: as `judge_contest`.
    """
    cheap = await judge_contest(store, registry, plan, settings, retry_unscored=retry_unscored)
    if cheap.interrupted:
        why = NotEstimable("cheap and gold estimate", "interrupted before the gold judge was asked")
        return CheapGoldResult(cheap, cheap, why, CostSaving(None, None, None), 0.0)
    if stratified:
        gold = stratified_gold_subset(plan, gold, cheap.judges[0])
    gold_summary = await judge_contest(store, registry, gold, settings, retry_unscored=retry_unscored)
    found, strata = estimate_win_rate(cheap.judges[0], gold_summary.judges[0], stratified=stratified)
    saved = CostSaving(None, None, None)
    if isinstance(found, CheapAndGold):
        saved = cost_saving(found, cheap.judges[0].contest.cost_usd, gold_summary.judges[0].contest.cost_usd)
    return CheapGoldResult(
        cheap, gold_summary, found, saved, len(gold.dialogues) / len(plan.dialogues), strata
    )
