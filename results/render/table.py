"""A table of text: plain strings until it is drawn, so that nothing in it is markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Column:
    """A column's head, and how its cells stand.

    Attributes:
        head: one line; it is wrapped where that saves room.
        justify: "left" for names and words, "right" for numbers.
        style: of all its cells: "bold" or "".
    """

    head: str
    justify: str = "left"
    style: str = ""


Cell = str | tuple[str, ...]
"""A text in one line, or the lines of one."""


@dataclass(slots=True)
class Row:
    """Cells, one a column; `style` is "dim", "bold" or ""; `ends` is true before a rule."""

    cells: tuple[Cell, ...]
    style: str = ""
    ends: bool = False


@dataclass(slots=True)
class Table:
    """A title, heads and rows, every text as it stands in the data.

    Attributes:
        title, caption: lines above and below, or "".
        columns, rows: in their order; `add_column` and `add_row` append.
    """

    title: str = ""
    caption: str = ""
    columns: list[Column] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def add_column(self, head: str, *, justify: str = "left", style: str = "") -> None:
        """Append a column."""
        self.columns.append(Column(head, justify, style))

    def add_row(self, *cells: Cell, style: str = "") -> None:
        """Append a row; cells that are left out at its end are empty.

        Raises:
            ValueError: it has more cells than there are columns.
        """
        if len(cells) > len(self.columns):
            raise ValueError(f"{len(cells)} cells for {len(self.columns)} columns")
        self.rows.append(Row((*cells, *[""] * (len(self.columns) - len(cells))), style))

    def add_section(self) -> None:
        """Draw a rule after the rows so far."""
        if self.rows:
            self.rows[-1].ends = True


def make_table(title: str, heads: Sequence[str]) -> Table:
    """An empty table: the first column to the left, the others, numbers, to the right."""
    table = Table(title)
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number else "left")
    return table
