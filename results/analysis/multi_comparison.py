"""Everyone against one opponent, or every pair by way of it: one table, one family over all judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from agents.errors import UserError
from results.analysis.comparison import LEVEL, Marks, check_has_soft_verdicts, select_judged
from results.analysis.contest_selection import AuthorContest, ContestSelection, JudgeContests
from results.queries.contest_index import name_of
from results.statistics import (
    PairedDifference,
    PairedScores,
    WinRate,
    adjust_family,
    against_common_opponent,
    head_to_head,
    is_saturated,
    primary_comparison,
    win_rate,
)


@dataclass(frozen=True)
class ComparisonRow:
    """One row of the table: an author against the opponent, or two authors.

    Attributes:
        under: the judge.
        first, second: the two, by name; `second` is the opponent where the row is about one author.
        rate: the author's own win rate; None for two.
        test: their difference; by way of the opponent or head to head, as its `kind` says.
    """

    under: JudgeContests
    first: str
    second: str
    rate: WinRate | None
    test: PairedDifference


@dataclass(frozen=True)
class MultiComparison:
    """Every author against one opponent, or every pair of them.

    Attributes:
        gathered: what it is made of.
        places: one a row.
        pairwise: whether rows are about two authors.
        family_size: tests, over all judges, that Holm and the simultaneous intervals count.
        seed, level, soft: as asked for.
        saturated: by judge, the authors that beat the opponent too often for it to tell them apart.
    """

    gathered: ContestSelection
    places: tuple[ComparisonRow, ...]
    pairwise: bool
    family_size: int
    seed: int
    level: float
    soft: bool
    saturated: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Row:
    """A place before it is tested: its two sides, and which dialogues were to be judged for both."""

    under: JudgeContests
    first: str
    second: str
    rate: WinRate | None
    pairs: PairedScores
    asked: Marks


def compare_everyone(
    gathered: ContestSelection, *, seed: int, pairwise: bool = False, soft: bool = False
) -> MultiComparison:
    """Every author against the opponent, or all pairs of authors by way of it, as one family.

    A pair is compared head to head where the opponent saturates against either and the two were so judged.

    Raises:
        UserError: soft verdicts of a judge that gave none, or pairs of a single author.
    """
    if soft:
        check_has_soft_verdicts(gathered)
    rows: list[_Row] = []
    saturated: dict[str, list[str]] = {}
    names = {of.id: name_of(of) for of in gathered.authors}
    for under in gathered.judges:
        standings = {of.id: under.standings[of.id] for of in gathered.authors if of.id in under.standings}
        rates = {set_id: _own_rate(one, seed, soft=soft) for set_id, one in standings.items()}
        over = [set_id for set_id, rate in rates.items() if is_saturated(rate.rate)]
        if over:
            saturated[under.judge] = [names[set_id] for set_id in over]
        if pairwise:
            rows += [_pair(under, *two, names, over, soft=soft) for two in combinations(standings, 2)]
        else:
            rows += [
                _Row(
                    under,
                    names[set_id],
                    name_of(gathered.opponent),
                    rates[set_id],
                    head_to_head(standing.columns, soft=soft),
                    standing.asked,
                )
                for set_id, standing in standings.items()
            ]
    if not rows:
        raise UserError(
            "no pair of authors to compare",
            code="comparison.no-pairs",
            where="--pairwise",
            found=f"{', '.join(names.values())} against {name_of(gathered.opponent)}",
            remedy="Judge another author against the same opponent.",
        )
    family = adjust_family([row.pairs for row in rows], seed=seed, level=LEVEL)
    places = tuple(
        ComparisonRow(row.under, row.first, row.second, row.rate, select_judged(test, row.pairs, row.asked))
        for row, test in zip(rows, family.tests, strict=True)
    )
    return MultiComparison(gathered, places, pairwise, family.size, seed, LEVEL, soft, saturated)


def _own_rate(standing: AuthorContest, seed: int, *, soft: bool) -> WinRate:
    return win_rate(standing.columns.select_dialogues(standing.asked), seed=seed, soft=soft)


def _pair(
    under: JudgeContests,
    first: str,
    second: str,
    names: Mapping[str, str],
    over: Sequence[str],
    *,
    soft: bool,
) -> _Row:
    """Two authors, by their sets' ids, in the way that answers."""
    one, other = under.standings[first], under.standings[second]
    direct = under.direct.get((first, second))
    through = against_common_opponent(one.columns, other.columns, soft=soft)
    straight = None if direct is None else head_to_head(direct.columns, soft=soft)
    chosen = primary_comparison(through, straight, saturated=first in over or second in over)
    asked = one.asked & other.asked if direct is None or chosen is through else direct.asked
    return _Row(under, names[first], names[second], None, chosen, asked)
