"""Conclusion at the top of the report, with its uncertainty and the judges' names."""

from __future__ import annotations

from results.report.context import ReportContext
from results.report.sections.section import Block, Section, paragraph
from results.report.study_conclusions import headline_lines
from results.report.templates import render_template

NOTHING = "No judgments in this run yet: it stopped before it recorded its contests."


def answer(material: ReportContext) -> Section:
    """Return the conclusion; for a run without judgments, how to continue."""
    headline = headline_lines(material)
    if headline is None:
        more = paragraph("Repeat the command below to resume the run.")
        return Section("answer", "The answer", (paragraph(NOTHING, "answer"), more))
    sentence = paragraph(headline.sentence, "answer")
    blocks = [Block(sentence.html, f"**{sentence.markdown}**")]
    blocks += [paragraph(also, "also") for also in headline.also]
    if len(material.pairs) == 1:
        blocks.append(Block(render_template("answer", pair=material.pairs[0])))
    return Section("answer", "The answer", tuple(blocks))
