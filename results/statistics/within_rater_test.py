"""Within-rater permutation test: whether a judge agrees with ratings beyond rater and responder effects.

Every rater rated responses of one responder in one rating task. A judge can therefore agree with people only
by distinguishing lenient raters or good responders. The test permutes each rater's ratings among the
dialogues it rated, keeping task and responder. A pair's mean order over the permutations that do not tie it
is the effect of rater and responder alone. Agreement beyond that measures knowledge of single responses.
Under the null hypothesis a rater's ratings are exchangeable. The p-value is that of the permutations, with
the observed order counted as one (Phipson and Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9). Pairs tied by a
permutation are excluded from it, which makes p conservative. A split that was chosen by its ratings is
permuted within itself. A judge that reads a rater's other ratings falls below 0.
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
STATISTIC = "test within raters"
_AT_ONCE = 100  # permutations converted to floats at a time


@dataclass(frozen=True, slots=True)
class WithinRaters:
    """Agreement of a judge compared with what rater and responder alone produce.

    Attributes:
        agreement: agreement with the ratings over complete pairs, in [0, 1].
        expected: agreement from rater and responder alone on these pairs, in [0, 1].
        excess: agreement − expected, in [−1, 1].
        p: two-sided p-value, in (0, 1], of an excess of 0.
        n: complete pairs.
        movable: pairs whose order at least one permutation changed.
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
    """Return the order of every pair after each permutation, shape (draws, pairs): 1, 0 for a tie, −1.

    Args:
        ratings: shape (dialogues, responders); each responder's ratings in one task are one rater's.
        task: rating task of each dialogue.
        place, first, second: dialogue and two responders of each pair.
        seed: of the permutations.
        draws: number of permutations.

    Raises:
        ValueError: not one task per dialogue.
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
    """Return a judge's excess agreement, or why it is not estimable.

    Args:
        score: share of verdicts for the first response, per pair; NaN where a verdict is missing.
        better: 1 if the first was rated higher, −1 if the second was, per pair.
        signs: as returned by `permuted_order`.

    Raises:
        ValueError: arrays of different lengths.
    """
    if not score.shape == better.shape == signs.shape[1:]:
        raise ValueError(f"{score.size} scores and {better.size} ratings for {signs.shape[1]} pairs")
    is_complete = ~np.isnan(score)
    permuted = signs[:, is_complete]
    movable = int((permuted != better[is_complete].astype(np.int8)).any(axis=0).sum())
    if not movable:
        return NotEstimable(STATISTIC, "no rater gave two different ratings in these dialogues")
    preference, order = score[is_complete] - 0.5, better[is_complete]
    untied = np.count_nonzero(permuted, axis=0)
    expected_order = np.where(untied > 0, permuted.sum(axis=0, dtype=np.int64) / np.maximum(1, untied), order)
    excess = float((preference * (order - expected_order)).mean())
    permuted_excesses = np.concatenate(
        [
            _excesses(permuted[start : start + _AT_ONCE], preference, expected_order)
            for start in range(0, len(permuted), _AT_ONCE)
        ]
    )
    agreement = 0.5 + float((preference * order).mean())
    return WithinRaters(
        agreement=agreement,
        expected=agreement - excess,
        excess=excess,
        p=(1 + int((np.abs(permuted_excesses) >= abs(excess) - 1e-12).sum())) / (1 + permuted_excesses.size),
        n=int(is_complete.sum()),
        movable=movable,
        draws=int(permuted_excesses.size),
    )


def _excesses(signs: Signs, preference: Floats, expected_order: Floats) -> Floats:
    """Return the excess under every permutation, over the pairs that it does not tie."""
    untied = np.count_nonzero(signs, axis=1)
    beyond = signs @ preference - (signs != 0) @ (preference * expected_order)
    return np.asarray(beyond / np.maximum(1, untied))
