"""On top: the answer in a sentence, with its uncertainty and the judge named."""

from __future__ import annotations

from results.report.context import ReportContext
from results.report.sections.section import Section
from results.report.study_conclusions import headline_lines
from results.report.templates import render_template


def answer(material: ReportContext) -> Section:
    """The answer; of a run that says nothing yet, how to go on."""
    pair = material.pairs[0] if len(material.pairs) == 1 else None
    return Section(
        "answer", "The answer", render_template("answer", answer=headline_lines(material), pair=pair)
    )
