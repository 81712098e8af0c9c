"""Comparison of two students: whether the first is better, by how much, and with what certainty.

Students are compared against a common opponent, and head to head if that contest was judged. If the common
opponent loses too often to distinguish students (a rate above 0.9), the head-to-head comparison is primary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from results.statistics.hypothesis_tests import McNemarTest, exact_mcnemar
from results.statistics.judgment_table import JudgmentTable
from results.statistics.multiple_testing import TestFamily, adjust_family
from results.statistics.not_estimable import NotEstimable
from results.statistics.paired_differences import (
    COMMON_OPPONENT,
    HEAD_TO_HEAD,
    PairedDifference,
    PairedScores,
    against_common_opponent,
    head_to_head,
    paired_difference,
)
from results.statistics.power import SampleSize, repetition_variance, required_sample_size
from results.statistics.scores import dialogue_scores, mean_score, order_robust_bounds, to_order_array

SATURATION_RATE = 0.9  # above this rate the common opponent no longer distinguishes students


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """Whether the first student is better than the second.

    Attributes:
        against_opponent: their difference against the common opponent.
        head_to_head: their difference in the direct contest; None if it was not judged.
        rate_first, rate_second: each student's rate against the opponent over its own complete dialogues, in
            [0, 1]; None without any.
        order_robust: each student's order-robust bounds against the opponent (see `WinRate`), or None.
        saturated: whether either rate exceeds 0.9.
        primary: kind of the primary comparison: "against a common opponent" or "head to head".
        required_sample_size: sample size to detect `min_effect` by the primary comparison; None without
            spread.
        note: warning to print with the result, in words.
    """

    against_opponent: PairedDifference
    head_to_head: PairedDifference | None
    rate_first: float | None
    rate_second: float | None
    order_robust: tuple[tuple[float, float] | None, tuple[float, float] | None]
    saturated: bool
    primary: str
    required_sample_size: SampleSize | None
    note: str = ""

    @property
    def primary_difference(self) -> PairedDifference:
        """The primary comparison."""
        if self.primary == HEAD_TO_HEAD and self.head_to_head is not None:
            return self.head_to_head
        return self.against_opponent


def compare(
    first: JudgmentTable,
    second: JudgmentTable,
    *,
    seed: int,
    direct: JudgmentTable | None = None,
    level: float = 0.95,
    resamples: int = 4000,
    soft: bool = False,
    min_effect: float = 0.05,
    name: str = "",
) -> PairedComparison:
    """Compare two students.

    Args:
        first, second: each student (as A) against the same opponent (as B), under the same judge, with the
            same dialogue codes.
        seed: of the resampling.
        direct: the first student (as A) against the second (as B), if judged.
        level: confidence level, in (0, 1).
        resamples: bootstrap samples.
        soft: use soft verdicts.
        min_effect: difference that `required_sample_size` plans for, in (0, 1]; choose it for its meaning,
            not from the data.
        name: name of the comparison.

    Raises:
        ValueError: contests over different numbers of dialogues, or a level or `min_effect` out of range.
    """
    pairs = [against_common_opponent(first, second, name=name, soft=soft)]
    if direct is not None:
        pairs.append(head_to_head(direct, name=name, soft=soft))
    against_opponent, *direct_differences = (
        paired_difference(pair, seed=seed, level=level, resamples=resamples) for pair in pairs
    )
    rates = [mean_score(columns, soft=soft) for columns in (first, second)]
    saturated = any(map(is_saturated, rates))
    primary_kind = primary_comparison(*pairs, saturated=saturated).kind
    contests = [first, second] if direct is None or primary_kind == COMMON_OPPONENT else [direct]
    primary = against_opponent if primary_kind == COMMON_OPPONENT else direct_differences[0]
    return PairedComparison(
        against_opponent=against_opponent,
        head_to_head=direct_differences[0] if direct_differences else None,
        rate_first=rates[0],
        rate_second=rates[1],
        order_robust=(order_robust_bounds(first), order_robust_bounds(second)),
        saturated=saturated,
        primary=primary_kind,
        required_sample_size=_plan_sample_size(
            primary, contests, min_effect=min_effect, level=level, soft=soft
        ),
        note=_note(
            saturated=saturated,
            has_direct=len(pairs) > 1 and pairs[1].shared > 0,
            against_opponent=against_opponent,
        ),
    )


def is_saturated(rate: float | None) -> bool:
    """Return whether a rate is too high for the opponent to distinguish students; False for None."""
    return rate is not None and rate > SATURATION_RATE + 1e-9


def primary_comparison(
    against_opponent: PairedScores, direct: PairedScores | None = None, *, saturated: bool
) -> PairedScores:
    """Return the primary of the two comparisons.

    Head to head if it has dialogues and the common opponent saturates or shares none; else against the common
    opponent.

    Args:
        through: the comparison against the common opponent.
        straight: the head-to-head comparison, if judged.
        saturated: whether the common opponent saturates.
    """
    if direct is not None and direct.shared and (saturated or not against_opponent.shared):
        return direct
    return against_opponent


def compare_all(
    contests: Mapping[str, JudgmentTable],
    *,
    seed: int,
    pairwise: bool = False,
    level: float = 0.95,
    resamples: int = 4000,
    soft: bool = False,
) -> TestFamily:
    """Compare every author with one opponent, or all pairs of authors by way of that opponent.

    The tests form one table and one family: Holm and the simultaneous intervals count them all.

    Args:
        contests: per author (as A), its contest with the common opponent (as B).
        seed: of the resampling.
        pairwise: compare all pairs of authors, in the order given, instead of each with the opponent.
        level: probability that all intervals hold at once, in (0, 1).
        resamples: bootstrap samples.
        soft: use soft verdicts.

    Raises:
        ValueError: no contest (or no pair), or contests over different numbers of dialogues.
    """
    if pairwise:
        pairs = [
            against_common_opponent(contests[first], contests[second], name=f"{first} – {second}", soft=soft)
            for first, second in combinations(contests, 2)
        ]
    else:
        pairs = [head_to_head(columns, name=author, soft=soft) for author, columns in contests.items()]
    return adjust_family(pairs, seed=seed, level=level, resamples=resamples)


def single_order_mcnemar(
    first: JudgmentTable, second: JudgmentTable, *, a_first: bool
) -> McNemarTest | NotEstimable:
    """Run the exact McNemar test of two students against a common opponent in one order.

    `NotEstimable` if a verdict is a tie, if samples differ, or if no dialogue is shared.

    Args:
        first, second: each student (as A) against the same opponent (as B).
        a_first: whether to use the order with the students' responses first, or the opponent's.

    Raises:
        ValueError: contests over different numbers of dialogues.
    """
    if first.n_dialogues != second.n_dialogues:
        raise ValueError(f"{first.n_dialogues} and {second.n_dialogues} dialogues cannot be paired")
    order = 0 if a_first else 1
    verdicts = [
        to_order_array(columns, columns.outcome)[:, order].mean(axis=1) for columns in (first, second)
    ]
    return exact_mcnemar(verdicts[0], verdicts[1])


def _plan_sample_size(
    primary: PairedDifference, contests: list[JudgmentTable], *, min_effect: float, level: float, soft: bool
) -> SampleSize | None:
    """Return the sample size for `min_effect` by the primary comparison; None without spread."""
    if primary.spread is None or primary.spread <= 0.0:
        return None
    repetition_part = repetition_variance(contests, soft=soft)
    if repetition_part is not None and primary.kind == HEAD_TO_HEAD:
        repetition_part *= 4.0  # 2 · score − 1 varies four times as much as the score
    samples = max(dialogue_scores(columns).by_order.shape[2] for columns in contests)
    return required_sample_size(
        min_effect,
        primary.spread,
        primary.n,
        samples=samples,
        repetition_variance=repetition_part,
        level=level,
    )


def _note(*, saturated: bool, has_direct: bool, against_opponent: PairedDifference) -> str:
    """Return the warnings of a comparison."""
    warnings = [against_opponent.note] if against_opponent.note else []
    if saturated and has_direct:
        warnings.append("the common opponent saturates (a rate above 0.9), so head to head is primary")
    elif saturated:
        warnings.append(
            "the common opponent saturates (a rate above 0.9) and can hide a difference; "
            "judge the two students head to head"
        )
    return "; ".join(warnings)
