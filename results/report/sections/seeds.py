"""Results over several training seeds, which support claims about a strategy."""

from __future__ import annotations

from results.report.conclusions import NONE, between, percent
from results.report.context import ReportContext
from results.report.sections.section import PlainRow, PlainTable, Section
from results.report.seed_summary import SeedSummary
from results.report.templates import render_template
from results.statistics import NotEstimable

TITLE = "Over training seeds"
_HEADS = ("recipe", "judge", "against", "win rate", "95 %", "order-robust", "seeds", "between seeds", "n")


def seeds(material: ReportContext) -> Section | None:
    """Render the section; None if every recipe has one seed."""
    table = seeds_table(material)
    return None if table is None else Section("seeds", TITLE, render_template("seeds", table=table))


def seeds_table(material: ReportContext) -> PlainTable | None:
    """Return a row per recipe, judge and opponent."""
    if not material.seeds:
        return None
    return PlainTable(_HEADS, tuple(_row(seed_summary) for seed_summary in material.seeds), texts=3)


def _row(seed_summary: SeedSummary) -> PlainRow:
    estimate = seed_summary.found
    if isinstance(estimate, NotEstimable):
        return PlainRow(
            (seed_summary.recipe, seed_summary.judge, seed_summary.opponent, str(estimate), *[NONE] * 5)
        )
    return PlainRow(
        (
            seed_summary.recipe,
            seed_summary.judge,
            seed_summary.opponent,
            percent(estimate.estimate),
            between(estimate.low, estimate.high),
            between(estimate.order_robust_low, estimate.order_robust_high),
            str(sum(estimate.seeds)),
            f"{100 * estimate.between_seeds:.1f}\u00a0points",
            f"{estimate.n:,}",
        )
    )
