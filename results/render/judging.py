"""A judging run with its breakdowns by subgroup, length and judge."""

from __future__ import annotations

from collections.abc import Sequence

from agents.author_names import is_from_dataset
from results.analysis.breakdowns import Breakdowns
from results.analysis.contest_results import ContestResult, JudgingResult
from results.analysis.endpoint_report import EndpointReport
from results.render.columns import columns
from results.render.contest import (
    SINGLE_ORDER_NOTE,
    answering_model_caveats,
    contest_document,
    range_document,
    repeatability,
    self_preference_caveats,
)
from results.render.documents import (
    GroupDocument,
    GroupsDocument,
    InvocationDocument,
    JudgingDocument,
    PooledDocument,
    RequestCountsDocument,
)
from results.render.early_stopping import early_stopping_caveats, early_stopping_table
from results.render.format import (
    EMULATED_NOTE,
    ORDER_ROBUST_NOTE,
    format_percent,
    format_range,
    format_usd,
)
from results.render.rendering import Rendering
from results.render.table import Column, Table, Value
from results.statistics import LengthControl, NotEstimable, PooledRate, SingleOrder, WinRate

GROUPS_CAVEAT = (
    "By {by}: descriptive, without a test for differences between groups; intervals require 20 complete "
    "dialogues."
)
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


def render_judging(summary: JudgingResult, breakdowns: Breakdowns | None = None) -> Rendering:
    """Render a judging run: a row per judge with its win rate, or its confidence sequence; and breakdowns."""
    breakdowns = breakdowns or Breakdowns()
    if summary.is_stopped_early:
        table, caveats = early_stopping_table(summary), early_stopping_caveats(summary)
    else:
        table = _table(summary).without_empty_columns(OPTIONAL)
        keys = {column.key for column in table.columns}
        caveats = _caveats(summary, [name for name in COUNTS if name not in keys])
    groups = [_groups_table(summary, breakdowns)] if breakdowns.groups else []
    contests = [result.contest for result in summary.contests]
    return Rendering(
        judging_document(summary, breakdowns),
        (table, *groups),
        tuple(_sentences(summary, breakdowns)),
        (
            *((EMULATED_NOTE,) if summary.is_emulated else ()),
            *answering_model_caveats(contests),
            *self_preference_caveats(contests),
            *caveats,
            *((GROUPS_CAVEAT.format(by=breakdowns.by),) if breakdowns.by else ()),
        ),
    )


def judging_document(summary: JudgingResult, breakdowns: Breakdowns | None = None) -> JudgingDocument:
    """Return a judging run as JSON data."""
    breakdowns = breakdowns or Breakdowns()
    return JudgingDocument(
        document="judging",
        run=summary.run_id,
        spec=dict(summary.spec),
        interrupted=summary.interrupted,
        emulated=summary.is_emulated,
        contests=[contest_document(result) for result in summary.contests],
        pooled=None if breakdowns.pooled is None else _pooled(breakdowns.pooled),
        group_by=GroupsDocument(
            property=breakdowns.by,
            contests={
                judge_id: {name: _group(rate) for name, rate in groups.items()}
                for judge_id, groups in breakdowns.groups.items()
            },
        )
        if breakdowns.by
        else None,
        test_set_uses=dict(breakdowns.test_set_uses),
        invocation={
            result.contest.judge_id: _invocation(result.contest.judge, endpoint)
            for result in summary.contests
            if (endpoint := summary.endpoint(result)) is not None
        },
        adapted=list(summary.adapted),
    )


def _invocation(judge: str, endpoint: EndpointReport) -> InvocationDocument:
    return InvocationDocument(
        judge=judge,
        requests=RequestCountsDocument(
            made=endpoint.made,
            reused=endpoint.reused,
            retried=endpoint.retried,
            rate_limited=endpoint.rate_limited,
            failed=endpoint.failed,
        ),
        stopped=endpoint.stopped,
        warning=endpoint.warning,
    )


def _pooled(pooled: PooledRate) -> PooledDocument:
    return PooledDocument(
        judges=sorted(pooled.judges),
        win_rate=pooled.rate,
        low=pooled.low,
        high=pooled.high,
        level=pooled.level,
        interval=pooled.interval_method,
        scope=pooled.scope,
        order_robust=range_document(pooled.order_robust_low, pooled.order_robust_high),
        n=pooled.n,
        left_out=pooled.left_out,
        range=range_document(pooled.lowest, pooled.highest),
        disagree=pooled.disagree,
        disagree_on_sign=pooled.disagree_on_sign,
        disagree_by_points=pooled.disagree_by_points,
        note=pooled.note,
    )


def _group(rate: WinRate) -> GroupDocument:
    return GroupDocument(
        win_rate=rate.rate,
        low=rate.low,
        high=rate.high,
        level=rate.level,
        interval=rate.interval_method,
        scope=rate.scope,
        order_robust=range_document(*rate.order_robust),
        n=rate.n,
        incomplete=rate.incomplete,
        note=rate.note,
    )


def _table(summary: JudgingResult) -> Table:
    """Return one row per judge, with every column."""
    first = summary.contests[0].contest
    title = f"{first.a.name} against {first.b.name}: {len(first.dialogues)} dialogues, both orders"
    table = Table(title, columns=list(COLUMNS))
    for result in summary.contests:
        table.add_row(*_cells(result, summary.endpoint(result)))
    return table


