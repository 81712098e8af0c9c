"""Two authors compared, for people: a table, what it comes to, and what must be known with it.

Computes nothing. What every line means stands in `docs/results.md`.
"""

from __future__ import annotations

from results.analysis.comparison import JudgeComparison, PairComparison, SingleOrderTest
from results.queries.contest_index import name_of
from results.render.comparison_data import verdict
from results.render.format import ORDER_ROBUST_NOTE, format_range
from results.render.paired_differences import (
    common_caveats,
    format_p,
    format_points,
    format_points_range,
    incomplete_caveats,
    interval_head,
    make_test_table,
    scope_caveat,
    test_cells,
)
from results.render.table import Table
from results.statistics import NotEstimable, PairedDifference


def comparison_table(of: PairComparison) -> Table:
    """One row a test; the primary one of each judge is marked."""
    first, second = (name_of(one) for one in of.selection.authors)
    columns = ["judge", "how", "first", "second", "difference", interval_head(of.family_size)]
    columns += ["p", "p, Holm", "n", "MDE"]
    what = f"{first} minus {second}, in points"
    table = make_test_table(what, of.selection, of.family_size, columns, soft=of.soft)
    opponent = f"against {name_of(of.selection.opponent)}"
    for one in of.judges:
        named = one.judge_contests.judge  # once
        for test in (one.answer.against_opponent, one.answer.head_to_head):
            if test is not None:
                mark = " *" if test.kind == one.answer.primary else ""
                how = opponent if test is one.answer.against_opponent else test.kind
                table.add_row(named, how + mark, *test_cells(test))
                named = ""
        for order in one.single_orders:
            table.add_row("", f"McNemar, {order.order}", *_mcnemar_cells(order))
    return table


def _mcnemar_cells(one: SingleOrderTest) -> tuple[str, ...]:
    if isinstance(one.test, NotEstimable):
        return ("-",) * 8
    won = (f"only {one.test.only_first}", f"only {one.test.only_second}")
    return (*won, "-", "-", format_p(one.test.p), format_p(one.p_adjusted), str(one.test.n), "-")


def comparison_lines(of: PairComparison) -> list[str]:
    """The answers, one sentence a judge, and what belongs to them."""
    first, second = (name_of(one) for one in of.selection.authors)
    lines = []
    for one in of.judges:
        lines.append(f"{one.judge_contests.judge}: {_sentence(one, first, second, of.level)}")
    if of.disagree:
        lines.append(f"But {of.disagree}.")
    for one in of.judges:
        lines += _group_lines(one, of.by)
    return lines


def _group_lines(one: JudgeComparison, by: str) -> list[str]:
    """The primary comparison by a property of the dialogues, a line a group."""
    if not one.groups:
        return []
    width = max(len(name) for name in one.groups)
    lines = [f"{one.judge_contests.judge}, by {by}, in points:"]
    for name, test in one.groups.items():
        interval = "" if test.low is None else f"  {format_points_range(test.low, test.high)}"
        note = f"  {test.note}" if test.note else ""
        lines.append(f"  {name:<{width}}  {format_points(test.difference):>6}  n {test.n:>4}{interval}{note}")
    return lines


def _sentence(one: JudgeComparison, first: str, second: str, level: float) -> str:
    test = one.answer.primary_difference
    found = verdict(test, level)
    if not found:
        return f"nothing to say: {test.note}."
    said = f"{_told(test, found, first, second)}, {test.kind}."
    if found == "undecided":
        said += _more(one)
    other = one.answer.head_to_head
    if other is not None and other is not test and verdict(other, level) not in ("", found):
        said += f" But head to head, {_told(other, verdict(other, level), first, second)}."
    return said


def _told(test: PairedDifference, found: str, first: str, second: str) -> str:
    p = "p" if test.family_size < 2 else "p (Holm)"
    by = f"{format_points(test.difference)} points ({format_points_range(test.low, test.high)}), {p} {format_p(test.p_adjusted)}"
    if found == "undecided":
        return f"{first} and {second} cannot be told apart: {by}"
    better, worse = (first, second) if found == "first" else (second, first)
    return f"{better} is better than {worse}: {by}"


def _more(one: JudgeComparison) -> str:
    found = one.answer.required_sample_size
    if found is None:
        return ""
    size = f"{100 * found.difference:g} points"
    if not found.more_dialogues:
        return f" {one.answer.primary_difference.n} dialogues are enough to find a true difference of {size}."
    told = f" To find a true difference of {size} takes {found.dialogues:,} dialogues, "
    told += f"{found.more_dialogues:,} more"
    if found.samples is not None:
        told += f", or {found.samples} samples of each comparison"
    return told + "."


def _robust(of: PairComparison, one: JudgeComparison) -> list[tuple[str, tuple[float, float] | None]]:
    names = [name_of(author) for author in of.selection.authors]
    return list(zip(names, one.answer.order_robust, strict=True))


def comparison_caveats(of: PairComparison) -> list[str]:
    """What a reader of the table must know."""
    told = common_caveats(of.selection, soft=of.soft)
    told.append(
        "* answers the question. Differences are paired by dialogue: sign-flip permutation test, bootstrap "
        "interval (near an edge, one that holds there). “MDE”: the smallest true difference, in "
        "points, that so many dialogues find four times in five, before Holm."
    )
    if of.by:
        told.append(f"By {of.by}: descriptive and not tested; each interval by itself, from 20 dialogues on.")
    told.append(ORDER_ROBUST_NOTE)
    told.append(scope_caveat(of.selection))
    for one in of.judges:
        judge = one.judge_contests.judge
        robust = [f"{name} {format_range(*bounds)}" for name, bounds in _robust(of, one) if bounds]
        if robust:
            told.append(f"{judge}, order-robust rates against the opponent: {', '.join(robust)}.")
        if one.answer.note:
            told.append(f"{judge}: {one.answer.note}.")
        direct = one.answer.head_to_head
        if direct is not None and direct.note and direct.note not in one.answer.note:
            told.append(f"{judge}, head to head: {direct.note}.")
        if one.unshared:
            told.append(f"{judge}: {one.unshared} dialogues were to be judged for only one of the two.")
        told += [
            f"{judge}, {order.order}: {order.test}."
            for order in one.single_orders
            if isinstance(order.test, NotEstimable)
        ]
        told += incomplete_caveats(judge, one.answer.against_opponent)
    return told
