"""The best of everyone that was judged against one opponent, corrected for having been chosen so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from results.analysis.contest_selection import ContestSelection, JudgeContests
from results.analysis.multi_comparison import MultiComparison
from results.queries.contest_index import name_of
from results.statistics import NotEstimable, WinnerEstimate, dialogue_scores, estimate_winner


@dataclass(frozen=True)
class BestAuthor:
    """One judge's best author, or why nothing can be said of it; `author` is "" then."""

    author: str
    best: WinnerEstimate | NotEstimable


def best_authors(everyone: MultiComparison) -> Mapping[str, BestAuthor]:
    """By the judge's name, from two authors on; empty for pairs of authors."""
    if everyone.pairwise or len(everyone.gathered.authors) < 2:
        return {}
    return {
        under.judge: _winner(everyone.gathered, under, everyone.seed, everyone.level, soft=everyone.soft)
        for under in everyone.gathered.judges
        if len(under.standings) > 1
    }


def _winner(
    gathered: ContestSelection, under: JudgeContests, seed: int, level: float, *, soft: bool
) -> BestAuthor:
    authors = [author for author in gathered.authors if author.id in under.standings]
    standings = [under.standings[author.id] for author in authors]
    asked = np.all([standing.asked for standing in standings], axis=0)
    scores = [dialogue_scores(standing.columns, soft=soft).score[asked] for standing in standings]
    best = estimate_winner(np.stack(scores, axis=1), seed=seed, level=level)
    return BestAuthor("" if isinstance(best, NotEstimable) else name_of(authors[best.winner]), best)
