"""Profiles of each author's responses."""

from __future__ import annotations

from results.analysis.response_profile import WORD_LISTS
from results.render.writers.markdown import markdown_table
from results.report.context import ReportContext
from results.report.sections.section import Block, Section
from results.report.style_profile import flagged_dialogues, style_table
from results.report.templates import render_template

MANY = 6  # authors that have a column each; more of them have a row each


def responses(material: ReportContext) -> Section | None:
    """Render the table of profiles; None without responses."""
    authors = [author for author in material.authors.values() if author.profile]
    if not authors:
        return None
    authors.sort(key=lambda author: author.name)
    table = style_table(authors)
    html = render_template(
        "responses",
        table=table.transposed("author") if len(authors) > MANY else table,
        hints=[(row.cells[0], row.hint) for row in table.rows if row.hint] if len(authors) > MANY else [],
        flagged_dialogues=flagged_dialogues(authors),
        lists=WORD_LISTS.values(),
    )
    return Section("responses", "What the responses are like", (Block(html, markdown_table(table)),))
