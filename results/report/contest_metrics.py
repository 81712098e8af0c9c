"""Metrics table of a pair of authors: one metric per row, one judge per column, formatted as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from results.render.contest import SINGLE_ORDER_NOTE
from results.report.conclusions import NONE, between, money, percent, reasons
from results.report.context import JudgedContest
from results.statistics import NotEstimable, SingleOrder


@dataclass(frozen=True, slots=True)
class Metric:
    """Row of the table: a metric, its value per judge and its explanation."""

    name: str
    values: tuple[str, ...]
    hint: str = ""
    main: bool = False


@dataclass(frozen=True, slots=True)
class MetricGroup:
    """Rows under a common heading."""

    name: str
    rows: tuple[Metric, ...]
    hint: str = ""


def metric_groups(judged: Sequence[JudgedContest], a: str) -> tuple[MetricGroup, ...]:
    """Return the table for the judges of a pair of authors; win rates are those of `a`."""
    return (
        MetricGroup("Result", _result(judged, a)),
        MetricGroup("How it was judged", _judging(judged)),
        MetricGroup(
            "One order alone",
            tuple(
                Metric(name, tuple(_single(order) for order in orders), hint)
                for name, orders, hint in (
                    ("A first", [one.hard.a_first for one in judged], f"win rate of {a}"),
                    ("B first", [one.hard.b_first for one in judged], f"win rate of {a}"),
                )
            ),
            SINGLE_ORDER_NOTE,
        ),
        MetricGroup("Length", _length(judged), "in words"),
        MetricGroup("Answers", _answers(judged)),
    )


def _result(judged: Sequence[JudgedContest], a: str) -> tuple[Metric, ...]:
    level = f"{100 * judged[0].hard.level:g}\u00a0% interval"
    rows = [
        Metric(f"win rate of {a}", tuple(percent(one.hard.rate) for one in judged), main=True),
        Metric(level, tuple(between(one.hard.low, one.hard.high) for one in judged), judged[0].hard.scope),
        Metric("how it was made", tuple(one.hard.interval_method or NONE for one in judged)),
        Metric(
            "order-robust bounds",
            tuple(between(*one.hard.order_robust) for one in judged),
            f"from the share that {a} wins in both orders to all but the share that it loses in both: "
            "whatever the judge's bias for a place; not a confidence interval",
        ),
        Metric(
            "n",
            tuple(f"{one.hard.n:,}" for one in judged),
            "complete dialogues: every verdict in both orders",
        ),
        Metric("incomplete dialogues", tuple(str(one.hard.incomplete) for one in judged)),
    ]
    if any(one.hard.incomplete for one in judged):
        rows.append(
            Metric(
                "bounds with these",
                tuple(
                    between(one.hard.bound_low, one.hard.bound_high) if one.hard.incomplete else NONE
                    for one in judged
                ),
                "all missing verdicts against A, and for A; not a confidence interval",
            )
        )
        rows.append(
            Metric(
                f"these with their {level}",
                tuple(_worst_case(one) if one.hard.incomplete else NONE for one in judged),
                "what a gate is held against: the bounds with their sampling error",
            )
        )
    if any(one.soft is not None for one in judged):
        rows += [
            Metric(
                "soft win rate",
                tuple(percent(one.soft.rate) if one.soft else NONE for one in judged),
                "from the judge's probabilities",
            ),
            Metric(
                f"its {level}",
                tuple(between(one.soft.low, one.soft.high) if one.soft else NONE for one in judged),
            ),
        ]
    return tuple(rows)


def _worst_case(judged_contest: JudgedContest) -> str:
    lost, won = judged_contest.hard.missing_lost, judged_contest.hard.missing_won
    return NONE if lost is None or won is None else between(lost.low, won.high)


def _judging(judged: Sequence[JudgedContest]) -> tuple[Metric, ...]:
    rows = [
        Metric("ties", tuple(percent(one.hard.ties) for one in judged), "of the verdicts"),
        Metric(
            "consistency",
            tuple(percent(one.hard.consistency) for one in judged),
            "dialogues whose two orders name the same author",
        ),
        Metric(
            "prefers the first place",
            tuple(percent(one.hard.first_position_rate) for one in judged),
            "of the verdicts that are no ties; 50\u00a0% is no preference",
        ),
    ]
    if any(one.contest.same_family for one in judged):
        rows.append(
            Metric(
                "of its own family",
                tuple(
                    ", ".join(same_family.author for same_family in one.contest.same_family) or NONE
                    for one in judged
                ),
                "an author of the judge's maker, or taught by it: the judge may favour its own",
            )
        )
    if any(one.contest.samples > 1 for one in judged):
        rows.append(
            Metric(
                "repetition stability",
                tuple(percent(one.hard.repetition_stability) for one in judged),
                "comparisons whose samples all gave the same verdict",
            )
        )
    if any(one.hard.unlisted_mass is not None for one in judged):
        rows.append(
            Metric(
                "probability outside the answers",
                tuple(percent(one.hard.unlisted_mass) for one in judged),
                "mean mass on anything but an allowed answer",
            )
        )
    return tuple(rows)


def _length(judged: Sequence[JudgedContest]) -> tuple[Metric, ...]:
    lengths = [one.lengths for one in judged]
    return (
        Metric(
            "mean length, A and B",
            tuple(
                NONE if one.words_a is None else f"{one.words_a:.1f} and {one.words_b:.1f}" for one in lengths
            ),
        ),
        Metric("A is longer", tuple(percent(one.a_longer) for one in lengths), "of the dialogues"),
        Metric(
            "the longer response wins",
            tuple(percent(one.longer_wins) for one in lengths),
            "of the dialogues with different lengths; 50\u00a0% is no leaning",
        ),
        Metric(
            "win rate at equal length",
            tuple(_at_equal_length(one) for one in judged),
            "association given length, in words, unpenalised; length is also an effect of training",
        ),
    )


def _at_equal_length(judged_contest: JudgedContest) -> str:
    control = judged_contest.lengths.control
    if isinstance(control, NotEstimable):
        return f"not given: {control.reason}"
    return f"{percent(control.rate)} ({between(control.low, control.high)})"


def _answers(judged: Sequence[JudgedContest]) -> tuple[Metric, ...]:
    return (
        Metric(
            "judgments scored",
            tuple(_scored(one) for one in judged),
            "both orders of every dialogue, every sample",
        ),
        Metric(
            "unscored", tuple(reasons(one.unscored) for one in judged), "by reason; never a loss or a tie"
        ),
        Metric(
            "asked again", tuple(str(one.contest.asked_again) for one in judged), "the last readable counts"
        ),
        Metric("cost", tuple(_cost(one) for one in judged), "of every answer, every attempt counted"),
    )


def _scored(judged_contest: JudgedContest) -> str:
    missing = sum(judged_contest.unscored.values())
    return f"{judged_contest.contest.expected - missing:,} of {judged_contest.contest.expected:,}"


def _cost(judged_contest: JudgedContest) -> str:
    price = money(judged_contest.contest.cost_usd)
    return (
        f"{price} by the price list; emulated, so nothing was paid" if judged_contest.is_emulated else price
    )


def _single(order: SingleOrder) -> str:
    if order.rate is None:
        return NONE
    return f"{percent(order.rate)} ({between(order.low, order.high)}; n\u00a0=\u00a0{order.n})"
