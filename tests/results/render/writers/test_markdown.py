"""Tables and renderings as Markdown."""

from __future__ import annotations

from results.render.rendering import Rendering
from results.render.table import Table
from results.render.writers.markdown import markdown_list, markdown_rendering, markdown_table


def test_a_table_has_aligned_columns_sections_and_notes(table: Table) -> None:
    assert markdown_table(table).splitlines() == [
        "| judge | win rate | 95 % | unscored |",
        "| :--- | ---: | ---: | ---: |",
        "| models not controls |  |  |  |",
        "| openai/x | 61.6 % | 50.0 to 70.0 | 2: refused 2 |",
        "| openai/x | - | exact | -1.0 |",
        "",
        "*the caption*",
        "",
        "*a caveat*",
    ]


def test_a_rendering_has_a_title_warnings_tables_conclusions_and_caveats(table: Table) -> None:
    text = markdown_rendering(Rendering({}, (table,), ("so",), ("but",)), "Title", ["WARNING"])
    order = ["# Title", "**WARNING**", "## A against B", "| judge |", "\nso\n", "*but*"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert not markdown_rendering(Rendering({}, (table,))).startswith("# ")


def test_a_list_is_escaped() -> None:
    assert markdown_list(["a *b*", "1. c"]) == "- a \\*b\\*\n- 1\\. c"
