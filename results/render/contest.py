"""Results of a judging run as JSON data (rates in [0, 1]), table (percent) and caveats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agents.models.family import self_preference_warning
from agents.models.spec import is_emulated
from results.analysis.contest_results import ContestResult, JudgingResult
from results.queries.contests import Contest
from results.render.format import (
    EMULATED_NOTE,
    ORDER_ROBUST_NOTE,
    format_percent,
    format_range,
    format_reasons,
    format_usd,
)
from results.render.table import Table
from results.statistics import SingleOrder, WinRate

SINGLE_ORDER_NOTE = (
    "the paper's single-order estimator with the named judge prompt (default: ours); unscored judgments "
    "stay in the denominator"
)


def to_dict(summary: JudgingResult) -> dict[str, Any]:
    """Return the results as JSON data."""
    return {
        "run": summary.run_id,
        "spec": dict(summary.spec),
        "interrupted": summary.interrupted,
        "emulated": any(_is_emulated(judge) for judge in summary.contests),
        "judges": [_judge_data(judge) for judge in summary.contests],
    }


def answering_model_data(contest: Contest) -> dict[str, Any]:
    """Return the models that answered under the judge's name, and the excluded answers."""
    return {
        "answering_models": dict(contest.answering_models),
        "several_answering_models": len(contest.answering_models) > 1,
        "answers_left_out": contest.left_out,
    }


def _judge_data(judge: ContestResult) -> dict[str, Any]:
    """Return one judge's results."""
    rate, contest, endpoint = judge.hard, judge.contest, judge.endpoint
    return {
        "judge": contest.judge,
        "judge_id": contest.judge_id,
        "a": contest.a.name,
        "b": contest.b.name,
        "win_rate": rate.rate,
        "low": rate.low,
        "high": rate.high,
        "level": rate.level,
        "interval": rate.interval_method,
        "scope": rate.scope,
        "n": rate.n,
        "incomplete": rate.incomplete,
        "bounds": [rate.bound_low, rate.bound_high],
        "worst_case": worst_case(rate),
        "order_robust": list(rate.order_robust),
        "ties": rate.ties,
        "consistency": rate.consistency,
        "first_position_rate": rate.first_position_rate,
        "repetition_stability": rate.repetition_stability,
        "samples": contest.samples,
        "temperature": contest.temperature,
        "repeatability": _repeatability(contest),
        "soft": None
        if judge.soft is None
        else {
            "win_rate": judge.soft.rate,
            "low": judge.soft.low,
            "high": judge.soft.high,
            "interval": judge.soft.interval_method,
            "n": judge.soft.n,
        },
        "unlisted_mass": rate.unlisted_mass,
        "single_orders": {
            "note": SINGLE_ORDER_NOTE,
            "a_first": _single(rate.a_first),
            "b_first": _single(rate.b_first),
        },
        "unscored": judge.unscored,
        "retried_judgments": contest.asked_again,
        **answering_model_data(contest),
        "parser_versions": contest.readings.to_dict(),
        "requests": {
            "expected": contest.expected,
            "made": endpoint.made if endpoint else 0,
            "reused": endpoint.reused if endpoint else 0,
            "retried": endpoint.retried if endpoint else 0,
            "rate_limited": endpoint.rate_limited if endpoint else 0,
            "failed": endpoint.failed if endpoint else 0,
        },
        "stopped": endpoint.stopped if endpoint else "",
        "cost_usd": contest.cost_usd,
        "unanswered_cost_usd": judge.unanswered_usd,
        "warning": endpoint.warning if endpoint else "",
        "emulated": _is_emulated(judge),
        "same_family": [match.to_dict() for match in contest.same_family],
        "note": rate.note,
    }


def _repeatability(contest: Contest) -> str:
    """Return what the repetitions measure; "" with one sample."""
    if contest.samples < 2:
        return ""
    if contest.temperature is None:
        return "at the provider's own temperature"
    if contest.temperature == 0.0:
        return "at temperature 0, the setting used for single verdicts"
    return f"at temperature {contest.temperature:g}"


def worst_case(rate: WinRate) -> dict[str, list[float] | None]:
    """Return the intervals over all dialogues with every missing judgment lost, and won."""
    cases = {"missing_lost": rate.missing_lost, "missing_won": rate.missing_won}
    return {name: [case.low, case.high] if case else None for name, case in cases.items()}


def _single(order: SingleOrder) -> dict[str, Any]:
    """Return one single-order estimate."""
    return {"win_rate": order.rate, "low": order.low, "high": order.high, "n": order.n}


def _is_emulated(judge: ContestResult) -> bool:
    """Return whether the judge is emulated."""
    return is_emulated(judge.contest.judge_model)


def to_table(summary: JudgingResult) -> Table:
    """Return one row per judge, without optional columns that are empty (`caveats` lists them)."""
    first = summary.contests[0].contest
    table = Table(f"{first.a.name} against {first.b.name}: {len(first.dialogues)} dialogues, both orders")
    rows = [_row(judge) for judge in summary.contests]
    table.add_column("judge")
    empty = _empty_columns(rows)
    shown = [name for name in rows[0] if name not in empty]
    for name in shown:
        table.add_column(name, justify="right", style="bold" if name == "win rate" else "")
    for judge, row in zip(summary.contests, rows, strict=True):
        table.add_row(judge.contest.judge, *(row[name] for name in shown))
    return table


