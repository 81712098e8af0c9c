"""Table 1 in the paper's layout beside ours, and the paper's claims: as one rendering, Markdown, LaTeX, CSV.

A cell that was not run is empty, never zero. Values are in percent, as in the paper.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from typing_extensions import TypedDict

from agents.output_escape import csv_rows
from results.paper.cells import METHODS, NUMBERS, STAGES, STUDIES, Cell, published
from results.paper.contrasts import Contrast, ContrastEstimate
from results.paper.single_order import BASE_FIRST, STUDENT_FIRST
from results.paper.table1 import WARNING, Table1, Table1Row, heading, notes, rows
from results.render.format import format_points, format_range, format_unsigned_points
from results.render.rendering import Rendering
from results.render.table import Column, Table
from results.render.writers.latex import latex_table
from results.render.writers.markdown import markdown_rendering

LEGEND = "H: improvement over human responses. L: over LLM initial responses."
TEXT_AGAINST_TABLE = (
    "Section 5.3: for LLaMA judged by GPT-4o, SFT then DPO is better than SFT alone for all strategies "
    "except prompt 3. In the table it is better for prompt 3 too (70.8 against 69.6).",
    "Text of Figure 9: over-LLM consistently outperforms over-human. In the table it does not for prompt 3 "
    "after DPO (70.8 against 71.2).",
)
INTERVALS = (
    "In points, with simultaneous intervals: over dialogues (ours), over 250 independent dialogues per cell "
    "(published). They concern these checkpoints only."
)
Format = Callable[[Cell], str]


class ClaimDocument(TypedDict):
    """Claim of the paper as a contrast of win rates.

    Attributes:
        claim: the claim.
        study: the student and judge that it is about.
        section: section of the paper.
        above: value that the contrast must exceed.
        note: remark, or "".
        ours, published: value of the contrast in our and in the published rates; null if not run.
        ours_verdict, published_verdict: whether the claim holds.
    """

    claim: str
    study: str
    section: str
    above: float
    note: str
    ours: ContrastEstimate | None
    ours_verdict: str
    published: ContrastEstimate | None
    published_verdict: str


class Table1Document(TypedDict):
    """Table 1 of the paper beside our results.

    Attributes:
        rows: all cells.
        notes: what limits the comparison.
        heading: heading of the table; it says so if ours is not a replication.
        claims: the paper's claims.
        text_against_table: differences between the paper's text and its table.
    """

    document: Literal["table_1"]
    rows: list[Table1Row]
    notes: list[str]
    heading: str
    claims: list[ClaimDocument]
    text_against_table: list[str]


def render_replication(table: Table1, claims: Sequence[Contrast]) -> Rendering:
    """Render Table 1 and the paper's claims."""
    data: Table1Document = {
        "document": "table_1",
        "rows": rows(table),
        "notes": notes(table),
        "heading": heading(table),
        "claims": contrast_rows(claims),
        "text_against_table": list(TEXT_AGAINST_TABLE),
    }
    return Rendering(data, (table_1_table(table), claims_table(claims)))


def replication_markdown(table: Table1, claims: Sequence[Contrast]) -> str:
    """Return both tables as Markdown, with a warning on top if models are emulated."""
    warnings = [WARNING] if table.is_emulated else []
    return markdown_rendering(render_replication(table, claims), heading(table), warnings)


def replication_csv(table: Table1) -> str:
    """Return Table 1 as CSV, one cell per line."""
    cells = rows(table)
    return csv_rows(list(cells[0]), cells)


def replication_latex(table: Table1) -> str:
    """Return Table 1 as LaTeX."""
    caption = [f"{heading(table)}.", *([WARNING] if table.is_emulated else []), *notes(table)]
    groups = (("", 3), ("over human responses", 7), ("over LLM responses", 7))
    return latex_table(table_1_table(table), " ".join(caption), "tab:empathy-table-1", groups)


