"""A run that stops when it is known, as data and as a table: each contest's sequence, and nothing beside it.

The win rates' intervals and tests for a fixed number of dialogues do not hold for contests whose length was
decided by their own answers, so none is shown. Computes nothing.
"""

from __future__ import annotations

from typing import Any

from agents.models.spec import is_emulated
from results.analysis.contest_results import JudgeResult, JudgingResult
from results.analysis.early_stopping import StoppingResult, StoppingRule
from results.render.contest import answerer_data, answerer_notes, kin_notes
from results.render.format import EMULATED_NOTE, format_percent, format_range, format_reasons, format_usd
from results.render.table import Table
from results.statistics.win_rate import GENERATION

METHOD = "confidence sequence (betting)"
SCOPE = {
    "these dialogues": "of the dialogues that were to be judged; these responses, this judge",
    "population": f"of what the dialogues were drawn from, with {GENERATION}; this training, this judge",
}


def to_dict(summary: JudgingResult) -> dict[str, Any]:
    """The summary as plain data; rates in [0, 1]."""
    return {
        "run": summary.run_id,
        "spec": dict(summary.spec),
        "interrupted": summary.interrupted,
        "emulated": _emulated(summary),
        "judges": [_judge_data(judge, stopped) for judge, stopped in _stopped(summary)],
    }


def _stopped(summary: JudgingResult) -> list[tuple[JudgeResult, StoppingResult]]:
    return [(judge, judge.stopped) for judge in summary.judges if judge.stopped is not None]


def _emulated(summary: JudgingResult) -> bool:
    return any(is_emulated(judge.contest.judge_model) for judge in summary.judges)


def _judge_data(judge: JudgeResult, stopped: StoppingResult) -> dict[str, Any]:
    contest, endpoint, sequence = judge.contest, judge.endpoint, stopped.sequence
    return {
        "judge": contest.judge,
        "judge_id": contest.judge_id,
        "a": contest.a.author,
        "b": contest.b.author,
        "stop_when": stopped.until.spec["until"],
        "estimand": str(sequence.estimand),
        "answered": stopped.answered,
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
        **answerer_data(contest),
        "exact": stopped.is_exact,
        "requests": {
            "expected": stopped.expected,
            "asked": stopped.asked,
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
        "same_family": [one.to_dict() for one in contest.same_family],
        "note": stopped.note(contest.a.author, contest.b.author),
    }


def to_table(summary: JudgingResult) -> Table:
    """The summary as a table: one row a judge."""
    first, told = _stopped(summary)[0]
    a, b = first.contest.a.author, first.contest.b.author
    table = Table(f"{a} against {b}, until {_until(told.until)}: at most {told.sequence.total} dialogues")
    table.add_column("judge")
    for name in ("win rate", "95 %, at any time", "after", "incomplete"):
        table.add_column(name, justify="right", style="bold" if name == "win rate" else "")
    table.add_column("answer")
    for name in ("calls asked", "calls saved", "cost", "saved"):
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
            f"{stopped.asked:,}",
            f"{stopped.saved:,}",
            format_usd(judge.contest.cost_usd),
            format_usd(stopped.saved_usd),
        )
    return table


def _until(until: StoppingRule) -> str:
    return str(until) if until.half_width is None else f"±{100 * until.half_width:g} points"


def _answer(judge: JudgeResult, stopped: StoppingResult) -> str:
    contest, better = judge.contest, stopped.sequence.better
    if better:
        aside = " (on these dialogues)" if stopped.sequence.known else ""
        return f"{(contest.a if better == 'A' else contest.b).author} is preferred{aside}"
    return "undecided" if stopped.finished else "open"


def caveats(summary: JudgingResult) -> list[str]:
    """What a reader of the table must know."""
    told = [EMULATED_NOTE] if _emulated(summary) else []
    told += answerer_notes(judge.contest for judge in summary.judges)
    told += kin_notes(judge.contest for judge in summary.judges)
    judged = _stopped(summary)
    sequence = judged[0][1].sequence
    n_contests = f", for all {sequence.n_contests} judges at once" if sequence.n_contests > 1 else ""
    told.append(
        f"Win rate of {judged[0][0].contest.a.author} {SCOPE[str(sequence.estimand)]}. The interval is a "
        f"{METHOD}: it holds at every look{n_contests}, so looking cost nothing. It stands alone: an interval or "
        "test for a fixed number of dialogues does not hold for a contest that stopped on its own answers."
    )
    for judge, stopped in judged:
        said = [stopped.note(judge.contest.a.author, judge.contest.b.author)]
        if stopped.saved:
            said.append(f"{stopped.saved:,} of {stopped.expected:,} calls saved, {_saved_money(stopped)}")
        if stopped.beyond:
            said.append(f"{stopped.beyond:,} judgments beyond that look are stored and do not count")
        if judge.hard.unscored:
            said.append(f"unscored {format_reasons(judge.hard.unscored)}, entered by their bounds")
        told.append(f"{judge.contest.judge}: {'; '.join(said)}.")
    return told


def _saved_money(stopped: StoppingResult) -> str:
    return f"about {format_usd(stopped.saved_usd)}" if stopped.saved_usd is not None else "price not known"
