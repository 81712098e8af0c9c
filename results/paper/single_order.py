"""Like with like: the published values are of one order, so ours of one order stand beside them.

Gemini's batches had the base's response first. GPT-4o's order was not recorded: a cell is outside there only
where it is so whichever order it was. Numbers in, frozen values out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from results.paper.cells import GEMINI, Cell, published
from results.statistics import SingleOrder, holm
from results.statistics.replication import ReplicationResult, compare_with_published, effective_n

BASE_FIRST, STUDENT_FIRST = "base first", "student first"
ALIKE = (
    "The published values are of one order: the base first by Gemini, not recorded by GPT-4o. Ours of one "
    "order leave unscored judgments in the denominator, as the paper does. ‡ p < 0.05, after Holm over the "
    "cells that were run, against the published value in that order; by GPT-4o, whichever order it was."
)
_LEVEL = 0.05


@dataclass(frozen=True)
class SingleOrderCheck:
    """A cell's single orders, each beside the published value.

    Attributes:
        orders: by name, ours in that order compared; empty where nothing was judged in it.
        decisive: the orders that the published one may have been.
        p: of the published value, in (0, 1]: the larger where it may have been either order. None where an
            order that it may have been is lacking.
        p_adjusted: the same after Holm over the table's cells.
    """

    orders: Mapping[str, ReplicationResult]
    decisive: tuple[str, ...]
    p: float | None
    p_adjusted: float | None = None

    @property
    def is_outside(self) -> bool:
        """Whether ours differs from the published value, whichever order that was."""
        return self.p_adjusted is not None and self.p_adjusted < _LEVEL


def single_order_test(
    cells: Mapping[Cell, tuple[tuple[str, SingleOrder | None], tuple[str, SingleOrder | None]]],
) -> dict[Cell, SingleOrderCheck]:
    """Every cell's single orders compared, Holm over the cells."""
    found = {cell: _single(cell, dict(orders)) for cell, orders in cells.items()}
    tested = {cell: one.p for cell, one in found.items() if one.p is not None}
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True)) if tested else {}
    return {
        cell: SingleOrderCheck(one.orders, one.decisive, one.p, adjusted.get(cell))
        for cell, one in found.items()
    }


def _single(cell: Cell, orders: Mapping[str, SingleOrder | None]) -> SingleOrderCheck:
    decisive = (BASE_FIRST,) if cell.judge == GEMINI else (BASE_FIRST, STUDENT_FIRST)
    compared = {
        name: compare_with_published(
            order.rate, round(effective_n(order.rate, order.variance or 0.0, order.n)), published()[cell]
        )
        for name, order in orders.items()
        if order is not None and order.rate is not None
    }
    whole = all(name in compared for name in decisive)
    return SingleOrderCheck(compared, decisive, max(compared[name].p for name in decisive) if whole else None)


def single_order_data(one: SingleOrderCheck | None) -> dict[str, object]:
    """As columns of the table's rows."""
    told: dict[str, object] = {}
    for name, key in ((BASE_FIRST, "base_first"), (STUDENT_FIRST, "student_first")):
        compared = one.orders.get(name) if one else None
        told |= {
            key: compared.ours if compared else None,
            f"{key}_difference": compared.difference if compared else None,
            f"{key}_difference_low": compared.low if compared else None,
            f"{key}_difference_high": compared.high if compared else None,
        }
    return told | {
        "alike_p": one.p if one else None,
        "alike_p_holm": one.p_adjusted if one else None,
        "outside_whichever_order": one.is_outside if one else None,
    }
