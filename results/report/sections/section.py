"""Section and plain table, shared by the sections and the Markdown report."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Section:
    """One section of the page.

    Attributes:
        id: unique in the page; links lead to it.
        title: its heading, and its name in the contents.
        html: what stands under the heading.
        css: a class for its style, or "".
    """

    id: str
    title: str
    html: Markup
    css: str = ""


@dataclass(frozen=True, slots=True)
class PlainRow:
    """A row of a plain table; a quiet one stands back."""

    cells: tuple[str, ...]
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class PlainTable:
    """Headings and rows, every cell as people read it; the first `texts` columns are words, not numbers."""

    heads: tuple[str, ...]
    rows: tuple[PlainRow, ...]
    texts: int = 1
