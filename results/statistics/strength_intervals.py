"""Confidence intervals for Bradley–Terry strengths, never narrower than the pairs' own intervals imply.

Each pair that met has an interval of its rate (`score_interval`). If the bootstrap is valid for a pair, the
pair is moved to either end of its interval, one pair at a time, and the model is refitted. The deviations are
added in quadrature with the correlation of pairs that share dialogues (method of variance estimates recovery:
Zou and Donner 2008, Stat. Med. 27). Pairs without a valid bootstrap (one author won nearly everything, few
dialogues) are moved jointly to the worst ends of their guaranteed intervals, because their dependence is
unknown. For two authors the result is the interval of their rate itself: 250 wins of 250 give a gap of 731
points or more, without an upper end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtri

from results.statistics.intervals import Interval, bootstrap_is_valid, boundary_interval, score_interval
from results.statistics.strength_fits import Floats, Ints, fit, solve_information, strength_gaps

Value = Callable[[Floats, bool], Floats]
_NOISE = 1e-9


@dataclass(frozen=True, eq=False)
class PairScores:
    """Scores of every pair of authors that met, by dialogue.

    Attributes:
        authors: number of authors.
        first, second: author codes of each pair, first < second.
        weight: meetings of each pair, ≥ 1; a dialogue counts once per judge.
        scores: shape (dialogues, pairs): the first author's mean score, in [0, 1]; NaN if the pair did not
            meet.
    """

    authors: int
    first: Ints
    second: Ints
    weight: Floats
    scores: Floats

    @classmethod
    def from_meetings(
        cls, first: Ints, second: Ints, score: Floats, dialogue: Ints, authors: int
    ) -> PairScores:
        """Build the scores from meetings in any order."""
        is_swapped = first > second
        code = np.where(is_swapped, second * authors + first, first * authors + second)
        pairs, pair = np.unique(code, return_inverse=True)
        dialogues, dialogue_index = np.unique(dialogue, return_inverse=True)
        total, count = np.zeros((dialogues.size, pairs.size)), np.zeros((dialogues.size, pairs.size))
        np.add.at(total, (dialogue_index, pair), np.where(is_swapped, 1.0 - score, score))
        np.add.at(count, (dialogue_index, pair), 1.0)
        with np.errstate(invalid="ignore"):
            scores = total / count
        return cls(authors, pairs // authors, pairs % authors, count.sum(axis=0), scores)

    def __len__(self) -> int:
        return int(self.first.size)

    def of_pair(self, pair: int) -> Floats:
        """Return a pair's scores in the dialogues in which it met."""
        column = self.scores[:, pair]
        return np.asarray(column[~np.isnan(column)])

    def correlation(self, chosen: Ints) -> Floats:
        """Return the correlation of the chosen pairs' mean scores through shared dialogues."""
        scores = self.scores[:, chosen]
        is_present = ~np.isnan(scores)
        centred = np.where(is_present, scores - np.nanmean(scores, axis=0), 0.0)
        return np.asarray((unit := centred / np.sqrt((centred**2).sum(axis=0))).T @ unit)

    def wins(self, rates: Floats, ties: Floats) -> Floats:
        """Return matrices of wins for pair rates of shape (…, pairs), with `ties` added ties per pair."""
        matrix = np.zeros((*rates.shape[:-1], self.authors, self.authors))
        matrix[..., self.first, self.second] = self.weight * rates + 0.5 * ties
        matrix[..., self.second, self.first] = self.weight * (1.0 - rates) + 0.5 * ties
        return matrix


@dataclass(frozen=True, eq=False)
class StrengthBounds:
    """Interval ends as in `BradleyTerryStrengths`; every array has one entry per author.

    Attributes:
        low, high: of the log strength, ±inf without a bound.
        expected_low, expected_high: of the mean probability of being preferred, in [0, 1].
        gap_low, gap_high: of the log strength above the reference's.
        rank_low, rank_high: best and worst rank, from 1.
    """

    low: Floats
    high: Floats
    expected_low: Floats
    expected_high: Floats
    gap_low: Floats
    gap_high: Floats
    rank_low: Ints
    rank_high: Ints

    @classmethod
    def certain(cls, authors: int) -> StrengthBounds:
        """Return the bounds of authors without meetings: strength 0, rank 1."""
        low, high, expected_low, expected_high, gap_low, gap_high = np.zeros((6, authors))
        first, last = np.ones((2, authors), dtype=np.int64)
        return cls(low, high, expected_low, expected_high, gap_low, gap_high, first, last)

    def put(self, members: Ints, part: StrengthBounds) -> None:
        """Fill in the bounds of the members of one component."""
        for name in self.__dataclass_fields__:
            getattr(self, name)[members] = getattr(part, name)


