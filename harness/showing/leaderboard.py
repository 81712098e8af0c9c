"""A leaderboard as data, Markdown, CSV and in AlpacaEval's form: the same numbers. Computes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agents.errors import UserError
from agents.formats import csv_rows, csv_text, markdown_row, markdown_text
from harness.data.authors import is_called
from harness.findings.ranking import Leaderboard, Ranking
from harness.runs.catalogue import name_of
from harness.terminal.tables import Table
from harness.wording import EMULATED_NOTE, percent
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
    "preferred",
    "win_rate",
    "n",
    "group",
    "kin",
)
TABLE = ("rank", "author", "strength", "95 %", "places", "preferred", "win rate", "n")
ALPACA = (
    *("", "win_rate", "standard_error", "mode", "avg_length", "n_wins", "n_wins_base", "n_draws", "n_total"),
    "discrete_win_rate",
)


def rows_of(ranking: Ranking) -> list[dict[str, Any]]:
    """One row per author, the strongest first; strengths on Elo's scale, rates in [0, 1]."""
    of = ranking.strengths

    per_log = ELO_PER_LOG
    rows = []
    places: dict[int, int] = {}
    for at in ranking.order:
        group = int(of.component[at])
        places[group] = places.get(group, 0) + 1
        rows.append(
            {
                "judge": ranking.judge,
                "rank": places[group],
                "author": ranking.names[at],
                "strength": float(of.elo[at]),
                "low": 1000.0 + per_log * float(of.low[at]),
                "high": 1000.0 + per_log * float(of.high[at]),
                "rank_low": int(of.rank_low[at]),
                "rank_high": int(of.rank_high[at]),
                "preferred": float(of.expected[at]),
                "win_rate": float(ranking.rates[at]),
                "n": int(of.n[at]),
                "group": group,
                "kin": ranking.authors[at].id in ranking.kin,
            }
        )
    return rows


def as_data(board: Leaderboard) -> dict[str, Any]:
    """The whole leaderboard as plain data."""
    return {
        "split": board.split,
        "passed_over": board.passed_over,
        "rankings": [
            {
                "judge": ranking.judge,
                "judge_id": ranking.judge_id,
                "emulated": ranking.emulated,
                "level": ranking.strengths.level,
                "prior_ties": ranking.strengths.prior_ties,
                "authors": [
                    {**row, "set": ranking.authors[at].id}
                    for at, row in zip(ranking.order, rows_of(ranking), strict=True)
                ],
            }
            for ranking in board.rankings
        ],
        "notes": notes(board),
    }


def as_csv(board: Leaderboard) -> str:
    """One line per judge and author."""
    return csv_rows(HEADS, (row for ranking in board.rankings for row in rows_of(ranking)))


def as_markdown(board: Leaderboard) -> str:
    """A table per judge."""
    parts = [f"# Leaderboard, {board.split} split"]
    for ranking in board.rankings:
        parts.append(f"## {markdown_text(ranking.judge)}")
        lines = [markdown_row(TABLE), "|--:|:--|--:|:-:|:-:|--:|--:|--:|"]
        lines += [markdown_row(_cells(row)) for row in rows_of(ranking)]
        parts.append("\n".join(lines))
    parts += [f"*{markdown_text(note)}*" for note in notes(board)]
    return "\n\n".join(parts) + "\n"


def _cells(row: Mapping[str, Any]) -> list[str]:
    places = (
        str(row["rank_low"])
        if row["rank_low"] == row["rank_high"]
        else f"{row['rank_low']}–{row['rank_high']}"
    )
    return [
        str(row["rank"]),
        row["author"] + (" (kin)" if row["kin"] else ""),
        f"{row['strength']:.0f}",
        f"{row['low']:.0f} to {row['high']:.0f}",
        places,
        percent(row["preferred"]),
        percent(row["win_rate"]),
        str(row["n"]),
    ]


def as_tables(board: Leaderboard) -> list[Table]:
    """A table per judge, for a terminal."""
    tables = []
    for ranking in board.rankings:
        table = Table(ranking.judge)
        for head in TABLE:
            table.add_column(head, justify="left" if head == "author" else "right")
        for row in rows_of(ranking):
            table.add_row(*_cells(row))
        tables.append(table)
    return tables


def as_alpaca(ranking: Ranking, baseline: str, lengths: Mapping[str, float]) -> str:
    """AlpacaEval's leaderboard.csv: everybody's win rate against one author, in percent.

    Args:
        lengths: by set id, the mean length of its responses in characters.

    Raises:
        UserError: nobody, or several sets, have the baseline's name.
    """
    known = [
        at
        for at, of in enumerate(ranking.authors)
        if baseline in (ranking.names[at], name_of(of), of.id) or is_called(name_of(of), baseline)
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
    found = [one for one in ranking.meetings if one.opponent == base]
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


def notes(board: Leaderboard) -> list[str]:
    """What a reader must know."""
    told = [EMULATED_NOTE] if any(ranking.emulated for ranking in board.rankings) else []
    told += dict.fromkeys(note for ranking in board.rankings for note in ranking.answerer_notes)
    told.append(
        "Strength: Bradley–Terry on Elo's scale, mean 1000; each judge has a scale of its own. Places: "
        "the interval of ranks. Preferred: expected share against the others. Intervals resample dialogues; "
        "these responses, this judge. Every pair that met counts one dialogue more, a tie."
    )
    if any(ranking.strengths.component.max() > 0 for ranking in board.rankings):
        told.append("Authors that never met, even through others, are ranked in groups of their own.")
    if any(ranking.kin for ranking in board.rankings):
        told.append("kin: of the judge's own family, or taught by it; it may favour its own.")
    if board.passed_over:
        told.append(f"Passed over: {board.passed_over} contests that stopped on their own answers.")
    if len(board.rankings) == 1:
        told.append("One judge only: another may order the authors otherwise.")
    return told


def commonest_opponent(rankings: Sequence[Ranking]) -> str:
    """The author that most others met: AlpacaEval's baseline where none is named."""
    counts: dict[str, set[str]] = {}
    names: dict[str, str] = {}
    for ranking in rankings:
        for one in ranking.meetings:
            counts.setdefault(one.opponent, set()).add(one.author)
        names |= {of.id: name for of, name in zip(ranking.authors, ranking.names, strict=True)}
    return names[max(sorted(counts), key=lambda one: len(counts[one]))]
