"""Intervals for Bradley–Terry strengths, none more certain than the intervals of the pairs' own rates.

Each pair that met has an interval of its rate by the rule of all intervals here (`score_interval`). A
pair whose scores can be resampled is moved to either end of its interval, one at a time, and everything is
fitted anew; the deviations are added in quadrature, with the correlation of pairs that share dialogues
(method of variance estimates recovery: Zou and Donner 2008, Stat. Med. 27). Pairs that cannot be resampled
(one author won nearly everything, few dialogues) are moved together to the ends of their guaranteed intervals
that are worst for the number in question, for how they depend on each other is not known. For two authors
this is the interval of their rate itself: 250 of 250 are a gap of 731 points or more, without an upper end.

Takes the scores of one component, gives arrays; knows nothing of judges or names.
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
    """The scores of every pair of authors that met, dialogue by dialogue.

    Attributes:
        authors: how many; first, second: codes of each pair's two, first < second.
        weight: meetings of each pair, ≥ 1; a dialogue counts several where several judges judged it.
        scores: shape (dialogues, pairs), the first's mean score, in [0, 1]; nan where the pair did not meet.
    """

    authors: int
    first: Ints
    second: Ints
    weight: Floats
    scores: Floats

    @classmethod
    def of(cls, first: Ints, second: Ints, score: Floats, dialogue: Ints, authors: int) -> PairScores:
        """From meetings in any order."""
        turned = first > second
        code = np.where(turned, second * authors + first, first * authors + second)
        pairs, pair = np.unique(code, return_inverse=True)
        dialogues, place = np.unique(dialogue, return_inverse=True)
        total, count = np.zeros((dialogues.size, pairs.size)), np.zeros((dialogues.size, pairs.size))
        np.add.at(total, (place, pair), np.where(turned, 1.0 - score, score))
        np.add.at(count, (place, pair), 1.0)
        with np.errstate(invalid="ignore"):
            scores = total / count
        return cls(authors, pairs // authors, pairs % authors, count.sum(axis=0), scores)

    def __len__(self) -> int:
        return int(self.first.size)

    def of_pair(self, pair: int) -> Floats:
        """A pair's scores, where it met."""
        column = self.scores[:, pair]
        return np.asarray(column[~np.isnan(column)])

    def correlation(self, chosen: Ints) -> Floats:
        """Of the chosen pairs' mean scores, through the dialogues that they share."""
        scores = self.scores[:, chosen]
        there = ~np.isnan(scores)
        centred = np.where(there, scores - np.nanmean(scores, axis=0), 0.0)
        return np.asarray((unit := centred / np.sqrt((centred**2).sum(axis=0))).T @ unit)

    def wins(self, rates: Floats, ties: Floats) -> Floats:
        """Matrices of wins where the pairs have these rates (shape (…, pairs)) and so many ties are added."""
        matrix = np.zeros((*rates.shape[:-1], self.authors, self.authors))
        matrix[..., self.first, self.second] = self.weight * rates + 0.5 * ties
        matrix[..., self.second, self.first] = self.weight * (1.0 - rates) + 0.5 * ties
        return matrix


@dataclass(frozen=True, eq=False)
class StrengthBounds:
    """Ends of intervals, one entry per author in every array; all as in `BradleyTerryStrengths`.

    Attributes:
        low, high: of the log strength, −inf and inf where it has no bound.
        expected_low, expected_high: of the mean probability of being preferred, in [0, 1].
        gap_low, gap_high: of the log strength above the reference's.
        rank_low, rank_high: best and worst place, from 1.
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
        """Of authors that met nobody: nothing to be said, first of one."""
        low, high, expected_low, expected_high, gap_low, gap_high = np.zeros((6, authors))
        first, last = np.ones((2, authors), dtype=np.int64)
        return cls(low, high, expected_low, expected_high, gap_low, gap_high, first, last)

    def put(self, members: Ints, part: StrengthBounds) -> None:
        """Fill in the members of one component."""
        for name in self.__dataclass_fields__:
            getattr(self, name)[members] = getattr(part, name)


class _Targets(NamedTuple):
    """Numbers to be bounded: how each moves with the strengths, and its value from fitted gaps.

    `value` takes gaps of shape (…, authors, authors) and whether the lower end is wanted, which decides what
    is taken for gaps that are not determined.
    """

    gradient: Floats
    value: Value


def strength_bounds(
    pairs: PairScores, reference: int, *, prior_ties: float, seed: int, level: float, resamples: int
) -> StrengthBounds:
    """StrengthBounds of all authors of one component of two or more, `reference` being one of them."""
    ends = _Ends(pairs, prior_ties, seed=seed, level=level, resamples=resamples)
    low, high = ends.interval(_centred(pairs.authors), level)
    expected_low, expected_high = ends.interval(_expected(pairs.authors, ends.log), level)
    gap_low, gap_high = ends.interval(_above(pairs.authors, reference), level)
    gap_low[reference] = gap_high[reference] = 0.0
    rank_low, rank_high = _places(ends, pairs.authors, level)
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


def _places(ends: _Ends, authors: int, level: float) -> tuple[Ints, Ints]:
    """Best and worst place: an author's differences from all others bounded at once (Bonferroni)."""
    strict = 1.0 - (1.0 - level) / (authors - 1)
    below, above = np.zeros((authors, authors), dtype=bool), np.zeros((authors, authors), dtype=bool)
    for author in range(authors):
        low, high = ends.interval(_above(authors, author), strict)  # of every other above this one
        others = np.arange(authors) != author
        below[author], above[author] = others & (high < -_NOISE), others & (low > _NOISE)
    return 1 + above.sum(axis=1).astype(np.int64), authors - below.sum(axis=1).astype(np.int64)


