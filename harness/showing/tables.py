"""One look of the tables that are shown in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
