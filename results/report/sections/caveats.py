"""Limits of the report's numbers."""

from __future__ import annotations

from results.report import conclusions
from results.report.context import ReportContext
from results.report.sections.section import Section
from results.report.templates import render_template


def caveats(material: ReportContext) -> Section | None:
    """Render the list; None without contests."""
    if not material.pairs:
        return None
    html = render_template("caveats", caveats=conclusions.caveats(material))
    return Section("caveats", "What the numbers do not say", html)
