"""Where the noise of a rate comes from: seeds, dialogues, generations, repetitions, by every judge."""

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
    """A variance table for every judge.

    Attributes:
        gathered: what it is made of.
        checkpoints: one tuple of response sets, its generations, for each training seed.
        tables: by the judge's name, or why there is none.
        soft: as asked for.
    """

    gathered: ContestSelection
    checkpoints: tuple[tuple[ResponseSet, ...], ...]
    tables: Mapping[str, VarianceTable | NotEstimable]
    soft: bool


def analyze_variance(
    gathered: ContestSelection, generations: int, *, requests: int = 1000, soft: bool = False
) -> VarianceAnalysis:
    """The gathered authors are so many generations of each training seed's checkpoint, in the order given.

    Raises:
        UserError: the authors are no multiple of the generations, or soft verdicts of a judge without any.
    """
    if soft:
        check_has_soft_verdicts(gathered)
    authors = gathered.authors
    if len(authors) % generations:
        raise UserError(
            "the number of authors is not a multiple of the generations per checkpoint",
            code="comparison.uneven-generations",
            where="--variance",
            found=f"{len(authors)} authors, {generations} generations",
            remedy="Name every generation of every checkpoint, separated by commas.",
        )
    checkpoints = tuple(authors[start : start + generations] for start in range(0, len(authors), generations))
    tables = {under.judge: _table(under, checkpoints, requests, soft=soft) for under in gathered.judges}
    return VarianceAnalysis(gathered, checkpoints, tables, soft)


def _table(
    under: JudgeContests, checkpoints: tuple[tuple[ResponseSet, ...], ...], requests: int, *, soft: bool
) -> VarianceTable | NotEstimable:
    standings = [[under.standings[one.id] for one in generations] for generations in checkpoints]
    asked = np.all([standing.asked for row in standings for standing in row], axis=0)
    by_order = [
        [dialogue_scores(standing.columns, soft=soft).by_order[asked] for standing in row]
        for row in standings
    ]
    repetitions = min(scores.shape[2] for row in by_order for scores in row)
    stacked = np.array([[scores[:, :, :repetitions] for scores in row] for row in by_order])
    return variance_table(stacked, requests=requests)
