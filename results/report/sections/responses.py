"""Profiles of each author's responses."""

from __future__ import annotations

from collections.abc import Sequence

from results.analysis.response_profile import WORD_LISTS
from results.report.contest_metrics import MetricGroup
from results.report.context import ReportContext
from results.report.sections.section import PlainRow, PlainTable, Section
from results.report.style_profile import flagged_dialogues, style_groups
from results.report.templates import render_template

MANY = 6  # authors that have a column each; more of them have a row each


def responses(material: ReportContext) -> Section | None:
    """Render the table of profiles; None without responses."""
    authors = [author for author in material.authors.values() if author.profile]
    if not authors:
        return None
    authors.sort(key=lambda author: author.name)
    groups, names = style_groups(authors), [author.name for author in authors]
    html = render_template(
        "responses",
        groups=groups,
        names=names,
        table=_turned(groups, names) if len(names) > MANY else None,
        flagged_dialogues=flagged_dialogues(authors),
        lists=WORD_LISTS.values(),
    )
    return Section("responses", "What the responses are like", html)


def _turned(groups: Sequence[MetricGroup], names: Sequence[str]) -> PlainTable:
    """Return the transposed table: an author per row, a measure per column."""
    measures = [measure for group in groups for measure in group.rows]
    rows = [PlainRow((name, *(measure.values[at] for measure in measures))) for at, name in enumerate(names)]
    return PlainTable(("author", *(measure.name for measure in measures)), tuple(rows))
