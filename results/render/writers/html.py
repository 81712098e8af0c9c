"""Tables as HTML; every text is escaped, and invisible characters are made visible."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup

from agents.output_escape import visible_text
from results.render.format import NONE, format_lines
from results.render.rendering import Rendering
from results.render.table import Column, Row, Table

_UNIT = re.compile(r"(?<=\d) (?=%)")
_MINUS = re.compile(r"(?<![\w.])-(?=\d)")


def readable(text: object) -> str:
    """Return a text with invisible characters made visible."""
    return visible_text(str(text).replace("\r\n", "\n").replace("\r", "\n"))


def html_text(value: object) -> Markup:
    """Escape a text; markup stays as it is."""
    return value if isinstance(value, Markup) else Markup.escape(readable(value))


def html_list(items: Iterable[str], css: str = "") -> Markup:
    """Return texts as a list with a CSS class."""
    rows = Markup("\n").join(Markup("<li>{}</li>").format(html_text(item)) for item in items)
    return Markup('<ul class="{}">\n{}\n</ul>').format(css, rows)


def html_rendering(rendering: Rendering, label: str = "table") -> Markup:
    """Return tables under their titles, conclusions and caveats; ids begin with `label`."""
    parts = []
    for number, table in enumerate(rendering.tables):
        name = f"{label}-{number}"
        title = Markup('<p id="{}"><strong>{}</strong></p>').format(name, html_text(table.title))
        parts += [title, html_table(table, name)]
    parts += [Markup("<p>{}</p>").format(html_text(sentence)) for sentence in rendering.conclusions]
    parts += [html_list(rendering.caveats)] if rendering.caveats else []
    return Markup("\n").join(parts)


def html_table(table: Table, label: str, css: str = "") -> Markup:
    """Return a table that scrolls on narrow screens, without its title.

    Args:
        table: the table; with one metric per row, explanations stand below the names of the metrics.
        label: id of the element that names the table.
        css: CSS classes; by default those of tables of metrics, or of all others.
    """
    columns = table.columns
    css = css or ("numbers" if columns[0].key == "metric" else "plain-table")
    head = Markup("").join(map(_heading, columns))
    body = Markup("\n").join(_section_row(row, len(columns)) + _row(row, columns, css) for row in table.rows)
    notes = Markup("").join(
        Markup('<p class="hint">{}</p>\n').format(html_text(note))
        for note in (table.caption, *table.caveats)
        if note
    )
    return Markup(
        '<div class="scroll" role="region" aria-labelledby="{label}" tabindex="0">\n'
        '<table class="{css}" role="table" aria-labelledby="{label}">\n'
        '<thead role="rowgroup"><tr role="row">{head}</tr></thead>\n'
        '<tbody role="rowgroup">\n{body}\n</tbody>\n</table>\n</div>\n{notes}'
    ).format(label=label, css=css, head=head, body=body, notes=notes)


def _heading(column: Column) -> Markup:
    """Return the heading of a column; an empty one is a cell."""
    if not column.heading.strip():
        return Markup('<td role="cell"></td>')
    return Markup('<th scope="col" role="columnheader"{}>{}</th>').format(
        _text_class(column), html_text(column.heading)
    )


def _text_class(column: Column) -> Markup:
    """Return the class attribute of a column of texts."""
    return Markup(' class="text"') if column.alignment == "left" else Markup("")


def _section_row(row: Row, columns: int) -> Markup:
    """Return the heading above a row, if it begins a section."""
    if not row.section:
        return Markup("")
    return Markup('<tr class="group" role="row"><th role="rowheader" colspan="{}">{}{}</th></tr>\n').format(
        columns, html_text(row.section), _hint(row.section_hint)
    )


def _hint(text: str) -> Markup:
    """Return an explanation beside a name."""
    return Markup(' <span class="hint">{}</span>').format(html_text(text)) if text else Markup("")


def _row(row: Row, columns: list[Column], css: str) -> Markup:
    """Return a row whose first cell is its heading."""
    style = {"dim": Markup(' class="quiet"'), "bold": Markup(' class="main"')}.get(row.style, Markup(""))
    name, *cells = (_value(cell, column) for cell, column in zip(row.cells, columns, strict=True))
    name_class = Markup("") if css == "numbers" else Markup(' class="text"')
    values = Markup("").join(
        Markup('<td role="cell"{} data-judge="{}"><span>{}</span></td>').format(
            _text_class(column), html_text(column.heading), cell
        )
        for column, cell in zip(columns[1:], cells, strict=True)
    )
    return Markup('<tr role="row"{}><th scope="row" role="rowheader"{}>{}{}</th>{}</tr>').format(
        style, name_class, name, _hint(row.hint), values
    )


def _value(cell: Any, column: Column) -> Markup:
    """Return a cell; numbers have typographic minus signs, and None is a dash."""
    lines = []
    for line in format_lines(cell, column.unit):
        number = "–" if line == NONE else _UNIT.sub("\u00a0", _MINUS.sub("−", line))
        lines.append(html_text(line if isinstance(cell, str) else number))
    if column.unit != "lines":
        return lines[0]
    return Markup("").join(Markup('<span class="line">{}</span>').format(line) for line in lines)
