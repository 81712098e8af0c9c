"""Markdown report: the sections without plots and examples."""

from __future__ import annotations

from agents.output_escape import markdown_text
from results.report.context import ReportContext
from results.report.html import banners, facts, sections, title


def to_markdown(material: ReportContext) -> str:
    """Render the report as Markdown; the first section, the conclusion, has no heading."""
    parts = [f"# {markdown_text(title(material))}"]
    parts += [f"> **{markdown_text(note)}**" for note in banners(material)]
    parts.append(" · ".join(map(markdown_text, facts(material))))
    first, *others = (section for section in sections(material) if section.markdown)
    parts.append(first.markdown)
    for section in others:
        parts += [f"## {markdown_text(section.title)}", section.markdown]
    return "\n\n".join(filter(None, parts)) + "\n"
