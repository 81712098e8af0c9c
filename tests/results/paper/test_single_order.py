"""Like with like: ours of one order beside the published value, which is of one."""

from __future__ import annotations

import pytest

from results.paper.cells import GEMINI, GPT_4O, Cell, published
from results.paper.replication_tables import replication_csv, replication_latex, replication_markdown
from results.paper.single_order import BASE_FIRST, STUDENT_FIRST, single_order_test
from results.paper.table1 import CellResult, rows, table1
from results.statistics import SingleOrder
from results.statistics.replication import compare_with_published

BY_GPT = next(cell for cell in published() if cell.judge == GPT_4O)
BY_GEMINI = next(cell for cell in published() if cell.judge == GEMINI)


def order(rate: float) -> SingleOrder:
    return SingleOrder(rate, rate - 0.06, rate + 0.06, 250, "", rate * (1 - rate))


def find_cell(cell: Cell, base_first: float, student_first: float) -> CellResult:
    balanced = (base_first + student_first) / 2
    return CellResult(
        balanced,
        balanced - 0.05,
        balanced + 0.05,
        0.2,
        250,
        "run-1:x",
        cell.judge,
        order_robust=(balanced - 0.2, balanced + 0.2),
        base_first=order(base_first),
        student_first=order(student_first),
    )


@pytest.mark.parametrize(
    ("shifts", "gpt", "gemini"),
    [
        ((0.0, 0.0), False, False),
        ((0.2, 0.2), True, True),
        ((-0.2, 0.0), False, True),
        ((0.0, 0.2), False, False),
        ((-0.2, 0.2), True, True),
    ],
)
def test_by_gpt_4o_a_cell_is_outside_in_either_order_it_was_and_by_gemini_with_the_base_first(
    shifts: tuple[float, float], gpt: bool, gemini: bool
) -> None:
    for cell, outside in ((BY_GPT, gpt), (BY_GEMINI, gemini)):
        value = min(0.78, max(0.22, published()[cell]))
        rates = [min(0.99, max(0.01, published()[cell] + shift)) for shift in shifts]
        if cell is BY_GEMINI and value != published()[cell]:  # near 1: there is room below alone
            rates = [published()[cell] - abs(shift) for shift in shifts]
        orders = ((BASE_FIRST, order(rates[0])), (STUDENT_FIRST, order(rates[1])))
        found = single_order_test({cell: orders})[cell]
        assert found.is_outside is outside
        singles = [compare_with_published(rate, 250, published()[cell]).p for rate in rates]
        assert found.p == pytest.approx(max(singles) if cell is BY_GPT else singles[0])


def test_an_order_that_was_not_judged_leaves_the_cell_untested() -> None:
    found = single_order_test({BY_GPT: ((BASE_FIRST, order(0.9)), (STUDENT_FIRST, None))})[BY_GPT]
    assert (found.p, found.p_adjusted, found.is_outside) == (None, None, False)


def test_holm_counts_the_cells_that_were_run() -> None:
    cells = [cell for cell in published() if cell.judge == GPT_4O][:3]
    orders = {cell: ((BASE_FIRST, order(0.9)), (STUDENT_FIRST, order(0.9))) for cell in cells}
    found = single_order_test(orders)
    smallest = min(one.p or 1.0 for one in found.values())
    assert min(one.p_adjusted or 1.0 for one in found.values()) == pytest.approx(min(1.0, 3 * smallest))


def test_single_orders_and_bounds_stand_in_every_form_of_the_table() -> None:
    table = table1({BY_GPT: find_cell(BY_GPT, 0.61, 0.47)})
    row = next(row for row in rows(table) if row["ours"] is not None)
    assert (row["base_first"], row["student_first"]) == (0.61, 0.47)
    assert row["order_robust_low"] == pytest.approx(0.34)
    assert isinstance(row["outside_in_either_order"], bool)
    for text in (replication_markdown(table, ()), replication_latex(table), replication_csv(table)):
        for number in (
            ("61.0", "47.0", "34.0") if "|" in text[:200] or "toprule" in text else ("0.61", "0.47")
        ):
            assert number in text


def test_how_many_a_replication_puts_outside_is_of_the_cells_that_were_run() -> None:
    table = table1({BY_GPT: find_cell(BY_GPT, 0.6, 0.6), BY_GEMINI: find_cell(BY_GEMINI, 0.9, 0.9)})
    few, many = table.expected_outside
    assert 0 <= few <= many <= 2
    assert "Of the 2 cells run" in replication_markdown(table, ())
    assert "19 of the published" not in replication_markdown(table1({}), ())
