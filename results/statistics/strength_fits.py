"""Fits of Bradley–Terry strengths to matrices of wins, including matrices without a finite optimum.

If a group of authors was never preferred to another group, the fit has no finite optimum. The differences
between the two groups are then infinite or undetermined (Ford 1957, Am. Math. Mon. 64).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_STEPS = 200
_CLOSE = 1e-10
_LONGEST_STEP = 1.0  # limit of a Newton step in log strength, because the first steps may overshoot


def fit(wins: Floats) -> Floats:
    """Return log strengths, mean 0, from matrices of wins.

    Every author must have won and lost, directly or through others.

    Args:
        wins: shape (…, authors, authors); [..., i, j] counts how often i was preferred to j, ties one half.

    Raises:
        ValueError: the matrices are not square.
    """
    if wins.ndim < 2 or wins.shape[-1] != wins.shape[-2]:
        raise ValueError(f"wins must be square matrices, not of shape {wins.shape}")
    authors = wins.shape[-1]
    met = wins + np.swapaxes(wins, -1, -2)
    log = np.zeros(wins.shape[:-1])
    anchored = np.full(
        (authors, authors), 1.0 / max(1, authors)
    )  # the mean of the logs is free: hold it at 0
    for _ in range(_STEPS):
        preferred = expit(log[..., :, None] - log[..., None, :])
        slope = (wins - met * preferred).sum(axis=-1)
        step = np.linalg.solve(_laplacian(met * preferred * (1.0 - preferred)) + anchored, slope[..., None])
        log = log + np.clip(step[..., 0], -_LONGEST_STEP, _LONGEST_STEP)
        log = log - log.mean(axis=-1, keepdims=True)
        if float(np.abs(step).max(initial=0.0)) < _CLOSE:
            break
    return np.asarray(log, dtype=np.float64)


def _laplacian(weights: Floats) -> Floats:
    """Return the graph Laplacian of symmetric weights."""
    degrees = weights.sum(axis=-1)
    return np.asarray(np.eye(degrees.shape[-1]) * degrees[..., None] - weights)


def solve_information(wins: Floats, log: Floats, targets: Floats) -> Floats:
    """Return the sensitivity of each target to the authors' wins: row t solves (information) x = target t.

    The derivative of target t with respect to a win of i over j is x_i − x_j.
    """
    preferred = expit(log[:, None] - log[None, :])
    information = _laplacian((wins + wins.T) * preferred * preferred.T)
    authors = log.size
    return np.asarray(np.linalg.solve(information + np.full((authors, authors), 1.0 / authors), targets.T).T)


def strength_gaps(wins: Floats) -> Floats:
    """Return the fitted log strength of i above j for every matrix of a stack, in the shape of `wins`.

    ±inf without a finite optimum, NaN where the two authors are not comparable.
    """
    gaps = np.empty(wins.shape)
    both_ways = ((wins > 0.0) == (np.swapaxes(wins, -1, -2) > 0.0)).all(axis=(-1, -2))
    if both_ways.any():
        log = fit(wins[both_ways])
        gaps[both_ways] = log[..., :, None] - log[..., None, :]
    for index in np.flatnonzero(~both_ways):
        gaps[index] = _separated(wins[index])
    return gaps


def _separated(wins: Floats) -> Floats:
    """Return the gaps of one matrix in which some authors never beat others that they met."""
    reaches = _reaches(wins)
    mutual = reaches & reaches.T
    gaps = np.where(reaches & ~reaches.T, np.inf, np.where(reaches.T & ~reaches, -np.inf, np.nan))
    for group in {tuple(np.flatnonzero(row)) for row in mutual}:
        inside = np.ix_(group, group)
        log = fit(wins[inside])
        gaps[inside] = log[:, None] - log[None, :]
    return np.asarray(gaps)


def _reaches(wins: Floats) -> NDArray[np.bool_]:
    """Return whether i was preferred to j, directly or through a chain of authors."""
    reaches = (wins > 0.0) | np.eye(wins.shape[0], dtype=bool)
    for middle in range(wins.shape[0]):
        reaches |= np.outer(reaches[:, middle], reaches[middle])
    return reaches
