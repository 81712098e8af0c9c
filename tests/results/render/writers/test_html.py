"""Tables and renderings as HTML."""

from __future__ import annotations

from results.render.rendering import Rendering
from results.render.table import Column, Table, metric_table
from results.render.writers.html import html_rendering, html_table


def test_a_table_has_headings_for_columns_rows_and_sections(table: Table) -> None:
    html = html_table(table, "label")
    assert html.count('aria-labelledby="label"') == 2
    assert html.count('scope="col"') == 4
    assert html.count('scope="row"') == 2
    assert '<th role="rowheader" colspan="4">models <span class="hint">not controls</span></th>' in html
    assert 'openai/x <span class="hint">the first</span>' in html
    assert '<tr role="row" class="quiet">' in html
    assert html.count('<p class="hint">') == 2  # caption and caveat


def test_numbers_are_typographic_and_names_are_not(table: Table) -> None:
    table.add_row("model -1 at 50 %", 0.5)
    html = html_table(table, "label")
    assert "61.6\u00a0%" in html
    assert "−1.0" in html
    assert "<span>–</span>" in html  # no value
    assert "model -1 at 50 %" in html


def test_tables_of_metrics_have_their_own_style() -> None:
    metrics = metric_table(["one"])
    metrics.add_metric("n", "count", [1234], style="bold")
    html = html_table(metrics, "label")
    assert 'class="numbers"' in html
    assert '<tr role="row" class="main">' in html
    assert "1,234" in html
    assert 'class="table1"' in html_table(metrics, "label", "table1")


def test_the_lines_of_a_cell_are_apart() -> None:
    table = Table(columns=[Column("name"), Column("cell", unit="lines")])
    table.add_row("x", ("a", "b"))
    assert '<span class="line">a</span><span class="line">b</span>' in html_table(table, "label")


def test_a_rendering_has_every_part_once(table: Table) -> None:
    html = html_rendering(Rendering({}, (table, table), ("so",), ("but",)))
    assert [html.count(part) for part in ("A against B", "<p>so</p>", "<li>but</li>")] == [2, 1, 1]
    assert 'id="table-1"' in html
