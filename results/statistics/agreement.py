"""Agreement between judges: raw agreement, Cohen's κ, Gwet's AC1, Krippendorff's α and Kendall's τ-b.

Raw agreement is reported with the largest agreement that the judges' answer shares allow. κ, AC1 and α
correct for agreement by chance and differ in how they define chance: κ uses each judge's own answer shares,
AC1 stays stable when one answer is frequent, and α accepts any number of judges and missing answers.
All functions work on arrays of answer codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from results.statistics.intervals import Interval, score_interval
from results.statistics.not_estimable import NotEstimable

Floats = NDArray[np.float64]

FREQUENT = 0.90  # share of one answer above which κ and α are not read
A_PREFERRED, TIE, B_PREFERRED = 1.0, 0.5, 0.0
ANSWERS = (A_PREFERRED, TIE, B_PREFERRED)


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Agreement of two judges on the units that both judged.

    Shares lie in [0, 1]; κ, α and AC1 are at most 1 and may be negative.

    Attributes:
        n: units answered by both judges.
        agreement: share of units with the same answer; None if n is 0.
        low, high: 95 % confidence interval over `groups` (dialogues); None if `agreement` is None.
        attainable: largest agreement possible with the judges' answer shares.
        prevalence: share of each answer, averaged over the two judges.
        kappa: Cohen's κ; `NotEstimable` if one answer exceeds 90 %.
        alpha: Krippendorff's α, nominal; `NotEstimable` under the same condition.
        ac1: Gwet's AC1; None if n is 0.
    """

    n: int
    agreement: float | None
    low: float | None
    high: float | None
    attainable: float | None
    prevalence: Mapping[float, float]
    kappa: float | NotEstimable
    alpha: float | NotEstimable
    ac1: float | None


def judge_agreement(
    first: Floats, second: Floats, *, groups: NDArray[np.int64], seed: int, answers: Sequence[float] = ANSWERS
) -> PairAgreement:
    """Return the agreement of two judges.

    Args:
        first, second: answers of the two judges, one per unit; NaN where a judge gave none.
        groups: code of the group of each unit (its dialogue); the interval resamples groups.
        seed: of the bootstrap.
        answers: all possible answers; pass two where no tie was offered.

    Raises:
        ValueError: arrays of different lengths, or an answer that is not in `answers`.
    """
    if not first.shape == second.shape == groups.shape:
        raise ValueError(f"{first.shape}, {second.shape} and {groups.shape} units")
    both = ~(np.isnan(first) | np.isnan(second))
    first_answers, second_answers = first[both], second[both]
    if not np.isin(np.concatenate([first_answers, second_answers]), answers).all():
        raise ValueError(f"an answer is none of {tuple(answers)}")
    n = int(both.sum())
    if not n:
        no_units = NotEstimable("κ", "no unit was judged by both")
        return PairAgreement(0, None, None, None, None, {}, no_units, no_units, None)
    is_same = first_answers == second_answers
    shares = [
        np.array([(side == answer).mean() for answer in answers]) for side in (first_answers, second_answers)
    ]
    pooled = (shares[0] + shares[1]) / 2.0
    observed = float(is_same.mean())
    interval = _interval(is_same.astype(float), groups[both], seed)
    kappa_not_estimable = _check_prevalence(pooled)
    return PairAgreement(
        n=n,
        agreement=observed,
        low=interval.low,
        high=interval.high,
        attainable=float(np.minimum(*shares).sum()),
        prevalence=dict(zip(answers, pooled.tolist(), strict=True)),
        kappa=kappa_not_estimable or beyond_chance(observed, float(shares[0] @ shares[1])),
        alpha=kappa_not_estimable or krippendorff_alpha(np.stack([first_answers, second_answers])),
        ac1=gwet_ac1(observed, pooled),
    )


def _interval(is_same: Floats, groups: NDArray[np.int64], seed: int) -> Interval:
    """Return the interval over groups; each group counts with the mean of its units."""
    _, group = np.unique(groups, return_inverse=True)
    return score_interval(np.bincount(group, is_same) / np.bincount(group), seed=seed)


def _check_prevalence(shares: Floats) -> NotEstimable | None:
    """Return why κ and α are not estimable when one answer is too frequent, else None."""
    largest = float(shares.max())
    if largest <= FREQUENT:
        return None
    return NotEstimable("κ", f"one answer has {largest:.1%} of all, so agreement by chance is nearly as high")