class _Ends:
    """The pairs' intervals, and what moving the pairs to their ends does to any number."""

    def __init__(
        self, pairs: PairScores, prior_ties: float, *, seed: int, level: float, resamples: int
    ) -> None:
        self._pairs, self._level = pairs, level
        scores = [pairs.of_pair(pair) for pair in range(len(pairs))]
        self._scores = scores
        self._resampled = np.flatnonzero([bootstrap_is_valid(one) for one in scores])
        self._guarded = np.setdiff1d(np.arange(len(pairs)), self._resampled)
        self._rates = np.array([float(one.mean()) for one in scores])
        self._ties = np.zeros(len(pairs))
        self._ties[self._guarded] = prior_ties
        wins = pairs.wins(self._rates, self._ties)
        self.log = fit(wins)
        self._wins, self._gaps = wins, strength_gaps(wins[None])[0]
        own = [
            score_interval(scores[pair], seed=seed, level=level, resamples=resamples)
            for pair in self._resampled
        ]
        self._moved = self._gaps_at(own)
        self._correlation = pairs.correlation(self._resampled)
        self._guaranteed_at: dict[float, tuple[Floats, Floats]] = {}

    def _gaps_at(self, own: list[Interval]) -> Floats:
        """Gaps with one resampled pair at an end: shape (2, resampled pairs, authors, authors)."""
        rates = np.tile(self._rates, (2, len(own), 1))
        for place, (pair, interval) in enumerate(zip(self._resampled, own, strict=True)):
            rates[:, place, pair] = _ends_of(interval)
        shape = (2, len(own), self._pairs.authors, self._pairs.authors)
        return strength_gaps(self._pairs.wins(rates.reshape(-1, rates.shape[-1]), self._ties)).reshape(shape)

    def interval(self, targets: _Targets, level: float) -> tuple[Floats, Floats]:
        """Lower and upper ends of every target at a level."""
        flow = solve_information(self._wins, self.log, targets.gradient)
        rises = flow[:, self._pairs.first] >= flow[:, self._pairs.second]  # with the first's wins
        centre = targets.value(self._gaps[None], True)[0]
        wider = float(ndtri((1.0 + level) / 2.0) / ndtri((1.0 + self._level) / 2.0))
        ends = []
        for sign in (1.0, -1.0):
            one_by_one = self._one_by_one(targets, centre, sign) * wider
            together = self._together(targets, centre, sign, rises, level)
            ends.append(centre - sign * np.sqrt(one_by_one**2 + together**2))
        return ends[0], ends[1]

    def _guaranteed(self, level: float) -> tuple[Floats, Floats]:
        """Low and high ends of the rates of the pairs that cannot be resampled."""
        if level not in self._guaranteed_at:
            intervals = [boundary_interval(self._scores[pair], level=level) for pair in self._guarded]
            lows, highs = np.array([_ends_of(one) for one in intervals]).T
            self._guaranteed_at[level] = lows, highs
        return self._guaranteed_at[level]

    def _one_by_one(self, targets: _Targets, centre: Floats, sign: float) -> Floats:
        """How far each target may be off by the pairs that can be resampled; `sign` 1 for lower ends."""
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
        """How far each target may be off by the pairs that cannot, all at their worst ends."""
        if not self._guarded.size:
            return np.zeros(centre.shape)
        lows, highs = self._guaranteed(level)
        rates = np.tile(self._rates, (centre.size, 1))
        down = rises[:, self._guarded] == (sign > 0)
        rates[:, self._guarded] = np.where(down, lows, highs)
        ties = np.where(np.isin(np.arange(self._rates.size), self._guarded), 0.0, self._ties)
        gaps = strength_gaps(self._pairs.wins(rates, ties))
        values = np.array([targets.value(gaps[[at]], sign > 0)[0, at] for at in range(centre.size)])
        return np.asarray(np.maximum(sign * (centre - values), 0.0))


def _ends_of(interval: Interval) -> tuple[float, float]:
    """Of a rate; an end that only rounding keeps from 0 or 1 is there."""
    low = interval.low if interval.low > _NOISE else 0.0
    return low, interval.high if interval.high < 1.0 - _NOISE else 1.0


def _centred(authors: int) -> _Targets:
    """Log strengths, less their mean."""

    def value(gaps: Floats, lower: bool) -> Floats:
        filled = _filled(gaps, lower)
        with np.errstate(invalid="ignore"):
            means = filled.mean(axis=-1)
        return np.where(np.isnan(means), -np.inf if lower else np.inf, means)

    return _Targets(np.eye(authors) - 1.0 / authors, value)


def _above(authors: int, reference: int) -> _Targets:
    """Log strengths above one author's."""
    gradient = np.eye(authors)
    gradient[:, reference] -= 1.0
    return _Targets(gradient, lambda gaps, lower: _filled(gaps[..., :, reference], lower))


def _expected(authors: int, log: Floats) -> _Targets:
    """Mean probability of being preferred to another author."""
    preferred = expit(log[:, None] - log[None, :])
    slope = preferred * preferred.T * (1.0 - np.eye(authors))
    gradient = np.eye(authors) * slope.sum(axis=1) - slope

    def value(gaps: Floats, lower: bool) -> Floats:
        odds = expit(_filled(gaps, lower)) * (1.0 - np.eye(authors))
        return np.asarray(odds.sum(axis=-1) / (authors - 1))

    return _Targets(gradient, value)


def _filled(gaps: Floats, lower: bool) -> Floats:
    """Gaps that are not determined at the end that was asked for."""
    return np.where(np.isnan(gaps), -np.inf if lower else np.inf, gaps)
