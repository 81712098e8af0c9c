"""Comparison of single-order estimates with the published values, which are of a single order.

Gemini's batches had the base's response first. GPT-4o's order was not recorded: a cell is outside only if it
is outside for either order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from typing_extensions import TypedDict

from results.paper.cells import GEMINI, Cell, published
from results.statistics import SingleOrder, holm
from results.statistics.replication import ReplicationResult, compare_with_published, effective_n

BASE_FIRST, STUDENT_FIRST = "base first", "student first"
PUBLISHED_ORDER_NOTE = (
    "Published values are of a single order: the base first for Gemini, not recorded for GPT-4o. Our "
    "single-order rates count unscored judgments in the denominator, as the paper does. ‡ p < 0.05 against "
    "the published value in that order (for GPT-4o: in either order), after Holm's correction over the cells "
    "that were run."
)
_LEVEL = 0.05


@dataclass(frozen=True)
class SingleOrderCheck:
    """Single-order estimates of a cell, each compared with the published value.

    Attributes:
        orders: by name, our estimate in that order compared; empty if nothing was judged in it.
        decisive: the orders that the published value may have.
        p: p-value of the published value, in (0, 1]; the largest over the decisive orders. None if one is
            missing.
        p_adjusted: the same after Holm's correction over the table's cells.
    """

    orders: Mapping[str, ReplicationResult]
    decisive: tuple[str, ...]
    p: float | None
    p_adjusted: float | None = None

    @property
    def is_outside(self) -> bool:
        """Return whether ours differs from the published value for every decisive order (5 % level)."""
        return self.p_adjusted is not None and self.p_adjusted < _LEVEL


def single_order_test(
    cells: Mapping[Cell, tuple[tuple[str, SingleOrder | None], tuple[str, SingleOrder | None]]],
) -> dict[Cell, SingleOrderCheck]:
    """Compare every cell's single-order estimates, with Holm's correction over the cells."""
    checks = {cell: _check_cell(cell, dict(orders)) for cell, orders in cells.items()}
    tested = {cell: check.p for cell, check in checks.items() if check.p is not None}
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True)) if tested else {}
    return {
        cell: SingleOrderCheck(check.orders, check.decisive, check.p, adjusted.get(cell))
        for cell, check in checks.items()
    }


def _check_cell(cell: Cell, orders: Mapping[str, SingleOrder | None]) -> SingleOrderCheck:
    decisive = (BASE_FIRST,) if cell.judge == GEMINI else (BASE_FIRST, STUDENT_FIRST)
    compared = {
        name: compare_with_published(
            order.rate, round(effective_n(order.rate, order.variance or 0.0, order.n)), published()[cell]
        )
        for name, order in orders.items()
        if order is not None and order.rate is not None
    }
    has_all = all(name in compared for name in decisive)
    return SingleOrderCheck(
        compared, decisive, max(compared[name].p for name in decisive) if has_all else None
    )


class SingleOrderColumns(TypedDict):
    """Comparison of one cell of Table 1 in single orders; null if it was not run.

    Attributes:
        base_first, student_first: our win rate with the base, and the student, first.
        base_first_difference, student_first_difference: that rate minus the published one.
        base_first_difference_low, base_first_difference_high: interval of the difference.
        student_first_difference_low, student_first_difference_high: interval of the difference.
        single_order_p: p-value of a difference in either order.
        single_order_p_holm: p-value after Holm's correction over the cells.
        outside_in_either_order: whether the published value is outside for either order.
    """

    base_first: float | None
    base_first_difference: float | None
    base_first_difference_low: float | None
    base_first_difference_high: float | None
    student_first: float | None
    student_first_difference: float | None
    student_first_difference_low: float | None
    student_first_difference_high: float | None
    single_order_p: float | None
    single_order_p_holm: float | None
    outside_in_either_order: bool | None


def single_order_data(check: SingleOrderCheck | None) -> SingleOrderColumns:
    """Return the comparison as columns of the table's rows."""
    base, student = (check.orders.get(name) if check else None for name in (BASE_FIRST, STUDENT_FIRST))
    return {
        "base_first": base.ours if base else None,
        "base_first_difference": base.difference if base else None,
        "base_first_difference_low": base.low if base else None,
        "base_first_difference_high": base.high if base else None,
        "student_first": student.ours if student else None,
        "student_first_difference": student.difference if student else None,
        "student_first_difference_low": student.low if student else None,
        "student_first_difference_high": student.high if student else None,
        "single_order_p": check.p if check else None,
        "single_order_p_holm": check.p_adjusted if check else None,
        "outside_in_either_order": check.is_outside if check else None,
    }