class _Targets(NamedTuple):
    """Quantities to be bounded: their gradients by log strength, and their values from fitted gaps.

    `value` takes gaps of shape (…, authors, authors) and whether the lower end is wanted, which decides the
    value of undetermined gaps.
    """

    gradient: Floats
    value: Value


def strength_bounds(
    pairs: PairScores, reference: int, *, prior_ties: float, seed: int, level: float, resamples: int
) -> StrengthBounds:
    """Return the bounds of all authors of one component of two or more.

    Args:
        pairs: the component's scores.
        reference: code of the reference author.
        prior_ties: tied dialogues added to pairs without a valid bootstrap.
        seed: of the bootstrap.
        level: confidence level, in (0, 1).
        resamples: bootstrap samples.
    """
    ends = _Ends(pairs, prior_ties, seed=seed, level=level, resamples=resamples)
    low, high = ends.interval(_centred(pairs.authors), level)
    expected_low, expected_high = ends.interval(_expected(pairs.authors, ends.log), level)
    gap_low, gap_high = ends.interval(_above(pairs.authors, reference), level)
    gap_low[reference] = gap_high[reference] = 0.0
    rank_low, rank_high = _rank_bounds(ends, pairs.authors, level)
    return StrengthBounds(
        low,
        high,
        np.clip(expected_low, 0.0, 1.0),
        np.clip(expected_high, 0.0, 1.0),
        gap_low,
        gap_high,
        rank_low,
        rank_high,
    )


def _rank_bounds(ends: _Ends, authors: int, level: float) -> tuple[Ints, Ints]:
    """Return the best and worst rank, with an author's differences bounded jointly (Bonferroni)."""
    strict_level = 1.0 - (1.0 - level) / (authors - 1)
    below, above = np.zeros((authors, authors), dtype=bool), np.zeros((authors, authors), dtype=bool)
    for author in range(authors):
        low, high = ends.interval(
            _above(authors, author), strict_level
        )  # of every other author above this one
        others = np.arange(authors) != author
        below[author], above[author] = others & (high < -_NOISE), others & (low > _NOISE)
    return 1 + above.sum(axis=1).astype(np.int64), authors - below.sum(axis=1).astype(np.int64)


