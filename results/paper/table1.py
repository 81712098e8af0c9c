"""Table 1 in the paper's layout: ours, the published value, their difference. Markdown, LaTeX, CSV.

A cell that has not been run is empty, never zero. Percent, as the paper prints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from agents.output_escape import csv_rows, markdown_row, markdown_text
from results.paper.cells import METHODS, NUMBERS, STAGES, STUDIES, TEACHER, Cell, published
from results.paper.deviations import ALWAYS
from results.paper.single_order import (
    ALIKE,
    BASE_FIRST,
    STUDENT_FIRST,
    SingleOrderCheck,
    single_order_data,
    single_order_test,
)
from results.statistics import SingleOrder
from results.statistics.replication import (
    ReplicationResult,
    as_family,
    compare_with_published,
    effective_n,
    expected_outside,
)

EMPTY = ""
EMULATED = "EMULATED"
WARNING = "EMULATED: some of these answers come from this machine's emulator, not from any real model."
KIN = (
    "† The judge is of the family of the student or of its teacher (GPT-4o judges what GPT-4o taught, here "
    "as in the paper): it may favour its own."
)


@dataclass(frozen=True, slots=True)
class CellResult:
    """Our result for one cell.

    Attributes:
        rate, low, high: win rate over its base, balanced over order, in [0, 1].
        variance: of the dialogues' scores.  n: complete dialogues.
        order_robust: the rate's order-robust bounds.
        base_first, student_first: the single-order estimates, unscored in the denominator as in the paper.
        shared: covariance of the dialogues' scores in the two orders.
        run, judge: where it is from.
        differences: in what it is no replication, in words.
        same_family: whether the judge belongs to the model family of the student or its teacher.
    """

    rate: float
    low: float
    high: float
    variance: float
    n: int
    run: str
    judge: str
    differences: tuple[str, ...] = ALWAYS
    same_family: bool = False
    order_robust: tuple[float | None, float | None] = (None, None)
    base_first: SingleOrder | None = None
    student_first: SingleOrder | None = None
    shared: float = 0.0


@dataclass(frozen=True)
class Table1:
    """The table: every published cell, ours where it was run, compared with Holm over those that were.

    Attributes:
        ours: by cell.
        compared: the balanced rate with the published value.
        alike: like with like: single orders with the published value, which is one.
    """

    ours: Mapping[Cell, CellResult]
    compared: Mapping[Cell, ReplicationResult]
    alike: Mapping[Cell, SingleOrderCheck] = field(default_factory=dict)

    @property
    def expected_outside(self) -> tuple[float, float]:
        """How many of the published values of the cells that were run a perfect replication puts outside."""
        cells = list(self.ours)
        ours = [self.ours[cell] for cell in cells]
        return expected_outside(
            np.array([published()[cell] for cell in cells]),
            np.array([(one.high - one.low) / 2.0 for one in ours]),
            np.array([one.variance / one.n for one in ours]),
            np.array([one.shared for one in ours]),
        )

    @property
    def differences(self) -> list[str]:
        """In what any cell is no replication, each once; what no real model answered first."""
        told = dict.fromkeys(told for one in self.ours.values() for told in one.differences)
        return sorted(told, key=lambda each: not each.startswith(EMULATED))

    @property
    def is_emulated(self) -> bool:
        """Whether any cell rests on answers of an emulator."""
        return any(told.startswith(EMULATED) for told in self.differences)


def table1(ours: Mapping[Cell, CellResult]) -> Table1:
    """Compare what was run with what was published."""
    cells = [cell for cell in published() if cell in ours]
    single = [
        compare_with_published(
            ours[cell].rate,
            round(effective_n(ours[cell].rate, ours[cell].variance, ours[cell].n)),
            published()[cell],
        )
        for cell in cells
    ]
    if not cells:
        return Table1(ours, {})
    orders = {
        cell: ((BASE_FIRST, ours[cell].base_first), (STUDENT_FIRST, ours[cell].student_first))
        for cell in cells
    }
    return Table1(ours, dict(zip(cells, as_family(single), strict=True)), single_order_test(orders))


def _grid(value: Callable[[Cell], str]) -> list[tuple[str, str, list[str]]]:
    """(study, stage, the 14 values of its line) for all eight lines."""
    lines = []
    for student, judge in STUDIES:
        for stage in STAGES:
            cells = [Cell(student, judge, stage, method, name) for method in METHODS for name in NUMBERS]
            lines.append((cells[0].study, stage, [value(cell) for cell in cells]))
    return lines


def _ours(table: Table1) -> Callable[[Cell], str]:
    def told(cell: Cell) -> str:
        found = table.ours.get(cell)
        return EMPTY if found is None else f"{100 * found.rate:.1f}{'†' if found.same_family else ''}"

    return told


def _order_robust(table: Table1) -> Callable[[Cell], str]:
    def told(cell: Cell) -> str:
        low, high = table.ours[cell].order_robust if cell in table.ours else (None, None)
        return EMPTY if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"

    return told


def _in_order(table: Table1, order: str) -> Callable[[Cell], str]:
    def told(cell: Cell) -> str:
        alike = table.alike.get(cell)
        one = alike.orders.get(order) if alike else None
        if alike is None or one is None:
            return EMPTY
        mark = "‡" if alike.is_outside and order in alike.decisive else ""
        return f"{100 * one.ours:.1f}{mark}"

    return told


def _published(cell: Cell) -> str:
    return f"{100 * published()[cell]:.1f}"


def _difference(table: Table1) -> Callable[[Cell], str]:
    def told(cell: Cell) -> str:
        found = table.compared.get(cell)
        if found is None:
            return EMPTY
        star = "*" if found.p_adjusted is not None and found.p_adjusted < 0.05 else ""
        return f"{100 * found.difference:+.1f}{star} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"

    return told


def lines_of(table: Table1) -> list[tuple[str, str, str, list[str]]]:
    """(study, stage, whose, values): several lines where the paper has one."""
    kinds = [
        ("ours", _ours(table)),
        ("order-robust", _order_robust(table)),
        (f"ours, {BASE_FIRST}", _in_order(table, BASE_FIRST)),
        (f"ours, {STUDENT_FIRST}", _in_order(table, STUDENT_FIRST)),
        ("published", _published),
        ("difference", _difference(table)),
    ]
    grids = [(name, _grid(value)) for name, value in kinds]
    return [
        (grid[at][0] if name == "ours" else "", grid[at][1] if name == "ours" else "", name, grid[at][2])
        for at in range(len(STUDIES) * len(STAGES))
        for name, grid in grids
    ]


def notes(table: Table1) -> list[str]:
    """What a reader of the table must know."""
    told = [
        "Win rates over the base, percent. Ours: balanced over order. Difference: ours − published, with a "
        "95 % interval that counts the error of both (Newcombe; published n = 250). * p < 0.05 after Holm "
        f"over the {len(table.compared)} cells that were run. Empty: not run.",
    ]
    if table.alike:
        told.append(ALIKE)
    if table.compared:
        few, many = table.expected_outside
        told.append(
            f"Of the {len(table.compared)} cells that were run, a perfect replication would put between "
            f"{few:.1f} and {many:.1f} of the published values outside our intervals: the fewer, the more "
            "of a dialogue's preferences the two runs share."
        )
    if any(one.same_family for one in table.ours.values()):
        told.append(KIN)
    if table.differences:
        told.append(f"Not a replication; what differs: {'; '.join(table.differences)}.")
    return told


def heading(table: Table1) -> str:
    """Says at once what the table is not."""
    return "Table 1 of the paper, ours beside it" + (" (not a replication)" if table.differences else "")


def to_markdown(table: Table1) -> str:
    """As Markdown; what no real model answered is said on top."""
    numbers = list(NUMBERS.values())
    head = [
        "study",
        "stage",
        "",
        *(f"H {number}" for number in numbers),
        *(f"L {number}" for number in numbers),
    ]
    lines = [markdown_row(head), "| " + " | ".join([":--"] * 3 + ["--:"] * 14) + " |"]
    lines += [markdown_row([study, stage, whose, *values]) for study, stage, whose, values in lines_of(table)]
    told = "\n\n".join(map(markdown_text, notes(table)))
    legend = "H: improvement over human responses. L: over LLM initial responses."
    warning = f"**{WARNING}**\n\n" if table.is_emulated else ""
    return f"# {heading(table)}\n\n{warning}" + "\n".join(lines) + f"\n\n{legend}\n\n{told}\n"


def rows(table: Table1) -> list[dict[str, object]]:
    """Every cell as a row; rates in [0, 1], None where it was not run."""
    found: list[dict[str, object]] = []
    for cell, value in published().items():
        ours, compared = table.ours.get(cell), table.compared.get(cell)
        found.append(
            {
                "teacher": TEACHER,
                "student": cell.student,
                "judge": cell.judge,
                "stage": cell.stage,
                "method": cell.method,
                "strategy": cell.strategy,
                "published": value,
                "ours": ours.rate if ours else None,
                "ours_low": ours.low if ours else None,
                "ours_high": ours.high if ours else None,
                "n": ours.n if ours else None,
                "difference": compared.difference if compared else None,
                "low": compared.low if compared else None,
                "high": compared.high if compared else None,
                "p": compared.p if compared else None,
                "p_holm": compared.p_adjusted if compared else None,
                "order_robust_low": ours.order_robust[0] if ours else None,
                "order_robust_high": ours.order_robust[1] if ours else None,
                **single_order_data(table.alike.get(cell)),
                "run": ours.run if ours else None,
                "our_judge": ours.judge if ours else None,
                "not_a_replication": "; ".join(ours.differences) if ours else None,
                "same_family": ours.same_family if ours else None,
            }
        )
    return found


def to_csv(table: Table1) -> str:
    """Every cell as a line."""
    found = rows(table)
    return csv_rows(list(found[0]), found)
