"""Table 1's layout (method × strategy × stage), ours beside the published values."""

from __future__ import annotations

from dataclasses import dataclass

from results.paper.cells import NUMBERS
from results.report.context import ReportContext
from results.report.sections.section import Section
from results.report.table1_grid import Table1Line, orders_of
from results.report.templates import render_template

_NOT_THE_PAPERS = "No cell here is one of the paper's: another base, or another judge."


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of one base under one judge."""

    base: str
    judge: str
    lines: tuple[Table1Line, ...]
    compared: bool


def table_1(material: ReportContext) -> Section | None:
    """Render the layout; None if no student of the paper's methods met its base."""
    if material.grid is None:
        return None
    heads = dict.fromkeys((line.base, line.judge) for line in material.grid.lines)
    compared = any(entry.compared for line in material.grid.lines for entry in line.entries)
    blocks = [
        Block(
            base, judge, tuple(x for x in material.grid.lines if (x.base, x.judge) == (base, judge)), compared
        )
        for base, judge in heads
    ]
    notes = material.grid.notes if compared else (_NOT_THE_PAPERS,)
    numbers = {number: str(strategy) for strategy, number in NUMBERS.items()}
    return Section(
        "table-1",
        "Table 1",
        render_template("table1", blocks=blocks, numbers=numbers, notes=notes, orders_of=orders_of),
    )
