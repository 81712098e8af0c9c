"""Cheap + gold: the estimate of the gold judge's win rate, from two judging runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from results.analysis.contest_results import JudgeResult, Summary
from results.statistics.not_estimable import NotEstimable
from results.statistics.ppi import CheapAndGold, CostSaving, cheap_and_gold
from results.statistics.scores import dialogue_scores
from results.statistics.stratified_ppi import (
    Stratum,
    stratified_cheap_and_gold,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CheapGoldResult:
    """What came of it.

    Attributes:
        cheap, gold: the two runs' results.
        estimate: of the gold judge's win rate of A, or why there is none.
        saved: money; all None where a price is not known or there is no estimate.
        share: of dialogues that the gold judge was asked about, in (0, 1].
        strata: of a stratified share, with their probabilities of inclusion; none for a random one.
    """

    cheap: Summary
    gold: Summary
    estimate: CheapAndGold | NotEstimable
    saved: CostSaving
    share: float
    strata: tuple[Stratum, ...] = ()


def _estimated(
    cheap: JudgeResult, gold: JudgeResult, *, stratified: bool
) -> tuple[CheapAndGold | NotEstimable, tuple[Stratum, ...]]:
    if not stratified:
        return ppi_estimate(cheap, gold), ()
    result = stratified_cheap_and_gold(*_scores_of(cheap, gold))
    return (result, ()) if isinstance(result, NotEstimable) else (result.estimate, result.strata)


def ppi_estimate(
    cheap: JudgeResult, gold: JudgeResult, *, level: float = 0.95
) -> CheapAndGold | NotEstimable:
    """The estimate from two contests of the same authors, the gold one about some of the dialogues."""
    return cheap_and_gold(*_scores_of(cheap, gold), level=level)


def _scores_of(cheap: JudgeResult, gold: JudgeResult) -> tuple[Floats, Floats]:
    """Either judge's score of every dialogue of the cheap one, nan where there is none."""
    place = {dialogue.key: at for at, dialogue in enumerate(cheap.contest.dialogues)}
    of_gold = np.full(len(place), np.nan)
    mirrored = cheap.contest.a.id != gold.contest.a.id
    columns = gold.contest.columns.swap_authors() if mirrored else gold.contest.columns
    scores = dialogue_scores(columns).score
    for at, dialogue in enumerate(gold.contest.dialogues):
        of_gold[place[dialogue.key]] = scores[at]
    return dialogue_scores(cheap.contest.columns).score, of_gold
