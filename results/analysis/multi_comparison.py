"""Comparison of many authors against one opponent, or of every pair of them, as one family of tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from agents.errors import UserError
from results.analysis.comparison import LEVEL, DialogueMask, check_has_soft_verdicts, select_judged
from results.analysis.contest_selection import AuthorContest, ContestSelection, JudgeContests
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
    """Row of a comparison: an author against the opponent, or two authors.

    Attributes:
        judge_contests: the judge and its contests.
        first, second: names of the two; `second` is the opponent in a row about one author.
        rate: the author's win rate; None in a row about two authors.
        test: their difference, indirect or head-to-head according to `test.kind`.
    """

    judge_contests: JudgeContests
    first: str
    second: str
    rate: WinRate | None
    test: PairedDifference


@dataclass(frozen=True)
class MultiComparison:
    """Comparison of every author with one opponent, or of every pair of authors.

    Attributes:
        selection: contests that the comparison uses.
        rows: rows of the comparison.
        pairwise: whether rows are about two authors.
        family_size: number of tests in the family, over all judges.
        seed, level, soft: settings of the comparison.
        saturated: judge → authors that beat the opponent too often to be distinguished by it.
    """

    selection: ContestSelection
    rows: tuple[ComparisonRow, ...]
    pairwise: bool
    family_size: int
    seed: int
    level: float
    soft: bool
    saturated: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _UntestedRow:
    """Row before its test: the two sides, and which dialogues are included for both."""

    judge_contests: JudgeContests
    first: str
    second: str
    rate: WinRate | None
    pairs: PairedScores
    included: DialogueMask


def compare_authors(
    selection: ContestSelection, *, seed: int, pairwise: bool = False, soft: bool = False
) -> MultiComparison:
    """Compare every author with the opponent, or all pairs of authors, as one family of tests.

    A pair is compared indirectly through the opponent. If the opponent is saturated for either author and a
    head-to-head contest exists, that contest is used instead.

    Args:
        seed: seed of the resampling.
        pairwise: compare pairs of authors.
        soft: use soft verdicts instead of hard ones.

    Raises:
        UserError: soft verdicts of a judge that returned none, or `pairwise` with a single author.
    """
    if soft:
        check_has_soft_verdicts(selection)
    untested: list[_UntestedRow] = []
    saturated: dict[str, list[str]] = {}
    names = {author.id: author.name for author in selection.authors}
    for judge_contests in selection.judges:
        author_contests = {
            author.id: judge_contests.author_contests[author.id]
            for author in selection.authors
            if author.id in judge_contests.author_contests
        }
        rates = {
            author_id: _win_rate(contest, seed, soft=soft) for author_id, contest in author_contests.items()
        }
        saturated_ids = [author_id for author_id, rate in rates.items() if is_saturated(rate.rate)]
        if saturated_ids:
            saturated[judge_contests.judge] = [names[author_id] for author_id in saturated_ids]
        if pairwise:
            untested += [
                _pair_row(judge_contests, *pair, names, saturated_ids, soft=soft)
                for pair in combinations(author_contests, 2)
            ]
        else:
            untested += [
                _UntestedRow(
                    judge_contests,
                    names[author_id],
                    selection.opponent.name,
                    rates[author_id],
                    head_to_head(contest.columns, soft=soft),
                    contest.included,
                )
                for author_id, contest in author_contests.items()
            ]
    if not untested:
        raise UserError(
            "no pair of authors to compare",
            code="comparison.no-pairs",
            where="--pairwise",
            found=f"{', '.join(names.values())} against {selection.opponent.name}",
            remedy="Judge another author against the same opponent.",
        )
    family = adjust_family([row.pairs for row in untested], seed=seed, level=LEVEL)
    rows = tuple(
        ComparisonRow(
            row.judge_contests, row.first, row.second, row.rate, select_judged(test, row.pairs, row.included)
        )
        for row, test in zip(untested, family.tests, strict=True)
    )
    return MultiComparison(selection, rows, pairwise, family.size, seed, LEVEL, soft, saturated)


def _win_rate(contest: AuthorContest, seed: int, *, soft: bool) -> WinRate:
    return win_rate(contest.columns.select_dialogues(contest.included), seed=seed, soft=soft)


def _pair_row(
    judge_contests: JudgeContests,
    first: str,
    second: str,
    names: Mapping[str, str],
    saturated_ids: Sequence[str],
    *,
    soft: bool,
) -> _UntestedRow:
    """Return the untested row of two authors, given by their set ids."""
    first_contest, second_contest = (
        judge_contests.author_contests[first],
        judge_contests.author_contests[second],
    )
    direct = judge_contests.direct.get((first, second))
    indirect = against_common_opponent(first_contest.columns, second_contest.columns, soft=soft)
    head_to_head_scores = None if direct is None else head_to_head(direct.columns, soft=soft)
    primary = primary_comparison(
        indirect, head_to_head_scores, saturated=first in saturated_ids or second in saturated_ids
    )
    included = (
        first_contest.included & second_contest.included
        if direct is None or primary is indirect
        else direct.included
    )
    return _UntestedRow(judge_contests, names[first], names[second], None, primary, included)
