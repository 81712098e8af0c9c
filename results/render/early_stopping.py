"""Results of a run with early stopping as JSON data, table and caveats.

Only the confidence sequence of each contest is shown. Intervals and tests for a fixed number of dialogues are
not valid for a contest that stopped depending on its own verdicts.
"""

from __future__ import annotations

from typing import Any

from agents.models.spec import is_emulated
from results.analysis.contest_results import ContestResult, JudgingResult
from results.analysis.early_stopping import StoppingResult, StoppingRule
from results.render.contest import answering_model_caveats, answering_model_data, self_preference_caveats
from results.render.format import EMULATED_NOTE, format_percent, format_range, format_reasons, format_usd
from results.render.table import Table
from results.statistics.win_rate import GENERATION

METHOD = "confidence sequence (betting)"
SCOPE = {
    "these dialogues": "over the planned dialogues; these responses, this judge",
    "population": f"over the population of dialogues and {GENERATION}; this training, this judge",
}


def to_dict(summary: JudgingResult) -> dict[str, Any]:
    """Return the results as JSON data; rates in [0, 1]."""
    return {
        "run": summary.run_id,
        "spec": dict(summary.spec),
        "interrupted": summary.interrupted,
        "emulated": _emulated(summary),
        "judges": [_judge_data(judge, stopped) for judge, stopped in _stopped(summary)],
    }


def _stopped(summary: JudgingResult) -> list[tuple[ContestResult, StoppingResult]]:
    """Return the judges with early stopping, and their stopping results."""
    return [(judge, judge.stopped) for judge in summary.contests if judge.stopped is not None]


def _emulated(summary: JudgingResult) -> bool:
    """Return whether any judge is emulated."""
    return any(is_emulated(judge.contest.judge_model) for judge in summary.contests)


def _judge_data(judge: ContestResult, stopped: StoppingResult) -> dict[str, Any]:
    """Return one judge's result."""
    contest, endpoint, sequence = judge.contest, judge.endpoint, stopped.sequence
    return {
        "judge": contest.judge,
        "judge_id": contest.judge_id,
        "a": contest.a.author,
        "b": contest.b.author,
        "stop_when": stopped.until.spec["until"],
        "estimand": str(sequence.estimand),
        "stopping_rule_met": stopped.answered,
        "finished": stopped.finished,
        "decided": sequence.decided,
        "known_for_these_dialogues": sequence.known,
        "better": sequence.better,
        "win_rate": sequence.rate,
        "low": sequence.low,
        "high": sequence.high,
        "level": sequence.level,
        "n_contests": sequence.n_contests,
        "interval": METHOD,
        "scope": SCOPE[str(sequence.estimand)],
        "dialogues": sequence.prefix,
        "total_dialogues": sequence.total,
        "incomplete": sequence.incomplete,
        "interim_looks": stopped.looked,
        "path": [
            dict(zip(("dialogues", "low", "high"), interim_look, strict=True))
            for interim_look in stopped.path
        ],
        "samples": contest.samples,
        "unscored": dict(judge.hard.unscored),
        **answering_model_data(contest),
        "exact": stopped.is_exact,
        "requests": {
            "expected": stopped.expected,
            "asked": stopped.requested,
            "beyond": stopped.beyond,
            "saved": stopped.saved,
            "made": endpoint.made if endpoint else 0,
            "reused": endpoint.reused if endpoint else 0,
            "retried": endpoint.retried if endpoint else 0,
            "failed": endpoint.failed if endpoint else 0,
        },
        "stopped": endpoint.stopped if endpoint else "",
        "cost_usd": contest.cost_usd,
        "unanswered_cost_usd": judge.unanswered_usd,
        "saved_usd": stopped.saved_usd,
        "emulated": is_emulated(contest.judge_model),
        "same_family": [match.to_dict() for match in contest.same_family],
        "note": stopped.note(contest.a.author, contest.b.author),
    }


def to_table(summary: JudgingResult) -> Table:
    """Return one row per judge."""
    first, stopping = _stopped(summary)[0]
    a, b = first.contest.a.author, first.contest.b.author
    table = Table(
        f"{a} against {b}, until {_describe_rule(stopping.until)}: at most {stopping.sequence.total} "
        f"dialogues"
    )
    table.add_column("judge")
    for name in ("win rate", "95 %, at any time", "after", "incomplete"):
        table.add_column(name, justify="right", style="bold" if name == "win rate" else "")
    table.add_column("answer")
    for name in ("requests made", "requests saved", "cost", "saved"):
        table.add_column(name, justify="right")
    for judge, stopped in _stopped(summary):
        sequence = stopped.sequence
        table.add_row(
            judge.contest.judge,
            format_percent(sequence.rate),
            "exact" if stopped.is_exact else format_range(sequence.low, sequence.high),
            f"{sequence.prefix} of {sequence.total}",
            str(sequence.incomplete),
            _answer(judge, stopped),
            f"{stopped.requested:,}",
            f"{stopped.saved:,}",
            format_usd(judge.contest.cost_usd),
            format_usd(stopped.saved_usd),
        )
    return table


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


def caveats(summary: JudgingResult) -> list[str]:
    """Return the caveats to print below the table."""
    notes = [EMULATED_NOTE] if _emulated(summary) else []
    notes += answering_model_caveats(judge.contest for judge in summary.contests)
    notes += self_preference_caveats(judge.contest for judge in summary.contests)
    judged = _stopped(summary)
    sequence = judged[0][1].sequence
    sharing = f", for all {sequence.n_contests} judges at once" if sequence.n_contests > 1 else ""
    notes.append(
        f"Win rate of {judged[0][0].contest.a.author} {SCOPE[str(sequence.estimand)]}. The interval is a "
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
