"""Section on the limits of the numbers."""

from __future__ import annotations

from results.report import conclusions
from results.report.context import ReportContext
from results.report.sections.section import Section
from results.report.templates import render_template


def caveats(material: ReportContext) -> Section | None:
    """The list; None where there are no numbers."""
    if not material.pairs:
        return None
    html = render_template("caveats", caveats=conclusions.caveats(material))
    return Section("caveats", "Section on the limits of the numbers", html)
