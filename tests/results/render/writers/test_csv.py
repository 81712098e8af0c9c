"""Tables as CSV."""

from __future__ import annotations

from results.render.table import Table
from results.render.writers.csv import csv_table


def test_values_are_plain_and_intervals_have_two_columns(table: Table) -> None:
    table.add_row("=1+1", 0.5, (None, 0.1), {})
    assert csv_table(table).splitlines() == [
        "judge,win_rate,low,high,unscored",
        "openai/x,0.616,0.5,0.7,2: refused 2",
        "openai/x,,exact,,-0.01",
        "'=1+1,0.5,,0.1,0",
    ]