def _cells(result: ContestResult, endpoint: EndpointReport | None) -> tuple[Value, ...]:
    """Return one judge's row."""
    rate, contest = result.hard, result.contest
    return (
        contest.judge,
        "same family" if contest.same_family else "",
        rate.rate,
        (rate.low, rate.high),
        rate.order_robust,
        rate.n,
        rate.incomplete,
        (rate.bound_low, rate.bound_high) if rate.incomplete else None,
        result.soft.rate if result.soft else None,
        rate.ties,
        rate.consistency,
        rate.first_position_rate,
        rate.repetition_stability if contest.samples > 1 else None,
        rate.a_first.rate,
        rate.b_first.rate,
        result.unscored,
        contest.asked_again,
        (endpoint.made, endpoint.reused, endpoint.retried) if endpoint else None,
        contest.cost_usd,
    )


def _groups_table(summary: JudgingResult, breakdowns: Breakdowns) -> Table:
    """Return the win rates by judge and subgroup."""
    judge, group = Column("judge", once=True), Column("group", breakdowns.by)
    shown = columns(judge, group, "win_rate", "interval", "order_robust", "n", "note")
    table = Table(f"By {breakdowns.by}", columns=shown)
    for result in summary.contests:
        for name, rate in breakdowns.groups.get(result.contest.judge_id, {}).items():
            cells = (name, rate.rate, (rate.low, rate.high), rate.order_robust, rate.n, rate.note)
            table.add_row(result.contest.judge, *cells)
    return table.without_empty_columns({"note"})


def _sentences(summary: JudgingResult, breakdowns: Breakdowns) -> list[str]:
    """Return the pooled rate, the rates at equal length, and the test-set uses."""
    lines = [] if breakdowns.pooled is None else [_pooled_line(breakdowns.pooled)]
    if breakdowns.shows_lengths:
        lines += [
            f"{result.contest.judge}: {_length_line(result.lengths.control)}" for result in summary.contests
        ]
    if breakdowns.test_set_uses:
        uses = ", ".join(f"{name} {count}" for name, count in breakdowns.test_set_uses.items())
        lines.append(f"Test-set uses so far: {uses} (distinct opponents and judges, in this database).")
    return lines


def _pooled_line(pooled: PooledRate) -> str:
    """Return the pooled rate in words."""
    judge_range = (
        f"{len(pooled.judges)} judges from {format_percent(pooled.lowest)} to "
        f"{format_percent(pooled.highest)}"
    )
    rate = f"{format_percent(pooled.rate)} ({format_range(pooled.low, pooled.high)}), n {pooled.n}"
    warning = f" {pooled.note[0].upper()}{pooled.note[1:]}." if pooled.note else ""
    robust = f"order-robust {format_range(pooled.order_robust_low, pooled.order_robust_high)}"
    return f"Pooled over judges: {rate}; {robust}; {judge_range}; {pooled.scope}.{warning}"


def _length_line(control: LengthControl | NotEstimable) -> str:
    """Return the length-controlled rate in words."""
    if isinstance(control, NotEstimable):
        return f"{control}."
    return (
        f"at equal length {format_percent(control.rate)} ({format_range(control.low, control.high)}), n "
        f"{control.n}, without {format_percent(control.plain)}; {control.wording} ({control.unit}), which is "
        f"also an effect of training; A's response is the longer in {100 * control.longer:.0f} %, the "
        f"shorter in {100 * control.shorter:.0f} %."
    )


def _caveats(summary: JudgingResult, unused: Sequence[str]) -> list[str]:
    """Return the caveats; `unused` names the counts that are zero for every judge."""
    contests = summary.contests
    notes = [
        f"Win rate of {contests[0].contest.a.name}, balanced over order; interval "
        f"{contests[0].hard.scope}. {ORDER_ROBUST_NOTE} “first position”: share of verdicts for it. “A "
        f"first”, “B first”: {SINGLE_ORDER_NOTE}."
    ]
    notes += [note for result in contests if (note := result.contest.readings.note(result.contest.judge))]
    notes += [_intervals(result) for result in contests if result.hard.n]
    if summary.spec.get("split") == "test" and any(
        is_from_dataset(author.author)
        for result in contests
        for author in (result.contest.a, result.contest.b)
    ):
        notes.append(
            "The test split was chosen by low ratings: numbers about the dataset's own responders on it "
            "are conditioned on the outcome."
        )
    notes += [
        f"{result.contest.judge}: {result.contest.samples} repetitions {repeatability(result.contest)}."
        for result in contests
        if result.contest.samples > 1
    ]
    if unused:
        notes.append(f"None of: {', '.join(unused)}.")
    notes += [f"{result.contest.judge}: {result.hard.note}" for result in contests if result.hard.note]
    notes += [endpoint.warning for endpoint in summary.invocation.values() if endpoint.warning]
    notes += [
        f"{result.contest.judge}: answers {format_usd(result.contest.cost_usd)}, attempts without an "
        f"answer up to {format_usd(result.unanswered_usd)}."
        for result in contests
        if result.unanswered_usd
    ]
    return [*notes, *summary.adapted]


def _intervals(result: ContestResult) -> str:
    """Return the estimates whose intervals are not in the table."""
    numbers: dict[str, WinRate | SingleOrder] = {"soft": result.soft} if result.soft else {}
    numbers |= {"A first": result.hard.a_first, "B first": result.hard.b_first}
    estimates = [
        f"{name} {format_percent(estimate.rate)} ({format_range(estimate.low, estimate.high)}), n "
        f"{estimate.n}"
        for name, estimate in numbers.items()
        if estimate.rate is not None
    ]
    return f"{result.contest.judge}: {'; '.join(estimates)}."
