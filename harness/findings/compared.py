"""A comparison's numbers: the statistics of the gathered contests, with all printed tests as one family.

From `Gathered` to frozen results; the database and the table's looks are others' business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from agents.errors import UserError
from agents.vocabulary import ResponseSet
from harness.findings.comparing import Gathered, Standing, UnderJudge
from harness.runs.catalogue import name_of
from results.statistics import (
    Answer,
    Difference,
    Family,
    McNemar,
    Pairs,
    Refusal,
    StrategyEstimate,
    WinRate,
    against_common_opponent,
    compare,
    family_of,
    head_to_head,
    holm,
    single_order_mcnemar,
    strategy_difference,
    win_rate,
)

LEVEL = 0.95
POINTS_APART = 0.10  # judges further apart than this disagree


@dataclass(frozen=True)
class SingleOrderTest:
    """Exact McNemar on the verdicts of one order alone; `p_adjusted` after Holm over the family."""

    order: str
    test: McNemar | Refusal
    p_adjusted: float | None


@dataclass(frozen=True)
class JudgeAnswer:
    """One judge's answer to "is the first better than the second?".

    Attributes:
        under: the judge and its contests.
        answer: both ways of comparing, adjusted for the family.
        single_orders: exact McNemar tests, where asked for.
        unshared: dialogues that were to be judged for only one of the two.
    """

    under: UnderJudge
    answer: Answer
    single_orders: tuple[SingleOrderTest, ...]
    unshared: int


@dataclass(frozen=True)
class Compared:
    """Two authors by way of a common opponent, by every judge.

    Attributes:
        gathered: what it is made of.
        judges: by the judges' names.
        family_size: tests that Holm and the simultaneous intervals count.
        seed, level, soft, worth: as asked for.
        disagree: in words, where judges that are models disagree; "" where they do not.
    """

    gathered: Gathered
    judges: tuple[JudgeAnswer, ...]
    family_size: int
    seed: int
    level: float
    soft: bool
    worth: float
    disagree: str


@dataclass(frozen=True)
class Place:
    """One row of the table of everyone: an author against the opponent, or two by way of it.

    `rate` is the author's own win rate, and None for a pair.
    """

    under: UnderJudge
    first: str
    second: str
    rate: WinRate | None
    test: Difference


@dataclass(frozen=True)
class Everyone:
    """Every author against one opponent, or every pair of them by way of it; one family over all judges."""

    gathered: Gathered
    places: tuple[Place, ...]
    pairwise: bool
    family_size: int
    seed: int
    level: float
    soft: bool
    saturated: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Strategies:
    """Two strategies, each by several training seeds; per judge an estimate, or why there is none."""

    gathered: Gathered
    first: tuple[ResponseSet, ...]
    second: tuple[ResponseSet, ...]
    estimates: Mapping[str, StrategyEstimate | Refusal]
    p_adjusted: Mapping[str, float]
    seed: int
    soft: bool


def compare_two(
    gathered: Gathered, *, seed: int, soft: bool = False, worth: float = 0.05, single_orders: bool = False
) -> Compared:
    """Is the first author better than the second? All tests over all judges are one family.

    Raises:
        UserError: soft verdicts of a judge that gave none.
    """
    first, second = gathered.authors
    if soft:
        _check_soft(gathered)
    name = f"{name_of(first)} – {name_of(second)}"
    answers, pairs, asked = [], [], []
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
                worth=worth,
                name=name,
            )
        )
        pairs.append(against_common_opponent(one.columns, other.columns, name=name, soft=soft))
        asked.append(one.asked & other.asked)
        if direct is not None:
            pairs.append(head_to_head(direct.columns, name=name, soft=soft))
            asked.append(direct.asked)
    family = family_of(pairs, seed=seed, level=LEVEL)
    tests = [_own(*of) for of in zip(family.tests, pairs, asked, strict=True)]
    mcnemars = [_mcnemars(under, first, second) if single_orders else [] for under in gathered.judges]
    tests, adjusted, size = _with_mcnemar(tests, mcnemars, family)
    judges, left = [], iter(tests)
    for under, answer, orders in zip(gathered.judges, answers, adjusted, strict=True):
        one, other = under.standings[first.id], under.standings[second.id]
        through = next(left)
        straight = next(left) if answer.head_to_head is not None else None
        judges.append(
            JudgeAnswer(
                under,
                replace(answer, against_opponent=through, head_to_head=straight),
                tuple(orders),
                int((one.asked ^ other.asked).sum()),
            )
        )
    return Compared(
        gathered, tuple(judges), size, seed, LEVEL, soft, worth, _disagreement(judges, gathered.authors)
    )


def _check_soft(gathered: Gathered) -> None:
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


def _own(test: Difference, pair: Pairs, asked: NDArray[np.bool_]) -> Difference:
    """The bounds and what is left out are over the dialogues that were to be judged in this very test."""
    n = int(asked.sum())
    return replace(
        test,
        bound_low=float(pair.low[asked].mean()) if n else None,
        bound_high=float(pair.high[asked].mean()) if n else None,
        left_out=n - test.n,
    )


def _mcnemars(
    under: UnderJudge, first: ResponseSet, second: ResponseSet
) -> list[tuple[str, McNemar | Refusal]]:
    one, other = under.standings[first.id].columns, under.standings[second.id].columns
    orders = (("theirs first", True), ("opponent first", False))
    return [(name, single_order_mcnemar(one, other, a_first=a_first)) for name, a_first in orders]


def _with_mcnemar(
    tests: list[Difference], mcnemars: Sequence[Sequence[tuple[str, McNemar | Refusal]]], family: Family
) -> tuple[list[Difference], list[list[SingleOrderTest]], int]:
    """Holm over the family and the McNemar tests printed with it."""
    more = [test.p for of_judge in mcnemars for _, test in of_judge if isinstance(test, McNemar)]
    if not more:
        return (
            tests,
            [[SingleOrderTest(*one, None) for one in of_judge] for of_judge in mcnemars],
            family.size,
        )
    adjusted = iter(holm([test.p for test in tests if test.p is not None] + more))
    size = family.size + len(more)
    tests = [
        test if test.p is None else replace(test, p_adjusted=next(adjusted), family_size=size)
        for test in tests
    ]
    found = [
        [
            SingleOrderTest(name, test, next(adjusted) if isinstance(test, McNemar) else None)
            for name, test in of_judge
        ]
        for of_judge in mcnemars
    ]
    return tests, found, size


def _disagreement(judges: Sequence[JudgeAnswer], authors: Sequence[ResponseSet]) -> str:
    """What must be said where models disagree on the sign, or by more than 10 points."""
    found = {
        one.under.judge: one.answer.answer.difference
        for one in judges
        if not one.under.is_control and one.answer.answer.difference is not None
    }
    if len(found) < 2:
        return ""
    lowest, highest = (min(found, key=found.__getitem__), max(found, key=found.__getitem__))
    span = f"{lowest} says {100 * found[lowest]:+.1f} points, {highest} {100 * found[highest]:+.1f}"
    if found[lowest] < 0 < found[highest]:
        return f"the judges disagree on who of {' and '.join(map(name_of, authors))} is better: {span}"
    if found[highest] - found[lowest] > POINTS_APART:
        return f"the judges differ by more than 10 points: {span}"
    return ""


def compare_everyone(
    gathered: Gathered, *, seed: int, pairwise: bool = False, soft: bool = False
) -> Everyone:
    """Every author against the opponent, or all pairs of authors by way of it, as one family.

    Raises:
        UserError: soft verdicts of a judge that gave none, or pairs of a single author.
    """
    if soft:
        _check_soft(gathered)
    rows: list[tuple[UnderJudge, str, str, WinRate | None]] = []
    pairs: list[Pairs] = []
    asked: list[NDArray[np.bool_]] = []
    saturated: dict[str, list[str]] = {}
    opponent = name_of(gathered.opponent)
    names = {of.id: name_of(of) for of in gathered.authors}
    for under in gathered.judges:
        standings = {of.id: under.standings[of.id] for of in gathered.authors if of.id in under.standings}
        rates = {set_id: _own_rate(one, seed, soft=soft) for set_id, one in standings.items()}
        over = [names[one] for one, rate in rates.items() if rate.rate is not None and rate.rate > 0.9 + 1e-9]
        if over:
            saturated[under.judge] = over
        if pairwise:
            for one, other in combinations(standings, 2):
                rows.append((under, names[one], names[other], None))
                pairs.append(
                    against_common_opponent(standings[one].columns, standings[other].columns, soft=soft)
                )
                asked.append(standings[one].asked & standings[other].asked)
        else:
            for set_id, standing in standings.items():
                rows.append((under, names[set_id], opponent, rates[set_id]))
                pairs.append(head_to_head(standing.columns, soft=soft))
                asked.append(standing.asked)
    if not pairs:
        raise UserError(
            "there is no pair of authors to compare",
            where="--pairwise",
            found=f"{', '.join(names.values())} against {opponent}",
            remedy="Judge another author against the same opponent.",
        )
    family = family_of(pairs, seed=seed, level=LEVEL)
    tests = [_own(*of) for of in zip(family.tests, pairs, asked, strict=True)]
    places = [Place(*row, test) for row, test in zip(rows, tests, strict=True)]
    return Everyone(gathered, tuple(places), pairwise, family.size, seed, LEVEL, soft, saturated)


def _own_rate(standing: Standing, seed: int, *, soft: bool) -> WinRate:
    return win_rate(standing.columns.of_dialogues(standing.asked), seed=seed, soft=soft)


def compare_strategies(gathered: Gathered, first: int, *, seed: int, soft: bool = False) -> Strategies:
    """The first `first` authors are one strategy's training seeds, the others the other's.

    Raises:
        UserError: soft verdicts of a judge that gave none.
    """
    if soft:
        _check_soft(gathered)
    groups = gathered.authors[:first], gathered.authors[first:]
    estimates = {}
    for under in gathered.judges:
        one, other = ([under.standings[of.id].columns for of in group] for group in groups)
        estimates[under.judge] = strategy_difference(one, other, seed=seed, level=LEVEL, soft=soft)
    p = {name: one.p for name, one in estimates.items() if isinstance(one, StrategyEstimate)}
    return Strategies(
        gathered, *groups, estimates, dict(zip(p, holm(list(p.values())), strict=True)), seed, soft
    )
