"""Two authors compared: the statistics of the gathered contests, with all printed tests as one family.

From `ContestSelection` to frozen results; the database and the table's looks are others' business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agents.errors import UserError
from agents.types import ResponseSet
from results.analysis.contest_selection import ContestSelection, JudgeContests
from results.queries.contest_index import name_of
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

Marks = NDArray[np.bool_]  # one per dialogue


@dataclass(frozen=True)
class SingleOrderTest:
    """Exact McNemar on the verdicts of one order alone; `p_adjusted` after Holm over the family."""

    order: str
    test: McNemarTest | NotEstimable
    p_adjusted: float | None


@dataclass(frozen=True)
class JudgeComparison:
    """One judge's answer to "is the first better than the second?".

    Attributes:
        under: the judge and its contests.
        answer: both ways of comparing, adjusted for the family.
        single_orders: exact McNemar tests, where asked for.
        groups: the primary comparison by a property of the dialogues: descriptive, without p-values.
        unshared: dialogues that were to be judged for only one of the two.
    """

    under: JudgeContests
    answer: PairedComparison
    single_orders: tuple[SingleOrderTest, ...]
    groups: Mapping[str, PairedDifference]
    unshared: int


@dataclass(frozen=True)
class PairComparison:
    """Two authors by way of a common opponent, by every judge.

    Attributes:
        gathered: what it is made of.
        judges: by the judges' names.
        family_size: tests that Holm and the simultaneous intervals count.
        seed, level, soft, worth: as asked for.
        by: the property of dialogues that `groups` are by; "" for none.
        disagree: in words, where judges that are models disagree; "" where they do not.
    """

    gathered: ContestSelection
    judges: tuple[JudgeComparison, ...]
    family_size: int
    seed: int
    level: float
    soft: bool
    worth: float
    by: str
    disagree: str


def compare_pair(
    gathered: ContestSelection,
    *,
    seed: int,
    soft: bool = False,
    worth: float = 0.05,
    single_orders: bool = False,
    by: str = "",
) -> PairComparison:
    """Is the first author better than the second? All tests over all judges are one family.

    Args:
        by: "sentiment" or "emotion": the difference by it too.

    Raises:
        UserError: soft verdicts of a judge that gave none.
    """
    first, second = gathered.authors
    if soft:
        check_has_soft_verdicts(gathered)
    name = f"{name_of(first)} – {name_of(second)}"
    answers: list[PairedComparison] = []
    ways: list[list[tuple[PairedScores, Marks]]] = []
    for under in gathered.judges:
        one, other = under.standings[first.id], under.standings[second.id]
        direct = under.direct.get((first.id, second.id))
        answers.append(
            compare(
                one.columns,
                other.columns,
                seed=seed,
                direct=direct.columns if direct else None,
                level=LEVEL,
                soft=soft,
                min_effect=worth,
                name=name,
            )
        )
        by_way = against_common_opponent(one.columns, other.columns, name=name, soft=soft)
        ways.append([(by_way, one.asked & other.asked)])
        if direct is not None:
            ways[-1].append((head_to_head(direct.columns, name=name, soft=soft), direct.asked))
    mcnemars = [_mcnemars(under, first, second) if single_orders else [] for under in gathered.judges]
    pairs = [pair for of_judge in ways for pair, _ in of_judge]
    others = [test.p for of_judge in mcnemars for _, test in of_judge if isinstance(test, McNemarTest)]
    family = adjust_family(pairs, seed=seed, level=LEVEL, others=others)
    tests, adjusted = iter(family.tests), iter(family.others)
    judges = []
    for under, answer, of_judge, orders in zip(gathered.judges, answers, ways, mcnemars, strict=True):
        through, *straight = [select_judged(next(tests), *way) for way in of_judge]
        one, other = under.standings[first.id], under.standings[second.id]
        judges.append(
            JudgeComparison(
                under,
                replace(answer, against_opponent=through, head_to_head=straight[0] if straight else None),
                tuple(
                    SingleOrderTest(order, test, next(adjusted) if isinstance(test, McNemarTest) else None)
                    for order, test in orders
                ),
                _by_group(gathered, of_judge, answer, by, seed) if by else {},
                int((one.asked ^ other.asked).sum()),
            )
        )
    disagree = _disagreement(judges, gathered.authors)
    return PairComparison(gathered, tuple(judges), family.size, seed, LEVEL, soft, worth, by, disagree)


def _by_group(
    gathered: ContestSelection,
    ways: Sequence[tuple[PairedScores, Marks]],
    answer: PairedComparison,
    by: str,
    seed: int,
) -> dict[str, PairedDifference]:
    """The primary comparison, by a property of the dialogues that were to be judged in it."""
    pairs, asked = next(way for way in ways if way[0].kind == answer.primary)
    properties = [
        getattr(dialogue, by) if there else ""
        for dialogue, there in zip(gathered.dialogues, asked, strict=True)
    ]
    return difference_breakdown(pairs, properties, seed=seed, level=LEVEL)


def check_has_soft_verdicts(gathered: ContestSelection) -> None:
    """Raise UserError where a judge gave no probabilities."""
    silent = sorted(
        under.judge
        for under in gathered.judges
        for standing in under.standings.values()
        if len(standing.columns) and np.isnan(standing.columns.soft).all()
    )
    if silent:
        raise UserError(
            "these judges give no probabilities", where="--soft", found=", ".join(dict.fromkeys(silent))
        )


def select_judged(test: PairedDifference, pair: PairedScores, asked: Marks) -> PairedDifference:
    """The bounds and what is left out are over the dialogues that were to be judged in this very test."""
    n = int(asked.sum())
    return replace(
        test,
        bound_low=float(pair.low[asked].mean()) if n else None,
        bound_high=float(pair.high[asked].mean()) if n else None,
        left_out=n - test.n,
    )


def _mcnemars(
    under: JudgeContests, first: ResponseSet, second: ResponseSet
) -> list[tuple[str, McNemarTest | NotEstimable]]:
    one, other = under.standings[first.id].columns, under.standings[second.id].columns
    orders = (("theirs first", True), ("opponent first", False))
    return [(name, single_order_mcnemar(one, other, a_first=a_first)) for name, a_first in orders]


def _disagreement(judges: Sequence[JudgeComparison], authors: Sequence[ResponseSet]) -> str:
    """What must be said where models disagree on the sign, or by more than 10 points."""
    found = {
        one.under.judge: one.answer.primary_difference.difference
        for one in judges
        if not one.under.is_control and one.answer.primary_difference.difference is not None
    }
    on_sign, by_points = disagreement(list(found.values()), even=0.0)
    if not on_sign and not by_points:
        return ""
    lowest, highest = (min(found, key=found.__getitem__), max(found, key=found.__getitem__))
    span = f"{lowest} says {100 * found[lowest]:+.1f} points, {highest} {100 * found[highest]:+.1f}"
    if on_sign:
        return f"the judges disagree on who of {' and '.join(map(name_of, authors))} is better: {span}"
    return f"the judges differ by more than 10 points: {span}"
