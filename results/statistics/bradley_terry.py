"""Bradley–Terry strengths of many authors from the dialogues they met in, with intervals by dialogue.

P(i preferred to j) = s_i / (s_i + s_j), a tie counting half a win for either (Bradley and Terry 1952,
Biometrika 39); fitted by Newton's method, whose optimum is that of every other fit of it (evalica's, say). An
author that won or lost everything has
no finite strength, so each pair that met counts one dialogue more, a tie, by default. Authors that never met,
even through others, are not ranked together. Knows nothing of judges or names.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from results.statistics.intervals import check_level

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PRIOR_TIES = 1.0  # dialogues, a tie each, added to every pair that met
ELO_PER_LOG = 400.0 / float(np.log(10.0))
_STEPS = 200
_CLOSE = 1e-10
_LONGEST_STEP = 1.0  # of a log strength at a time: Newton's first steps may go too far


@dataclass(frozen=True, eq=False)
class Strengths:
    """Fitted strengths; one entry per author in every array.

    Attributes:
        log: natural log of the strength, mean 0 within a component.
        low, high: percentile interval of it over dialogues at `level`.
        expected: mean probability, in [0, 1], of being preferred to another author of the component.
        expected_low, expected_high: its interval.
        rank_low, rank_high: the best and worst place within the interval of ranks, from 1.
        component: authors with the same number met, directly or through others.
        n: dialogues an author is in.
        prior_ties: what was added.
    """

    log: Floats
    low: Floats
    high: Floats
    expected: Floats
    expected_low: Floats
    expected_high: Floats
    rank_low: Ints
    rank_high: Ints
    component: Ints
    n: Ints
    level: float
    prior_ties: float

    @property
    def elo(self) -> Floats:
        """On Elo's scale: 400 points are odds of ten to one; mean 1000."""
        return np.asarray(1000.0 + ELO_PER_LOG * self.log)


def fit(wins: Floats) -> Floats:
    """Log strengths, mean 0, of a matrix whose [i, j] is how often i was preferred to j, ties halved.

    Every author must have been preferred and passed over within its component.

    Raises:
        ValueError: the matrix is not square.
    """
    if wins.ndim != 2 or wins.shape[0] != wins.shape[1]:
        raise ValueError(f"wins of shape {wins.shape}")
    met = wins + wins.T
    log = np.zeros(wins.shape[0])
    anchored = np.full(met.shape, 1.0 / max(1, met.shape[0]))  # the mean of the logs is free: hold it at 0
    for _ in range(_STEPS):
        preferred = expit(log[:, None] - log[None, :])
        slope = (wins - met * preferred).sum(axis=1)
        curve = met * preferred * preferred.T
        step = np.linalg.solve(np.diag(curve.sum(axis=1)) - curve + anchored, slope)
        log = log + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        log -= log.mean()
        if float(np.abs(step).max(initial=0.0)) < _CLOSE:
            break
    return np.asarray(log, dtype=np.float64)


def wins_of(first: Ints, second: Ints, score: Floats, authors: int, weight: Floats | None = None) -> Floats:
    """Wins from meetings: `score` in [0, 1] is the first's; each counts `weight`."""
    each = np.ones(score.shape) if weight is None else weight
    wins = np.zeros((authors, authors))
    np.add.at(wins, (first, second), each * score)
    np.add.at(wins, (second, first), each * (1.0 - score))
    return wins


