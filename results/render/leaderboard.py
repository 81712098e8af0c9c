"""Leaderboard: authors by strength, one ranking per judge; also in AlpacaEval's CSV format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np

from agents.author_names import is_named
from agents.errors import UserError
from agents.output_escape import csv_rows, csv_text
from results.analysis.leaderboard import JudgeRanking, Leaderboard
from results.queries.contest_index import name_of
from results.render.format import EMULATED_NOTE, ORDER_ROBUST_NOTE
from results.render.rendering import Rendering
from results.render.table import Column, Table
from results.render.writers.markdown import markdown_rendering
from results.statistics.bradley_terry import ELO_PER_LOG

ALPACA = (
    *("", "win_rate", "standard_error", "mode", "avg_length", "n_wins", "n_wins_base", "n_draws", "n_total"),
    "discrete_win_rate",
)


def ranking_rows(ranking: JudgeRanking) -> list[dict[str, Any]]:
    """Return one row per author from the strongest to the weakest; strengths on Elo's scale, rates in [0, 1].

    Interval ends without a bound are None.
    """
    strengths = ranking.strengths
    return [
        {
            "judge": ranking.judge,
            "rank": int(strengths.rank[index]),
            "author": ranking.names[index],
            "strength": float(strengths.elo[index]),
            "low": _bounded(1000.0 + ELO_PER_LOG * strengths.low[index]),
            "high": _bounded(1000.0 + ELO_PER_LOG * strengths.high[index]),
            "rank_low": int(strengths.rank_low[index]),
            "rank_high": int(strengths.rank_high[index]),
            "gap": float(ELO_PER_LOG * strengths.gap[index]),
            "gap_low": _bounded(ELO_PER_LOG * strengths.gap_low[index]),
            "gap_high": _bounded(ELO_PER_LOG * strengths.gap_high[index]),
            "preferred": float(strengths.expected[index]),
            "preferred_low": float(strengths.expected_low[index]),
            "preferred_high": float(strengths.expected_high[index]),
            "win_rate": float(ranking.rates[index]),
            "order_robust_low": float(ranking.order_robust[index, 0]),
            "order_robust_high": float(ranking.order_robust[index, 1]),
            "n": int(strengths.n[index]),
            "group": int(strengths.component[index]),
            "same_family": ranking.authors[index].id in ranking.same_family,
        }
        for index in ranking.order
    ]


def _bounded(value: float) -> float | None:
    """Return a finite float, else None."""
    return float(value) if isfinite(value) else None


def render_leaderboard(board: Leaderboard) -> Rendering:
    """Render the rankings: one table per judge."""
    notes = _caveats(board)
    document = {
        "split": board.split,
        "skipped_contests": board.skipped,
        "rankings": [_ranking_data(ranking) for ranking in board.rankings],
        "notes": notes,
    }
    return Rendering(document, tuple(map(_table, board.rankings)), caveats=tuple(notes))


def _ranking_data(ranking: JudgeRanking) -> dict[str, Any]:
    """Return one judge's ranking as JSON data."""
    return {
        "judge": ranking.judge,
        "judge_id": ranking.judge_id,
        "emulated": ranking.emulated,
        "level": ranking.strengths.level,
        "prior_ties": ranking.strengths.prior_ties,
        "authors": [
            {
                **row,
                "response_set": ranking.authors[index].id,
                "reference": ranking.names[ranking.strengths.reference[index]],
            }
            for index, row in zip(ranking.order, ranking_rows(ranking), strict=True)
        ],
    }


def leaderboard_csv(board: Leaderboard) -> str:
    """Return one CSV line per judge and author, with every column of `ranking_rows`."""
    rows = [row for ranking in board.rankings for row in ranking_rows(ranking)]
    return csv_rows(list(rows[0]), rows)


def leaderboard_markdown(board: Leaderboard) -> str:
    """Return one Markdown table per judge."""
    return markdown_rendering(render_leaderboard(board), f"Leaderboard, {board.split} split")


