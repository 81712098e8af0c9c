"""Is student A better than student B? By how much, and can we tell?

Against a common opponent, and head to head where that contest was judged. Where the common opponent is
beaten too often to tell students apart (a rate over 0.9), the head-to-head comparison is primary.
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
from results.statistics.scores import dialogue_scores, mean_score, order_robust_bounds, spread

SATURATION_RATE = 0.9  # a rate against the common opponent above which it no longer tells students apart


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """Whether the first student is better than the second.

    Attributes:
        against_opponent: their difference against the common opponent.
        head_to_head: their difference where one was judged against the other; None where it was not.
        rate_first, rate_second: each one's rate against the opponent over its own complete dialogues, in
            [0, 1]; None where it has none.
        order_robust: each one's order-robust bounds against the opponent (see `WinRate`); None likewise.
        saturated: whether either of these is over 0.9.
        primary: which comparison answers the question: "against a common opponent" or "head to head".
        needed: what it would take to detect the asked-for difference, by the primary comparison; None
            where it has no spread to plan with.
        note: in words, what must be said with the answer.
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
    def answer(self) -> PairedDifference:
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
        first, second: each student (as A) against the same opponent (as B), under the same judge, with
            the same dialogue codes.
        direct: the first student (as A) against the second (as B), where that was judged.
        worth: the difference that `required_sample_size` plans for, in (0, 1]; chosen for its meaning, not from the data.

    Raises:
        ValueError: contests over different numbers of dialogues, or a level or `min_effect` out of range.
    """
    ways = [against_common_opponent(first, second, name=name, soft=soft)]
    if direct is not None:
        ways.append(head_to_head(direct, name=name, soft=soft))
    through, *straight = (paired_difference(way, seed=seed, level=level, resamples=resamples) for way in ways)
    rates = [mean_score(columns, soft=soft) for columns in (first, second)]
    saturated = any(map(is_saturated, rates))
    kind = primary_comparison(*ways, saturated=saturated).kind
    contests = [first, second] if direct is None or kind == COMMON_OPPONENT else [direct]
    primary = through if kind == COMMON_OPPONENT else straight[0]
    return PairedComparison(
        against_opponent=through,
        head_to_head=straight[0] if straight else None,
        rate_first=rates[0],
        rate_second=rates[1],
        order_robust=(order_robust_bounds(first), order_robust_bounds(second)),
        saturated=saturated,
        primary=kind,
        required_sample_size=_needed(primary, contests, min_effect=min_effect, level=level, soft=soft),
        note=_note(saturated=saturated, usable=len(ways) > 1 and ways[1].shared > 0, through=through),
    )


def is_saturated(rate: float | None) -> bool:
    """Whether an opponent that loses this often no longer tells students apart; None does not say."""
    return rate is not None and rate > SATURATION_RATE + 1e-9


def primary_comparison(
    through: PairedScores, straight: PairedScores | None = None, *, saturated: bool
) -> PairedScores:
    """Of the two ways of comparing, the one that answers.

    Head to head where the common opponent saturates or no dialogue is shared by way of it, and where any
    dialogue was so judged; against the common opponent otherwise.
    """
    if straight is not None and straight.shared and (saturated or not through.shared):
        return straight
    return through


def compare_all(
    contests: Mapping[str, JudgmentTable],
    *,
    seed: int,
    pairwise: bool = False,
    level: float = 0.95,
    resamples: int = 4000,
    soft: bool = False,
) -> TestFamily:
    """Every author against one opponent, or every author against every other by way of that opponent.

    The tests returned are one table and one family: Holm and the simultaneous intervals count them all.

    Args:
        contests: per author (as A), its contest with the common opponent (as B).
        pairwise: all pairs of authors, in the order given, instead of each against the opponent.

    Raises:
        ValueError: no contest (or no pair), or contests over different numbers of dialogues.
    """
    if pairwise:
        pairs = [
            against_common_opponent(contests[one], contests[other], name=f"{one} – {other}", soft=soft)
            for one, other in combinations(contests, 2)
        ]
    else:
        pairs = [head_to_head(columns, name=author, soft=soft) for author, columns in contests.items()]
    return adjust_family(pairs, seed=seed, level=level, resamples=resamples)


def single_order_mcnemar(
    first: JudgmentTable, second: JudgmentTable, *, a_first: bool
) -> McNemarTest | NotEstimable:
    """Exact McNemar test of two students against a common opponent, on the verdicts of one order alone.

    Args:
        a_first: the order: the students' responses first, or the opponent's.

    Refused where a verdict is a tie, where samples differ, or where no dialogue is shared.

    Raises:
        ValueError: contests over different numbers of dialogues.
    """
    if first.n_dialogues != second.n_dialogues:
        raise ValueError(f"{first.n_dialogues} and {second.n_dialogues} dialogues cannot be paired")
    order = 0 if a_first else 1
    verdicts = [spread(columns, columns.outcome)[:, order].mean(axis=1) for columns in (first, second)]
    return exact_mcnemar(verdicts[0], verdicts[1])


def _needed(
    primary: PairedDifference, contests: list[JudgmentTable], *, min_effect: float, level: float, soft: bool
) -> SampleSize | None:
    if primary.spread is None or primary.spread <= 0.0:
        return None
    between = repetition_variance(contests, soft=soft)
    if between is not None and primary.kind == HEAD_TO_HEAD:
        between *= 4.0  # 2 · score − 1 varies four times as much as the score
    samples = max(dialogue_scores(columns).by_order.shape[2] for columns in contests)
    return required_sample_size(
        min_effect,
        primary.spread,
        primary.n,
        samples=samples,
        repetition_variance=between,
        level=level,
    )


def _note(*, saturated: bool, usable: bool, through: PairedDifference) -> str:
    said = [through.note] if through.note else []
    if saturated and usable:
        said.append("the common opponent saturates (a rate over 0.9): head to head is primary")
    elif saturated:
        said.append(
            "the common opponent saturates (a rate over 0.9) and can hide a difference: "
            "judge the two students head to head"
        )
    return "; ".join(said)
