"""A judge against human ratings: how often it prefers what people rated higher, and what else moves it.

The unit is a pair of responses to one dialogue whose ratings differ, judged in both orders. The raters gave
one rating a response and each rated one responder alone: rater and responder are confounded, so agreement
has no ceiling that could be estimated, and floors stand beside it instead. Intervals resample rating tasks
(`part_no`), for the pairs of one task share their raters. Arrays in, frozen values out.
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
from results.statistics.within_rater_test import WHAT, Signs, WithinRaters, within_raters

Floats = NDArray[np.float64]

HUMAN_LLM, LLM_LLM = "human against LLM", "LLM against LLM"


@dataclass(frozen=True, slots=True)
class ResponderPairAgreement:
    """Agreement on the pairs of two responders, roles fixed. Shares in [0, 1].

    Attributes:
        first, second: their names.
        agreement: with the ratings.
        humans, judge: share preferring the first: of the ratings, of the judge's verdicts.
        kappa: Cohen's, from `agreement` and those two; refused where one side exceeds 90 %.
    """

    first: str
    second: str
    agreement: ClusteredEstimate
    humans: float | None
    judge: float | None
    kappa: float | NotEstimable


@dataclass(frozen=True, slots=True)
class JudgeBias:
    """A taste: how often the judge's verdicts, and the ratings, went to one kind of response.

    Attributes:
        judge, humans: shares in [0, 1] over the same pairs, ties one half.
        difference: judge − humans, in [−1, 1].
    """

    judge: ClusteredEstimate
    humans: float | None
    difference: ClusteredEstimate


@dataclass(frozen=True, slots=True)
class Audit:
    """What one judge's verdicts on rated pairs come to. A pair lacking a verdict is left out and counted.

    Attributes:
        agreement: mean over complete pairs of the share of verdicts for the response rated higher, a tie
            one half; ½ is chance, and there is no known ceiling.
        low_bound, high_bound: the same over all pairs with every missing verdict wrong, and right.
        centred: on the ratings with each rater's mean taken off; pairs without a difference left out. It does
            not remove the rater (who is lenient alone agrees in more than ½), so ½ is not its chance level.
        within: beside what rater and responder alone give; a refusal where it cannot be had.
        gap_2: on pairs rated 1 against 3.
        groups: on people's response against a model's, and between models.
        pairs: per two responders.
        kappa: over all pairs of responders, each with its own chance.
        consistency: share of complete pairs whose two orders name the same response.
        position_preference: share of verdicts for the first place, ties left out; ½ is none.
        length: verdicts for the longer response. own_family: for the response of the judge's own family;
            a refusal where it has none among the responders.
        ties: share of the complete pairs' verdicts.
        stability: share of comparisons whose repetitions all agree; None with one.
        n, incomplete: complete pairs, the others.
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
    """A judge's audit.

    Args:
        verdicts: shape (pairs, 2, samples): 1 where the pair's first responder was preferred, ½ for a tie, 0
            where the second was, nan where unscored; shown first in [:, 0], second in [:, 1].
        family: the responders of the judge's own family.
        permuted: the pairs' order after permutations within raters, as from `permuted_order`.

    Raises:
        ValueError: verdicts of another shape.
    """
    if verdicts.shape[:2] != (len(pairs), 2):
        raise ValueError(f"verdicts of shape {verdicts.shape} for {len(pairs)} pairs")
    score = first_preference_rates(verdicts)
    right = agreeing(score, pairs.better)
    complete = ~np.isnan(score)
    by_place = verdicts[complete]
    missing = np.isnan(verdicts)
    bounds = [
        agreeing(
            np.where(missing, np.where(pairs.better > 0, found, 1.0 - found)[:, None, None], verdicts).mean(
                axis=(1, 2)
            ),
            pairs.better,
        )
        for found in (0.0, 1.0)
    ]
    people = pairs.with_human

    def over(mask: NDArray[np.bool_], values: Floats = right) -> ClusteredEstimate:
        return clustered_mean(np.where(mask, values, np.nan), pairs.part, seed=seed)

    responders = _by_responders(pairs, score, right, seed)
    return Audit(
        agreement=over(np.ones(len(pairs), dtype=np.bool_)),
        low_bound=mean_of(bounds[0]),
        high_bound=mean_of(bounds[1]),
        centred=over(pairs.centred != 0, agreeing(score, pairs.centred)),
        rating_gap_2=over(pairs.gap == 2),
        groups={HUMAN_LLM: over(people), LLM_LLM: over(~people)},
        pairs=responders,
        kappa=_pooled_kappa(responders),
        consistency=consistency(by_place),
        first_position_rate=first_position_rate(by_place),
        length=_leaning(pairs, score, pairs.longer, seed),
        own_family=_own_family(pairs, score, family, seed),
        ties=mean_of(by_place == 0.5),
        stability=stability(verdicts),
        n=int(complete.sum()),
        incomplete=int((~complete).sum()),
        within=NotEstimable(WHAT, "the raters are not known")
        if permuted is None
        else within_raters(score, pairs.better, permuted),
    )


