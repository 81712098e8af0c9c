"""Table 1 as LaTeX: ours beside the published values, in the paper's layout."""

from __future__ import annotations

import re

from results.paper.cells import NUMBERS
from results.paper.table1 import WARNING, Table1, heading, lines_of, notes

LATEX = {
    "%": r"\%",
    "&": r"\&",
    "_": r"\_",
    "#": r"\#",
    "<": "$<$",
    "−": "$-$",
    "†": r"\dag{}",
    "‡": r"\ddag{}",
}
_MINUS = re.compile(r"(?<![\w.])-(?=\d)")  # of a number, and not within a name


def as_latex(table: Table1) -> str:
    """As LaTeX; it needs the packages booktabs and graphicx."""
    numbers = " & ".join([*NUMBERS.values(), *NUMBERS.values()])
    body = []
    for at, (study, stage, whose, values) in enumerate(lines_of(table)):
        if at and study:
            body.append(r"\midrule")
        body.append(" & ".join(map(_escaped, [study, stage, whose, *values])) + r" \\")
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
            rf"\caption{{{_escaped(' '.join(caption))}}}",
            r"\label{tab:empathy-table-1}",
            r"\end{table*}",
            "",
        ]
    )


def _escaped(text: str) -> str:
    for plain, written in LATEX.items():
        text = text.replace(plain, written)
    return _MINUS.sub("$-$", text)
