"""Dialogue scores: from judgments to one score per dialogue, the unit of resampling.

The score of a dialogue is the mean over its two orders of the mean over their samples. If a judgment is
missing (unscored or not made) the dialogue is incomplete: it has no score, only the bounds left open by the
missing judgment. The module also computes consistency, first-position rate and order-robust bounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from results.statistics.judgment_table import JudgmentTable

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DialogueScores:
    """Scores of a contest's dialogues, in the order of their codes.

    Attributes:
        score: in [0, 1], 1 if A was preferred throughout; NaN if the dialogue is incomplete.
        low, high: the score with every missing judgment at 0, and at 1; equal to `score` if complete.
        by_order: judgments, shape (dialogues, 2, samples): A first in [:, 0], B first in [:, 1]; NaN where
            missing. Soft verdicts if `soft` was requested.
    """

    score: Floats
    low: Floats
    high: Floats
    by_order: Floats

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Whether every judgment of the dialogue, in both orders and all samples, is scored."""
        return ~np.isnan(self.score)


def to_order_array(columns: JudgmentTable, values: Floats) -> Floats:
    """Return `values` (one per row) as an array (dialogues, 2 orders, samples); NaN without a row."""
    samples, sample_index = np.unique(columns.sample, return_inverse=True)
    array = np.full((columns.n_dialogues, 2, max(1, samples.size)), np.nan)
    array[columns.dialogue, np.where(columns.a_first, 0, 1), sample_index] = values
    return array


def dialogue_scores(columns: JudgmentTable, *, soft: bool = False) -> DialogueScores:
    """Score every dialogue of a contest by hard verdicts, or by soft ones.

    With `soft` a verdict without probabilities counts as missing.
    """
    verdicts = to_order_array(columns, columns.soft if soft else columns.outcome)
    missing = np.isnan(verdicts)
    low = np.where(missing, 0.0, verdicts).mean(axis=2).mean(axis=1)
    high = np.where(missing, 1.0, verdicts).mean(axis=2).mean(axis=1)
    score = np.where(missing.any(axis=(1, 2)), np.nan, low)
    return DialogueScores(score, low, high, verdicts)


def mean_score(columns: JudgmentTable, *, soft: bool = False) -> float | None:
    """Return the win rate: mean score of the complete dialogues, in [0, 1]; None without any."""
    scores = dialogue_scores(columns, soft=soft).score
    complete = scores[~np.isnan(scores)]
    return float(complete.mean()) if complete.size else None


def mean_of(values: NDArray[np.float64] | NDArray[np.bool_]) -> float | None:
    """Return the mean of the values; None without any."""
    return float(values.mean()) if values.size else None


def consistency(verdicts: Floats) -> float | None:
    """Return the share of dialogues whose two orders name the same author; a tie names none.

    `verdicts`: as `DialogueScores.by_order`, complete.
    """
    return mean_of((verdicts[:, 0] == verdicts[:, 1]) & (verdicts[:, 0] != 0.5))


def order_robust(verdicts: Floats) -> tuple[float, float] | None:
    """Return the order-robust bounds: share A wins in both orders, and 1 − share B wins in both.

    The rate lies within them whatever position bias does where the two orders differ. They are not a
    confidence interval. Samples are paired by number, so the width is 1 − consistency.

    `verdicts`: as `DialogueScores.by_order`, complete; None without any.
    """
    if not verdicts.size:
        return None
    won = float((verdicts == 1.0).all(axis=1).mean())
    lost = float((verdicts == 0.0).all(axis=1).mean())
    return won, 1.0 - lost


def order_robust_bounds(columns: JudgmentTable) -> tuple[float, float] | None:
    """Return the order-robust bounds of a contest, over its complete dialogues."""
    scores = dialogue_scores(columns)
    return order_robust(scores.by_order[scores.complete])


def shared_variance(verdicts: Floats) -> float:
    """Return the covariance over dialogues of A's scores in the two orders.

    `verdicts`: as `DialogueScores.by_order`, complete; 0 without any.
    """
    if not verdicts.size:
        return 0.0
    first, second = verdicts.mean(axis=2).T
    return float(((first - first.mean()) * (second - second.mean())).mean())


def first_position_rate(verdicts: Floats) -> float | None:
    """Return the share of verdicts for the first position, without ties.

    These are A's wins where A stood first and B's wins where B did.

    `verdicts`: as `DialogueScores.by_order`, complete; None if all are ties, or without any.
    """
    decided = int((verdicts != 0.5).sum())
    for_first = int((verdicts[:, 0] == 1.0).sum()) + int((verdicts[:, 1] == 0.0).sum())
    return for_first / decided if decided else None


def stability(verdicts: Floats) -> float | None:
    """Return the share of comparisons whose samples all gave the same verdict.

    Only comparisons with all samples scored count.

    `verdicts`: as `DialogueScores.by_order`, NaN where missing; None with one sample.
    """
    if verdicts.shape[2] < 2:
        return None
    is_complete = ~np.isnan(verdicts).any(axis=2)
    return mean_of((verdicts == verdicts[:, :, :1]).all(axis=2)[is_complete])
