"""Whether a judge knows more of the ratings than who gave them: permutation within raters.

Every rater rated the responses of one responder in one rating task, so a judge that agrees with people may
only tell lenient raters, or good responders, from others. Each rater's ratings are permuted among the
dialogues that it rated, its task and responder kept. A pair's mean order over the permutations that do not
tie it is what rater and responder alone give; the agreement beyond that is what the judge knows of single
responses. Under the hypothesis that it knows nothing, the ratings of a rater are exchangeable, and p is that
of the permutations, the observed order counted as one (Phipson and Smyth 2010, Stat. Appl. Genet. Mol. Biol.
9). Pairs that a permutation ties drop out of it, which makes p careful; a split that was chosen by its
ratings is permuted within itself. A judge that reads a rater's other ratings falls below 0.
Arrays in, frozen values out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from results.statistics.not_estimable import NotEstimable

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Signs = NDArray[np.int8]

DRAWS = 999
WHAT = "test within raters"
_AT_ONCE = 100  # draws held as floats


@dataclass(frozen=True, slots=True)
class WithinRaters:
    """A judge's agreement beside what rater and responder alone give.

    Attributes:
        agreement: with the ratings, over complete pairs; in [0, 1].
        expected: what rater and responder alone give on these pairs, in [0, 1].
        excess: agreement − expected, in [−1, 1].
        p: two-sided, in (0, 1], of an excess of 0.
        n: complete pairs; movable: those whose order any permutation changed.
        draws: permutations.
    """

    agreement: float
    expected: float
    excess: float
    p: float
    n: int
    movable: int
    draws: int


def permuted_order(
    ratings: Ints, task: Ints, place: Ints, first: Ints, second: Ints, *, seed: int, draws: int = DRAWS
) -> Signs:
    """The order of every pair after each permutation, shape (draws, pairs): 1, 0 for a tie, −1.

    Args:
        ratings: shape (dialogues, responders); each responder's ratings in one task are one rater's.
        task: per dialogue, its rating task.
        place, first, second: per pair, its dialogue and its two responders.

    Raises:
        ValueError: another number of tasks than of dialogues.
    """
    if task.shape != ratings.shape[:1]:
        raise ValueError(f"{task.size} tasks for {ratings.shape[0]} dialogues")
    generator = np.random.default_rng(seed)
    _, code = np.unique(task, return_inverse=True)
    by_task = np.argsort(code, kind="stable")
    signs = np.empty((draws, place.size), dtype=np.int8)
    permuted = np.empty_like(ratings)
    for draw in range(draws):
        shuffled = np.argsort(code[:, None] + generator.random(ratings.shape), axis=0)
        permuted[by_task] = np.take_along_axis(ratings, shuffled, axis=0)
        signs[draw] = np.sign(permuted[place, first] - permuted[place, second])
    return signs


def within_raters(score: Floats, better: Floats, signs: Signs) -> WithinRaters | NotEstimable:
    """A judge's excess agreement, or why it cannot be had.

    Args:
        score: per pair, the share of verdicts for the first; nan where a verdict is lacking.
        better: per pair, 1 where the first was rated higher, −1 where the second was.
        signs: as from `permuted_order`.

    Raises:
        ValueError: arrays of different lengths.
    """
    if not score.shape == better.shape == signs.shape[1:]:
        raise ValueError(f"{score.size} scores and {better.size} ratings for {signs.shape[1]} pairs")
    there = ~np.isnan(score)
    moved = signs[:, there]
    movable = int((moved != better[there].astype(np.int8)).any(axis=0).sum())
    if not movable:
        return NotEstimable(WHAT, "no rater gave two different ratings in these dialogues")
    leaning, order = score[there] - 0.5, better[there]
    untied = np.count_nonzero(moved, axis=0)
    usual = np.where(untied > 0, moved.sum(axis=0, dtype=np.int64) / np.maximum(1, untied), order)
    excess = float((leaning * (order - usual)).mean())
    drawn = np.concatenate(
        [_excesses(moved[at : at + _AT_ONCE], leaning, usual) for at in range(0, len(moved), _AT_ONCE)]
    )
    agreement = 0.5 + float((leaning * order).mean())
    return WithinRaters(
        agreement=agreement,
        expected=agreement - excess,
        excess=excess,
        p=(1 + int((np.abs(drawn) >= abs(excess) - 1e-12).sum())) / (1 + drawn.size),
        n=int(there.sum()),
        movable=movable,
        draws=int(drawn.size),
    )


def _excesses(signs: Signs, leaning: Floats, usual: Floats) -> Floats:
    """The excess under every permutation, over the pairs that it does not tie."""
    left = np.count_nonzero(signs, axis=1)
    beyond = signs @ leaning - (signs != 0) @ (leaning * usual)
    return np.asarray(beyond / np.maximum(1, left))
