"""Win rates and differences by subgroup of dialogues: by sentiment, or by emotion if n allows.

Subgroup numbers are descriptive and not tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from results.statistics.judgment_table import JudgmentTable
from results.statistics.paired_differences import PairedDifference, PairedScores, paired_difference
from results.statistics.win_rate import WinRate, win_rate

MIN_GROUP_SIZE = 20  # complete dialogues for an interval; an emotion has 2 to 22 test dialogues


def breakdown(
    columns: JudgmentTable,
    groups: Sequence[str],
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 4000,
    soft: bool = False,
) -> dict[str, WinRate]:
    """Return the win rate per group, sorted by the group's name.

    A group with fewer than 20 complete dialogues has no interval, and its note says so.

    Args:
        columns: the contest's judgments.
        groups: group of each dialogue, by code; dialogues with "" are excluded.
        seed, level, resamples, soft: as in `win_rate`.

    Raises:
        ValueError: not one group per dialogue.
    """
    rates: dict[str, WinRate] = {}
    for name, in_group in _groups(groups, columns.n_dialogues).items():
        result = win_rate(
            columns.select_dialogues(in_group), seed=seed, level=level, resamples=resamples, soft=soft
        )
        rates[name] = _without_interval(result) if result.n < MIN_GROUP_SIZE else result
    return rates


def difference_breakdown(
    pairs: PairedScores, groups: Sequence[str], *, seed: int, level: float = 0.95, resamples: int = 4000
) -> dict[str, PairedDifference]:
    """Return the difference of two authors per group, sorted by the group's name, without p-values.

    A group with fewer than 20 shared dialogues has no interval, and its note says so.

    Args:
        pairs: the scores of both authors.
        groups: as in `breakdown`.
        seed, level, resamples: as in `paired_difference`.

    Raises:
        ValueError: not one group per dialogue.
    """
    differences: dict[str, PairedDifference] = {}
    for name, in_group in _groups(groups, pairs.first.size).items():
        result = paired_difference(
            pairs.select_dialogues(in_group), seed=seed, level=level, resamples=resamples
        )
        result = replace(result, p=None, p_adjusted=None, test="", family_size=0)
        if 0 < result.n < MIN_GROUP_SIZE:
            note = _few(result.n, result.note)
            result = replace(result, low=None, high=None, interval_method="", note=note)
        differences[name] = result
    return differences


def _groups(groups: Sequence[str], n_dialogues: int) -> dict[str, NDArray[np.bool_]]:
    """Return a mask of dialogues per group, sorted by name.

    Raises:
        ValueError: not one group per dialogue.
    """
    names = np.asarray(groups, dtype=np.str_)
    if names.shape != (n_dialogues,):
        raise ValueError(f"{names.size} groups for {n_dialogues} dialogues")
    return {name: names == name for name in np.unique(names[names != ""]).tolist()}


def _few(n: int, note: str) -> str:
    """Return the note of a group that is too small for an interval."""
    few = f"{n} complete dialogue{'' if n == 1 else 's'}: too few for an interval"
    return few if n == 1 or not note else f"{few}; {note}"


def _without_interval(result: WinRate) -> WinRate:
    """Return the win rate without its intervals."""
    return replace(
        result,
        low=None,
        high=None,
        missing_lost=None,
        missing_won=None,
        interval_method="",
        a_first=replace(result.a_first, low=None, high=None, method=""),
        b_first=replace(result.b_first, low=None, high=None, method=""),
        note=_few(result.n, result.note),
    )
