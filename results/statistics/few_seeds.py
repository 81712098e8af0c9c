"""What a handful of training seeds allows: the seeds' part of an interval, on the log-odds scale.

Two, three or five checkpoints say little of how much checkpoints differ. On the log-odds scale their rates
are about normal with one spread wherever they lie, so Student's t with k − 1 degrees of freedom covers; for
two strategies, Welch's degrees of freedom (1947, Biometrika 34), and those of the smaller where it has two
seeds and the other more: Welch covered 90 % there. The noise of dialogues, which all checkpoints share, is
no part of the seeds' degrees of freedom: mixed with it (Satterthwaite), two seeds that happen to agree
would claim hundreds. The two parts are combined by their squared distances from the estimate on either side
(MOVER: Zou and Donner 2008, Stat. Med. 27), which keeps the interval inside the range of rates.

Rates in, distances out; knows nothing of dialogues.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtri, stdtrit

Floats = NDArray[np.float64]

_SMALLEST_P = 1e-12
_HALVINGS = 60


@dataclass(frozen=True, slots=True)
class SeedSpread:
    """How much the checkpoints of one strategy differ, on the log-odds scale.

    Attributes:
        centre: log-odds of the mean rate.
        error: standard error of it over training seeds, ≥ 0.
        seeds: checkpoints, ≥ 2.
    """

    centre: float
    error: float
    seeds: int

    @property
    def variance(self) -> float:
        """The same on the scale of rates, at the mean rate."""
        rate = float(expit(self.centre))
        return (self.error * rate * (1.0 - rate)) ** 2

    def distances(self, quantile: float) -> tuple[float, float]:
        """How far below and above the rate so many standard errors reach, ≥ 0."""
        rate = float(expit(self.centre))
        reach = quantile * self.error
        return rate - float(expit(self.centre - reach)), float(expit(self.centre + reach)) - rate


def seed_spread(rates: Floats, n: int) -> SeedSpread:
    """From the rates of two or more checkpoints over n dialogues.

    Half a dialogue is added to wins and to losses, so that a rate of 0 or 1 has log-odds (Haldane 1956).
    """
    odds = logit((rates * n + 0.5) / (n + 1.0))
    k = int(rates.size)
    centre = float(logit((rates.mean() * n * k + 0.5) / (n * k + 1.0)))
    return SeedSpread(centre, float(odds.std(ddof=1)) / float(np.sqrt(k)), k)


def welch_degrees(groups: Sequence[SeedSpread]) -> float:
    """Degrees of freedom of one or two strategies' seeds together, ≥ 1; 1 for two seeds against more."""
    least = float(min(group.seeds for group in groups) - 1)
    if least == 1.0 and max(group.seeds for group in groups) > 2:
        return least
    total = sum(group.variance for group in groups)
    weighted = sum(group.variance**2 / (group.seeds - 1) for group in groups)
    return max(least, total**2 / weighted) if weighted > 0.0 else least


def seed_margin(groups: Sequence[SeedSpread], degrees: float, tail: float) -> tuple[float, float]:
    """How far below and above the estimate the seeds reach at this upper tail probability.

    Of the first strategy's rate; with two, of the first minus the second.
    """
    quantile = -float(stdtrit(degrees, tail))
    below, above = groups[0].distances(quantile)
    if len(groups) > 1:
        second_below, second_above = groups[1].distances(quantile)
        below, above = float(np.hypot(below, second_above)), float(np.hypot(above, second_below))
    return below, above


def p_value(groups: Sequence[SeedSpread], degrees: float, deviation: float, error: float) -> float:
    """Two-sided p-value: the level at which an interval just reaches the null.

    Args:
        deviation: estimate minus null.
        error: standard error over dialogues, ≥ 0.
    """
    side = 0 if deviation > 0.0 else 1
    low, high = np.log(_SMALLEST_P), 0.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        tail = float(np.exp(middle)) / 2.0
        reach = np.hypot(seed_margin(groups, degrees, tail)[side], float(ndtri(tail)) * error)
        low, high = (middle, high) if reach >= abs(deviation) else (low, middle)
    return float(np.exp(high))