class _Ends:
    """Intervals of the pairs' rates, and their effect on any target."""

    def __init__(
        self, pairs: PairScores, prior_ties: float, *, seed: int, level: float, resamples: int
    ) -> None:
        self._pairs, self._level = pairs, level
        scores = [pairs.of_pair(pair) for pair in range(len(pairs))]
        self._scores = scores
        self._resampled = np.flatnonzero([bootstrap_is_valid(values) for values in scores])
        self._guarded = np.setdiff1d(np.arange(len(pairs)), self._resampled)
        self._rates = np.array([float(values.mean()) for values in scores])
        self._ties = np.zeros(len(pairs))
        self._ties[self._guarded] = prior_ties
        wins = pairs.wins(self._rates, self._ties)
        self.log = fit(wins)
        self._wins, self._gaps = wins, strength_gaps(wins[None])[0]
        intervals = [
            score_interval(scores[pair], seed=seed, level=level, resamples=resamples)
            for pair in self._resampled
        ]
        self._moved = self._gaps_at(intervals)
        self._correlation = pairs.correlation(self._resampled)
        self._guaranteed_at: dict[float, tuple[Floats, Floats]] = {}

    def _gaps_at(self, intervals: list[Interval]) -> Floats:
        """Return gaps with one resampled pair at an end, shape (2, resampled pairs, authors, authors)."""
        rates = np.tile(self._rates, (2, len(intervals), 1))
        for index, (pair, interval) in enumerate(zip(self._resampled, intervals, strict=True)):
            rates[:, index, pair] = _ends_of(interval)
        shape = (2, len(intervals), self._pairs.authors, self._pairs.authors)
        return strength_gaps(self._pairs.wins(rates.reshape(-1, rates.shape[-1]), self._ties)).reshape(shape)

    def interval(self, targets: _Targets, level: float) -> tuple[Floats, Floats]:
        """Return the lower and upper ends of every target at a level."""
        flow = solve_information(self._wins, self.log, targets.gradient)
        rises = (
            flow[:, self._pairs.first] >= flow[:, self._pairs.second]
        )  # whether wins of the first raise it
        centre = targets.value(self._gaps[None], True)[0]
        wider = float(ndtri((1.0 + level) / 2.0) / ndtri((1.0 + self._level) / 2.0))
        ends = []
        for sign in (1.0, -1.0):
            one_by_one = self._one_by_one(targets, centre, sign) * wider
            together = self._together(targets, centre, sign, rises, level)
            ends.append(centre - sign * np.sqrt(one_by_one**2 + together**2))
        return ends[0], ends[1]

    def _guaranteed(self, level: float) -> tuple[Floats, Floats]:
        """Return the low and high ends of the rates of pairs without a valid bootstrap."""
        if level not in self._guaranteed_at:
            intervals = [boundary_interval(self._scores[pair], level=level) for pair in self._guarded]
            lows, highs = np.array([_ends_of(values) for values in intervals]).T
            self._guaranteed_at[level] = lows, highs
        return self._guaranteed_at[level]

    def _one_by_one(self, targets: _Targets, centre: Floats, sign: float) -> Floats:
        """Return each target's deviation due to the resampled pairs; `sign` is 1 for lower ends."""
        if not self._resampled.size:
            return np.zeros(centre.shape)
        values = np.stack([targets.value(gaps, sign > 0) for gaps in self._moved])  # ends, pairs, targets
        deviations = sign * (centre - values)
        larger = np.argmax(deviations, axis=0)
        deviation = np.take_along_axis(deviations, larger[None], axis=0)[0] * np.where(larger == 0, 1.0, -1.0)
        if not np.isfinite(deviation).all():
            return np.asarray(np.where(np.isfinite(deviation).all(axis=0), 0.0, np.inf))
        squared = np.einsum("et,ef,ft->t", deviation, self._correlation, deviation)
        return np.asarray(np.sqrt(np.maximum(squared, 0.0)))

    def _together(
        self, targets: _Targets, centre: Floats, sign: float, rises: NDArray[np.bool_], level: float
    ) -> Floats:
        """Return each target's deviation due to pairs without a valid bootstrap, all at their worst ends."""
        if not self._guarded.size:
            return np.zeros(centre.shape)
        lows, highs = self._guaranteed(level)
        rates = np.tile(self._rates, (centre.size, 1))
        down = rises[:, self._guarded] == (sign > 0)
        rates[:, self._guarded] = np.where(down, lows, highs)
        ties = np.where(np.isin(np.arange(self._rates.size), self._guarded), 0.0, self._ties)
        gaps = strength_gaps(self._pairs.wins(rates, ties))
        values = np.array(
            [targets.value(gaps[[target]], sign > 0)[0, target] for target in range(centre.size)]
        )
        return np.asarray(np.maximum(sign * (centre - values), 0.0))


def _ends_of(interval: Interval) -> tuple[float, float]:
    """Return the ends of a rate's interval, with ends within rounding of 0 or 1 set to 0 or 1."""
    low = interval.low if interval.low > _NOISE else 0.0
    return low, interval.high if interval.high < 1.0 - _NOISE else 1.0


def _centred(authors: int) -> _Targets:
    """Return the targets log strength minus its mean."""

    def value(gaps: Floats, lower: bool) -> Floats:
        filled = _filled(gaps, lower)
        with np.errstate(invalid="ignore"):
            means = filled.mean(axis=-1)
        return np.where(np.isnan(means), -np.inf if lower else np.inf, means)

    return _Targets(np.eye(authors) - 1.0 / authors, value)


def _above(authors: int, reference: int) -> _Targets:
    """Return the targets log strength above one author's."""
    gradient = np.eye(authors)
    gradient[:, reference] -= 1.0
    return _Targets(gradient, lambda gaps, lower: _filled(gaps[..., :, reference], lower))


def _expected(authors: int, log: Floats) -> _Targets:
    """Return the targets mean probability of being preferred to another author."""
    preferred = expit(log[:, None] - log[None, :])
    slope = preferred * preferred.T * (1.0 - np.eye(authors))
    gradient = np.eye(authors) * slope.sum(axis=1) - slope

    def value(gaps: Floats, lower: bool) -> Floats:
        odds = expit(_filled(gaps, lower)) * (1.0 - np.eye(authors))
        return np.asarray(odds.sum(axis=-1) / (authors - 1))

    return _Targets(gradient, value)


def _filled(gaps: Floats, lower: bool) -> Floats:
    """Return the gaps with undetermined ones at the requested end."""
    return np.where(np.isnan(gaps), -np.inf if lower else np.inf, gaps)
