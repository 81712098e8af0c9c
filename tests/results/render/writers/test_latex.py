"""Tables as LaTeX."""

from __future__ import annotations

from results.render.table import Table
from results.render.writers.latex import latex_table


def test_a_table_has_groups_rules_and_a_caption(table: Table) -> None:
    table.rows[1].ends = True
    lines = latex_table(table, "100 % & more", "tab:x", (("", 1), ("numbers", 3))).splitlines()
    assert r"\begin{tabular}{lrrr}" in lines
    assert r"\multicolumn{1}{c}{} & \multicolumn{3}{c}{numbers} \\" in lines
    assert r"openai/x & 61.6 \% & 50.0 to 70.0 & 2: refused 2 \\" in lines
    assert lines.count(r"\midrule") == 3
    assert r"\caption{100 \% \& more}" in lines