def strengths(
    first: Ints,
    second: Ints,
    score: Floats,
    dialogue: Ints,
    authors: int,
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 500,
    prior_ties: float = PRIOR_TIES,
) -> Strengths:
    """Strengths of all authors, with intervals by resampling dialogues (all meetings in one together).

    Args:
        first, second: codes of the two authors of each meeting.
        score: the first's score in it, in [0, 1].
        dialogue: code of the dialogue it is about.

    Raises:
        ValueError: columns of different lengths, an author against itself, a score outside [0, 1].
    """
    check_level(level)
    _check(first, second, score, dialogue, authors)
    met = np.zeros((authors, authors), dtype=bool)
    met[first, second] = met[second, first] = True
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components  # slow to load

    _, component = connected_components(csr_array(met.astype(int)), directed=False)
    codes, place = np.unique(dialogue, return_inverse=True)
    prior = 0.5 * prior_ties * met
    cells, tally = _per_dialogue(first, second, score, place, authors, codes.size)
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(codes.size, np.full(codes.size, 1.0 / codes.size), size=resamples)
    point = _fit_components(wins_of(first, second, score, authors) + prior, component)
    samples = np.empty((resamples, authors))
    for at, counts in enumerate(drawn):
        wins = np.zeros((authors, authors))
        wins[cells] = counts @ tally
        samples[at] = _fit_components(wins + prior, component)
    tails = [(1.0 - level) / 2.0, (1.0 + level) / 2.0]
    low, high = np.quantile(samples, tails, axis=0)
    expected = _expected(point, component)
    expected_low, expected_high = np.quantile([_expected(one, component) for one in samples], tails, axis=0)
    ranks = np.array([_ranks(one, component) for one in samples])
    rank_low, rank_high = np.quantile(ranks, tails, axis=0, method="nearest").astype(np.int64)
    pairs = np.unique(np.concatenate([np.stack([first, place]), np.stack([second, place])], axis=1), axis=1)
    return Strengths(
        log=point,
        low=np.minimum(low, point),
        high=np.maximum(high, point),
        expected=expected,
        expected_low=np.minimum(expected_low, expected),
        expected_high=np.maximum(expected_high, expected),
        rank_low=rank_low,
        rank_high=rank_high,
        component=component.astype(np.int64),
        n=np.bincount(pairs[0], minlength=authors),
        level=level,
        prior_ties=prior_ties,
    )


def _check(first: Ints, second: Ints, score: Floats, dialogue: Ints, authors: int) -> None:
    if not first.shape == second.shape == score.shape == dialogue.shape or first.ndim != 1:
        raise ValueError("the meetings' columns have different lengths")
    if not first.size:
        raise ValueError("nobody met")
    if (
        (first == second).any()
        or min(first.min(), second.min()) < 0
        or max(first.max(), second.max()) >= authors
    ):
        raise ValueError(f"an author met itself, or is none of {authors}")
    if not ((score >= 0) & (score <= 1)).all():
        raise ValueError("a score lies outside [0, 1]")


def _per_dialogue(
    first: Ints, second: Ints, score: Floats, place: Ints, authors: int, dialogues: int
) -> tuple[tuple[Ints, Ints], Floats]:
    """The cells of the matrix that anything falls in, and per dialogue what falls there."""
    rows = np.concatenate([first, second])
    columns = np.concatenate([second, first])
    values = np.concatenate([score, 1.0 - score])
    cells, at = np.unique(rows * authors + columns, return_inverse=True)
    tally = np.zeros((dialogues, cells.size))
    np.add.at(tally, (np.concatenate([place, place]), at), values)
    return (cells // authors, cells % authors), tally


def _fit_components(wins: Floats, component: Ints) -> Floats:
    found = np.zeros(wins.shape[0])
    for one in np.unique(component):
        mine = np.flatnonzero(component == one)
        if mine.size > 1:
            found[mine] = fit(wins[np.ix_(mine, mine)])
    return found


def _expected(log: Floats, component: Ints) -> Floats:
    odds = 1.0 / (1.0 + np.exp(np.clip(log[None, :] - log[:, None], -700, 700)))
    mine = (component[:, None] == component[None, :]) & ~np.eye(log.size, dtype=bool)
    return np.asarray((odds * mine).sum(axis=1) / np.maximum(1, mine.sum(axis=1)))


def _ranks(log: Floats, component: Ints) -> Ints:
    """1 for the strongest of each component."""
    mine = component[:, None] == component[None, :]
    return np.asarray(1 + (mine & (log[None, :] > log[:, None] + 1e-9)).sum(axis=1))
