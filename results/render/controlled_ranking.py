"""Rankings at equal length and style, as data and as tables. Computes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from results.analysis.controlled_ranking import ControlledRanking
from results.queries.contest_index import name_of
from results.render.format import EMULATED_NOTE
from results.render.table import Table, make_table
from results.statistics import ControlledStrengths, NotEstimable


def rankings_data(rankings: Sequence[ControlledRanking], split: str) -> dict[str, Any]:
    """By judge: every author's strength with and without control, and the covariates' effects."""
    return {
        "split": split,
        "rankings": [_ranking_data(ranking) for ranking in rankings],
        "notes": rankings_caveats(rankings),
    }


def _ranking_data(ranking: ControlledRanking) -> dict[str, Any]:
    head = {"judge": ranking.judge, "judge_id": ranking.judge_id, "emulated": ranking.emulated}
    found = ranking.strengths
    if isinstance(found, NotEstimable):
        return {**head, "refused": found.reason}
    return {
        **head,
        "refused": None,
        "authors": [_author(ranking, found, at) for at in _order(found)],
        "best": None if found.best is None else asdict(found.best),
        "effects": [asdict(effect) for effect in found.effects],
        "level": found.level,
        "n": found.n,
        "dialogues": found.dialogues,
        "wording": found.wording,
    }


def _order(found: ControlledStrengths) -> list[int]:
    return [int(at) for at in np.argsort(-found.elo, kind="stable")]


def _author(ranking: ControlledRanking, found: ControlledStrengths, at: int) -> dict[str, Any]:
    return {
        "author": name_of(ranking.authors[at]),
        "response_set": ranking.authors[at].id,
        "strength": float(found.elo[at]),
        "low": _number(found.low[at]),
        "high": _number(found.high[at]),
        "uncontrolled": float(found.plain[at]),
        "extrapolated": bool(found.extrapolated[at]),
    }


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def rankings_tables(rankings: Sequence[ControlledRanking]) -> list[Table]:
    """A table per judge that has strengths."""
    tables = []
    for ranking in rankings:
        found = ranking.strengths
        if isinstance(found, NotEstimable):
            continue
        table = make_table(
            f"{ranking.judge}, at equal length and style", ("author", "strength", "95 %", "plain")
        )
        for at in _order(found):
            row = _author(ranking, found, at)
            span = "-" if row["low"] is None else f"{row['low']:.0f} to {row['high']:.0f}"
            mark = " (extrapolated)" if row["extrapolated"] else ""
            table.add_row(row["author"] + mark, f"{row['strength']:.0f}", span, f"{row['uncontrolled']:.0f}")
        tables.append(table)
    return tables


def rankings_caveats(rankings: Sequence[ControlledRanking]) -> list[str]:
    """What a reader must know."""
    notes = [EMULATED_NOTE] if any(ranking.emulated for ranking in rankings) else []
    for ranking in rankings:
        found = ranking.strengths
        if isinstance(found, NotEstimable):
            notes.append(f"{ranking.judge}: {found}.")
            continue
        effects = "; ".join(
            f"{effect.name} {effect.effect:+.2f} ({effect.low:+.2f} to {effect.high:+.2f})"
            for effect in found.effects
        )
        goes_with = effects or "nothing varies"
        notes.append(f"{ranking.judge}: what more of each goes with, in log-odds: {goes_with}.")
        if found.best is not None:
            best = found.best
            notes.append(
                f"{ranking.judge}: {name_of(ranking.authors[_order(found)[0]])} corrected for having come "
                f"out strongest: {best.estimate:.0f} ({best.low:.0f} to {best.high:.0f})."
            )
    notes.append(
        "Association given length and style, which are also effects of training. Strength: Bradley–Terry on "
        "Elo's scale; “plain” is without control. “-”: no interval can be given: the author won or lost "
        "nearly everything, or is extrapolated: under 10 % of its dialogues lie on either side of equal "
        "length."
    )
    return notes
