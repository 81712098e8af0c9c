"""Audit of one judge against human ratings: agreement, bias and consistency.

The unit is a pair of responses to one dialogue with different ratings, judged in both orders. Each rater gave
one rating per response and rated one responder only. Rater and responder are therefore confounded, no ceiling
of agreement can be estimated, and baselines are reported instead. Intervals resample rating tasks
(`part_no`), because the pairs of a task share their raters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from results.statistics.agreement import FREQUENT, beyond_chance
from results.statistics.cluster_bootstrap import ClusteredEstimate, clustered_mean
from results.statistics.not_estimable import NotEstimable
from results.statistics.rated_pairs import RatedPairs
from results.statistics.scores import consistency, first_position_rate, mean_of, stability
from results.statistics.within_rater_test import STATISTIC, Signs, WithinRaters, within_raters

Floats = NDArray[np.float64]

HUMAN_LLM, LLM_LLM = "human against LLM", "LLM against LLM"


@dataclass(frozen=True, slots=True)
class ResponderPairAgreement:
    """Agreement on the pairs of two responders with fixed roles. Shares lie in [0, 1].

    Attributes:
        first, second: names of the responders.
        agreement: agreement of the judge with the ratings.
        humans, judge: share of ratings, and of verdicts, that prefer the first responder.
        kappa: Cohen's κ; `NotEstimable` if one side exceeds 90 %.
    """

    first: str
    second: str
    agreement: ClusteredEstimate
    humans: float | None
    judge: float | None
    kappa: float | NotEstimable


@dataclass(frozen=True, slots=True)
class JudgeBias:
    """Share of verdicts and of ratings for one kind of response.

    Attributes:
        judge, humans: shares in [0, 1] over the same pairs, ties counting one half.
        difference: judge − humans, in [−1, 1].
    """

    judge: ClusteredEstimate
    humans: float | None
    difference: ClusteredEstimate


@dataclass(frozen=True, slots=True)
class Audit:
    """Audit of one judge's verdicts on rated pairs. Pairs with a missing verdict are excluded and counted.

    Attributes:
        agreement: mean over complete pairs of the share of verdicts for the higher-rated response, a tie
            counting one half; ½ is chance, and there is no known ceiling.
        low_bound, high_bound: agreement over all pairs with every missing verdict wrong, and right.
        centred: agreement with rater-centred ratings, over pairs that still differ. Centring does not remove
            the
            rater: a judge of leniency alone exceeds ½, so ½ is not its chance level.
        rating_gap_2: agreement on pairs rated 1 against 3.
        groups: agreement on human-against-LLM and LLM-against-LLM pairs.
        pairs: agreement per pair of responders.
        kappa: κ over all pairs of responders, each with its own chance agreement.
        consistency: share of complete pairs whose two orders name the same response.
        first_position_rate: share of verdicts for the first position, without ties; ½ is unbiased.
        length: bias for the longer response.
        own_family: bias for responses of the judge's own model family; `NotEstimable` without any.
        ties: share of ties among the verdicts of complete pairs.
        stability: share of comparisons whose repetitions all agree; None with one repetition.
        n, incomplete: complete pairs; other pairs.
        within: within-rater permutation test; `NotEstimable` if the raters are unknown.
    """

    agreement: ClusteredEstimate
    low_bound: float | None
    high_bound: float | None
    centred: ClusteredEstimate
    rating_gap_2: ClusteredEstimate
    groups: Mapping[str, ClusteredEstimate]
    pairs: tuple[ResponderPairAgreement, ...]
    kappa: float | NotEstimable
    consistency: float | None
    first_position_rate: float | None
    length: JudgeBias
    own_family: JudgeBias | NotEstimable
    ties: float | None
    stability: float | None
    n: int
    incomplete: int
    within: WithinRaters | NotEstimable


def audit(
    pairs: RatedPairs,
    verdicts: Floats,
    *,
    seed: int,
    family: frozenset[str] = frozenset(),
    permuted: Signs | None = None,
) -> Audit:
    """Audit a judge against human ratings.

    Args:
        pairs: the rated pairs.
        verdicts: shape (pairs, 2, samples): 1 if the pair's first responder was preferred, ½ for a tie, 0 if
            the second was, NaN if unscored; shown first in [:, 0], second in [:, 1].
        seed: of the resampling.
        family: responders of the judge's own model family.
        permuted: order of the pairs after permutations within raters, as returned by `permuted_order`.

    Raises:
        ValueError: verdicts of another shape.
    """
    if verdicts.shape[:2] != (len(pairs), 2):
        raise ValueError(f"verdicts of shape {verdicts.shape} for {len(pairs)} pairs")
    score = first_preference_rates(verdicts)
    right = agreement_shares(score, pairs.better)
    complete = ~np.isnan(score)
    by_place = verdicts[complete]
    missing = np.isnan(verdicts)
    bounds = [
        agreement_shares(
            np.where(missing, np.where(pairs.better > 0, fill, 1.0 - fill)[:, None, None], verdicts).mean(
                axis=(1, 2)
            ),
            pairs.better,
        )
        for fill in (0.0, 1.0)
    ]
    with_human = pairs.with_human

    def agreement_over(mask: NDArray[np.bool_], values: Floats = right) -> ClusteredEstimate:
        return clustered_mean(np.where(mask, values, np.nan), pairs.part, seed=seed)

    responders = _agreement_by_responders(pairs, score, right, seed)
    return Audit(
        agreement=agreement_over(np.ones(len(pairs), dtype=np.bool_)),
        low_bound=mean_of(bounds[0]),
        high_bound=mean_of(bounds[1]),
        centred=agreement_over(pairs.centred != 0, agreement_shares(score, pairs.centred)),
        rating_gap_2=agreement_over(pairs.gap == 2),
        groups={HUMAN_LLM: agreement_over(with_human), LLM_LLM: agreement_over(~with_human)},
        pairs=responders,
        kappa=_pooled_kappa(responders),
        consistency=consistency(by_place),
        first_position_rate=first_position_rate(by_place),
        length=_bias_toward(pairs, score, pairs.longer, seed),
        own_family=_own_family(pairs, score, family, seed),
        ties=mean_of(by_place == 0.5),
        stability=stability(verdicts),
        n=int(complete.sum()),
        incomplete=int((~complete).sum()),
        within=NotEstimable(STATISTIC, "the raters are not known")
        if permuted is None
        else within_raters(score, pairs.better, permuted),
    )


def first_preference_rates(verdicts: Floats) -> Floats:
    """Return the mean over both orders and all samples; NaN where a verdict is missing."""
    return np.asarray(verdicts.mean(axis=(1, 2)))


def agreement_shares(score: Floats, better: Floats) -> Floats:
    """Return the share of verdicts for the better response of each pair; NaN without score or preference."""
    return np.where(better == 0, np.nan, np.where(better > 0, score, 1.0 - score))


def agreement_difference(pairs: RatedPairs, first: Floats, second: Floats, *, seed: int) -> ClusteredEstimate:
    """Return how much more one judge agrees with the ratings than another, in [−1, 1].

    Only pairs that both judges completed count.

    Args:
        pairs: the rated pairs.
        one, other: scores per pair, as returned by `first_preference_rates`.
        seed: of the resampling.
    """
    difference = agreement_shares(first, pairs.better) - agreement_shares(second, pairs.better)
    return clustered_mean(difference, pairs.part, seed=seed, span=(-1.0, 1.0))


def leniency_scores(pairs: RatedPairs, first_mean: Floats, second_mean: Floats) -> Floats:
    """Return the scores of the leniency baseline, which never reads a response.

    It prefers the response whose rater gave the higher mean rating elsewhere.

    Args:
        pairs: the rated pairs.
        first_mean, second_mean: mean of the rater's other ratings for either response; NaN without others.

    Raises:
        ValueError: arrays of different lengths.
    """
    if not first_mean.shape == second_mean.shape == pairs.part.shape:
        raise ValueError(f"{first_mean.shape} and {second_mean.shape} means for {len(pairs)} pairs")
    return 0.5 + 0.5 * np.sign(np.round(first_mean - second_mean, 9))


def _agreement_by_responders(
    pairs: RatedPairs, score: Floats, right: Floats, seed: int
) -> tuple[ResponderPairAgreement, ...]:
    """Return the agreement per pair of responders."""
    agreements = []
    for first, second in sorted(set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))):
        is_selected = (pairs.first == first) & (pairs.second == second) & ~np.isnan(score)
        humans, judge = mean_of(pairs.better[is_selected] > 0), mean_of(score[is_selected])
        agreements.append(
            ResponderPairAgreement(
                pairs.names[first],
                pairs.names[second],
                clustered_mean(np.where(is_selected, right, np.nan), pairs.part, seed=seed),
                humans,
                judge,
                _kappa(mean_of(right[is_selected]), humans, judge),
            )
        )
    return tuple(agreements)


def _kappa(agreement: float | None, humans: float | None, judge: float | None) -> float | NotEstimable:
    """Return Cohen's κ from agreement and preference shares."""
    if agreement is None or humans is None or judge is None:
        return NotEstimable("κ", "no complete pair")
    largest = max(humans, 1 - humans, judge, 1 - judge)
    if largest > FREQUENT:
        return NotEstimable("κ", f"one outcome has {largest:.1%}")
    return beyond_chance(agreement, humans * judge + (1 - humans) * (1 - judge))


