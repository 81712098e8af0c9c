"""Plain-text table, without markup until it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Column:
    """Heading and alignment of a column.

    Attributes:
        head: heading in one line; wrapped if that saves width.
        justify: "left" for names and words, "right" for numbers.
        style: of all cells, "bold" or "".
    """

    head: str
    justify: str = "left"
    style: str = ""


Cell = str | tuple[str, ...]
"""Text in one line, or a tuple of lines."""


@dataclass(slots=True)
class Row:
    """Cells of a row, one per column.

    Attributes:
        cells: the cells.
        style: "dim", "bold" or "".
        ends: whether a rule follows the row.
    """

    cells: tuple[Cell, ...]
    style: str = ""
    ends: bool = False


@dataclass(slots=True)
class Table:
    """Title, headings and rows, all as plain text.

    Attributes:
        title, caption: lines above and below, or "".
        columns, rows: in display order; `add_column` and `add_row` append.
    """

    title: str = ""
    caption: str = ""
    columns: list[Column] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def add_column(self, head: str, *, justify: str = "left", style: str = "") -> None:
        """Append a column."""
        self.columns.append(Column(head, justify, style))

    def add_row(self, *cells: Cell, style: str = "") -> None:
        """Append a row; missing cells at its end are empty.

        Raises:
            ValueError: more cells than columns.
        """
        if len(cells) > len(self.columns):
            raise ValueError(f"{len(cells)} cells for {len(self.columns)} columns")
        self.rows.append(Row((*cells, *[""] * (len(self.columns) - len(cells))), style))

    def add_section(self) -> None:
        """Draw a rule after the last row."""
        if self.rows:
            self.rows[-1].ends = True


def make_table(title: str, heads: Sequence[str]) -> Table:
    """Return an empty table with the first column left-aligned and the others right-aligned."""
    table = Table(title)
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number else "left")
    return table
