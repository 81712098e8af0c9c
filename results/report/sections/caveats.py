"""Limits of the report's numbers."""

from __future__ import annotations

from results.report import conclusions
from results.report.context import ReportContext
from results.report.sections.section import Section, bullets


def caveats(material: ReportContext) -> Section | None:
    """Return the list; None without contests."""
    if not material.pairs:
        return None
    limits = bullets(conclusions.caveats(material), "caveats")
    return Section("caveats", "What the numbers do not say", (limits,))