EMPTY_CELLS = ("", "-", "0", "0.0 %")
INCOMPLETE, RETRIED, REPEATS, SAME_FAMILY = "incomplete", "retried", "repeats agree", "same family"
OPTIONAL_COLUMNS = (SAME_FAMILY, INCOMPLETE, "bounds", "soft", "ties", REPEATS, "unscored", RETRIED)
COUNT_COLUMNS = (INCOMPLETE, "ties", "unscored", RETRIED)


def _empty_columns(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the optional columns without a value in any row."""
    return [name for name in OPTIONAL_COLUMNS if all(row[name] in EMPTY_CELLS for row in rows)]


def _row(judge: ContestResult) -> dict[str, str]:
    """Return one judge's cells by column."""
    rate, contest, endpoint = judge.hard, judge.contest, judge.endpoint
    soft = judge.soft
    return {
        SAME_FAMILY: SAME_FAMILY if contest.same_family else "",
        "win rate": format_percent(rate.rate),
        "95 %": format_range(rate.low, rate.high),
        "order-robust": format_range(*rate.order_robust),
        "n": str(rate.n),
        INCOMPLETE: str(rate.incomplete),
        "bounds": format_range(rate.bound_low, rate.bound_high) if rate.incomplete else "",
        "soft": format_percent(soft.rate) if soft else "-",
        "ties": format_percent(rate.ties),
        "consistency": format_percent(rate.consistency),
        "first position": format_percent(rate.first_position_rate),
        REPEATS: format_percent(rate.repetition_stability) if contest.samples > 1 else "",
        "A first": format_percent(rate.a_first.rate),
        "B first": format_percent(rate.b_first.rate),
        "unscored": format_reasons(judge.unscored),
        RETRIED: str(contest.asked_again),
        "made / reused / retried": f"{endpoint.made} / {endpoint.reused} / {endpoint.retried}"
        if endpoint
        else "-",
        "cost": format_usd(contest.cost_usd),
    }


def answering_model_caveats(contests: Iterable[Contest]) -> list[str]:
    """Return the warnings about judges whose name other models answered under."""
    return list(dict.fromkeys(note for contest in contests if (note := contest.answering_model_note)))


def self_preference_caveats(contests: Iterable[Contest]) -> list[str]:
    """Return the self-preference warnings of judges of an author's family."""
    return [
        f"{self_preference_warning(contest.judge, contest.same_family)}."
        for contest in contests
        if contest.same_family
    ]


def caveats(summary: JudgingResult) -> list[str]:
    """Return the caveats to print below the table."""
    notes = []
    if any(_is_emulated(judge) for judge in summary.contests):
        notes.append(EMULATED_NOTE)
    notes += answering_model_caveats(judge.contest for judge in summary.contests)
    notes += self_preference_caveats(judge.contest for judge in summary.contests)
    notes.append(
        f"Win rate of {summary.contests[0].contest.a.name}, balanced over order; interval "
        f"{summary.contests[0].hard.scope}. {ORDER_ROBUST_NOTE} “first position”: share of verdicts for it. “A "
        f"first”, “B first”: {SINGLE_ORDER_NOTE}."
    )
    notes += [note for judge in summary.contests if (note := judge.contest.readings.note(judge.contest.judge))]
    notes += [_intervals(judge) for judge in summary.contests if judge.hard.n]
    if summary.spec.get("split") == "test" and any(
        author.author.startswith("dataset:")
        for judge in summary.contests
        for author in (judge.contest.a, judge.contest.b)
    ):
        notes.append(
            "The test split was chosen by low ratings: numbers about the dataset's own responders on it "
            "are conditioned on the outcome."
        )
    notes += [
        f"{judge.contest.judge}: {judge.contest.samples} repetitions {_repeatability(judge.contest)}."
        for judge in summary.contests
        if judge.contest.samples > 1
    ]
    empty = _empty_columns([_row(judge) for judge in summary.contests])
    unused = [name for name in COUNT_COLUMNS if name in empty]
    if unused:
        notes.append(f"None of: {', '.join(unused)}.")
    notes += [f"{judge.contest.judge}: {judge.hard.note}" for judge in summary.contests if judge.hard.note]
    notes += [judge.endpoint.warning for judge in summary.contests if judge.endpoint and judge.endpoint.warning]
    notes += [
        f"{judge.contest.judge}: answers {format_usd(judge.contest.cost_usd)}, attempts without an "
        f"answer up to "
        f"{format_usd(judge.unanswered_usd)}."
        for judge in summary.contests
        if judge.unanswered_usd
    ]
    return [*notes, *summary.adapted]


def _intervals(judge: ContestResult) -> str:
    """Return the estimates whose intervals are not in the table."""
    numbers: dict[str, WinRate | SingleOrder] = {"soft": judge.soft} if judge.soft else {}
    numbers |= {"A first": judge.hard.a_first, "B first": judge.hard.b_first}
    estimates = [
        f"{name} {format_percent(estimate.rate)} ({format_range(estimate.low, estimate.high)}), n "
        f"{estimate.n}"
        for name, estimate in numbers.items()
        if estimate.rate is not None
    ]
    return f"{judge.contest.judge}: {'; '.join(estimates)}."
