"""One look of the tables that are shown in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


def table_of(title: str, heads: Sequence[str]) -> Table:
    """An empty table: the first column to the left, the others, numbers, to the right."""
    from rich.table import Table

    table = Table(
        title=title, title_justify="left", header_style="bold", pad_edge=False, collapse_padding=True
    )
    for at, head in enumerate(heads):
        table.add_column(head, justify="right" if at else "left", overflow="fold")
    return table


def one_line(head: str) -> str:
    """A column's head, which may be broken over lines, in one; a hyphen of its own is U+2011."""
    return head.replace("-\n", "").replace("\u2011\n", "\u2011").replace("\n", " ")


def fitting(table: Table, width: int) -> list[Table]:
    """The table as it is, where so many characters hold it; else turned, its rows side by side, as many in
    one table as fit.

    Where there is no room for a table, rich breaks numbers, and cuts off what stands at its end. The first
    column's names may be folded to that column's least width.
    """
    if _width(table) <= width:
        return [table]
    rows = list(zip(*(column.cells for column in table.columns), strict=True))
    parts: list[Table] = []
    beside: list[tuple[RenderableType, ...]] = []
    for row in rows:
        if beside and _width(_turned(table, [*beside, row])) > width:
            parts.append(_turned(table, beside))
            beside = []
        beside.append(row)
    parts.append(_turned(table, beside))
    for part in parts[1:]:
        part.title = None
    return parts


def _turned(table: Table, rows: Sequence[Sequence[RenderableType]]) -> Table:
    turned = table_of(str(table.title or ""), [str(table.columns[0].header), *(str(row[0]) for row in rows)])
    for at, column in enumerate(table.columns[1:], 1):
        turned.add_row(one_line(str(column.header)), *(row[at] for row in rows), style=column.style)
    return turned


def _width(table: Table) -> int:
    """Characters that the table needs to show every number whole."""
    from rich.console import Console

    console = Console(width=10_000)
    first = table.columns[0]
    names = max((console.measure(cell).maximum for cell in first.cells), default=0)
    foldable = max(0, names - first.min_width) if first.min_width is not None else 0
    return console.measure(table).maximum - foldable
