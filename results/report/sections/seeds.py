"""Results over several training seeds, which support claims about a strategy."""

from __future__ import annotations

from results.render.table import Column, Table
from results.report.context import ReportContext
from results.report.sections.section import Section
from results.report.templates import render_template
from results.statistics import NotEstimable

TITLE = "Over training seeds"


def seeds(material: ReportContext) -> Section | None:
    """Render the section; None if every recipe has one seed."""
    table = seeds_table(material)
    return None if table is None else Section("seeds", TITLE, render_template("seeds", table=table))


def seeds_table(material: ReportContext) -> Table | None:
    """Return a row per recipe, judge and opponent."""
    if not material.seeds:
        return None
    columns = [
        Column("recipe"),
        Column("judge"),
        Column("opponent", "against"),
        Column("win_rate", unit="percent"),
        Column("interval", "95 %", "percent_range"),
        Column("order_robust", "order-robust", "percent_range"),
        Column("seeds", unit="count"),
        Column("between_seeds", "between seeds, points", "unsigned_points"),
        Column("n", unit="count"),
    ]
    table = Table(columns=columns)
    for summary in material.seeds:
        estimate, names = summary.found, (summary.recipe, summary.judge, summary.opponent)
        if isinstance(estimate, NotEstimable):
            table.add_row(*names, str(estimate), *[None] * 5)
            continue
        table.add_row(
            *names,
            estimate.estimate,
            (estimate.low, estimate.high),
            (estimate.order_robust_low, estimate.order_robust_high),
            sum(estimate.seeds),
            estimate.between_seeds,
            estimate.n,
        )
    return table
