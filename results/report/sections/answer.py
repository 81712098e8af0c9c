"""On top: the answer in a sentence, with its uncertainty and the judge named."""

from __future__ import annotations

from results.report.context import Material
from results.report.sections.section import Section
from results.report.study_conclusions import told_on_top
from results.report.templates import filled


def answer(material: Material) -> Section:
    """The answer; of a run that says nothing yet, how to go on."""
    pair = material.pairs[0] if len(material.pairs) == 1 else None
    return Section("answer", "The answer", filled("answer", answer=told_on_top(material), pair=pair))
