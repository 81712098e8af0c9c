"""Comparison of two authors by every judge, directly or through a common opponent.

All reported tests form one family for Holm's adjustment and the simultaneous intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agents.errors import UserError
from agents.types import ResponseSet
from results.analysis.contest_selection import ContestSelection, JudgeContests
from results.statistics import (
    McNemarTest,
    NotEstimable,
    PairedComparison,
    PairedDifference,
    PairedScores,
    adjust_family,
    against_common_opponent,
    compare,
    difference_breakdown,
    disagreement,
    head_to_head,
    single_order_mcnemar,
)

LEVEL = 0.95

DialogueMask = NDArray[np.bool_]  # one per dialogue


@dataclass(frozen=True)
class SingleOrderTest:
    """Exact McNemar test on the verdicts of one order; `p_adjusted` is Holm-adjusted over the family."""

    order: str
    test: McNemarTest | NotEstimable
    p_adjusted: float | None


@dataclass(frozen=True)
class JudgeComparison:
    """One judge's comparison of the first author with the second.

    Attributes:
        judge_contests: the judge and its contests.
        answer: indirect and direct comparison, adjusted for the family.
        single_orders: exact McNemar tests, if requested.
        groups: primary comparison by a property of the dialogues; descriptive, without p-values.
        unshared: number of dialogues judged for only one of the two authors.
    """

    judge_contests: JudgeContests
    answer: PairedComparison
    single_orders: tuple[SingleOrderTest, ...]
    groups: Mapping[str, PairedDifference]
    unshared: int


@dataclass(frozen=True)
class PairComparison:
    """Comparison of two authors by every judge.

    Attributes:
        selection: contests that the comparison uses.
        judges: one comparison per judge, by name.
        family_size: number of tests in the family.
        seed, level, soft, min_effect: settings of the comparison.
        by: dialogue property that defines `groups`; "" for none.
        disagree: sentence on disagreement between models; "" when they agree.
    """

    selection: ContestSelection
    judges: tuple[JudgeComparison, ...]
    family_size: int
    seed: int
    level: float
    soft: bool
    min_effect: float
    by: str
    disagree: str


def compare_pair(
    selection: ContestSelection,
    *,
    seed: int,
    soft: bool = False,
    min_effect: float = 0.05,
    single_orders: bool = False,
    by: str = "",
) -> PairComparison:
    """Test whether the first author is better than the second, by every judge.

    Args:
        soft: use soft verdicts instead of hard ones.
        min_effect: difference in win rate that the required sample size is computed for, in (0, 1].
        single_orders: add exact McNemar tests on each order alone.
        by: "sentiment" or "emotion" to break the difference down by it; "" for none.

    Raises:
        UserError: soft verdicts of a judge that returned none.
    """
    first, second = selection.authors
    if soft:
        check_has_soft_verdicts(selection)
    name = f"{first.name} – {second.name}"
    answers: list[PairedComparison] = []
    tests_of_judges: list[list[tuple[PairedScores, DialogueMask]]] = []
    for judge_contests in selection.judges:
        first_contest, second_contest = (
            judge_contests.author_contests[first.id],
            judge_contests.author_contests[second.id],
        )
        direct = judge_contests.direct.get((first.id, second.id))
        answers.append(
            compare(
                first_contest.columns,
                second_contest.columns,
                seed=seed,
                direct=direct.columns if direct else None,
                level=LEVEL,
                soft=soft,
                min_effect=min_effect,
                name=name,
            )
        )
        indirect = against_common_opponent(
            first_contest.columns, second_contest.columns, name=name, soft=soft
        )
        tests_of_judges.append([(indirect, first_contest.included & second_contest.included)])
        if direct is not None:
            tests_of_judges[-1].append((head_to_head(direct.columns, name=name, soft=soft), direct.included))
    mcnemars = [
        _mcnemar_tests(judge_contests, first, second) if single_orders else []
        for judge_contests in selection.judges
    ]
    pairs = [pair for judge_tests in tests_of_judges for pair, _ in judge_tests]
    mcnemar_p = [
        test.p for judge_tests in mcnemars for _, test in judge_tests if isinstance(test, McNemarTest)
    ]
    family = adjust_family(pairs, seed=seed, level=LEVEL, others=mcnemar_p)
    tests, adjusted = iter(family.tests), iter(family.others)
    judges = []
    for judge_contests, answer, judge_tests, orders in zip(
        selection.judges, answers, tests_of_judges, mcnemars, strict=True
    ):
        indirect_test, *head_to_heads = [select_judged(next(tests), *test) for test in judge_tests]
        first_contest, second_contest = (
            judge_contests.author_contests[first.id],
            judge_contests.author_contests[second.id],
        )
        judges.append(
            JudgeComparison(
                judge_contests,
                replace(
                    answer,
                    against_opponent=indirect_test,
                    head_to_head=head_to_heads[0] if head_to_heads else None,
                ),
                tuple(
                    SingleOrderTest(order, test, next(adjusted) if isinstance(test, McNemarTest) else None)
                    for order, test in orders
                ),
                _compare_by_group(selection, judge_tests, answer, by, seed) if by else {},
                int((first_contest.included ^ second_contest.included).sum()),
            )
        )
    disagree = _describe_disagreement(judges, selection.authors)
    return PairComparison(selection, tuple(judges), family.size, seed, LEVEL, soft, min_effect, by, disagree)


def _compare_by_group(
    selection: ContestSelection,
    tests: Sequence[tuple[PairedScores, DialogueMask]],
    answer: PairedComparison,
    by: str,
    seed: int,
) -> dict[str, PairedDifference]:
    """Return the primary comparison by a property of the judged dialogues."""
    pairs, included = next(test for test in tests if test[0].kind == answer.primary)
    properties = [
        getattr(dialogue, by) if is_included else ""
        for dialogue, is_included in zip(selection.dialogues, included, strict=True)
    ]
    return difference_breakdown(pairs, properties, seed=seed, level=LEVEL)


def check_has_soft_verdicts(selection: ContestSelection) -> None:
    """Check that every judge returned soft verdicts.

    Raises:
        UserError: a judge returned no probabilities.
    """
    without_soft = sorted(
        judge_contests.judge
        for judge_contests in selection.judges
        for contest in judge_contests.author_contests.values()
        if len(contest.columns) and np.isnan(contest.columns.soft).all()
    )
    if without_soft:
        raise UserError(
            "these judges return no probabilities",
            code="comparison.no-soft-verdicts",
            where="--soft",
            found=", ".join(dict.fromkeys(without_soft)),
        )


def select_judged(test: PairedDifference, pair: PairedScores, included: DialogueMask) -> PairedDifference:
    """Restrict the bounds and the count of excluded dialogues to those judged for this test."""
    n = int(included.sum())
    return replace(
        test,
        bound_low=float(pair.low[included].mean()) if n else None,
        bound_high=float(pair.high[included].mean()) if n else None,
        left_out=n - test.n,
    )


def _mcnemar_tests(
    judge_contests: JudgeContests, first: ResponseSet, second: ResponseSet
) -> list[tuple[str, McNemarTest | NotEstimable]]:
    first_table, second_table = (
        judge_contests.author_contests[first.id].columns,
        judge_contests.author_contests[second.id].columns,
    )
    orders = (("theirs first", True), ("opponent first", False))
    return [
        (name, single_order_mcnemar(first_table, second_table, a_first=a_first)) for name, a_first in orders
    ]


def _describe_disagreement(judges: Sequence[JudgeComparison], authors: Sequence[ResponseSet]) -> str:
    """Describe a disagreement of models on the sign, or by more than 10 points."""
    differences = {
        judge.judge_contests.judge: judge.answer.primary_difference.difference
        for judge in judges
        if not judge.judge_contests.is_control and judge.answer.primary_difference.difference is not None
    }
    on_sign, by_points = disagreement(list(differences.values()), even=0.0)
    if not on_sign and not by_points:
        return ""
    lowest, highest = (
        min(differences, key=differences.__getitem__),
        max(differences, key=differences.__getitem__),
    )
    span = (
        f"{100 * differences[lowest]:+.1f} points by {lowest}, {100 * differences[highest]:+.1f} by {highest}"
    )
    if on_sign:
        names = " and ".join(author.name for author in authors)
        return f"the judges disagree on which of {names} is better: {span}"
    return f"the judges differ by more than 10 points: {span}"
