"""Tables as CSV: keys as heading, plain values, no formulas."""

from __future__ import annotations

from agents.output_escape import csv_text
from results.render.format import format_value
from results.render.table import Table, Value


def csv_table(table: Table) -> str:
    """Return a table as CSV; values that are no number or text, such as counts by reason, are formatted."""
    rows = []
    for row in table.rows:
        values: list[Value] = []
        for column, cell in zip(table.columns, row.cells, strict=True):
            for value in column.values(cell):
                is_plain = isinstance(value, int | float | str | None)
                values.append(value if is_plain else format_value(cell, column.unit))
        rows.append(values)
    return csv_text([key for column in table.columns for key in column.keys], rows)
