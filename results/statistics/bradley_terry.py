"""Bradley–Terry strengths of many authors, with intervals over dialogues.

P(i preferred to j) = s_i / (s_i + s_j), a tie counting half a win for either (Bradley and Terry 1952,
Biometrika 39), fitted by Newton's method. An author that won or lost everything has no finite strength, so by
default one tied dialogue is added to every pair that met. These ties enter the strength, never its
interval (see `strength_intervals`). Authors that are not connected through meetings are ranked separately.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from results.statistics.intervals import check_level
from results.statistics.strength_fits import Floats, Ints, fit
from results.statistics.strength_intervals import PairScores, StrengthBounds, strength_bounds

PRIOR_TIES = 1.0  # tied dialogues added to every pair that met
ELO_PER_LOG = 400.0 / float(np.log(10.0))
SAME_STRENGTH = 1e-6  # natural logs; strengths closer than this share a rank


@dataclass(frozen=True, eq=False)
class BradleyTerryStrengths:
    """Fitted strengths; every array has one entry per author.

    Attributes:
        log: natural log of the strength, mean 0 within a component.
        low, high: its interval over dialogues at `level`; −inf or inf where the data give no bound. If one
            author won everything, no author on its scale has a bound on that side.
        expected: mean probability, in [0, 1], of being preferred to another author of the component.
        expected_low, expected_high: its interval; always bounded.
        reference: code of the author that met the most others in the component.
        gap, gap_low, gap_high: log strength above the reference's, with its interval; 0 for the reference.
        rank: rank by strength within the component, from 1; equal strengths share a rank.
        rank_low, rank_high: best and worst rank that the data allow at `level`. An author ranks below another
            only if the interval of their difference excludes 0, simultaneously over all of the author's
            differences (Mogstad et al. 2024, Rev. Econ. Stud. 91).
        component: authors with the same number met, directly or through others.
        n: dialogues that include the author.
        level: confidence level.
        prior_ties: ties added per pair; the intervals exclude them.
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
        """Strength on Elo's scale: mean 1000, 400 points per factor ten of odds."""
        return np.asarray(1000.0 + ELO_PER_LOG * self.log)


def win_counts(
    first: Ints, second: Ints, score: Floats, authors: int, weight: Floats | None = None
) -> Floats:
    """Return the matrix of wins, shape (authors, authors), from meetings.

    Args:
        first, second: author codes of each meeting.
        score: the first author's score, in [0, 1].
        authors: number of authors.
        weight: weight of each meeting; 1 by default.
    """
    meeting_weight = np.ones(score.shape) if weight is None else weight
    wins = np.zeros((authors, authors))
    np.add.at(wins, (first, second), meeting_weight * score)
    np.add.at(wins, (second, first), meeting_weight * (1.0 - score))
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
    """Fit the strengths of all authors, with intervals over dialogues.

    All meetings of one dialogue are resampled together.

    Args:
        first, second: author codes of each meeting.
        score: the first author's score, in [0, 1].
        dialogue: dialogue code of each meeting.
        authors: number of authors.
        seed: of the bootstrap.
        level: confidence level, in (0, 1).
        resamples: bootstrap samples.
        prior_ties: tied dialogues added to every pair that met.

    Raises:
        ValueError: arrays of different lengths, no meeting, an author that met itself, a code out of range,
            or a score outside [0, 1].
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
        local_codes = np.searchsorted(members, [first[rows], second[rows]])
        pairs = PairScores.from_meetings(
            local_codes[0], local_codes[1], score[rows], dialogue[rows], members.size
        )
        local_reference = int(np.searchsorted(members, reference[members[0]]))
        component_bounds = strength_bounds(
            pairs, local_reference, prior_ties=prior_ties, seed=seed, level=level, resamples=resamples
        )
        bounds.put(members, component_bounds)
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
    """Check the shapes, codes and scores of the meetings."""
    if not first.shape == second.shape == score.shape == dialogue.shape or first.ndim != 1:
        raise ValueError("the meetings' arrays have different lengths")
    if not first.size:
        raise ValueError("no meetings")
    if (
        (first == second).any()
        or min(first.min(), second.min()) < 0
        or max(first.max(), second.max()) >= authors
    ):
        raise ValueError(f"an author met itself, or a code is not in 0 … {authors - 1}")
    if not ((score >= 0) & (score <= 1)).all():
        raise ValueError("a score lies outside [0, 1]")


def _dialogues_of(first: Ints, second: Ints, dialogue: Ints, authors: int) -> NDArray[np.int64]:
    """Return the number of distinct dialogues of each author."""
    author_dialogues = np.concatenate([np.stack([first, dialogue]), np.stack([second, dialogue])], axis=1)
    return np.bincount(np.unique(author_dialogues, axis=1)[0], minlength=authors)


def _expected(log: Floats) -> Floats:
    """Return each author's mean probability of being preferred to another one."""
    odds = expit(log[:, None] - log[None, :])
    np.fill_diagonal(odds, 0.0)
    return np.asarray(odds.sum(axis=1) / (log.size - 1))


def _ranks(log: Floats, component: Ints) -> Ints:
    """Return the rank within the component, 1 for the strongest; equal strengths share a rank."""
    same_component = component[:, None] == component[None, :]
    return np.asarray(1 + (same_component & (log[None, :] > log[:, None] + SAME_STRENGTH)).sum(axis=1))
