"""Table 1's layout (method × strategy × stage), ours beside the published values."""

from __future__ import annotations

from results.paper.cells import METHODS, NUMBERS
from results.render.format import format_points, format_range, format_unsigned_points
from results.render.table import Column, Quantity, Table, Value
from results.report.context import ReportContext
from results.report.sections.section import Section, paragraph, tabulated
from results.report.table1_grid import Table1Entry, Table1Grid, orders_of

INTRODUCTION = (
    "The layout of the paper's Table 1, in percent: our win rate over the base, its interval, its "
    "order-robust bounds, and the rate in either order alone; where the cell is one of the paper's, the "
    "published value, which is of one order, and our difference from it. An empty cell was not judged."
)
_NOT_THE_PAPERS = "No cell here is one of the paper's: another base, or another judge."
_LETTERS = dict(zip(METHODS, "HL", strict=True))
LEGEND = "H: improvement over human responses. L: over LLM initial responses. " + "; ".join(
    f"{number}: {strategy}" for strategy, number in NUMBERS.items()
)


def table_1(material: ReportContext) -> Section | None:
    """Return the layout; None if no student of the paper's methods met its base."""
    grid = material.grid
    if grid is None:
        return None
    notes = grid.notes if _is_compared(grid) else (_NOT_THE_PAPERS,)
    blocks = (paragraph(INTRODUCTION), tabulated(_table(grid), "table-1", "table1"))
    return Section("table-1", "Table 1", (*blocks, *(paragraph(note, "hint") for note in notes)))


def _is_compared(grid: Table1Grid) -> bool:
    """Return whether any cell is one of the paper's."""
    return any(entry.compared for line in grid.lines for entry in line.entries)


def _table(grid: Table1Grid) -> Table:
    """Return a row per stage under its base and judge; several lines per cell, in percent."""
    columns = [
        Column(f"{letter.lower()}_{number}", f"{letter} {number}", "lines", "right")
        for letter in _LETTERS.values()
        for number in NUMBERS.values()
    ]
    table, compared = Table(caption=LEGEND, columns=[Column("step"), *columns]), _is_compared(grid)
    head = ("", "")
    for line in grid.lines:
        if (line.base, line.judge) != head:
            head = (line.base, line.judge)
            table.add_section(line.base, f"judged by {line.judge}")
        table.add_row(line.step, *(_lines(entry, compared) for entry in line.entries))
    return table


def _lines(entry: Table1Entry, compared: bool) -> tuple[Value, ...]:
    """Return the lines of a cell: ours, interval, bounds, each order, published, difference."""
    lines: list[Value] = []
    if ours := entry.ours:
        lines.append(f"{format_unsigned_points(ours.rate)}{'†' if ours.same_family and compared else ''}")
        lines.append(Quantity((ours.low, ours.high), "percent_range"))
        if ours.order_robust[0] is not None:
            lines.append(f"{format_range(*ours.order_robust)} robust")
        lines += orders_of(entry)
    if entry.published is not None:
        lines.append(f"published {format_unsigned_points(entry.published)}")
    if result := entry.compared:
        star = "*" if result.p_adjusted is not None and result.p_adjusted < 0.05 else ""
        lines.append(f"{format_points(result.difference)}{star}")
    return tuple(lines)
