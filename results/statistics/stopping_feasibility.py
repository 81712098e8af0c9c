"""Feasibility of early stopping: half-widths that a confidence sequence can reach with n dialogues.

Computed before any request for two extreme contests: the least variable (every dialogue has the same score)
and the most variable (scores 0 and 1 in turn). Real contests lie between them. What the least variable
contest cannot reach, no contest can.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from results.statistics.confidence_sequences import Estimand, lower_confidence_bound
from results.statistics.intervals import check_level

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Feasibility:
    """Half-widths that n dialogues can reach.

    Attributes:
        estimand: as in `ConfidenceSequence`.
        dialogues: n.
        narrowest: half-width after n dialogues in the least variable contest, in the unit of rates.
        widest: half-width after n dialogues in the most variable contest.
        requested: requested half-width; None without a request.
        possible: whether any contest could reach it; True without a request.
        fewest_dialogues, most_dialogues: dialogues after which the least and the most variable contest reach
            it; None if they do not within n, or without a request.
        note: summary for the user before anything is requested.
    """

    estimand: Estimand
    dialogues: int
    narrowest: float
    widest: float
    requested: float | None
    possible: bool
    fewest_dialogues: int | None
    most_dialogues: int | None
    note: str


def stopping_feasibility(
    dialogues: int,
    *,
    half_width: float | None = None,
    level: float = 0.95,
    n_contests: int = 1,
    estimand: Estimand = Estimand.POPULATION,
) -> Feasibility:
    """Return the half-widths that a confidence sequence over `dialogues` dialogues can reach.

    Args:
        dialogues: number of dialogues, n.
        half_width: requested half-width, in (0, ½).
        level, n_contests, estimand: as in `confidence_sequence`.

    Raises:
        ValueError: fewer than one dialogue or contest, or a level or half-width out of range.
    """
    check_level(level)
    if dialogues < 1 or n_contests < 1 or (half_width is not None and not 0.0 < half_width < 0.5):
        raise ValueError(
            f"dialogues {dialogues} and n_contests {n_contests} must be 1 or more, "
            f"half_width {half_width} in (0, ½)"
        )
    total = dialogues if estimand is Estimand.THESE_DIALOGUES else None
    alpha = (1.0 - level) / n_contests / 2.0

    def half_width_after(count: int, scores: Floats) -> float:
        seen = scores[:count]
        low = lower_confidence_bound(seen, alpha=alpha, total=total, planned=dialogues)
        return (
            1.0 - lower_confidence_bound(1.0 - seen, alpha=alpha, total=total, planned=dialogues) - low
        ) / 2.0

    least_variable = min(
        (partial(half_width_after, scores=np.full(dialogues, value)) for value in (1.0, 0.5)),
        key=lambda half_width_of: half_width_of(dialogues),
    )
    most_variable = partial(half_width_after, scores=(np.arange(dialogues) % 2).astype(np.float64))
    narrowest, widest = least_variable(dialogues), most_variable(dialogues)
    fewest_dialogues, most_dialogues = (
        _first_count(least_variable, dialogues, half_width),
        _first_count(most_variable, dialogues, half_width),
    )
    possible = half_width is None or fewest_dialogues is not None
    return Feasibility(
        estimand=estimand,
        dialogues=dialogues,
        narrowest=narrowest,
        widest=widest,
        requested=half_width,
        possible=possible,
        fewest_dialogues=fewest_dialogues,
        most_dialogues=most_dialogues,
        note=_note(dialogues, half_width, narrowest, widest, fewest_dialogues, most_dialogues),
    )


def _first_count(
    half_width_after: Callable[[int], float], dialogues: int, requested: float | None
) -> int | None:
    """Return the first number of dialogues at which the half-width is reached; it never widens."""
    if requested is None or half_width_after(dialogues) > requested + 1e-6:
        return None
    return 1 + bisect_left(
        range(1, dialogues), True, key=lambda count: half_width_after(count) <= requested + 1e-6
    )


def _note(
    dialogues: int,
    requested: float | None,
    narrowest: float,
    widest: float,
    fewest_dialogues: int | None,
    most_dialogues: int | None,
) -> str:
    """Return the summary for the user."""
    if requested is None:
        return f"{dialogues} dialogues give a half-width between {narrowest:.3f} and {widest:.3f}"
    if fewest_dialogues is None:
        return (
            f"{dialogues} dialogues cannot reach a half-width of {requested:g}: "
            f"{narrowest:.3f} is the narrowest possible"
        )
    if most_dialogues is None:
        return (
            f"a half-width of {requested:g} takes at least {fewest_dialogues} dialogues; {dialogues} "
            f"dialogues with "
            f"maximally variable scores reach only {widest:.3f}"
        )
    return (
        f"a half-width of {requested:g} takes between {fewest_dialogues} and about {most_dialogues} of "
        f"{dialogues} dialogues"
    )
