"""Values of Table 1: ours, the published value and their difference.

A cell that was not run is empty, never zero. Values are in percent, as in the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from results.paper.cells import TEACHER, Cell, published
from results.paper.deviations import ALWAYS
from results.paper.single_order import (
    BASE_FIRST,
    PUBLISHED_ORDER_NOTE,
    STUDENT_FIRST,
    SingleOrderCheck,
    SingleOrderColumns,
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

EMULATED = "EMULATED"
WARNING = "EMULATED: some of these completions come from the local emulator, not from a real model."
SAME_FAMILY_NOTE = (
    "† The judge is of the family of the student or of its teacher (here, as in the paper, GPT-4o judges "
    "students of GPT-4o) and may favour it (self-preference)."
)


@dataclass(frozen=True, slots=True)
class CellResult:
    """Our result for one cell.

    Attributes:
        rate, low, high: win rate over its base, balanced over order, in [0, 1].
        variance: of the dialogues' scores.
        n: number of complete dialogues.
        order_robust: order-robust bounds of the rate.
        base_first, student_first: single-order estimates, with unscored judgments in the denominator as in
            the paper.
        shared: covariance of the dialogues' scores in the two orders.
        run, judge: origin of the result.
        differences: deviations from the paper, in words.
        same_family: whether the judge is of the family of the student or of its teacher.
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
    """The table: every published cell, ours where it was run, compared with Holm's correction over those that
    were.

    Attributes:
        ours: our results by cell.
        compared: the balanced rate compared with the published value.
        alike: single-order rates compared with the published value, which is of a single order.
    """

    ours: Mapping[Cell, CellResult]
    compared: Mapping[Cell, ReplicationResult]
    alike: Mapping[Cell, SingleOrderCheck] = field(default_factory=dict)

    @property
    def expected_outside(self) -> tuple[float, float]:
        """Return bounds of the number of published values that a perfect replication would put outside our
        intervals.
        """
        cells = list(self.ours)
        ours = [self.ours[cell] for cell in cells]
        return expected_outside(
            np.array([published()[cell] for cell in cells]),
            np.array([(result.high - result.low) / 2.0 for result in ours]),
            np.array([result.variance / result.n for result in ours]),
            np.array([result.shared for result in ours]),
        )

    @property
    def differences(self) -> list[str]:
        """Return every deviation from the paper once, emulated models first."""
        deviations = dict.fromkeys(
            deviation for result in self.ours.values() for deviation in result.differences
        )
        return sorted(deviations, key=lambda deviation: not deviation.startswith(EMULATED))

    @property
    def is_emulated(self) -> bool:
        """Return whether any cell has completions of an emulator."""
        return any(deviation.startswith(EMULATED) for deviation in self.differences)


def table1(ours: Mapping[Cell, CellResult]) -> Table1:
    """Compare our results with the published ones."""
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


def notes(table: Table1) -> list[str]:
    """Return the notes that a reader of the table needs."""
    notes_found = [
        "Win rates over the base, percent. Ours: balanced over order. Difference: ours − published, with a "
        "95 % interval for the errors of both (Newcombe; published n = 250). * p < 0.05 after Holm's "
        f"correction over the {len(table.compared)} cells run. Empty: not run.",
    ]
    if table.alike:
        notes_found.append(PUBLISHED_ORDER_NOTE)
    if table.compared:
        few, many = table.expected_outside
        notes_found.append(
            f"Of the {len(table.compared)} cells run, a perfect replication would put {few:.1f} to "
            f"{many:.1f} of the published values outside our intervals. The more preferences the two runs "
            "share per dialogue, the fewer."
        )
    if any(result.same_family for result in table.ours.values()):
        notes_found.append(SAME_FAMILY_NOTE)
    if table.differences:
        notes_found.append(f"Not a replication. Differences: {'; '.join(table.differences)}.")
    return notes_found


def heading(table: Table1) -> str:
    """Return the heading, which states if the table is not a replication."""
    return "Table 1 of the paper, beside ours" + (" (not a replication)" if table.differences else "")


class Table1Row(SingleOrderColumns):
    """Cell of Table 1; ours is null if it was not run.

    Attributes:
        teacher, student, judge, stage, method, strategy: the cell.
        published: published win rate of the student, in [0, 1].
        ours: our win rate.
        ours_low, ours_high: its interval.
        n: number of complete dialogues.
        difference: our rate minus the published one.
        low, high: its interval.
        p: p-value of a difference.
        p_holm: p-value after Holm's correction over the cells.
        order_robust_low, order_robust_high: bounds of our rate that hold for any position bias.
        run: id of our run.
        our_judge: our judge.
        not_a_replication: known differences from the paper, separated by semicolons.
        same_family: whether our judge is of an author's model family.
    """

    teacher: str
    student: str
    judge: str
    stage: str
    method: str
    strategy: str
    published: float
    ours: float | None
    ours_low: float | None
    ours_high: float | None
    n: int | None
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    order_robust_low: float | None
    order_robust_high: float | None
    run: str | None
    our_judge: str | None
    not_a_replication: str | None
    same_family: bool | None


def rows(table: Table1) -> list[Table1Row]:
    """Return every cell as a dict; rates in [0, 1], None if it was not run."""
    row_dicts: list[Table1Row] = []
    for cell, value in published().items():
        ours, compared = table.ours.get(cell), table.compared.get(cell)
        row_dicts.append(
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
    return row_dicts