def _pooled_kappa(pairs: tuple[ResponderPairAgreement, ...]) -> float | NotEstimable:
    """Return κ with observed and chance agreement summed over the estimable pairs of responders."""
    observed = expected = total = 0.0
    for pair in pairs:
        if isinstance(pair.kappa, NotEstimable) or pair.humans is None or pair.judge is None:
            continue
        n = pair.agreement.n
        total += n
        observed += n * (pair.agreement.value or 0.0)
        expected += n * (pair.humans * pair.judge + (1 - pair.humans) * (1 - pair.judge))
    if not total:
        return NotEstimable("κ", "no pair of responders can be read")
    return beyond_chance(observed / total, expected / total)


def _bias_toward(pairs: RatedPairs, score: Floats, toward: Floats, seed: int) -> JudgeBias:
    """Return the bias toward one kind of response.

    `toward` is +1 if the first response is of the kind, −1 if the second is, 0 if neither or both.
    """
    judge = agreement_shares(score, toward)
    humans = np.where(np.isnan(judge), np.nan, (pairs.better == toward).astype(float))
    return JudgeBias(
        clustered_mean(judge, pairs.part, seed=seed),
        mean_of(humans[~np.isnan(humans)]),
        clustered_mean(judge - humans, pairs.part, seed=seed, span=(-1.0, 1.0)),
    )


def _own_family(
    pairs: RatedPairs, score: Floats, family: frozenset[str], seed: int
) -> JudgeBias | NotEstimable:
    """Return the bias toward responders of the judge's own model family."""
    if not pairs.having(family).any():
        return NotEstimable("own-family preference", "no pair has a responder of the judge's own family")
    of_family = np.array([name in family for name in pairs.names], dtype=float)
    return _bias_toward(pairs, score, of_family[pairs.first] - of_family[pairs.second], seed)
