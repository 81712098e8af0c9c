"""Variance components of a win rate: training seeds, dialogues, generations and samples, by judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from agents.errors import UserError
from agents.types import ResponseSet
from results.analysis.comparison import check_has_soft_verdicts
from results.analysis.contest_selection import ContestSelection, JudgeContests
from results.statistics import NotEstimable, VarianceTable, dialogue_scores, variance_table


@dataclass(frozen=True)
class VarianceAnalysis:
    """Variance table of every judge.

    Attributes:
        selection: contests that the analysis uses.
        checkpoints: one tuple of response sets (its generations) per training seed.
        tables: judge → variance table.
        soft: whether soft verdicts are used.
    """

    selection: ContestSelection
    checkpoints: tuple[tuple[ResponseSet, ...], ...]
    tables: Mapping[str, VarianceTable | NotEstimable]
    soft: bool


def analyze_variance(
    selection: ContestSelection, generations: int, *, requests: int = 1000, soft: bool = False
) -> VarianceAnalysis:
    """Compute the variance components of the selected authors.

    Args:
        generations: number of generations per checkpoint; the authors are ordered by checkpoint.
        requests: number of further judge requests to allocate.
        soft: use soft verdicts instead of hard ones.

    Raises:
        UserError: the number of authors is not a multiple of `generations`, or soft verdicts of a judge that
            returned none.
    """
    if soft:
        check_has_soft_verdicts(selection)
    authors = selection.authors
    if len(authors) % generations:
        raise UserError(
            "the number of authors is not a multiple of the generations per checkpoint",
            code="comparison.uneven-generations",
            where="--variance",
            found=f"{len(authors)} authors, {generations} generations",
            remedy="Name every generation of every checkpoint, separated by commas.",
        )
    checkpoints = tuple(authors[start : start + generations] for start in range(0, len(authors), generations))
    tables = {
        judge_contests.judge: _variance_table(judge_contests, checkpoints, requests, soft=soft)
        for judge_contests in selection.judges
    }
    return VarianceAnalysis(selection, checkpoints, tables, soft)


def _variance_table(
    judge_contests: JudgeContests,
    checkpoints: tuple[tuple[ResponseSet, ...], ...],
    requests: int,
    *,
    soft: bool,
) -> VarianceTable | NotEstimable:
    author_contests = [
        [judge_contests.author_contests[author.id] for author in generations] for generations in checkpoints
    ]
    included = np.all([contest.included for row in author_contests for contest in row], axis=0)
    by_order = [
        [dialogue_scores(contest.columns, soft=soft).by_order[included] for contest in row]
        for row in author_contests
    ]
    repetitions = min(scores.shape[2] for row in by_order for scores in row)
    stacked = np.array([[scores[:, :, :repetitions] for scores in row] for row in by_order])
    return variance_table(stacked, requests=requests)
