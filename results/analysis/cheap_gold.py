"""Cheap + gold estimate of the gold judge's win rate, from two judging runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from results.analysis.contest_results import ContestResult, JudgingResult
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
    """Result of a cheap + gold run.

    Attributes:
        cheap, gold: results of the two runs.
        estimate: estimate of the gold judge's win rate of A over all dialogues.
        saved: cost saved; all None when a price is unknown or there is no estimate.
        share: share of dialogues that the gold judge judged, in (0, 1].
        strata: strata with their inclusion probabilities; empty for a simple random share.
    """

    cheap: JudgingResult
    gold: JudgingResult
    estimate: CheapAndGold | NotEstimable
    saved: CostSaving
    share: float
    strata: tuple[Stratum, ...] = ()


def estimate_win_rate(
    cheap: ContestResult, gold: ContestResult, *, stratified: bool
) -> tuple[CheapAndGold | NotEstimable, tuple[Stratum, ...]]:
    """Estimate the gold judge's win rate of A; also return the strata of a stratified share."""
    if not stratified:
        return ppi_estimate(cheap, gold), ()
    result = stratified_cheap_and_gold(*_paired_scores(cheap, gold))
    return (result, ()) if isinstance(result, NotEstimable) else (result.estimate, result.strata)


def ppi_estimate(
    cheap: ContestResult, gold: ContestResult, *, level: float = 0.95
) -> CheapAndGold | NotEstimable:
    """Return the prediction-powered estimate from a cheap contest and a gold contest on a subset."""
    return cheap_and_gold(*_paired_scores(cheap, gold), level=level)


def _paired_scores(cheap: ContestResult, gold: ContestResult) -> tuple[Floats, Floats]:
    """Return both judges' scores of every dialogue in the cheap contest, nan where not judged."""
    position = {dialogue.key: index for index, dialogue in enumerate(cheap.contest.dialogues)}
    gold_scores = np.full(len(position), np.nan)
    mirrored = cheap.contest.a.id != gold.contest.a.id
    columns = gold.contest.columns.swap_authors() if mirrored else gold.contest.columns
    scores = dialogue_scores(columns).score
    for index, dialogue in enumerate(gold.contest.dialogues):
        gold_scores[position[dialogue.key]] = scores[index]
    return dialogue_scores(cheap.contest.columns).score, gold_scores
