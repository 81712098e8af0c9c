"""Comparison of two authors: tests, subgroups, sentences, caveats. `docs/results.md` explains every line."""

from __future__ import annotations

from results.analysis.comparison import JudgeComparison, PairComparison
from results.queries.contest_index import name_of
from results.render.columns import columns
from results.render.comparison_data import comparison_to_dict, verdict
from results.render.format import (
    ORDER_ROBUST_NOTE,
    format_p,
    format_points,
    format_points_range,
    format_range,
)
from results.render.paired_differences import (
    common_caveats,
    difference_cells,
    difference_columns,
    incomplete_caveats,
    scope_caveat,
    test_cells,
    test_table,
)
from results.render.rendering import Rendering
from results.render.table import Column, Table
from results.statistics import NotEstimable, PairedDifference

JUDGE = Column("judge", once=True)


def render_comparison(comparison: PairComparison) -> Rendering:
    """Render the comparison: tests, subgroups, and one sentence per judge."""
    parts = (_tests(comparison), _single_orders(comparison), _groups(comparison))
    tables = tuple(table for table in parts if table.rows)
    return Rendering(
        comparison_to_dict(comparison), tables, tuple(_sentences(comparison)), tuple(_caveats(comparison))
    )


def _tests(comparison: PairComparison) -> Table:
    """Return the table of tests, one row each; `*` marks each judge's primary one."""
    first, second = (name_of(judge) for judge in comparison.selection.authors)
    size = comparison.family_size
    table = test_table(
        f"{first} minus {second}, in points",
        comparison.selection,
        size,
        columns(JUDGE, "how", *difference_columns(size)),
        soft=comparison.soft,
    )
    opponent = f"against {name_of(comparison.selection.opponent)}"
    for judge in comparison.judges:
        for test in (judge.answer.against_opponent, judge.answer.head_to_head):
            if test is not None:
                mark = " *" if test.kind == judge.answer.primary else ""
                how = opponent if test is judge.answer.against_opponent else test.kind
                cells = (*difference_cells(test), *test_cells(test))
                table.add_row(judge.judge_contests.judge, how + mark, *cells)
    return table


def _single_orders(comparison: PairComparison) -> Table:
    """Return McNemar's test of each order."""
    won = (Column("only_first", unit="count"), Column("only_second", unit="count"))
    shown = columns(JUDGE, "order", *won, "p", "p_adjusted", "n")
    table = Table("McNemar's test of each order", columns=shown)
    for judge in comparison.judges:
        for order in judge.single_orders:
            test, name = order.test, (judge.judge_contests.judge, order.order)
            if isinstance(test, NotEstimable):
                table.add_row(*name, *[None] * 5)
            else:
                table.add_row(*name, test.only_first, test.only_second, test.p, order.p_adjusted, test.n)
    return table


def _groups(comparison: PairComparison) -> Table:
    """Return the primary comparison by subgroup, without tests."""
    interval = Column("interval", "95 %", "points_range")
    shown = columns(JUDGE, Column("group", comparison.by or " "), "difference", interval, "n", "note")
    table = Table(f"By {comparison.by}, in points", columns=shown)
    for judge in comparison.judges:
        for name, test in judge.groups.items():
            cells = (name, test.difference, (test.low, test.high), test.n, test.note)
            table.add_row(judge.judge_contests.judge, *cells)
    return table.without_empty_columns({"note"})


def _sentences(comparison: PairComparison) -> list[str]:
    """Return one sentence per judge, then their disagreement."""
    first, second = (name_of(judge) for judge in comparison.selection.authors)
    sentences = [
        f"{judge.judge_contests.judge}: {_sentence(judge, first, second, comparison.level)}"
        for judge in comparison.judges
    ]
    return [*sentences, f"But {comparison.disagree}."] if comparison.disagree else sentences


