"""Comparison of all authors with one opponent as a table and caveats."""

from __future__ import annotations

from collections.abc import Sequence

from results.analysis.multi_comparison import ComparisonRow, MultiComparison
from results.queries.contest_index import name_of
from results.render.columns import columns
from results.render.comparison_data import multi_comparison_to_dict
from results.render.format import ORDER_ROBUST_NOTE
from results.render.paired_differences import (
    common_caveats,
    difference_cells,
    difference_columns,
    incomplete_caveats,
    interval_heading,
    saturation_caveat,
    scope_caveat,
    test_cells,
    test_table,
)
from results.render.rendering import Rendering
from results.render.table import Column, Table, Value
from results.statistics import HEAD_TO_HEAD


def render_multi_comparison(comparison: MultiComparison) -> Rendering:
    """Render the comparison: one row per test, per judge from the best author to the worst."""
    return Rendering(
        multi_comparison_to_dict(comparison), (_table(comparison),), caveats=tuple(_caveats(comparison))
    )


def _table(comparison: MultiComparison) -> Table:
    """Return the table of tests."""
    opponent, size = name_of(comparison.selection.opponent), comparison.family_size
    judge = Column("judge", once=True)
    if comparison.pairwise:
        title = f"every pair, by way of {opponent}"
        shown = columns(judge, Column("pair", "first – second"), *difference_columns(size))
    else:
        title = f"every author against {opponent}"
        interval = Column("interval", interval_heading(size), "percent_range")
        unadjusted = Column("unadjusted", "unadjusted, 95 %", "percent_range")
        shown = columns(judge, "author", "win_rate", interval, unadjusted, "order_robust")
    table = test_table(title, comparison.selection, size, shown, soft=comparison.soft)
    order = {
        judge_contests.judge_id: position
        for position, judge_contests in enumerate(comparison.selection.judges)
    }
    places = sorted(
        comparison.rows,
        key=lambda place: (order[place.judge_contests.judge_id], -(place.test.difference or 0.0)),
    )
    for place in places:
        if comparison.pairwise:
            suffix = ", head to head" if place.test.kind == HEAD_TO_HEAD else ""
            name, cells = f"{place.first} – {place.second}{suffix}", difference_cells(place.test)
        else:
            name, cells = place.first, _rates(place)
        table.add_row(place.judge_contests.judge, name, *cells, *test_cells(place.test))
    return table


def _rates(place: ComparisonRow) -> tuple[Value, ...]:
    """Return win rate, simultaneous interval, unadjusted interval and order-robust bounds."""
    test, rate = place.test, place.rate
    simultaneous = None
    if test.low is not None and test.high is not None:
        simultaneous = ((1 + test.low) / 2, (1 + test.high) / 2)
    if rate is None:
        return test.rate_first, simultaneous, None, None
    return test.rate_first, simultaneous, (rate.low, rate.high), rate.order_robust


def _caveats(comparison: MultiComparison) -> list[str]:
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
