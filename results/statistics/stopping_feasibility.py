"""What a confidence sequence can reach with so many dialogues: said before money is spent.

Played through on two extreme contests: the quietest (every dialogue has the same score) and the loudest
(scores 0 and 1 in turn). Real contests lie between; what the quietest cannot reach, no contest can.
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
    """The widths that n dialogues can reach.

    Attributes:
        estimand: as in `ConfidenceSequence`.
        dialogues: n.
        narrowest: half-width after n in the quietest contest, in the unit of rates.
        widest: half-width after n in the loudest.
        asked: the half-width asked for; None where none was.
        possible: whether any contest could reach it; True where none was asked for.
        at_best, at_worst: dialogues after which the quietest and the loudest contest reach it; None where
            they do not within n, or where none was asked for.
        note: in words, what to tell the user before anything is asked.
    """

    estimand: Estimand
    dialogues: int
    narrowest: float
    widest: float
    asked: float | None
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
    """What a sequence over so many dialogues can reach.

    Args:
        half_width: as asked for by `--until`, in (0, ½).
        level, lanes, estimand: as in `confidence_sequence`.

    Raises:
        ValueError: fewer than one dialogue or lane, or a level or half-width out of range.
    """
    check_level(level)
    if dialogues < 1 or n_contests < 1 or (half_width is not None and not 0.0 < half_width < 0.5):
        raise ValueError(
            f"dialogues {dialogues} and lanes {n_contests} must be 1 or more, half-width {half_width} in (0, ½)"
        )
    total = dialogues if estimand is Estimand.THESE_DIALOGUES else None
    alpha = (1.0 - level) / n_contests / 2.0

    def half_width_after(count: int, scores: Floats) -> float:
        seen = scores[:count]
        low = lower_confidence_bound(seen, alpha=alpha, total=total, planned=dialogues)
        return (
            1.0 - lower_confidence_bound(1.0 - seen, alpha=alpha, total=total, planned=dialogues) - low
        ) / 2.0

    quiet = min(
        (partial(half_width_after, scores=np.full(dialogues, value)) for value in (1.0, 0.5)),
        key=lambda half_width_of: half_width_of(dialogues),
    )
    loud = partial(half_width_after, scores=(np.arange(dialogues) % 2).astype(np.float64))
    narrowest, widest = quiet(dialogues), loud(dialogues)
    fewest_dialogues, most_dialogues = (
        _reached(quiet, dialogues, half_width),
        _reached(loud, dialogues, half_width),
    )
    possible = half_width is None or fewest_dialogues is not None
    return Feasibility(
        estimand=estimand,
        dialogues=dialogues,
        narrowest=narrowest,
        widest=widest,
        asked=half_width,
        possible=possible,
        fewest_dialogues=fewest_dialogues,
        most_dialogues=most_dialogues,
        note=_note(dialogues, half_width, narrowest, widest, fewest_dialogues, most_dialogues),
    )


def _reached(half_width_after: Callable[[int], float], dialogues: int, asked: float | None) -> int | None:
    """The first count of dialogues at which the half-width is as asked for; it never widens."""
    if asked is None or half_width_after(dialogues) > asked + 1e-6:
        return None
    return 1 + bisect_left(
        range(1, dialogues), True, key=lambda count: half_width_after(count) <= asked + 1e-6
    )


def _note(
    dialogues: int,
    asked: float | None,
    narrowest: float,
    widest: float,
    fewest_dialogues: int | None,
    most_dialogues: int | None,
) -> str:
    if asked is None:
        return f"{dialogues} dialogues give a half-width between {narrowest:.3f} and {widest:.3f}"
    if fewest_dialogues is None:
        return (
            f"{dialogues} dialogues cannot reach a half-width of {asked:g}: "
            f"{narrowest:.3f} is the narrowest possible"
        )
    if most_dialogues is None:
        return (
            f"a half-width of {asked:g} takes at least {fewest_dialogues} dialogues, and {dialogues} may not be "
            f"enough: with scores as varied as they can be they reach {widest:.3f}"
        )
    return f"a half-width of {asked:g} takes between {fewest_dialogues} and about {most_dialogues} of {dialogues} dialogues"
