"""Results of a run with early stopping, by judge.

Only the confidence sequence of each contest is shown. Intervals and tests for a fixed number of dialogues are
not valid for a contest that stopped depending on its own verdicts.
"""

from __future__ import annotations

from results.analysis.contest_results import ContestResult, JudgingResult
from results.analysis.early_stopping import METHOD, SCOPES, StoppingResult, StoppingRule
from results.render.columns import columns
from results.render.format import format_reasons, format_usd
from results.render.table import Column, Table


def early_stopping_table(summary: JudgingResult) -> Table:
    """Return one row per judge."""
    first, stopping = _stopped(summary)[0]
    a, b = first.contest.a.author, first.contest.b.author
    rule = _describe_rule(stopping.until)
    table = Table(
        f"{a} against {b}, until {rule}: at most {stopping.sequence.total} dialogues", columns=list(COLUMNS)
    )
    for judge, stopped in _stopped(summary):
        sequence = stopped.sequence
        table.add_row(
            judge.contest.judge,
            sequence.rate,
            "exact" if stopped.is_exact else (sequence.low, sequence.high),
            (sequence.prefix, sequence.total),
            sequence.incomplete,
            _answer(judge, stopped),
            stopped.requested,
            stopped.saved,
            judge.contest.cost_usd,
            stopped.saved_usd,
        )
    return table


COLUMNS = columns(
    *("judge", "win_rate", Column("interval", "95 %, at any time", "percent_range")),
    *(Column("after", unit="of"), "incomplete", "answer"),
    *(Column("requests_made", unit="count"), Column("requests_saved", unit="count")),
    *("cost_usd", Column("saved_usd", "saved", "usd")),
)


def _stopped(summary: JudgingResult) -> list[tuple[ContestResult, StoppingResult]]:
    """Return the contests with early stopping, and their stopping results."""
    return [(result, result.stopped) for result in summary.contests if result.stopped is not None]


def _describe_rule(until: StoppingRule) -> str:
    """Return the stopping rule in words."""
    return str(until) if until.half_width is None else f"±{100 * until.half_width:g} points"


def _answer(judge: ContestResult, stopped: StoppingResult) -> str:
    """Return the conclusion of one contest."""
    contest, better = judge.contest, stopped.sequence.better
    if better:
        suffix = " (on these dialogues)" if stopped.sequence.known else ""
        return f"{(contest.a if better == 'A' else contest.b).author} is preferred{suffix}"
    return "undecided" if stopped.finished else "open"


def early_stopping_caveats(summary: JudgingResult) -> list[str]:
    """Return the caveats: the interval, and per judge how it stopped."""
    notes = []
    judged = _stopped(summary)
    sequence = judged[0][1].sequence
    sharing = f", for all {sequence.n_contests} judges at once" if sequence.n_contests > 1 else ""
    notes.append(
        f"Win rate of {judged[0][0].contest.a.author} {SCOPES[sequence.estimand]}. The interval is a "
        f"{METHOD}, which is valid at every interim look{sharing}. Intervals and tests for a fixed number "
        "of dialogues are not valid here, because the contest stopped depending on its own verdicts."
    )
    for judge, stopped in judged:
        details = [stopped.note(judge.contest.a.author, judge.contest.b.author)]
        if stopped.saved:
            details.append(
                f"{stopped.saved:,} of {stopped.expected:,} requests saved, {_saved_money(stopped)}"
            )
        if stopped.beyond:
            details.append(f"{stopped.beyond:,} judgments after that interim look are stored, not counted")
        if judge.hard.unscored:
            details.append(f"unscored {format_reasons(judge.hard.unscored)}, entered by their bounds")
        notes.append(f"{judge.contest.judge}: {'; '.join(details)}.")
    return notes


def _saved_money(stopped: StoppingResult) -> str:
    """Return the money saved."""
    return f"about {format_usd(stopped.saved_usd)}" if stopped.saved_usd is not None else "price not known"
