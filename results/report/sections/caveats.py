"""What the numbers do not say."""

from __future__ import annotations

from results.report import conclusions
from results.report.context import Material
from results.report.sections.section import Section
from results.report.templates import filled


def caveats(material: Material) -> Section | None:
    """The list; None where there are no numbers."""
    if not material.pairs:
        return None
    html = filled("caveats", caveats=conclusions.caveats(material))
    return Section("caveats", "What the numbers do not say", html)