def beyond_chance(observed: float, expected: float) -> float:
    """Return (observed − expected) / (1 − expected), the chance correction of κ, α and AC1; 1 if both are 1.

    >>> round(beyond_chance(0.7, 0.5), 3)
    0.4
    """
    return 1.0 if expected >= 1.0 else (observed - expected) / (1.0 - expected)


def cohen_kappa(table: Floats) -> float:
    """Return Cohen's κ of a square table of counts or shares (Cohen 1960, Educ. Psychol. Meas. 20)."""
    shares = table / table.sum()
    return beyond_chance(float(np.trace(shares)), float(shares.sum(axis=0) @ shares.sum(axis=1)))


def gwet_ac1(observed: float, shares: Floats) -> float:
    """Return Gwet's AC1 (Gwet 2008, Br. J. Math. Stat. Psychol. 61).

    Chance agreement is Σ π(1 − π) / (K − 1) over all K possible answers.

    Args:
        observed: raw agreement.
        shares: share of each possible answer, averaged over the judges.
    """
    return beyond_chance(observed, float((shares * (1.0 - shares)).sum()) / (shares.size - 1))


def krippendorff_alpha(ratings: Floats, level: str = "nominal") -> float | NotEstimable:
    """Return Krippendorff's α: 1 − observed / expected disagreement over all pairs of answers to one unit.

    Units with one answer are ignored.
    Source: Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability".

    Args:
        ratings: answers, shape (judges, units); NaN where there is no answer.
        level: level of measurement, "nominal", "ordinal" or "interval".

    Raises:
        ValueError: an unknown level.
    """
    values = np.unique(ratings[~np.isnan(ratings)])
    counts = np.array([(ratings == value).sum(axis=0) for value in values], dtype=np.float64)
    answered = np.atleast_1d(counts.sum(axis=0))
    if not (answered > 1).any():
        return NotEstimable("α", "no unit has two answers")
    counts, answered = counts[:, answered > 1], answered[answered > 1]
    coincidences = (counts / (answered - 1.0)) @ counts.T
    coincidences[np.diag_indices_from(coincidences)] -= (counts / (answered - 1.0)).sum(axis=1)
    totals = coincidences.sum(axis=0)
    distance = _distances(values, totals, level)
    expected = float(np.sum(np.outer(totals, totals) * distance)) / (float(totals.sum()) - 1.0)
    if expected <= 0.0:
        return NotEstimable("α", "all answers are the same: nothing could disagree")
    observed = float(np.sum(coincidences * distance))
    return 1.0 - observed / expected


def _distances(values: Floats, totals: Floats, level: str) -> Floats:
    """Return the squared distance between every two answer values."""
    if level == "nominal":
        return np.asarray(values[:, None] != values[None, :], dtype=np.float64)
    if level == "interval":
        return np.asarray((values[:, None] - values[None, :]) ** 2)
    if level != "ordinal":
        raise ValueError(f"unknown level of measurement {level!r}; use nominal, ordinal or interval")
    ranks = np.cumsum(totals) - totals / 2.0
    return np.asarray((ranks[:, None] - ranks[None, :]) ** 2)


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | NotEstimable:
    """Return Kendall's τ-b between two judges' scores of the same authors, in [−1, 1].

    (concordant − discordant) / √(pairs not tied by the first · pairs not tied by the second). `NotEstimable`
    with fewer than three authors, or where a judge ties all of them.

    Raises:
        ValueError: sequences of different lengths.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} scores")
    signs = [
        (np.sign(first[i] - first[j]), np.sign(second[i] - second[j]))
        for i, j in combinations(range(len(first)), 2)
    ]
    first_signs, second_signs = np.array(signs, dtype=np.float64).reshape(-1, 2).T
    norm = float(np.sqrt((first_signs**2).sum() * (second_signs**2).sum()))
    if len(first) < 3 or norm == 0.0:
        return NotEstimable("rank correlation", "fewer than three authors, or a judge ties all of them")
    return float((first_signs * second_signs).sum()) / norm


def majority(answers: Floats) -> Floats:
    """Return the panel's majority verdict per unit: 1 for A, 0 for B, ½ where as many judges prefer A as B.

    A judge's tie counts for neither author. A unit without any answer is NaN.

    Args:
        answers: verdicts, shape (judges, units); NaN where there is none.
    """
    is_answered = ~np.isnan(answers)
    votes = np.where(is_answered, np.sign(np.nan_to_num(answers, nan=0.5) - 0.5), 0.0).sum(axis=0)
    return np.where(is_answered.any(axis=0), 0.5 + 0.5 * np.sign(votes), np.nan)
