"""Leaderboard: authors by strength, one ranking per judge; also in AlpacaEval's CSV format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, Literal

import numpy as np
from typing_extensions import TypedDict

from agents.author_names import is_named
from agents.errors import UserError
from agents.output_escape import csv_text
from results.analysis.leaderboard import JudgeRanking, Leaderboard
from results.queries.contest_index import name_of
from results.render.columns import columns
from results.render.contest import range_document
from results.render.documents import RangeDocument
from results.render.estimable import EstimateDocument
from results.render.format import EMULATED_NOTE, ORDER_ROBUST_NOTE
from results.render.rendering import Rendering
from results.render.table import Column, Table
from results.render.writers.csv import csv_table
from results.render.writers.markdown import markdown_rendering
from results.statistics.bradley_terry import ELO_PER_LOG

ALPACA = (
    *("", "win_rate", "standard_error", "mode", "avg_length", "n_wins", "n_wins_base", "n_draws", "n_total"),
    "discrete_win_rate",
)


COLUMNS = columns(
    *("judge", Column("rank", unit="count"), "author", "strength"),
    *(Column("interval", "95 %", "strength_range"), Column("rank", "places", "rank_range")),
    *(Column("gap", unit="strength_estimate"), Column("preferred", unit="percent_estimate")),
    *("win_rate", "order_robust", "n", Column("group", unit="count"), Column("same_family", unit="flag")),
)
ONLY_IN_FILES = ("judge", "gap", "group")


class LeaderboardAuthor(TypedDict):
    """Author of a leaderboard.

    Attributes:
        rank: rank by strength; equal strengths share a rank.
        rank_range: ranks that the simultaneous intervals of differences allow.
        author: the author.
        response_set: id of its response set.
        reference: strongest author of its group, to which `gap` and `preferred` refer.
        strength: Bradley-Terry strength on Elo's scale, mean 1000.
        low, high: its interval; null without a bound.
        gap: strength of the reference minus its own.
        preferred: expected share of verdicts for the author over an average author, in [0, 1].
        win_rate: mean win rate over its opponents.
        order_robust: bounds of the win rate that hold for any position bias.
        n: number of dialogues.
        group: number of its group of connected authors.
        same_family: whether the judge is of the author's model family.
    """

    rank: int
    rank_range: RangeDocument
    author: str
    response_set: str
    reference: str
    strength: float
    low: float | None
    high: float | None
    gap: EstimateDocument
    preferred: EstimateDocument
    win_rate: float
    order_robust: RangeDocument
    n: int
    group: int
    same_family: bool


class RankingDocument(TypedDict):
    """One judge's ranking, or the ranking pooled over judges.

    Attributes:
        judge: display name of the judge.
        judge_id: content id of the judge.
        emulated: whether the judge is emulated.
        level: confidence level.
        prior_ties: number of tied dialogues added to each pair that met.
        authors: the authors, strongest first.
    """

    judge: str
    judge_id: str
    emulated: bool
    level: float
    prior_ties: float
    authors: list[LeaderboardAuthor]


class LeaderboardDocument(TypedDict):
    """Ranking of all judged authors.

    Attributes:
        split: the split.
        skipped_contests: number of contests that are not complete.
        rankings: one ranking per judge.
        notes: what limits the numbers.
    """

    document: Literal["leaderboard"]
    split: str
    skipped_contests: int
    rankings: list[RankingDocument]
    notes: list[str]


def ranking_table(ranking: JudgeRanking) -> Table:
    """Return one row per author from the strongest to the weakest; strengths on Elo's scale, rates in [0, 1].

    Interval ends without a bound are None.
    """
    strengths, table = ranking.strengths, Table(ranking.judge, columns=COLUMNS)
    for index in ranking.order:
        gap, low, high = (
            float(ELO_PER_LOG * each[index])
            for each in (strengths.gap, strengths.gap_low, strengths.gap_high)
        )
        table.add_row(
            ranking.judge,
            int(strengths.rank[index]),
            ranking.names[index],
            float(strengths.elo[index]),
            tuple(_bounded(1000.0 + ELO_PER_LOG * end[index]) for end in (strengths.low, strengths.high)),
            (int(strengths.rank_low[index]), int(strengths.rank_high[index])),
            (gap, _bounded(low), _bounded(high)),
            tuple(
                float(each[index])
                for each in (strengths.expected, strengths.expected_low, strengths.expected_high)
            ),
            float(ranking.rates[index]),
            tuple(map(float, ranking.order_robust[index])),
            int(strengths.n[index]),
            int(strengths.component[index]),
            ranking.authors[index].id in ranking.same_family,
        )
    return table


def _bounded(value: float) -> float | None:
    """Return a finite float, else None."""
    return float(value) if isfinite(value) else None


def render_leaderboard(board: Leaderboard) -> Rendering:
    """Render the rankings: one table per judge."""
    notes = _caveats(board)
    document: LeaderboardDocument = {
        "document": "leaderboard",
        "split": board.split,
        "skipped_contests": board.skipped,
        "rankings": [_ranking_data(ranking) for ranking in board.rankings],
        "notes": notes,
    }
    tables = (ranking_table(ranking).without(ONLY_IN_FILES) for ranking in board.rankings)
    shown = tuple(table.without_empty_columns(["same_family"]) for table in tables)
    return Rendering(document, shown, caveats=tuple(notes))


def _ranking_data(ranking: JudgeRanking) -> RankingDocument:
    """Return one judge's ranking as JSON data."""
    return {
        "judge": ranking.judge,
        "judge_id": ranking.judge_id,
        "emulated": ranking.emulated,
        "level": ranking.strengths.level,
        "prior_ties": ranking.strengths.prior_ties,
        "authors": [
            _author(ranking, index, row)
            for index, row in zip(ranking.order, ranking_table(ranking).records(), strict=True)
        ],
    }


def _author(ranking: JudgeRanking, index: int, row: Mapping[str, Any]) -> LeaderboardAuthor:
    """Return one author as JSON data; `row` is its record in `ranking_table`."""
    return {
        "rank": row["rank"],
        "rank_range": range_document(row["rank_low"], row["rank_high"]),
        "author": row["author"],
        "response_set": ranking.authors[index].id,
        "reference": ranking.names[ranking.strengths.reference[index]],
        "strength": row["strength"],
        "low": row["low"],
        "high": row["high"],
        "gap": {"value": row["gap"], "low": row["gap_low"], "high": row["gap_high"]},
        "preferred": {
            "value": row["preferred"],
            "low": row["preferred_low"],
            "high": row["preferred_high"],
        },
        "win_rate": row["win_rate"],
        "order_robust": range_document(row["order_robust_low"], row["order_robust_high"]),
        "n": row["n"],
        "group": row["group"],
        "same_family": row["same_family"],
    }


def leaderboard_csv(board: Leaderboard) -> str:
    """Return one CSV line per judge and author, with every column of `ranking_table`."""
    rows = [row for ranking in board.rankings for row in ranking_table(ranking).rows]
    return csv_table(Table(columns=COLUMNS, rows=rows))


def leaderboard_markdown(board: Leaderboard) -> str:
    """Return one Markdown table per judge."""
    return markdown_rendering(render_leaderboard(board), f"Leaderboard, {board.split} split")


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
