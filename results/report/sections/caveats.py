"""What the numbers do not say."""

from __future__ import annotations

from results.report import wording
from results.report.markup import filled
from results.report.material import Material
from results.report.sections.section import Section


def caveats(material: Material) -> Section | None:
    """The list; None where there are no numbers."""
    if not material.pairs:
        return None
    html = filled("caveats", caveats=wording.caveats(material))
    return Section("caveats", "What the numbers do not say", html)
