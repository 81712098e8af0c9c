"""A leaderboard as data, Markdown, CSV and in AlpacaEval's form: the same numbers. Computes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np

from agents.author_names import is_named
from agents.errors import UserError
from agents.output_escape import csv_rows, csv_text, markdown_row, markdown_text
from results.analysis.leaderboard import JudgeRanking, Leaderboard
from results.queries.contest_index import name_of
from results.render.format import EMULATED_NOTE, ORDER_ROBUST_NOTE, format_percent, format_range
from results.render.table import Table
from results.statistics.bradley_terry import ELO_PER_LOG

HEADS = (
    "judge",
    "rank",
    "author",
    "strength",
    "low",
    "high",
    "rank_low",
    "rank_high",
    "gap",
    "gap_low",
    "gap_high",
    "preferred",
    "preferred_low",
    "preferred_high",
    "win_rate",
    "order_robust_low",
    "order_robust_high",
    "n",
    "group",
    "same_family",
)
TABLE = ("rank", "author", "strength", "95 %", "places", "preferred", "win rate", "order-robust", "n")
ALPACA = (
    *("", "win_rate", "standard_error", "mode", "avg_length", "n_wins", "n_wins_base", "n_draws", "n_total"),
    "discrete_win_rate",
)


def ranking_rows(ranking: JudgeRanking) -> list[dict[str, Any]]:
    """One row per author, the strongest first; strengths on Elo's scale, rates in [0, 1].

    An end of an interval that the data do not bound is None.
    """
    of = ranking.strengths
    return [
        {
            "judge": ranking.judge,
            "rank": int(of.rank[at]),
            "author": ranking.names[at],
            "strength": float(of.elo[at]),
            "low": _bounded(1000.0 + ELO_PER_LOG * of.low[at]),
            "high": _bounded(1000.0 + ELO_PER_LOG * of.high[at]),
            "rank_low": int(of.rank_low[at]),
            "rank_high": int(of.rank_high[at]),
            "gap": float(ELO_PER_LOG * of.gap[at]),
            "gap_low": _bounded(ELO_PER_LOG * of.gap_low[at]),
            "gap_high": _bounded(ELO_PER_LOG * of.gap_high[at]),
            "preferred": float(of.expected[at]),
            "preferred_low": float(of.expected_low[at]),
            "preferred_high": float(of.expected_high[at]),
            "win_rate": float(ranking.rates[at]),
            "order_robust_low": float(ranking.order_robust[at, 0]),
            "order_robust_high": float(ranking.order_robust[at, 1]),
            "n": int(of.n[at]),
            "group": int(of.component[at]),
            "same_family": ranking.authors[at].id in ranking.same_family,
        }
        for at in ranking.order
    ]


def _bounded(end: float) -> float | None:
    return float(end) if isfinite(end) else None


def to_dict(board: Leaderboard) -> dict[str, Any]:
    """The whole leaderboard as plain data."""
    return {
        "split": board.split,
        "skipped_contests": board.skipped,
        "rankings": [
            {
                "judge": ranking.judge,
                "judge_id": ranking.judge_id,
                "emulated": ranking.emulated,
                "level": ranking.strengths.level,
                "prior_ties": ranking.strengths.prior_ties,
                "authors": [
                    {
                        **row,
                        "response_set": ranking.authors[at].id,
                        "reference": ranking.names[ranking.strengths.reference[at]],
                    }
                    for at, row in zip(ranking.order, ranking_rows(ranking), strict=True)
                ],
            }
            for ranking in board.rankings
        ],
        "notes": caveats(board),
    }


def to_csv(board: Leaderboard) -> str:
    """One line per judge and author."""
    return csv_rows(HEADS, (row for ranking in board.rankings for row in ranking_rows(ranking)))


def to_markdown(board: Leaderboard) -> str:
    """A table per judge."""
    parts = [f"# Leaderboard, {board.split} split"]
    for ranking in board.rankings:
        parts.append(f"## {markdown_text(ranking.judge)}")
        lines = [markdown_row(TABLE), "|--:|:--|--:|:-:|:-:|--:|--:|:-:|--:|"]
        lines += [markdown_row(_cells(row)) for row in ranking_rows(ranking)]
        parts.append("\n".join(lines))
    parts += [f"*{markdown_text(note)}*" for note in caveats(board)]
    return "\n\n".join(parts) + "\n"


def _cells(row: Mapping[str, Any]) -> list[str]:
    places = (
        str(row["rank_low"])
        if row["rank_low"] == row["rank_high"]
        else f"{row['rank_low']}–{row['rank_high']}"
    )
    return [
        str(row["rank"]),
        row["author"] + (" (same family)" if row["same_family"] else ""),
        f"{row['strength']:.0f}",
        _ends(row["low"], row["high"]),
        places,
        f"{format_percent(row['preferred'])} ({format_range(row['preferred_low'], row['preferred_high'])})",
        format_percent(row["win_rate"]),
        format_range(row["order_robust_low"], row["order_robust_high"]),
        str(row["n"]),
    ]


def _ends(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"{low:.0f} to {high:.0f}"
    if low is not None:
        return f"{low:.0f} and up"
    return "no bound" if high is None else f"{high:.0f} and down"


def to_tables(board: Leaderboard) -> list[Table]:
    """A table per judge, for a terminal."""
    tables = []
    for ranking in board.rankings:
        table = Table(ranking.judge)
        for head in TABLE:
            table.add_column(head, justify="left" if head == "author" else "right")
        for row in ranking_rows(ranking):
            table.add_row(*_cells(row))
        tables.append(table)
    return tables


def to_alpaca_csv(ranking: JudgeRanking, baseline: str, lengths: Mapping[str, float]) -> str:
    """AlpacaEval's leaderboard.csv: everybody's win rate against one author, in percent.

    Args:
        lengths: by set id, the mean length of its responses in characters.

    Raises:
        UserError: nobody, or several sets, have the baseline's name.
    """
    known = [
        at
        for at, of in enumerate(ranking.authors)
        if baseline in (ranking.names[at], name_of(of), of.id) or is_named(name_of(of), baseline)
    ]
    if len(known) != 1:
        raise UserError(
            "AlpacaEval's form needs one author that all are compared with",
            where="--baseline",
            found=repr(baseline),
            remedy=f"Choose one of: {', '.join(ranking.names)}.",
        )
    base = ranking.authors[known[0]].id
    names = {of.id: name for of, name in zip(ranking.authors, ranking.names, strict=True)}
    found = [one for one in ranking.scores if one.opponent == base]
    rows = []
    for one in sorted(found, key=lambda one: (-one.rate, names[one.author])):
        n = one.wins + one.losses + one.draws
        rows.append(
            [
                names[one.author],
                100 * one.rate,
                100 * one.error,
                "community",
                round(lengths.get(one.author, 0.0)),
                one.wins,
                one.losses,
                one.draws,
                n,
                100 * (one.wins + 0.5 * one.draws) / n,
            ]
        )
    return csv_text(ALPACA, rows)


def caveats(board: Leaderboard) -> list[str]:
    """What a reader must know."""
    told = [EMULATED_NOTE] if any(ranking.emulated for ranking in board.rankings) else []
    told += dict.fromkeys(note for ranking in board.rankings for note in ranking.answerer_notes)
    told.append(
        "Strength: Bradley–Terry on Elo's scale, mean 1000; each judge has a scale of its own. Places: "
        "those that the intervals of the differences leave open. Preferred: expected share against the "
        "others. Intervals are over dialogues and the noise of the one generation for each, under this "
        "judge; none is surer than its pairs' own rates. Every pair that met counts one dialogue more, a "
        "tie, in the strength and not in its interval."
    )
    told.append(ORDER_ROBUST_NOTE)
    if any(not np.isfinite([of.low, of.high]).all() for of in (one.strengths for one in board.rankings)):
        told.append(
            "An author won or lost everything: on that side its strength has no bound, nor has the mean of "
            "the scale, and so nobody's. Places, “preferred” and the gaps in --json are not touched by it."
        )
    if any(ranking.strengths.component.max() > 0 for ranking in board.rankings):
        told.append("Authors that never met, even through others, are ranked in groups of their own.")
    if any(ranking.same_family for ranking in board.rankings):
        told.append("Same family: of the judge's own family, or taught by it; it may favour its own.")
    if board.skipped:
        told.append(f"Passed over: {board.skipped} contests that stopped on their own answers.")
    if len(board.rankings) == 1:
        told.append("One judge only: another may order the authors otherwise.")
    return told


def most_common_opponent(rankings: Sequence[JudgeRanking]) -> str:
    """The author that most others met: AlpacaEval's baseline where none is named."""
    counts: dict[str, set[str]] = {}
    names: dict[str, str] = {}
    for ranking in rankings:
        for one in ranking.scores:
            counts.setdefault(one.opponent, set()).add(one.author)
        names |= {of.id: name for of, name in zip(ranking.authors, ranking.names, strict=True)}
    return names[max(sorted(counts), key=lambda one: len(counts[one]))]
