"""Comparison of all authors with one opponent as a table and caveats."""

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


def multi_comparison_table(comparison: MultiComparison) -> Table:
    """Return one row per test, per judge from the best author to the worst."""
    opponent, interval = name_of(comparison.selection.opponent), interval_head(comparison.family_size)
    if comparison.pairwise:
        title = f"every pair, by way of {opponent}"
        columns: tuple[str, ...] = ("judge", "first – second", "first", "second", "difference", interval)
    else:
        title = f"every author against {opponent}"
        columns = ("judge", "author", "win rate", interval, "unadjusted, 95 %", "order-robust")
    columns += ("p", "p, Holm", "n", "MDE")
    table = make_test_table(
        title, comparison.selection, comparison.family_size, columns, soft=comparison.soft
    )
    order = {
        judge_contests.judge_id: position
        for position, judge_contests in enumerate(comparison.selection.judges)
    }
    places = sorted(
        comparison.rows,
        key=lambda place: (order[place.judge_contests.judge_id], -(place.test.difference or 0.0)),
    )
    previous_judge = ""
    for place in places:
        judge = "" if place.judge_contests.judge_id == previous_judge else place.judge_contests.judge
        previous_judge = place.judge_contests.judge_id
        if comparison.pairwise:
            suffix = ", head to head" if place.test.kind == HEAD_TO_HEAD else ""
            table.add_row(judge, f"{place.first} – {place.second}{suffix}", *test_cells(place.test))
        else:
            table.add_row(judge, place.first, *_rates(place), *test_cells(place.test)[4:])
    return table


def _rates(place: ComparisonRow) -> tuple[str, str, str, str]:
    """Return win rate, simultaneous interval, unadjusted interval and order-robust bounds."""
    test, rate = place.test, place.rate
    simultaneous = "-"
    if test.low is not None and test.high is not None:
        simultaneous = format_range((1 + test.low) / 2, (1 + test.high) / 2)
    if rate is None:
        return format_percent(test.rate_first), simultaneous, "-", "-"
    return (
        format_percent(test.rate_first),
        simultaneous,
        format_range(rate.low, rate.high),
        format_range(*rate.order_robust),
    )


def multi_comparison_caveats(comparison: MultiComparison) -> list[str]:
    """Return the caveats to print below the table."""
    caveats = common_caveats(comparison.selection, soft=comparison.soft)
    caveats.append(
        "p: sign-flip permutation test over dialogues, with Holm's correction over all rows. Simultaneous: "
        "all intervals hold at once with probability 95 %. “MDE”: minimum detectable effect in points of "
        "the difference, before Holm's correction."
    )
    if not comparison.pairwise:
        caveats.append(ORDER_ROBUST_NOTE)
    caveats.append(scope_caveat(comparison.selection))
    if not comparison.pairwise and len(comparison.rows) > 1:
        caveats.append(
            "The rate of the best of several authors is biased upwards. To compare two authors with each "
            "other, compare them directly or pass --pairwise."
        )
    caveats += [_saturation(comparison, judge, names) for judge, names in comparison.saturated.items()]
    notes: dict[tuple[str, str], list[str]] = {}
    for place in comparison.rows:
        if place.test.note:
            notes.setdefault((place.judge_contests.judge, place.test.note), []).append(
                _row_label(comparison, place)
            )
    caveats += [f"{judge}: {note}: {', '.join(rows)}." for (judge, note), rows in notes.items()]
    for place in comparison.rows:
        caveats += incomplete_caveats(
            f"{place.judge_contests.judge}, {_row_label(comparison, place)}", place.test
        )
    return caveats


def _row_label(comparison: MultiComparison, place: ComparisonRow) -> str:
    """Return the row label."""
    return f"{place.first} – {place.second}" if comparison.pairwise else place.first


def _saturation(comparison: MultiComparison, judge: str, names: Sequence[str]) -> str:
    """Return the saturation warning with its remedy."""
    has_direct = any(
        place.judge_contests.judge == judge and place.test.kind == HEAD_TO_HEAD
        for place in comparison.rows
        if comparison.pairwise
    )
    remedy = "judge them head to head"
    if has_direct:
        remedy = "pairs with one of these are compared head to head where that contest was judged"
    return saturation_caveat(comparison.selection, judge, names, remedy)