def first_preference_rates(verdicts: Floats) -> Floats:
    """Mean over both orders and all samples; nan where a verdict is lacking."""
    return np.asarray(verdicts.mean(axis=(1, 2)))


def agreeing(score: Floats, better: Floats) -> Floats:
    """Share of a pair's verdicts for the response that is better; nan where there is no score or better."""
    return np.where(better == 0, np.nan, np.where(better > 0, score, 1.0 - score))


def more_than(pairs: RatedPairs, one: Floats, other: Floats, *, seed: int) -> ClusteredEstimate:
    """By how much one judge agrees more than another, in [−1, 1], over the pairs that both completed.

    Args:
        one, other: scores per pair, as `first_preference_rates` gives them.
    """
    difference = agreeing(one, pairs.better) - agreeing(other, pairs.better)
    return clustered_mean(difference, pairs.part, seed=seed, span=(-1.0, 1.0))


def leniency_scores(pairs: RatedPairs, first_mean: Floats, second_mean: Floats) -> Floats:
    """The judge that reads nothing: prefers the response whose rater gave the higher mean elsewhere.

    Args:
        first_mean, second_mean: the mean of the other ratings (this response's left out) of the rater of
            either response; nan where there is no other.
    """
    if not first_mean.shape == second_mean.shape == pairs.part.shape:
        raise ValueError(f"{first_mean.shape} and {second_mean.shape} means for {len(pairs)} pairs")
    return 0.5 + 0.5 * np.sign(np.round(first_mean - second_mean, 9))


def _by_responders(
    pairs: RatedPairs, score: Floats, right: Floats, seed: int
) -> tuple[ResponderPairAgreement, ...]:
    found = []
    for first, second in sorted(set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))):
        mine = (pairs.first == first) & (pairs.second == second) & ~np.isnan(score)
        humans, judge = mean_of(pairs.better[mine] > 0), mean_of(score[mine])
        found.append(
            ResponderPairAgreement(
                pairs.names[first],
                pairs.names[second],
                clustered_mean(np.where(mine, right, np.nan), pairs.part, seed=seed),
                humans,
                judge,
                _kappa(mean_of(right[mine]), humans, judge),
            )
        )
    return tuple(found)


def _kappa(agreement: float | None, humans: float | None, judge: float | None) -> float | NotEstimable:
    if agreement is None or humans is None or judge is None:
        return NotEstimable("κ", "no complete pair")
    largest = max(humans, 1 - humans, judge, 1 - judge)
    if largest > FREQUENT:
        return NotEstimable("κ", f"one outcome has {largest:.1%}")
    return beyond_chance(agreement, humans * judge + (1 - humans) * (1 - judge))


def _pooled_kappa(pairs: tuple[ResponderPairAgreement, ...]) -> float | NotEstimable:
    """Over all pairs: observed and chance agreement summed over the pairs of responders that can be read."""
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


def _leaning(pairs: RatedPairs, score: Floats, toward: Floats, seed: int) -> JudgeBias:
    """`toward`: +1 where the first response is of the kind, −1 where the second is, 0 where neither is."""
    judge = agreeing(score, toward)
    humans = np.where(np.isnan(judge), np.nan, (pairs.better == toward).astype(float))
    return JudgeBias(
        clustered_mean(judge, pairs.part, seed=seed),
        mean_of(humans[~np.isnan(humans)]),
        clustered_mean(judge - humans, pairs.part, seed=seed, span=(-1.0, 1.0)),
    )


def _own_family(
    pairs: RatedPairs, score: Floats, family: frozenset[str], seed: int
) -> JudgeBias | NotEstimable:
    if not pairs.having(family).any():
        return NotEstimable("own-family preference", "no pair has a responder of the judge's own family")
    of_family = np.array([name in family for name in pairs.names], dtype=float)
    return _leaning(pairs, score, of_family[pairs.first] - of_family[pairs.second], seed)
