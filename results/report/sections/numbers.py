"""Every number of every contest, judge by judge."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from results.render.format import format_percent
from results.render.table import Table
from results.report.conclusions import Conclusion, conclude_pair
from results.report.contest_metrics import contest_metrics
from results.report.context import AuthorPair, ReportContext
from results.report.sections.chart_data import figure_of
from results.report.sections.section import Block, Section
from results.report.templates import render_template


@dataclass(frozen=True, slots=True)
class PairView:
    """A pair of authors, for the template."""

    at: int
    a: str
    b: str
    table: Table
    answer: Conclusion
    figure: Markup
    short: str


def numbers(material: ReportContext) -> Section | None:
    """Render one table, or one folded table per pair."""
    if not material.pairs:
        return None
    several = len(material.pairs) > 1
    views = [_view(at, pair, material.seed, several=several) for at, pair in enumerate(material.pairs)]
    return Section("numbers", "Every number", (Block(render_template("numbers", views=views)),))


def _view(at: int, pair: AuthorPair, seed: int, *, several: bool) -> PairView:
    summary = ", ".join(
        f"{judged_contest.contest.judge} {format_percent(judged_contest.hard.rate)}"
        for judged_contest in pair.speaking
    )
    return PairView(
        at=at,
        a=pair.a.name,
        b=pair.b.name,
        table=contest_metrics(pair.judged, pair.a.name),
        answer=conclude_pair(pair, seed),
        figure=figure_of(pair, at) if several else Markup(""),
        short=summary,
    )
