"""Best author against a common opponent, corrected for selection bias (the winner's curse)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from results.analysis.contest_selection import ContestSelection, JudgeContests
from results.analysis.multi_comparison import MultiComparison
from results.statistics import NotEstimable, WinnerEstimate, dialogue_scores, estimate_winner


@dataclass(frozen=True)
class BestAuthor:
    """One judge's best author with its corrected win rate.

    `author` is "" when the estimate is not identifiable.
    """

    author: str
    best: WinnerEstimate | NotEstimable


def best_authors(comparison: MultiComparison) -> Mapping[str, BestAuthor]:
    """Estimate each judge's best author, by judge name; empty for fewer than two authors or pairwise rows."""
    if comparison.pairwise or len(comparison.selection.authors) < 2:
        return {}
    return {
        judge_contests.judge: _estimate_best(
            comparison.selection, judge_contests, comparison.seed, comparison.level, soft=comparison.soft
        )
        for judge_contests in comparison.selection.judges
        if len(judge_contests.author_contests) > 1
    }


def _estimate_best(
    selection: ContestSelection, judge_contests: JudgeContests, seed: int, level: float, *, soft: bool
) -> BestAuthor:
    authors = [author for author in selection.authors if author.id in judge_contests.author_contests]
    author_contests = [judge_contests.author_contests[author.id] for author in authors]
    included = np.all([contest.included for contest in author_contests], axis=0)
    scores = [dialogue_scores(contest.columns, soft=soft).score[included] for contest in author_contests]
    best = estimate_winner(np.stack(scores, axis=1), seed=seed, level=level)
    return BestAuthor("" if isinstance(best, NotEstimable) else authors[best.winner].name, best)
