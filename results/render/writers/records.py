"""Tables as records by column key, for JSON and CSV."""

from __future__ import annotations

from typing import Any

from results.render.format import format_value
from results.render.table import Column, Quantity, Table


def column_keys(table: Table) -> list[str]:
    """Return the keys of a table's records; an interval has one key for each end."""
    return [key for column in table.columns for key in _keys(column)]


def table_records(table: Table) -> list[dict[str, Any]]:
    """Return one record of plain values per row."""
    return [
        {
            key: value
            for column, cell in zip(table.columns, row.cells, strict=True)
            for key, value in zip(_keys(column), _values(column, cell), strict=True)
        }
        for row in table.rows
    ]


def _keys(column: Column) -> tuple[str, ...]:
    """Return the keys of a column."""
    if column.unit.endswith("_range"):
        prefix = "" if column.key == "interval" else f"{column.key}_"
        return f"{prefix}low", f"{prefix}high"
    if column.unit.endswith("_estimate"):
        return column.key, f"{column.key}_low", f"{column.key}_high"
    return (column.key,)


def _values(column: Column, cell: Any) -> tuple[Any, ...]:
    """Return the plain values of a cell."""
    size = len(_keys(column))
    if size > 1:
        return tuple(cell) if isinstance(cell, tuple) else (cell or None, *[None] * (size - 1))
    if isinstance(cell, Quantity) and isinstance(cell.value, int | float | str | None):
        return (cell.value,)
    return (cell if isinstance(cell, int | float | str | None) else format_value(cell, column.unit),)
