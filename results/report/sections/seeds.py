"""Results over several training seeds, which support claims about a strategy."""

from __future__ import annotations

from results.render.columns import columns
from results.render.table import Column, Table
from results.report.context import ReportContext
from results.report.sections.section import Section, paragraph, tabulated
from results.statistics import NotEstimable

INTRODUCTION = (
    "Students that are alike but for their training seed, taken together: intervals over dialogues and "
    "over seeds. Only these speak of a method or a strategy; every other number here is of single "
    "checkpoints."
)
CAPTION = "Between seeds: standard deviation of the checkpoints' own win rates."


def seeds(material: ReportContext) -> Section | None:
    """Return the section; None if every recipe has one seed."""
    if not material.seeds:
        return None
    blocks = (paragraph(INTRODUCTION), tabulated(_table(material), "seeds"))
    return Section("seeds", "Over training seeds", blocks)


def _table(material: ReportContext) -> Table:
    """Return a row per recipe, judge and opponent."""
    shown = columns(
        *("recipe", "judge", Column("opponent", "against"), "win_rate", "interval", "order_robust"),
        *(Column("seeds", unit="count"), Column("between_seeds", "between seeds, points", "unsigned_points")),
        "n",
    )
    table = Table(caption=CAPTION, columns=shown)
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
