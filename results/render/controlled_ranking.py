"""Rankings controlled for length and style, one per judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from typing_extensions import TypedDict

from results.analysis.controlled_ranking import ControlledRanking
from results.queries.contest_index import name_of
from results.render.columns import columns
from results.render.estimable import Estimable, estimable
from results.render.format import EMULATED_NOTE
from results.render.rendering import Rendering
from results.render.table import Column, Table
from results.statistics import ControlledStrengths, NotEstimable
from results.statistics.controlled_strengths import CovariateEffect
from results.statistics.selection_bias import CorrectedEstimate


class ControlledAuthor(TypedDict):
    """Author of a ranking at equal length and style.

    Attributes:
        author: the author.
        response_set: id of its response set.
        strength: controlled strength on Elo's scale.
        low, high: its interval; null for an author that won or lost nearly everything, or is extrapolated.
        uncontrolled: strength without control.
        extrapolated: whether the strength at equal length is extrapolated.
    """

    author: str
    response_set: str
    strength: float
    low: float | None
    high: float | None
    uncontrolled: float
    extrapolated: bool


class ControlledStrengthsDocument(TypedDict):
    """Strengths at equal length and style.

    Attributes:
        authors: the authors, strongest first.
        best: strength of the strongest author, corrected for selection; null without an interval.
        effects: effects of the covariates that vary.
        level: confidence level.
        n: number of meetings with a score.
        dialogues: number of dialogues with a meeting.
        wording: how to describe the numbers.
    """

    authors: list[ControlledAuthor]
    best: CorrectedEstimate | None
    effects: list[CovariateEffect]
    level: float
    n: int
    dialogues: int
    wording: str


class ControlledJudgeRanking(Estimable[ControlledStrengthsDocument]):
    """One judge's ranking at equal length and style.

    Attributes:
        judge: display name of the judge.
        judge_id: content id of the judge.
        emulated: whether the judge is emulated.
    """

    judge: str
    judge_id: str
    emulated: bool


class ControlledRankingDocument(TypedDict):
    """Rankings at equal length and style.

    Attributes:
        split: the split.
        rankings: one ranking per judge.
        notes: what limits the numbers.
    """

    document: Literal["controlled_ranking"]
    split: str
    rankings: list[ControlledJudgeRanking]
    notes: list[str]


def render_controlled_ranking(rankings: Sequence[ControlledRanking], split: str) -> Rendering:
    """Render every judge's strengths with and without control, and the covariate effects."""
    notes = _caveats(rankings)
    data: ControlledRankingDocument = {
        "document": "controlled_ranking",
        "split": split,
        "rankings": [_ranking_data(ranking) for ranking in rankings],
        "notes": notes,
    }
    tables = (
        _table(ranking, ranking.strengths)
        for ranking in rankings
        if not isinstance(ranking.strengths, NotEstimable)
    )
    return Rendering(data, tuple(tables), caveats=tuple(notes))


def _ranking_data(ranking: ControlledRanking) -> ControlledJudgeRanking:
    """Return one judge's ranking as JSON data."""
    result = ranking.strengths
    strengths = result if isinstance(result, NotEstimable) else _strengths(ranking, result)
    return {
        "judge": ranking.judge,
        "judge_id": ranking.judge_id,
        "emulated": ranking.emulated,
        **estimable(strengths),
    }


def _strengths(ranking: ControlledRanking, strengths: ControlledStrengths) -> ControlledStrengthsDocument:
    """Return one judge's strengths as JSON data."""
    return {
        "authors": [_author(ranking, strengths, index) for index in _order(strengths)],
        "best": strengths.best,
        "effects": list(strengths.effects),
        "level": strengths.level,
        "n": strengths.n,
        "dialogues": strengths.dialogues,
        "wording": strengths.wording,
    }


def _order(strengths: ControlledStrengths) -> list[int]:
    """Return the authors' indices from the strongest to the weakest."""
    return [int(index) for index in np.argsort(-strengths.elo, kind="stable")]


def _author(ranking: ControlledRanking, strengths: ControlledStrengths, index: int) -> ControlledAuthor:
    """Return one author's strength as JSON data."""
    return {
        "author": name_of(ranking.authors[index]),
        "response_set": ranking.authors[index].id,
        "strength": float(strengths.elo[index]),
        "low": _number(strengths.low[index]),
        "high": _number(strengths.high[index]),
        "uncontrolled": float(strengths.plain[index]),
        "extrapolated": bool(strengths.extrapolated[index]),
    }


def _number(value: float) -> float | None:
    """Return a float, or None for NaN."""
    return None if np.isnan(value) else float(value)


def _table(ranking: ControlledRanking, strengths: ControlledStrengths) -> Table:
    """Return one row per author."""
    range_column = Column("interval", "95 %", "strength_range")
    shown = columns("author", "strength", range_column, Column("uncontrolled", "plain", "strength"))
    table = Table(f"{ranking.judge}, at equal length and style", columns=shown)
    for index in _order(strengths):
        row = _author(ranking, strengths, index)
        interval = None if row["low"] is None else (row["low"], row["high"])
        mark = " (extrapolated)" if row["extrapolated"] else ""
        table.add_row(row["author"] + mark, row["strength"], interval, row["uncontrolled"])
    return table


def _caveats(rankings: Sequence[ControlledRanking]) -> list[str]:
    """Return the effects of length and style, and the caveats."""
    notes = [EMULATED_NOTE] if any(ranking.emulated for ranking in rankings) else []
    for ranking in rankings:
        strengths = ranking.strengths
        if isinstance(strengths, NotEstimable):
            notes.append(f"{ranking.judge}: {strengths}.")
            continue
        effects = "; ".join(
            f"{effect.name} {effect.effect:+.2f} ({effect.low:+.2f} to {effect.high:+.2f})"
            for effect in strengths.effects
        )
        associations = effects or "nothing varies"
        notes.append(f"{ranking.judge}: what more of each goes with, in log-odds: {associations}.")
        if strengths.best is not None:
            best = strengths.best
            notes.append(
                f"{ranking.judge}: {name_of(ranking.authors[_order(strengths)[0]])} corrected for "
                f"having come "
                f"out strongest: {best.estimate:.0f} ({best.low:.0f} to {best.high:.0f})."
            )
    notes.append(
        "Associations given length and style, which are also effects of training. Strength: Bradley–Terry on "
        "Elo's scale; “plain” is without control. “-”: no interval, because the author won or lost nearly "
        "everything, or is extrapolated (less than 10 % of its dialogues lie on either side of equal "
        "length)."
    )
    return notes
