"""Rankings controlled for length and style, one per judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from results.analysis.controlled_ranking import ControlledRanking
from results.queries.contest_index import name_of
from results.render.format import EMULATED_NOTE
from results.render.rendering import Rendering
from results.render.table import Column, Table
from results.statistics import ControlledStrengths, NotEstimable


def render_controlled_ranking(rankings: Sequence[ControlledRanking], split: str) -> Rendering:
    """Render every judge's strengths with and without control, and the covariate effects."""
    notes = _caveats(rankings)
    data = {"split": split, "rankings": [_ranking_data(ranking) for ranking in rankings], "notes": notes}
    tables = (
        _table(ranking, ranking.strengths)
        for ranking in rankings
        if not isinstance(ranking.strengths, NotEstimable)
    )
    return Rendering(data, tuple(tables), caveats=tuple(notes))


def _ranking_data(ranking: ControlledRanking) -> dict[str, Any]:
    """Return one judge's ranking as JSON data."""
    head = {"judge": ranking.judge, "judge_id": ranking.judge_id, "emulated": ranking.emulated}
    strengths = ranking.strengths
    if isinstance(strengths, NotEstimable):
        return {**head, "not_estimable": strengths.reason}
    return {
        **head,
        "not_estimable": None,
        "authors": [_author(ranking, strengths, index) for index in _order(strengths)],
        "best": None if strengths.best is None else asdict(strengths.best),
        "effects": [asdict(effect) for effect in strengths.effects],
        "level": strengths.level,
        "n": strengths.n,
        "dialogues": strengths.dialogues,
        "wording": strengths.wording,
    }


def _order(strengths: ControlledStrengths) -> list[int]:
    """Return the authors' indices from the strongest to the weakest."""
    return [int(index) for index in np.argsort(-strengths.elo, kind="stable")]


def _author(ranking: ControlledRanking, strengths: ControlledStrengths, index: int) -> dict[str, Any]:
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
    columns = [
        Column("author"),
        Column("strength", unit="strength"),
        Column("interval", "95 %", "strength_range"),
        Column("uncontrolled", "plain", "strength"),
    ]
    table = Table(f"{ranking.judge}, at equal length and style", columns=columns)
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
