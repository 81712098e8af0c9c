"""LaTeX output of Table 1, ours beside the published values in the paper's layout."""

from __future__ import annotations

from agents.output_escape import latex_text
from results.paper.cells import NUMBERS
from results.paper.table1 import WARNING, Table1, heading, notes, table_lines


def to_latex(table: Table1) -> str:
    """Return the table as LaTeX; it requires the packages booktabs and graphicx."""
    numbers = " & ".join([*NUMBERS.values(), *NUMBERS.values()])
    body = []
    for index, (study, stage, label, values) in enumerate(table_lines(table)):
        if index and study:
            body.append(r"\midrule")
        body.append(" & ".join(map(latex_text, [study, stage, label, *values])) + r" \\")
    caption = [f"{heading(table)}.", *([WARNING] if table.is_emulated else []), *notes(table)]
    return "\n".join(
        [
            r"% \usepackage{booktabs,graphicx}",
            r"\begin{table*}",
            r"\centering",
            r"\resizebox{\textwidth}{!}{%",
            r"\begin{tabular}{lll*{14}{r}}",
            r"\toprule",
            r" & & & \multicolumn{7}{c}{over human responses} & \multicolumn{7}{c}{over LLM responses} \\",
            rf" & & & {numbers} \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            rf"\caption{{{latex_text(' '.join(caption))}}}",
            r"\label{tab:empathy-table-1}",
            r"\end{table*}",
            "",
        ]
    )
