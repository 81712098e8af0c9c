"""Renderings and tables as Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from agents.output_escape import markdown_row, markdown_text
from results.render.format import format_value
from results.render.rendering import Rendering
from results.render.table import Table


def markdown_table(table: Table) -> str:
    """Return the rows of a table, without its title, and its caption and caveats in italics."""
    rules = ("---:" if column.alignment == "right" else ":---" for column in table.columns)
    lines = [
        markdown_row(column.heading.strip() for column in table.columns),
        f"| {' | '.join(rules)} |",
    ]
    for row in table.rows:
        if row.section:
            heading = " ".join(filter(None, (row.section, row.section_hint)))
            lines.append(markdown_row([heading, *[""] * (len(table.columns) - 1)]))
        cells = zip(row.cells, table.columns, strict=True)
        lines.append(markdown_row(format_value(cell, column.unit) for cell, column in cells))
    notes = [note for note in (table.caption, *table.caveats) if note]
    return "\n\n".join(["\n".join(lines), *(f"*{markdown_text(note)}*" for note in notes)])


def markdown_list(items: Iterable[str]) -> str:
    """Return texts as a list."""
    return "\n".join(f"- {markdown_text(item)}" for item in items)


def markdown_rendering(rendering: Rendering, title: str = "", warnings: Iterable[str] = ()) -> str:
    """Return a page: title and warnings, each table under its own title, conclusions, caveats in italics."""
    parts = [f"# {markdown_text(title)}"] if title else []
    parts += [f"**{markdown_text(warning)}**" for warning in warnings]
    for table in rendering.tables:
        parts += [f"## {markdown_text(table.title)}"] if table.title else []
        parts.append(markdown_table(table))
    parts += map(markdown_text, rendering.conclusions)
    parts += [f"*{markdown_text(note)}*" for note in rendering.caveats]
    return "\n\n".join(parts) + "\n"
