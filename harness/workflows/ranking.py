"""Leaderboard of all judged authors, from stored verdicts, in every format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.author_names import AuthorKind, AuthorName
from harness.data.author_resolver import Author
from harness.workflows.interchange import export_judgments, import_responses, read_import, to_json_lines
from harness.workflows.workspace import Workspace
from results.analysis.controlled_ranking import controlled_rankings
from results.analysis.leaderboard import JudgeRanking, Leaderboard, load_leaderboard
from results.db.store import Store
from results.render.controlled_ranking import render_controlled_ranking
from results.render.leaderboard import (
    alpaca_eval_csv,
    leaderboard_csv,
    leaderboard_markdown,
    most_common_opponent,
    render_leaderboard,
)
from results.render.rendering import Rendering
from results.render.writers.json import json_rendering


@dataclass(frozen=True, kw_only=True)
class RankingOptions:
    """Judges and contests of a leaderboard.

    Attributes:
        judges: names of judges; empty for all.
        split: split of the contests.
        seed: of the resampling.
        exclude_same_family: whether to exclude contests of a judge with an author of its model family.
    """

    judges: tuple[str, ...] = ()
    split: str = "test"
    seed: int = 0
    exclude_same_family: bool = False


async def rank_authors(workspace: Workspace, options: RankingOptions) -> Leaderboard:
    """Return the ranking of all judged authors, per judge and pooled.

    Raises:
        UserError: a judge is unknown, or nothing was judged.
    """
    return await load_leaderboard(
        await workspace.store(),
        options.judges,
        split=options.split,
        seed=options.seed,
        exclude_same_family=options.exclude_same_family,
    )


async def rank_at_equal_style(workspace: Workspace, options: RankingOptions) -> Rendering:
    """Return the ranking at equal length and style, with the effects of both, rendered.

    Raises:
        UserError: as for `rank_authors`.
    """
    rankings = await controlled_rankings(
        await workspace.store(),
        options.judges,
        split=options.split,
        seed=options.seed,
        exclude_same_family=options.exclude_same_family,
    )
    return render_controlled_ranking(rankings, options.split)


async def export_ranking(
    workspace: Workspace, options: RankingOptions, formats: Sequence[str], baseline: str | None = None
) -> tuple[dict[str, bytes], str]:
    """Return the leaderboard in these formats, and a note about the baseline of AlpacaEval's format.

    Args:
        formats: "md", "csv", "json", "alpaca-eval" (CSV) and "battles" (JSON lines of all verdicts).
        baseline: opponent in AlpacaEval's format; None for the author with most opponents.

    Raises:
        UserError: as for `rank_authors`, or the baseline is unknown.
    """
    store, note = await workspace.store(), ""
    files: dict[str, bytes] = {}
    if "battles" in formats:
        files["battles"] = to_json_lines(await export_judgments(store))
    if set(formats) <= {"battles"}:
        return files, note
    board = await rank_authors(workspace, options)
    files["md"] = leaderboard_markdown(board).encode()
    files["csv"] = leaderboard_csv(board).encode()
    files["json"] = json_rendering(render_leaderboard(board))
    if "alpaca-eval" in formats:
        own = [ranking for ranking in board.rankings if ranking.judge_id]
        ranking = max(own, key=_by_size)
        name = baseline or most_common_opponent(board.rankings)
        files["alpaca-eval"] = alpaca_eval_csv(ranking, name, await _mean_lengths(store, ranking)).encode()
        note = f"AlpacaEval format: against {name}, by {ranking.judge}"
    return files, note


def _by_size(ranking: JudgeRanking) -> tuple[bool, int]:
    """Return the key by which models come after control judges, and larger rankings after smaller ones."""
    is_model = AuthorName.parse(ranking.judge).kind is not AuthorKind.CONTROL
    return is_model, len(ranking.authors)


async def _mean_lengths(store: Store, ranking: JudgeRanking) -> dict[str, float]:
    """Return the mean length in characters of each response set, by its id."""
    mean_lengths = {}
    for response_set in ranking.authors:
        texts = [len(response.text) for response in await store.responses(response_set.id)]
        mean_lengths[response_set.id] = sum(texts) / max(1, len(texts))
    return mean_lengths


async def import_author(workspace: Workspace, path: Path, name: str) -> Author:
    """Import the responses of a file as an author and return it.

    Raises:
        UserError: the file is invalid.
    """
    dialogues = workspace.dataset.dialogues
    author = read_import(path, dialogues, name)
    await import_responses(await workspace.store(create=True), author, dialogues)
    return author