def table_1_table(table: Table1) -> Table:
    """Return six rows per line of the paper: ours, bounds, each order, published, difference."""
    columns = [
        Column(f"{letter.lower()}_{number}", f"{letter} {number}", "text", "right")
        for letter in "HL"
        for number in NUMBERS.values()
    ]
    heads = [Column("study"), Column("stage"), Column("value", " ")]
    shown = Table(caption=LEGEND, columns=[*heads, *columns], caveats=tuple(notes(table)))
    for student, judge in STUDIES:
        for stage in STAGES:
            cells = [Cell(student, judge, stage, method, name) for method in METHODS for name in NUMBERS]
            study, shown_stage = cells[0].study, stage
            shown.add_section()
            for label, format_cell in _formats(table).items():
                shown.add_row(study, shown_stage, label, *map(format_cell, cells))
                study = shown_stage = ""
    return shown


def _formats(table: Table1) -> dict[str, Format]:
    """Return the formatter of each row of a line, by its label."""

    def ours(cell: Cell) -> str:
        result = table.ours.get(cell)
        return (
            ""
            if result is None
            else f"{format_unsigned_points(result.rate)}{'†' if result.same_family else ''}"
        )

    def order_robust(cell: Cell) -> str:
        low, high = table.ours[cell].order_robust if cell in table.ours else (None, None)
        return "" if low is None else format_range(low, high)

    def in_order(order: str) -> Format:
        def format_cell(cell: Cell) -> str:
            check = table.alike.get(cell)
            single = check.orders.get(order) if check else None
            if check is None or single is None:
                return ""
            mark = "‡" if check.is_outside and order in check.decisive else ""
            return format_unsigned_points(single.ours) + mark

        return format_cell

    def difference(cell: Cell) -> str:
        result = table.compared.get(cell)
        if result is None:
            return ""
        star = "*" if result.p_adjusted is not None and result.p_adjusted < 0.05 else ""
        interval = f"[{format_points(result.low)}, {format_points(result.high)}]"
        return f"{format_points(result.difference)}{star} {interval}"

    return {
        "ours": ours,
        "order-robust": order_robust,
        f"ours, {BASE_FIRST}": in_order(BASE_FIRST),
        f"ours, {STUDENT_FIRST}": in_order(STUDENT_FIRST),
        "published": lambda cell: format_unsigned_points(published()[cell]),
        "difference": difference,
    }


def contrast_rows(contrasts: Sequence[Contrast]) -> list[ClaimDocument]:
    """Return every contrast as JSON data; values in [−1, 1]."""
    return [
        {
            "claim": contrast.claim,
            "study": contrast.study,
            "section": contrast.section,
            "above": contrast.threshold,
            "note": contrast.note,
            "ours": contrast.ours,
            "ours_verdict": contrast.verdicts[0],
            "published": contrast.published,
            "published_verdict": contrast.verdicts[1],
        }
        for contrast in contrasts
    ]


def claims_table(contrasts: Sequence[Contrast]) -> Table:
    """Return a row per claim, in points and percent."""
    columns = [
        Column("claim"),
        Column("study"),
        Column("section"),
        Column("above", alignment="right"),
        Column("ours"),
        Column("published"),
    ]
    remarks = [f"{each.claim}; {each.study}: {each.note}." for each in contrasts if each.note]
    table = Table("The paper's claims", INTERVALS, columns, caveats=(*TEXT_AGAINST_TABLE, *remarks))
    for each in contrasts:
        estimates = zip((each.ours, each.published), each.verdicts, strict=True)
        values = (_format_estimate(estimate, verdict) for estimate, verdict in estimates)
        table.add_row(each.claim, each.study, each.section, f"{100 * each.threshold:g}", *values)
    return table


def _format_estimate(estimate: ContrastEstimate | None, verdict: str) -> str:
    """Return an estimate with its interval, the number of its cells, and its verdict."""
    if estimate is None:
        return verdict
    value, *ends = map(format_unsigned_points, (estimate.value, estimate.low, estimate.high))
    return f"{value} [{', '.join(ends)}], {estimate.cells} cells: {verdict}"
