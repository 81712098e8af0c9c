"""Tables of values: rows, sections, and columns without values."""

from __future__ import annotations

import pytest

from results.render.table import Column, Table, metric_table


def test_missing_cells_are_empty_and_too_many_are_refused() -> None:
    table = Table(columns=[Column("a"), Column("b", unit="count")])
    table.add_row("x")
    assert table.rows[0].cells == ("x", "")
    with pytest.raises(ValueError, match="3 cells for 2 columns"):
        table.add_row("x", 1, 2)


def test_optional_columns_without_a_value_are_left_out() -> None:
    table = Table("title", columns=[Column(key) for key in "abcdef"])
    table.add_row("x", 0, None, {}, (None, None), "")
    table.add_section("later")
    table.add_row("y", 0, None, {}, (0.1, 0.2), "")
    shown = table.without_empty_columns("bcdef")
    assert [column.key for column in shown.columns] == ["a", "e"]
    assert [row.cells for row in shown.rows] == [("x", (None, None)), ("y", (0.1, 0.2))]
    assert (shown.title, shown.rows[0].ends, shown.rows[1].section) == ("title", True, "later")
    assert [column.key for column in table.without_empty_columns("").columns] == list("abcdef")


def test_a_transposed_table_of_metrics_has_the_same_values() -> None:
    table = metric_table(["one", "two"])
    table.add_metric("n", "count", [1, 2])
    table.add_metric("rate", "percent", [0.5, None])
    turned = table.transposed("author")
    assert [column.heading for column in turned.columns] == ["author", "n", "rate"]
    assert [row.cells[0] for row in turned.rows] == ["one", "two"]
    assert [cell.value for cell in turned.rows[1].cells[1:]] == [2, None]


def test_records_have_a_key_for_each_end_of_an_interval() -> None:
    columns = [
        Column("judge"),
        Column("interval", unit="percent_range"),
        Column("soft", unit="percent_estimate"),
    ]
    table = Table(columns=columns)
    table.add_row("one", (0.1, 0.2), (0.5, 0.4, 0.6))
    table.add_row("two", "exact", None)
    assert table.records() == [
        {"judge": "one", "low": 0.1, "high": 0.2, "soft": 0.5, "soft_low": 0.4, "soft_high": 0.6},
        {"judge": "two", "low": "exact", "high": None, "soft": None, "soft_low": None, "soft_high": None},
    ]
    assert list(table.to_frame().columns) == list(table.records()[0])
