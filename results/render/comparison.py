"""Comparison of two authors as a table, sentences and caveats. `docs/results.md` explains every line."""

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


def comparison_table(comparison: PairComparison) -> Table:
    """Return the table of tests, one row each; `*` marks each judge's primary one."""
    first, second = (name_of(judge) for judge in comparison.selection.authors)
    columns = ["judge", "how", "first", "second", "difference", interval_head(comparison.family_size)]
    columns += ["p", "p, Holm", "n", "MDE"]
    what = f"{first} minus {second}, in points"
    table = make_test_table(what, comparison.selection, comparison.family_size, columns, soft=comparison.soft)
    opponent = f"against {name_of(comparison.selection.opponent)}"
    for judge in comparison.judges:
        judge_name = judge.judge_contests.judge  # shown in the judge's first row only
        for test in (judge.answer.against_opponent, judge.answer.head_to_head):
            if test is not None:
                mark = " *" if test.kind == judge.answer.primary else ""
                row_label = opponent if test is judge.answer.against_opponent else test.kind
                table.add_row(judge_name, row_label + mark, *test_cells(test))
                judge_name = ""
        for order in judge.single_orders:
            table.add_row("", f"McNemar, {order.order}", *_mcnemar_cells(order))
    return table


def _mcnemar_cells(order: SingleOrderTest) -> tuple[str, ...]:
    """Return the cells of a single-order test."""
    if isinstance(order.test, NotEstimable):
        return ("-",) * 8
    won = (f"only {order.test.only_first}", f"only {order.test.only_second}")
    return (*won, "-", "-", format_p(order.test.p), format_p(order.p_adjusted), str(order.test.n), "-")


def comparison_lines(comparison: PairComparison) -> list[str]:
    """Return one sentence per judge, then the disagreement and the subgroups."""
    first, second = (name_of(judge) for judge in comparison.selection.authors)
    lines = []
    for judge in comparison.judges:
        lines.append(f"{judge.judge_contests.judge}: {_sentence(judge, first, second, comparison.level)}")
    if comparison.disagree:
        lines.append(f"But {comparison.disagree}.")
    for judge in comparison.judges:
        lines += _group_lines(judge, comparison.by)
    return lines


def _group_lines(judge: JudgeComparison, group_by: str) -> list[str]:
    """Return the primary comparison by subgroup, one line each."""
    if not judge.groups:
        return []
    width = max(len(name) for name in judge.groups)
    lines = [f"{judge.judge_contests.judge}, by {group_by}, in points:"]
    for name, test in judge.groups.items():
        interval = "" if test.low is None else f"  {format_points_range(test.low, test.high)}"
        note = f"  {test.note}" if test.note else ""
        lines.append(f"  {name:<{width}}  {format_points(test.difference):>6}  n {test.n:>4}{interval}{note}")
    return lines


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


def comparison_caveats(comparison: PairComparison) -> list[str]:
    """Return the caveats to print below the table."""
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
