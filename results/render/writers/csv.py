"""Tables as CSV: keys as heading, plain values, no formulas."""

from __future__ import annotations

from agents.output_escape import csv_rows
from results.render.table import Table
from results.render.writers.records import column_keys, table_records


def csv_table(*tables: Table) -> str:
    """Return tables with the same columns as one CSV text."""
    return csv_rows(column_keys(tables[0]), (row for table in tables for row in table_records(table)))
