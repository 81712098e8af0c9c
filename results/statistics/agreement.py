"""How far judges agree: with each other, and all of them at once.

Raw agreement is read beside what the judges' own shares of each answer allow at most, and beside measures
that take out agreement by chance, which do not agree on what chance is: Cohen's κ (each judge's own shares),
Gwet's AC1 (steady where one answer is frequent), Krippendorff's α (any number of judges, gaps allowed).
Works on arrays of codes; knows nothing of judges' names, dialogues or databases.
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
    """Two judges over the units that both judged. All but κ, α and AC1 lie in [0, 1]; those are at most 1.

    Attributes:
        n: units with an answer of both.
        agreement: share on which they give the same answer; None where n is 0.
        low, high: its interval over `groups` (dialogues), None with `agreement`.
        attainable: the largest agreement that their own shares of each answer allow.
        prevalence: each answer's share, the mean of both judges'.
        kappa: Cohen's; a refusal where one answer exceeds 90 % or both judges give one answer alone.
        alpha: Krippendorff's, nominal; likewise.
        ac1: Gwet's; None where n is 0.
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
    """Agreement of two judges, unit by unit; nan where one gave no answer.

    Args:
        groups: what the interval resamples, one code per unit (its dialogue).
        answers: all answers that could have been given; where nobody was offered a tie, two.

    Raises:
        ValueError: arrays of different lengths, or an answer that is none of `answers`.
    """
    if not first.shape == second.shape == groups.shape:
        raise ValueError(f"{first.shape}, {second.shape} and {groups.shape} units")
    both = ~(np.isnan(first) | np.isnan(second))
    one, other = first[both], second[both]
    if not np.isin(np.concatenate([one, other]), answers).all():
        raise ValueError(f"an answer is none of {tuple(answers)}")
    n = int(both.sum())
    if not n:
        nothing = NotEstimable("κ", "no unit was judged by both")
        return PairAgreement(0, None, None, None, None, {}, nothing, nothing, None)
    same = one == other
    shares = [np.array([(side == answer).mean() for answer in answers]) for side in (one, other)]
    pooled = (shares[0] + shares[1]) / 2.0
    raw = float(same.mean())
    interval = _interval(same.astype(float), groups[both], seed)
    refused = _not_read(pooled)
    return PairAgreement(
        n=n,
        agreement=raw,
        low=interval.low,
        high=interval.high,
        attainable=float(np.minimum(*shares).sum()),
        prevalence=dict(zip(answers, pooled.tolist(), strict=True)),
        kappa=refused or beyond_chance(raw, float(shares[0] @ shares[1])),
        alpha=refused or krippendorff_alpha(np.stack([one, other])),
        ac1=gwet_ac1(raw, pooled),
    )


def _interval(same: Floats, groups: NDArray[np.int64], seed: int) -> Interval:
    """Over dialogues: each counts with the mean of its units."""
    _, place = np.unique(groups, return_inverse=True)
    return score_interval(np.bincount(place, same) / np.bincount(place), seed=seed)


def _not_read(shares: Floats) -> NotEstimable | None:
    largest = float(shares.max())
    if largest <= FREQUENT:
        return None
    return NotEstimable(
        "κ", f"one answer has {largest:.1%} of all: chance alone would agree in nearly as much"
    )


def beyond_chance(observed: float, expected: float) -> float:
    """(observed − expected) / (1 − expected): the form that κ, α and AC1 share; 1 where both are 1.

    >>> round(beyond_chance(0.7, 0.5), 3)
    0.4
    """
    return 1.0 if expected >= 1.0 else (observed - expected) / (1.0 - expected)


def cohen_kappa(table: Floats) -> float:
    """Cohen's κ of a square table of counts or shares (Cohen 1960, Educ. Psychol. Meas. 20)."""
    shares = table / table.sum()
    return beyond_chance(float(np.trace(shares)), float(shares.sum(axis=0) @ shares.sum(axis=1)))


def gwet_ac1(observed: float, shares: Floats) -> float:
    """Gwet's AC1 from raw agreement and the answers' mean shares (Gwet 2008, Br. J. Math. Stat. Psychol. 61).

    Chance is Σ π(1 − π) / (K − 1) over all K answers that could have been given.
    """
    return beyond_chance(observed, float((shares * (1.0 - shares)).sum()) / (shares.size - 1))


def krippendorff_alpha(ratings: Floats, level: str = "nominal") -> float | NotEstimable:
    """Krippendorff's α of shape (judges, units), nan where there is no answer.

    1 − observed / expected disagreement over all pairs of answers to one unit (Krippendorff 2011, "Computing
    Krippendorff's Alpha-Reliability"). A unit with one answer counts for nothing.

    Args:
        level: "nominal", "ordinal" or "interval": how far two answers are apart.

    Raises:
        ValueError: another level.
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
    if level == "nominal":
        return np.asarray(values[:, None] != values[None, :], dtype=np.float64)
    if level == "interval":
        return np.asarray((values[:, None] - values[None, :]) ** 2)
    if level != "ordinal":
        raise ValueError(f"{level!r} is no level of measurement: nominal, ordinal or interval")
    ranks = np.cumsum(totals) - totals / 2.0
    return np.asarray((ranks[:, None] - ranks[None, :]) ** 2)


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | NotEstimable:
    """Kendall's τ-b between two judges' scores of the same authors: whether they put them in one order.

    (concordant − discordant) / √(pairs not tied by the first · pairs not tied by the second); in [−1, 1].
    With few authors it is coarse: five have ten pairs.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} scores")
    signs = [
        (np.sign(first[i] - first[j]), np.sign(second[i] - second[j]))
        for i, j in combinations(range(len(first)), 2)
    ]
    one, other = np.array(signs, dtype=np.float64).reshape(-1, 2).T
    norm = float(np.sqrt((one**2).sum() * (other**2).sum()))
    if len(first) < 3 or norm == 0.0:
        return NotEstimable("rank correlation", "it needs three authors, and a judge must tell some apart")
    return float((one * other).sum()) / norm


def majority(answers: Floats) -> Floats:
    """The jury's verdict per unit from answers of shape (judges, units): ½ where as many prefer A as B.

    A judge's tie is a vote for neither; a unit without any answer stays nan.
    """
    there = ~np.isnan(answers)
    votes = np.where(there, np.sign(np.nan_to_num(answers, nan=0.5) - 0.5), 0.0).sum(axis=0)
    return np.where(there.any(axis=0), 0.5 + 0.5 * np.sign(votes), np.nan)
