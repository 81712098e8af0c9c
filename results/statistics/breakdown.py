"""A contest's win rate by a property of its dialogues: sentiment by default, emotion where n allows.

The groups' rates are descriptive: nothing here tests whether they differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from results.statistics.columns import Columns
from results.statistics.winrate import WinRate, win_rate

ENOUGH_FOR_AN_INTERVAL = 20  # complete dialogues; an emotion has 2 to 22 test dialogues


def breakdown(
    columns: Columns,
    groups: Sequence[str],
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 4000,
    soft: bool = False,
) -> dict[str, WinRate]:
    """Win rate per group, sorted by the group's name.

    A group with fewer than 20 complete dialogues has a rate but no interval, and its note says so.

    Args:
        groups: per dialogue, by its code, the group; dialogues with "" belong to none.
        seed, level, resamples, soft: as in `win_rate`.

    Raises:
        ValueError: not one group per dialogue.
    """
    names = np.asarray(groups, dtype=np.str_)
    if names.shape != (columns.n_dialogues,):
        raise ValueError(f"{names.size} groups for {columns.n_dialogues} dialogues")
    found: dict[str, WinRate] = {}
    for name in np.unique(names[names != ""]).tolist():
        result = win_rate(
            columns.of_dialogues(names == name), seed=seed, level=level, resamples=resamples, soft=soft
        )
        found[name] = _without_interval(result) if result.n < ENOUGH_FOR_AN_INTERVAL else result
    return found


def _without_interval(result: WinRate) -> WinRate:
    note = f"{result.n} complete dialogues: too few for an interval"
    return replace(
        result,
        low=None,
        high=None,
        interval_method="",
        a_first=replace(result.a_first, low=None, high=None, method=""),
        b_first=replace(result.b_first, low=None, high=None, method=""),
        note=result.note or note,
    )
