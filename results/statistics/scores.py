"""From judgments to one score per dialogue: the unit that everything is resampled by.

The score of a dialogue is the mean over its two orders of the mean over their samples. Where a judgment is
missing (unscored, or never made) the dialogue is incomplete: it has no score, only the two bounds that the
missing judgment leaves open. Beside it, what verdicts laid out in both orders say of their judge. Knows
nothing of intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from results.statistics.judgment_table import JudgmentTable

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DialogueScores:
    """One entry per dialogue of a contest, in the order of their codes.

    Attributes:
        score: in [0, 1], 1 where A was preferred throughout; nan where the dialogue is incomplete.
        low, high: the score with every missing judgment at 0 and at 1; equal to `score` where complete.
        by_order: shape (dialogues, 2, samples): each judgment, A first in [:, 0], B first in [:, 1]; nan
            where missing. Soft verdicts where `soft` was asked for.
    """

    score: Floats
    low: Floats
    high: Floats
    by_order: Floats

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Whether every judgment of the dialogue, in both orders and all samples, is scored."""
        return ~np.isnan(self.score)


def spread(columns: JudgmentTable, values: Floats) -> Floats:
    """`values` (one per row) laid out as (dialogues, 2 orders, samples); nan where there is no row."""
    samples, position = np.unique(columns.sample, return_inverse=True)
    laid_out = np.full((columns.n_dialogues, 2, max(1, samples.size)), np.nan)
    laid_out[columns.dialogue, np.where(columns.a_first, 0, 1), position] = values
    return laid_out


def dialogue_scores(columns: JudgmentTable, *, soft: bool = False) -> DialogueScores:
    """Score every dialogue of a contest; hard verdicts, or soft ones, never both.

    A verdict without probabilities is missing where `soft` is asked for.
    """
    laid_out = spread(columns, columns.soft if soft else columns.outcome)
    missing = np.isnan(laid_out)
    low = np.where(missing, 0.0, laid_out).mean(axis=2).mean(axis=1)
    high = np.where(missing, 1.0, laid_out).mean(axis=2).mean(axis=1)
    score = np.where(missing.any(axis=(1, 2)), np.nan, low)
    return DialogueScores(score, low, high, laid_out)


def mean_score(columns: JudgmentTable, *, soft: bool = False) -> float | None:
    """The win rate alone: mean score of the complete dialogues, in [0, 1]; None where there is none."""
    scores = dialogue_scores(columns, soft=soft).score
    there = scores[~np.isnan(scores)]
    return float(there.mean()) if there.size else None


def mean_of(values: NDArray[np.float64] | NDArray[np.bool_]) -> float | None:
    """Their mean; None where there is none."""
    return float(values.mean()) if values.size else None


def consistency(verdicts: Floats) -> float | None:
    """Share whose two orders name the same author; a tie names none.

    `verdicts`: as `DialogueScores.by_order`, complete.
    """
    return mean_of((verdicts[:, 0] == verdicts[:, 1]) & (verdicts[:, 0] != 0.5))


def order_robust(verdicts: Floats) -> tuple[float, float] | None:
    """From the share that A wins in both orders to one less the share that B wins in both.

    What the rate is at least and at most, whatever the judge's bias for a place does where its two orders
    differ; no interval. Samples are paired by number, so the width is 1 − consistency.

    `verdicts`: as `DialogueScores.by_order`, complete; None where there is none.
    """
    if not verdicts.size:
        return None
    won = float((verdicts == 1.0).all(axis=1).mean())
    lost = float((verdicts == 0.0).all(axis=1).mean())
    return won, 1.0 - lost


def order_robust_bounds(columns: JudgmentTable) -> tuple[float, float] | None:
    """The order-robust bounds of a contest, over its complete dialogues."""
    scores = dialogue_scores(columns)
    return order_robust(scores.by_order[scores.complete])


def shared_variance(verdicts: Floats) -> float:
    """Covariance over dialogues of A's scores in the two orders: what a dialogue says whatever the order.

    `verdicts`: as `DialogueScores.by_order`, complete; 0 where there is none.
    """
    if not verdicts.size:
        return 0.0
    first, second = verdicts.mean(axis=2).T
    return float(((first - first.mean()) * (second - second.mean())).mean())


def first_position_rate(verdicts: Floats) -> float | None:
    """Share of verdicts for the first place: A's wins where A stood first, B's where B did; ties left out.

    `verdicts`: as `DialogueScores.by_order`, complete; None where all are ties, or there is none.
    """
    decided = int((verdicts != 0.5).sum())
    for_first = int((verdicts[:, 0] == 1.0).sum()) + int((verdicts[:, 1] == 0.0).sum())
    return for_first / decided if decided else None


def stability(verdicts: Floats) -> float | None:
    """Share of comparisons whose samples all gave the same verdict, among those with all of them.

    `verdicts`: as `DialogueScores.by_order`, nan where missing; None with one sample.
    """
    if verdicts.shape[2] < 2:
        return None
    whole = ~np.isnan(verdicts).any(axis=2)
    return mean_of((verdicts == verdicts[:, :, :1]).all(axis=2)[whole])
