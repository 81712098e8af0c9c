"""Win rates of a judging run, by judge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from agents.models.family import FamilyMatch, self_preference_warning
from agents.models.spec import is_emulated
from results.analysis.contest_results import JudgeResult, JudgingResult
from results.queries.contests import Contest
from results.render.columns import columns
from results.render.documents import RangeDocument, SameFamilyDocument
from results.render.format import (
    EMULATED_NOTE,
    ORDER_ROBUST_NOTE,
    format_percent,
    format_range,
    format_usd,
)
from results.render.rendering import Rendering
from results.render.table import Column, Table, Value
from results.statistics import SingleOrder, WinRate

SINGLE_ORDER_NOTE = (
    "the paper's single-order estimator with the named judge prompt (default: ours); unscored judgments "
    "stay in the denominator"
)


def render_contest(summary: JudgingResult) -> Rendering:
    """Render the win rates: one row per judge, without optional columns that are empty."""
    table = _table(summary)
    shown = table.without_empty_columns(OPTIONAL)
    keys = {column.key for column in shown.columns}
    unused = [name for name in COUNTS if name not in keys]
    return Rendering(to_dict(summary), (shown,), caveats=tuple(_caveats(summary, unused)))


def to_dict(summary: JudgingResult) -> dict[str, Any]:
    """Return the results as JSON data."""
    return {
        "run": summary.run_id,
        "spec": dict(summary.spec),
        "interrupted": summary.interrupted,
        "emulated": any(_is_emulated(judge) for judge in summary.judges),
        "judges": [_judge_data(judge) for judge in summary.judges],
    }


def answering_model_data(contest: Contest) -> dict[str, Any]:
    """Return the models that answered under the judge's name, and the excluded answers."""
    return {
        "answering_models": dict(contest.answering_models),
        "several_answering_models": len(contest.answering_models) > 1,
        "answers_left_out": contest.left_out,
    }


def _judge_data(judge: JudgeResult) -> dict[str, Any]:
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


def _is_emulated(judge: JudgeResult) -> bool:
    """Return whether the judge is emulated."""
    return is_emulated(judge.contest.judge_model)


def _table(summary: JudgingResult) -> Table:
    """Return one row per judge, with every column."""
    first = summary.judges[0].contest
    title = f"{first.a.name} against {first.b.name}: {len(first.dialogues)} dialogues, both orders"
    table = Table(title, columns=list(COLUMNS))
    for judge in summary.judges:
        table.add_row(*_cells(judge))
    return table


COLUMNS = columns(
    *("judge", "same_family", "win_rate", "interval", "order_robust", "n", "incomplete", "bounds", "soft"),
    *("ties", "consistency", "first_position_rate", "repetition_stability"),
    Column("a_first", "A first", "percent"),
    Column("b_first", "B first", "percent"),
    *("unscored", "retried"),
    Column("requests", "made / reused / retried", "counts"),
    "cost_usd",
)
COUNTS = ("incomplete", "ties", "unscored", "retried")
OPTIONAL = (*COUNTS, "same_family", "bounds", "soft", "repetition_stability")


def _cells(judge: JudgeResult) -> tuple[Value, ...]:
    """Return one judge's row."""
    rate, contest, endpoint = judge.hard, judge.contest, judge.endpoint
    return (
        contest.judge,
        "same family" if contest.same_family else "",
        rate.rate,
        (rate.low, rate.high),
        rate.order_robust,
        rate.n,
        rate.incomplete,
        (rate.bound_low, rate.bound_high) if rate.incomplete else None,
        judge.soft.rate if judge.soft else None,
        rate.ties,
        rate.consistency,
        rate.first_position_rate,
        rate.repetition_stability if contest.samples > 1 else None,
        rate.a_first.rate,
        rate.b_first.rate,
        judge.unscored,
        contest.asked_again,
        (endpoint.made, endpoint.reused, endpoint.retried) if endpoint else None,
        contest.cost_usd,
    )


def range_document(low: float | None, high: float | None) -> RangeDocument:
    """Return two ends as JSON data."""
    return RangeDocument(low=low, high=high)


def same_family_documents(matches: Iterable[FamilyMatch]) -> list[SameFamilyDocument]:
    """Return authors of a judge's model family as JSON data."""
    return [SameFamilyDocument(author=match.author, family=match.family, why=match.why) for match in matches]


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


def _caveats(summary: JudgingResult, unused: Sequence[str]) -> list[str]:
    """Return the caveats; `unused` names the counts that are zero for every judge."""
    notes = []
    if any(_is_emulated(judge) for judge in summary.judges):
        notes.append(EMULATED_NOTE)
    notes += answering_model_caveats(judge.contest for judge in summary.judges)
    notes += self_preference_caveats(judge.contest for judge in summary.judges)
    notes.append(
        f"Win rate of {summary.judges[0].contest.a.name}, balanced over order; interval "
        f"{summary.judges[0].hard.scope}. {ORDER_ROBUST_NOTE} “first position”: share of verdicts for it. “A "
        f"first”, “B first”: {SINGLE_ORDER_NOTE}."
    )
    notes += [note for judge in summary.judges if (note := judge.contest.readings.note(judge.contest.judge))]
    notes += [_intervals(judge) for judge in summary.judges if judge.hard.n]
    if summary.spec.get("split") == "test" and any(
        author.author.startswith("dataset:")
        for judge in summary.judges
        for author in (judge.contest.a, judge.contest.b)
    ):
        notes.append(
            "The test split was chosen by low ratings: numbers about the dataset's own responders on it "
            "are conditioned on the outcome."
        )
    notes += [
        f"{judge.contest.judge}: {judge.contest.samples} repetitions {_repeatability(judge.contest)}."
        for judge in summary.judges
        if judge.contest.samples > 1
    ]
    if unused:
        notes.append(f"None of: {', '.join(unused)}.")
    notes += [f"{judge.contest.judge}: {judge.hard.note}" for judge in summary.judges if judge.hard.note]
    notes += [judge.endpoint.warning for judge in summary.judges if judge.endpoint and judge.endpoint.warning]
    notes += [
        f"{judge.contest.judge}: answers {format_usd(judge.contest.cost_usd)}, attempts without an "
        f"answer up to "
        f"{format_usd(judge.unanswered_usd)}."
        for judge in summary.judges
        if judge.unanswered_usd
    ]
    return [*notes, *summary.adapted]


def _intervals(judge: JudgeResult) -> str:
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
