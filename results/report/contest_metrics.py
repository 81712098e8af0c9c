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
                    (
                        "A first",
                        [judged_contest.hard.a_first for judged_contest in judged],
                        f"win rate of {a}",
                    ),
                    (
                        "B first",
                        [judged_contest.hard.b_first for judged_contest in judged],
                        f"win rate of {a}",
                    ),
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
        Metric(
            f"win rate of {a}",
            tuple(percent(judged_contest.hard.rate) for judged_contest in judged),
            main=True,
        ),
        Metric(
            level,
            tuple(between(judged_contest.hard.low, judged_contest.hard.high) for judged_contest in judged),
            judged[0].hard.scope,
        ),
        Metric(
            "how it was made", tuple(judged_contest.hard.interval_method or NONE for judged_contest in judged)
        ),
        Metric(
            "order-robust bounds",
            tuple(between(*judged_contest.hard.order_robust) for judged_contest in judged),
            f"from the share that {a} wins in both orders to all but the share that it loses in both: "
            "whatever the judge's bias for a place; not a confidence interval",
        ),
        Metric(
            "n",
            tuple(f"{judged_contest.hard.n:,}" for judged_contest in judged),
            "complete dialogues: every verdict in both orders",
        ),
        Metric(
            "incomplete dialogues", tuple(str(judged_contest.hard.incomplete) for judged_contest in judged)
        ),
    ]
    if any(judged_contest.hard.incomplete for judged_contest in judged):
        rows.append(
            Metric(
                "bounds with these",
                tuple(
                    between(judged_contest.hard.bound_low, judged_contest.hard.bound_high)
                    if judged_contest.hard.incomplete
                    else NONE
                    for judged_contest in judged
                ),
                "all missing verdicts against A, and for A; not a confidence interval",
            )
        )
        rows.append(
            Metric(
                f"these with their {level}",
                tuple(
                    _worst_case(judged_contest) if judged_contest.hard.incomplete else NONE
                    for judged_contest in judged
                ),
                "what a gate is held against: the bounds with their sampling error",
            )
        )
    if any(judged_contest.soft is not None for judged_contest in judged):
        rows += [
            Metric(
                "soft win rate",
                tuple(
                    percent(judged_contest.soft.rate) if judged_contest.soft else NONE
                    for judged_contest in judged
                ),
                "from the judge's probabilities",
            ),
            Metric(
                f"its {level}",
                tuple(
                    between(judged_contest.soft.low, judged_contest.soft.high)
                    if judged_contest.soft
                    else NONE
                    for judged_contest in judged
                ),
            ),
        ]
    return tuple(rows)


def _worst_case(judged_contest: JudgedContest) -> str:
    lost, won = judged_contest.hard.missing_lost, judged_contest.hard.missing_won
    return NONE if lost is None or won is None else between(lost.low, won.high)


def _judging(judged: Sequence[JudgedContest]) -> tuple[Metric, ...]:
    rows = [
        Metric(
            "ties", tuple(percent(judged_contest.hard.ties) for judged_contest in judged), "of the verdicts"
        ),
        Metric(
            "consistency",
            tuple(percent(judged_contest.hard.consistency) for judged_contest in judged),
            "dialogues whose two orders name the same author",
        ),
        Metric(
            "first-position rate",
            tuple(percent(judged_contest.hard.first_position_rate) for judged_contest in judged),
            "of the verdicts that are no ties; 50\u00a0% is no preference",
        ),
    ]
    if any(judged_contest.contest.same_family for judged_contest in judged):
        rows.append(
            Metric(
                "of its own family",
                tuple(
                    ", ".join(same_family.author for same_family in judged_contest.contest.same_family)
                    or NONE
                    for judged_contest in judged
                ),
                "an author of the judge's maker, or taught by it: the judge may favour its own",
            )
        )
    if any(judged_contest.contest.samples > 1 for judged_contest in judged):
        rows.append(
            Metric(
                "repetition stability",
                tuple(percent(judged_contest.hard.repetition_stability) for judged_contest in judged),
                "comparisons whose samples all gave the same verdict",
            )
        )
    if any(judged_contest.hard.unlisted_mass is not None for judged_contest in judged):
        rows.append(
            Metric(
                "probability outside the answers",
                tuple(percent(judged_contest.hard.unlisted_mass) for judged_contest in judged),
                "mean mass on anything but an allowed answer",
            )
        )
    return tuple(rows)


def _length(judged: Sequence[JudgedContest]) -> tuple[Metric, ...]:
    lengths = [judged_contest.lengths for judged_contest in judged]
    return (
        Metric(
            "mean length, A and B",
            tuple(
                NONE if length.words_a is None else f"{length.words_a:.1f} and {length.words_b:.1f}"
                for length in lengths
            ),
        ),
        Metric("A is longer", tuple(percent(length.a_longer) for length in lengths), "of the dialogues"),
        Metric(
            "the longer response wins",
            tuple(percent(length.longer_wins) for length in lengths),
            "of the dialogues with different lengths; 50\u00a0% is no leaning",
        ),
        Metric(
            "win rate at equal length",
            tuple(_at_equal_length(judged_contest) for judged_contest in judged),
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
            tuple(_scored(judged_contest) for judged_contest in judged),
            "both orders of every dialogue, every sample",
        ),
        Metric(
            "unscored",
            tuple(reasons(judged_contest.unscored) for judged_contest in judged),
            "by reason; never a loss or a tie",
        ),
        Metric(
            "retried",
            tuple(str(judged_contest.contest.asked_again) for judged_contest in judged),
            "the last readable counts",
        ),
        Metric(
            "cost",
            tuple(_cost(judged_contest) for judged_contest in judged),
            "of every answer, every attempt counted",
        ),
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
