"""Metrics of a pair of authors: one metric per row, one judge per column."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from results.analysis.contest_results import ContestResult
from results.render.contest import SINGLE_ORDER_NOTE
from results.render.format import NONE, format_usd, format_value
from results.render.table import Table, Value, metric_table
from results.statistics import NotEstimable, SingleOrder


def contest_metrics(judged: Sequence[ContestResult], a: str) -> Table:
    """Return the metrics by judge; win rates are those of `a`."""
    table = metric_table(contest.contest.judge for contest in judged)

    def add(
        name: str, unit: str, value: Callable[[ContestResult], Value], hint: str = "", style: str = ""
    ) -> None:
        table.add_metric(name, unit, map(value, judged), hint=hint, style=style)

    table.add_section("Result")
    _add_result(add, judged, a)
    table.add_section("How it was judged")
    _add_judging(add, judged)
    table.add_section("One order alone", SINGLE_ORDER_NOTE)
    add("A first", "text", lambda each: _single(each.hard.a_first), f"win rate of {a}")
    add("B first", "text", lambda each: _single(each.hard.b_first), f"win rate of {a}")
    table.add_section("Length", "in words")
    add("mean length, A and B", "text", _mean_lengths)
    add("A is longer", "percent", lambda each: each.lengths.a_longer, "of the dialogues")
    add(
        "the longer response wins",
        "percent",
        lambda each: each.lengths.longer_wins,
        "of the dialogues with different lengths; 50 % is no leaning",
    )
    add(
        "win rate at equal length",
        "percent_estimate",
        _at_equal_length,
        "association given length, in words, unpenalised; length is also an effect of training",
    )
    table.add_section("Answers")
    add("judgments scored", "of", _scored, "both orders of every dialogue, every sample")
    add("unscored", "unscored", lambda each: each.unscored, "by reason; never a loss or a tie")
    add("retried", "count", lambda each: each.contest.asked_again, "the last readable counts")
    add("cost", "usd", _cost, "of every answer, every attempt counted")
    return table


AddMetric = Callable[..., None]


def _add_result(add: AddMetric, judged: Sequence[ContestResult], a: str) -> None:
    """Add the win rates and their intervals."""
    level = f"{100 * judged[0].hard.level:g} % interval"
    add(f"win rate of {a}", "percent", lambda each: each.hard.rate, style="bold")
    add(level, "percent_range", lambda each: (each.hard.low, each.hard.high), judged[0].hard.scope)
    add("how it was made", "text", lambda each: each.hard.interval_method or NONE)
    add(
        "order-robust bounds",
        "percent_range",
        lambda each: each.hard.order_robust,
        f"from the share that {a} wins in both orders to all but the share that it loses in both: "
        "whatever the judge's bias for a place; not a confidence interval",
    )
    add("n", "count", lambda each: each.hard.n, "complete dialogues: every verdict in both orders")
    add("incomplete dialogues", "count", lambda each: each.hard.incomplete)
    if any(each.hard.incomplete for each in judged):
        add(
            "bounds with these",
            "percent_range",
            lambda each: (each.hard.bound_low, each.hard.bound_high) if each.hard.incomplete else None,
            "all missing verdicts against A, and for A; not a confidence interval",
        )
        add(
            f"these with their {level}",
            "percent_range",
            _worst_case,
            "what a gate is held against: the bounds with their sampling error",
        )
    if any(each.soft is not None for each in judged):
        hint = "from the judge's probabilities"
        add("soft win rate", "percent", lambda each: each.soft.rate if each.soft else None, hint)
        add(
            f"its {level}",
            "percent_range",
            lambda each: (each.soft.low, each.soft.high) if each.soft else None,
        )


def _worst_case(each: ContestResult) -> Value:
    """Return the interval with every missing judgment lost, and won; None if all dialogues are complete."""
    lost, won = each.hard.missing_lost, each.hard.missing_won
    return (lost.low, won.high) if each.hard.incomplete and lost and won else None


def _add_judging(add: AddMetric, judged: Sequence[ContestResult]) -> None:
    """Add the quality of the judges."""
    add("ties", "percent", lambda each: each.hard.ties, "of the verdicts")
    add(
        "consistency",
        "percent",
        lambda each: each.hard.consistency,
        "dialogues whose two orders name the same author",
    )
    add(
        "first-position rate",
        "percent",
        lambda each: each.hard.first_position_rate,
        "of the verdicts that are no ties; 50 % is no preference",
    )
    if any(each.contest.same_family for each in judged):
        add(
            "of its own family",
            "text",
            lambda each: ", ".join(match.author for match in each.contest.same_family) or NONE,
            "an author of the judge's maker, or taught by it: the judge may favour its own",
        )
    if any(each.contest.samples > 1 for each in judged):
        add(
            "repetition stability",
            "percent",
            lambda each: each.hard.repetition_stability,
            "comparisons whose samples all gave the same verdict",
        )
    if any(each.hard.unlisted_mass is not None for each in judged):
        add(
            "probability outside the answers",
            "percent",
            lambda each: each.hard.unlisted_mass,
            "mean mass on anything but an allowed answer",
        )


def _mean_lengths(each: ContestResult) -> str:
    """Return the mean lengths of A and B."""
    length = each.lengths
    return NONE if length.words_a is None else f"{length.words_a:.1f} and {length.words_b:.1f}"


def _at_equal_length(each: ContestResult) -> Value:
    """Return the length-controlled rate with its interval, or why it is missing."""
    control = each.lengths.control
    if isinstance(control, NotEstimable):
        return f"not given: {control.reason}"
    return control.rate, control.low, control.high


def _scored(each: ContestResult) -> tuple[int, int]:
    """Return the numbers of scored and of expected judgments."""
    return each.contest.expected - sum(each.unscored.values()), each.contest.expected


def _cost(each: ContestResult) -> Value:
    """Return the cost; of an emulated judge, with the remark that nothing was paid."""
    cost = each.contest.cost_usd
    return (
        f"{format_usd(cost)} by the price list; emulated, so nothing was paid" if each.is_emulated else cost
    )


def _single(order: SingleOrder) -> str:
    """Return the rate of one order with its interval and n."""
    if order.rate is None:
        return NONE
    rate = format_value((order.rate, order.low, order.high), "percent_estimate")
    return f"{rate.removesuffix(')')}; n = {order.n})"
