"""Conclusion at the top of the report, with its uncertainty and the judges' names."""

from __future__ import annotations

from results.report.context import ReportContext
from results.report.sections.section import Section
from results.report.study_conclusions import headline_lines
from results.report.templates import render_template


def answer(material: ReportContext) -> Section:
    """Render the conclusion; for a run without judgments, how to continue."""
    pair = material.pairs[0] if len(material.pairs) == 1 else None
    return Section(
        "answer", "The answer", render_template("answer", answer=headline_lines(material), pair=pair)
    )
