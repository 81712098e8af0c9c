"""Everyone against one opponent, for people: one row a test, and what must be known. Computes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from results.analysis.multi_comparison import ComparisonRow, MultiComparison
from results.queries.contest_index import name_of
from results.render.format import ORDER_ROBUST_NOTE, format_percent, format_range
from results.render.paired_differences import (
    common_caveats,
    incomplete_caveats,
    interval_head,
    make_test_table,
    saturation_caveat,
    scope_caveat,
    test_cells,
)
from results.render.table import Table
from results.statistics import HEAD_TO_HEAD


def multi_comparison_table(of: MultiComparison) -> Table:
    """One row a test; within a judge, the best first."""
    opponent, interval = name_of(of.selection.opponent), interval_head(of.family_size)
    if of.pairwise:
        what = f"every pair, by way of {opponent}"
        columns: tuple[str, ...] = ("judge", "first – second", "first", "second", "difference", interval)
    else:
        what = f"every author against {opponent}"
        columns = ("judge", "author", "win rate", interval, "alone, 95 %", "order-robust")
    columns += ("p", "p, Holm", "n", "MDE")
    table = make_test_table(what, of.selection, of.family_size, columns, soft=of.soft)
    order = {judge_contests.judge_id: at for at, judge_contests in enumerate(of.selection.judges)}
    places = sorted(
        of.places, key=lambda one: (order[one.judge_contests.judge_id], -(one.test.difference or 0.0))
    )
    named = ""
    for place in places:
        judge = "" if place.judge_contests.judge_id == named else place.judge_contests.judge
        named = place.judge_contests.judge_id
        if of.pairwise:
            how = ", head to head" if place.test.kind == HEAD_TO_HEAD else ""
            table.add_row(judge, f"{place.first} – {place.second}{how}", *test_cells(place.test))
        else:
            table.add_row(judge, place.first, *_rates(place), *test_cells(place.test)[4:])
    return table


def _rates(place: ComparisonRow) -> tuple[str, str, str, str]:
    """The win rate, its simultaneous interval, the one that it would have alone, its order-robust bounds."""
    test, rate = place.test, place.rate
    together = "-"
    if test.low is not None and test.high is not None:
        together = format_range((1 + test.low) / 2, (1 + test.high) / 2)
    if rate is None:
        return format_percent(test.rate_first), together, "-", "-"
    return (
        format_percent(test.rate_first),
        together,
        format_range(rate.low, rate.high),
        format_range(*rate.order_robust),
    )


def multi_comparison_caveats(of: MultiComparison) -> list[str]:
    """What a reader of the table must know."""
    told = common_caveats(of.selection, soft=of.soft)
    told.append(
        "p: sign-flip permutation over dialogues, against no difference; Holm over all rows. Simultaneous: "
        "with probability 95 % all of these intervals hold at once. “MDE”: in points of the "
        "difference between the two, before Holm."
    )
    if not of.pairwise:
        told.append(ORDER_ROBUST_NOTE)
    told.append(scope_caveat(of.selection))
    if not of.pairwise and len(of.places) > 1:
        told.append(
            "The best of several on the same dialogues looks better than it is; to say that one author is "
            "better than another, compare the two, or use --pairwise."
        )
    told += [_saturation(of, judge, names) for judge, names in of.saturated.items()]
    said: dict[tuple[str, str], list[str]] = {}
    for place in of.places:
        if place.test.note:
            said.setdefault((place.judge_contests.judge, place.test.note), []).append(_who(of, place))
    told += [f"{judge}: {note}: {', '.join(who)}." for (judge, note), who in said.items()]
    for place in of.places:
        told += incomplete_caveats(f"{place.judge_contests.judge}, {_who(of, place)}", place.test)
    return told


def _who(of: MultiComparison, place: ComparisonRow) -> str:
    return f"{place.first} – {place.second}" if of.pairwise else place.first


def _saturation(of: MultiComparison, judge: str, names: Sequence[str]) -> str:
    so_judged = any(
        place.judge_contests.judge == judge and place.test.kind == HEAD_TO_HEAD
        for place in of.places
        if of.pairwise
    )
    remedy = "judge them head to head"
    if so_judged:
        remedy = "pairs with one of these are compared head to head where they were so judged"
    return saturation_caveat(of.selection, judge, names, remedy)
