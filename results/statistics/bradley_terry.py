"""Bradley–Terry strengths of many authors from the dialogues they met in, with intervals by dialogue.

P(i preferred to j) = s_i / (s_i + s_j), a tie counting half a win for either (Bradley and Terry 1952,
Biometrika 39); fitted by Newton's method, whose optimum is that of every other fit of it (evalica's, say). An
author that won or lost everything has no finite strength, so each pair that met counts one dialogue more, a
tie, by default: in the strength, never in its interval (`strength_intervals`). Authors that never met, even
through others, are not ranked together. Knows nothing of judges or names.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from results.statistics.intervals import check_level
from results.statistics.strength_fits import Floats, Ints, fit
from results.statistics.strength_intervals import PairScores, StrengthBounds, strength_bounds

PRIOR_TIES = 1.0  # dialogues, a tie each, added to every pair that met
ELO_PER_LOG = 400.0 / float(np.log(10.0))
SAME_STRENGTH = 1e-6  # natural logs; strengths closer than this share a rank


@dataclass(frozen=True, eq=False)
class BradleyTerryStrengths:
    """Fitted strengths; one entry per author in every array.

    Attributes:
        log: natural log of the strength, mean 0 within a component.
        low, high: interval of it over dialogues at `level`; −inf or inf where the data set no bound, as for
            an author that won everything, and for everybody else on its scale then.
        expected: mean probability, in [0, 1], of being preferred to another author of the component.
        expected_low, expected_high: its interval; always bounded.
        reference: the author that met most others (of each component), by code.
        gap, gap_low, gap_high: log strength above the reference's, with its interval; 0 for itself.
        rank: place by strength within the component, from 1; equal strengths share it.
        rank_low, rank_high: the best and worst place that the data allow at `level`: an author stands below
            another only where the interval of their difference excludes 0, all of an author's differences
            at once (Mogstad et al. 2024, Rev. Econ. Stud. 91).
        component: authors with the same number met, directly or through others.
        n: dialogues an author is in.
        prior_ties: what was added to the strengths; the intervals are without it.
    """

    log: Floats
    low: Floats
    high: Floats
    expected: Floats
    expected_low: Floats
    expected_high: Floats
    reference: Ints
    gap: Floats
    gap_low: Floats
    gap_high: Floats
    rank: Ints
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


def win_counts(
    first: Ints, second: Ints, score: Floats, authors: int, weight: Floats | None = None
) -> Floats:
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
    resamples: int = 4000,
    prior_ties: float = PRIOR_TIES,
) -> BradleyTerryStrengths:
    """Strengths of all authors, with intervals over dialogues (all meetings in one together).

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
    wins = win_counts(first, second, score, authors) + 0.5 * prior_ties * met
    log, expected, reference = np.zeros(authors), np.zeros(authors), np.arange(authors)
    bounds = StrengthBounds.certain(authors)
    for code in np.unique(component):
        members = np.flatnonzero(component == code)
        if members.size < 2:
            continue
        log[members] = fit(wins[np.ix_(members, members)])
        expected[members] = _expected(log[members])
        reference[members] = members[np.argmax(met[np.ix_(members, members)].sum(axis=1))]
        rows = np.isin(first, members)
        code_of = np.searchsorted(members, [first[rows], second[rows]])
        pairs = PairScores.of(code_of[0], code_of[1], score[rows], dialogue[rows], members.size)
        hub = int(np.searchsorted(members, reference[members[0]]))
        part = strength_bounds(pairs, hub, prior_ties=prior_ties, seed=seed, level=level, resamples=resamples)
        bounds.put(members, part)
    gap = log - log[reference]
    return BradleyTerryStrengths(
        log=log,
        low=np.minimum(bounds.low, log),
        high=np.maximum(bounds.high, log),
        expected=expected,
        expected_low=np.minimum(bounds.expected_low, expected),
        expected_high=np.maximum(bounds.expected_high, expected),
        reference=reference,
        gap=gap,
        gap_low=np.minimum(bounds.gap_low, gap),
        gap_high=np.maximum(bounds.gap_high, gap),
        rank=_ranks(log, component),
        rank_low=bounds.rank_low,
        rank_high=bounds.rank_high,
        component=component.astype(np.int64),
        n=_dialogues_of(first, second, dialogue, authors),
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


def _dialogues_of(first: Ints, second: Ints, dialogue: Ints, authors: int) -> NDArray[np.int64]:
    seen = np.concatenate([np.stack([first, dialogue]), np.stack([second, dialogue])], axis=1)
    return np.bincount(np.unique(seen, axis=1)[0], minlength=authors)


def _expected(log: Floats) -> Floats:
    odds = expit(log[:, None] - log[None, :])
    np.fill_diagonal(odds, 0.0)
    return np.asarray(odds.sum(axis=1) / (log.size - 1))


def _ranks(log: Floats, component: Ints) -> Ints:
    """1 for the strongest of each component; equal strengths share a place."""
    mine = component[:, None] == component[None, :]
    return np.asarray(1 + (mine & (log[None, :] > log[:, None] + SAME_STRENGTH)).sum(axis=1))
