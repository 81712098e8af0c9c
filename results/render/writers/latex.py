"""Tables as LaTeX."""

from __future__ import annotations

from collections.abc import Sequence

from agents.output_escape import latex_text
from results.render.format import format_value
from results.render.table import Table


def latex_table(table: Table, caption: str, label: str, groups: Sequence[tuple[str, int]] = ()) -> str:
    """Return a table across the page; it requires the packages booktabs and graphicx.

    Args:
        table: the table, without its title, caption and caveats.
        caption: text below the table.
        label: for references.
        groups: headings above the columns, each with its number of columns.
    """
    alignments = "".join("r" if column.alignment == "right" else "l" for column in table.columns)
    above = [rf"\multicolumn{{{size}}}{{c}}{{{latex_text(name)}}}" for name, size in groups]
    heads = [latex_text(column.heading.strip()) for column in table.columns]
    lines = []
    for row in table.rows:
        cells = zip(row.cells, table.columns, strict=True)
        lines.append(_line([latex_text(format_value(cell, column.unit)) for cell, column in cells]))
        lines += [r"\midrule"] if row.ends else []
    return "\n".join(
        [
            r"% \usepackage{booktabs,graphicx}",
            r"\begin{table*}",
            r"\centering",
            r"\resizebox{\textwidth}{!}{%",
            rf"\begin{{tabular}}{{{alignments}}}",
            r"\toprule",
            *([_line(above)] if above else []),
            _line(heads),
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}}",
            rf"\caption{{{latex_text(caption)}}}",
            rf"\label{{{label}}}",
            r"\end{table*}",
            "",
        ]
    )


def _line(cells: Sequence[str]) -> str:
    """Return one line of cells."""
    return " & ".join(cells) + r" \\"
