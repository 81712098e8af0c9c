"""Types shared by the sections: a section, and a plain table."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Section:
    """One section of the report.

    Attributes:
        id: unique in the page, the target of links.
        title: its heading, and its name in the contents.
        html: content below the heading.
        css: CSS class, or "".
    """

    id: str
    title: str
    html: Markup
    css: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Row of a plain table; a quiet row is printed in grey."""

    cells: tuple[str, ...]
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class PlainTable:
    """Headings and rows of formatted cells; the first `texts` columns are text, the others numbers."""

    heads: tuple[str, ...]
    rows: tuple[Row, ...]
    texts: int = 1