def _table(ranking: JudgeRanking) -> Table:
    """Return one row per author."""
    columns = [
        Column("rank", unit="count"),
        Column("author"),
        Column("strength", unit="strength"),
        Column("interval", "95 %", "strength_range"),
        Column("places", unit="places"),
        Column("preferred", unit="percent_estimate"),
        Column("win_rate", unit="percent"),
        Column("order_robust", "order-robust", "percent_range"),
        Column("n", unit="count"),
    ]
    table = Table(ranking.judge, columns=columns)
    for row in ranking_rows(ranking):
        table.add_row(
            row["rank"],
            row["author"] + (" (same family)" if row["same_family"] else ""),
            row["strength"],
            (row["low"], row["high"]),
            (row["rank_low"], row["rank_high"]),
            (row["preferred"], row["preferred_low"], row["preferred_high"]),
            row["win_rate"],
            (row["order_robust_low"], row["order_robust_high"]),
            row["n"],
        )
    return table


def alpaca_eval_csv(ranking: JudgeRanking, baseline: str, lengths: Mapping[str, float]) -> str:
    """Return AlpacaEval's leaderboard.csv: every author's win rate against one author, in percent.

    Args:
        ranking: the ranking of one judge.
        baseline: name of the author that all others are compared with.
        lengths: mean response length in characters, by response set id.

    Raises:
        UserError: no author, or several response sets, have the baseline's name.
    """
    matches = [
        index
        for index, response_set in enumerate(ranking.authors)
        if baseline in (ranking.names[index], name_of(response_set), response_set.id)
        or is_named(name_of(response_set), baseline)
    ]
    if len(matches) != 1:
        raise UserError(
            "the baseline must match exactly one author",
            code="leaderboard.baseline-unknown",
            where="--baseline",
            found=repr(baseline),
            remedy=f"Choose one of: {', '.join(ranking.names)}.",
        )
    base = ranking.authors[matches[0]].id
    names = {response_set.id: name for response_set, name in zip(ranking.authors, ranking.names, strict=True)}
    meetings = [meeting for meeting in ranking.scores if meeting.opponent == base]
    rows = []
    for meeting in sorted(meetings, key=lambda meeting: (-meeting.rate, names[meeting.author])):
        n = meeting.wins + meeting.losses + meeting.draws
        rows.append(
            [
                names[meeting.author],
                100 * meeting.rate,
                100 * meeting.error,
                "community",
                round(lengths.get(meeting.author, 0.0)),
                meeting.wins,
                meeting.losses,
                meeting.draws,
                n,
                100 * (meeting.wins + 0.5 * meeting.draws) / n,
            ]
        )
    return csv_text(ALPACA, rows)


def _caveats(board: Leaderboard) -> list[str]:
    """Return the caveats of all rankings."""
    notes = [EMULATED_NOTE] if any(ranking.emulated for ranking in board.rankings) else []
    notes += dict.fromkeys(note for ranking in board.rankings for note in ranking.answering_model_notes)
    notes.append(
        "Strength: Bradley–Terry on Elo's scale, mean 1000, with a separate scale per judge. Places: ranks "
        "compatible with the intervals of the differences. Preferred: expected win rate against the other "
        "authors. Intervals are over dialogues and the noise of one generation per dialogue, for this "
        "judge, and never narrower than the pairs' own intervals imply. One tied dialogue is added to every "
        "pair for the strength, not for its interval."
    )
    notes.append(ORDER_ROBUST_NOTE)
    if any(
        not np.isfinite([strengths.low, strengths.high]).all()
        for strengths in (ranking.strengths for ranking in board.rankings)
    ):
        notes.append(
            "An author won or lost everything, so on that side neither its strength nor the scale's "
            "mean, and "
            "hence no strength, has a bound. Places, “preferred” and the gaps in --json are not affected."
        )
    if any(ranking.strengths.component.max() > 0 for ranking in board.rankings):
        notes.append("Authors that are not connected through contests are ranked in separate groups.")
    if any(ranking.same_family for ranking in board.rankings):
        notes.append(
            "Same family: of the judge's family, or trained on its responses; risk of self-preference."
        )
    if board.skipped:
        notes.append(f"Passed over: {board.skipped} contests with early stopping.")
    if len(board.rankings) == 1:
        notes.append("One judge only; another judge may rank the authors differently.")
    return notes


def most_common_opponent(rankings: Sequence[JudgeRanking]) -> str:
    """Return the author that most others met: AlpacaEval's baseline by default."""
    counts: dict[str, set[str]] = {}
    names: dict[str, str] = {}
    for ranking in rankings:
        for meeting in ranking.scores:
            counts.setdefault(meeting.opponent, set()).add(meeting.author)
        names |= {
            response_set.id: name for response_set, name in zip(ranking.authors, ranking.names, strict=True)
        }
    return names[max(sorted(counts), key=lambda meeting: len(counts[meeting]))]