def _sentence(judge: JudgeComparison, first: str, second: str, level: float) -> str:
    """Return the conclusion of one judge."""
    test = judge.answer.primary_difference
    outcome = verdict(test, level)
    if not outcome:
        return f"no result: {test.note}."
    sentence = f"{_conclusion(test, outcome, first, second)}, {test.kind}."
    if outcome == "undecided":
        sentence += _sample_size_sentence(judge)
    direct = judge.answer.head_to_head
    if direct is not None and direct is not test and verdict(direct, level) not in ("", outcome):
        sentence += f" But head to head, {_conclusion(direct, verdict(direct, level), first, second)}."
    return sentence


def _conclusion(test: PairedDifference, outcome: str, first: str, second: str) -> str:
    """Return the conclusion of one test."""
    p = "p" if test.family_size < 2 else "p (Holm)"
    evidence = (
        f"{format_points(test.difference)} points ({format_points_range(test.low, test.high)}), "
        f"{p} {format_p(test.p_adjusted)}"
    )
    if outcome == "undecided":
        return f"no significant difference between {first} and {second}: {evidence}"
    better, worse = (first, second) if outcome == "first" else (second, first)
    return f"{better} is better than {worse}: {evidence}"


def _sample_size_sentence(judge: JudgeComparison) -> str:
    """Return the sample size required for `min_effect`."""
    required = judge.answer.required_sample_size
    if required is None:
        return ""
    size = f"{100 * required.difference:g} points"
    if not required.more_dialogues:
        return (
            f" {judge.answer.primary_difference.n} dialogues suffice to detect a true difference of {size}."
        )
    sentence = f" Detecting a true difference of {size} requires {required.dialogues:,} dialogues, "
    sentence += f"{required.more_dialogues:,} more"
    if required.samples is not None:
        sentence += f", or {required.samples} samples of each comparison"
    return sentence + "."


def _robust(
    comparison: PairComparison, judge: JudgeComparison
) -> list[tuple[str, tuple[float, float] | None]]:
    """Return each author's name with its order-robust bounds."""
    names = [name_of(author) for author in comparison.selection.authors]
    return list(zip(names, judge.answer.order_robust, strict=True))


def _caveats(comparison: PairComparison) -> list[str]:
    """Return the caveats of the tests."""
    caveats = common_caveats(comparison.selection, soft=comparison.soft)
    caveats.append(
        "* marks the primary comparison. Differences are paired by dialogue: sign-flip permutation test and "
        "bootstrap interval (near 0 or 1 an interval with guaranteed coverage). “MDE”: minimum detectable "
        "effect in points, at 80 % power, before Holm's correction."
    )
    if comparison.by:
        caveats.append(
            f"By {comparison.by}: descriptive, without tests; intervals are not simultaneous and "
            f"require 20 dialogues."
        )
    caveats.append(ORDER_ROBUST_NOTE)
    caveats.append(scope_caveat(comparison.selection))
    for judge_result in comparison.judges:
        judge = judge_result.judge_contests.judge
        robust = [
            f"{name} {format_range(*bounds)}" for name, bounds in _robust(comparison, judge_result) if bounds
        ]
        if robust:
            caveats.append(f"{judge}, order-robust rates against the opponent: {', '.join(robust)}.")
        if judge_result.answer.note:
            caveats.append(f"{judge}: {judge_result.answer.note}.")
        direct = judge_result.answer.head_to_head
        if direct is not None and direct.note and direct.note not in judge_result.answer.note:
            caveats.append(f"{judge}, head to head: {direct.note}.")
        if judge_result.unshared:
            caveats.append(
                f"{judge}: {judge_result.unshared} dialogues were to be judged for only one of the two "
                f"authors."
            )
        caveats += [
            f"{judge}, {order.order}: {order.test}."
            for order in judge_result.single_orders
            if isinstance(order.test, NotEstimable)
        ]
        caveats += incomplete_caveats(judge, judge_result.answer.against_opponent)
    return caveats
