"""Cheap + gold judging: a cheap judge on all dialogues and a gold judge on a random share.

It consists of two ordinary judging runs, which can be continued, compared and reported separately. The share
is a prefix of a seeded order, drawn independently of all verdicts; both orders of a dialogue stay together,
and a larger share contains the smaller one. A stratified share is drawn after the cheap run, with known
inclusion probabilities, in the same seeded order within each stratum.
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
from results.analysis.contest_results import ContestResult
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

GOLD_SEED = (
    20260701  # differs from the seed of the order, so that --limit and the share are independent draws
)


def gold_subset(plan: JudgingPlan, gold: Judge, share: float) -> JudgingPlan:
    """Return the gold judge's plan on a random share of the dialogues, determined by dialogues and share.

    Raises:
        UserError: a share outside (0, 1], or fewer than two selected dialogues.
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
    selected = {dialogue.key for dialogue in seeded_order(plan.dialogues, GOLD_SEED)[:count]}
    dialogues = tuple(dialogue for dialogue in plan.dialogues if dialogue.key in selected)
    return replace(plan, dialogues=dialogues, judges=(gold,))


def stratified_gold_subset(plan: JudgingPlan, gold: JudgingPlan, cheap: ContestResult) -> JudgingPlan:
    """Return the gold plan with a stratified share of the same size.

    More dialogues are drawn where the cheap judge is inconsistent. Dialogues without a complete cheap
    judgment are excluded. The minimum of each stratum is drawn even if the total exceeds the share.
    """
    scores = dialogue_scores(cheap.contest.columns).score
    position = {dialogue.key: index for index, dialogue in enumerate(cheap.contest.dialogues)}
    complete = [
        dialogue
        for dialogue in seeded_order(plan.dialogues, GOLD_SEED)
        if not np.isnan(scores[position[dialogue.key]])
    ]
    strata = assign_strata(scores[[position[dialogue.key] for dialogue in complete]])
    members = [
        [dialogue for dialogue, code in zip(complete, strata, strict=True) if code == index]
        for index in range(len(NAMES))
    ]
    counts = allocation([len(dialogue) for dialogue in members], len(gold.dialogues))
    selected = {
        dialogue.key for group, count in zip(members, counts, strict=True) for dialogue in group[:count]
    }
    return replace(gold, dialogues=tuple(dialogue for dialogue in plan.dialogues if dialogue.key in selected))


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
    """Run both judges and combine their results.

    Args:
        plan: plan of the cheap judge.
        gold: plan of the gold judge, from `gold_subset`.
        retry_unscored: as for `judge_contest`.
        stratified: draw the gold judge's dialogues with `stratified_gold_subset`.

    Raises:
        UserError: as for `judge_contest`.
    """
    cheap_result = await judge_contest(store, registry, plan, settings, retry_unscored=retry_unscored)
    if cheap_result.interrupted:
        not_estimable = NotEstimable("cheap and gold estimate", "interrupted before the gold judge started")
        return CheapGoldResult(cheap_result, cheap_result, not_estimable, CostSaving(None, None, None), 0.0)
    if stratified:
        gold = stratified_gold_subset(plan, gold, cheap_result.contests[0])
    gold_result = await judge_contest(store, registry, gold, settings, retry_unscored=retry_unscored)
    cheap, judged_gold = cheap_result.contests[0], gold_result.contests[0]
    estimate, strata = estimate_win_rate(cheap, judged_gold, stratified=stratified)
    cost_saved = CostSaving(None, None, None)
    if isinstance(estimate, CheapAndGold):
        cost_saved = cost_saving(estimate, cheap.contest.cost_usd, judged_gold.contest.cost_usd)
    return CheapGoldResult(
        cheap_result, gold_result, estimate, cost_saved, len(gold.dialogues) / len(plan.dialogues), strata
    )
