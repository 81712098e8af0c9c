"""Between-seed part of an interval from few training seeds, on the log-odds scale.

Two, three or five checkpoints carry little information on how much checkpoints differ. On the log-odds scale
their rates are approximately normal with a common spread, so Student's t with k − 1 degrees of freedom has
the right coverage. Two strategies use Welch's degrees of freedom (1947, Biometrika 34), or those of the
smaller strategy if it has two seeds and the other more, because Welch's covered only 90 % there. The noise
of dialogues is shared by all checkpoints and does not add to the seeds' degrees of freedom: a Satterthwaite
mixture would claim hundreds of them for two seeds that happen to agree. The two parts are combined by
squared distances from the estimate on either side (MOVER: Zou and Donner 2008, Stat. Med. 27), which keeps
the interval within the range of rates.
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
    """Variation between the checkpoints of one strategy, on the log-odds scale.

    Attributes:
        centre: log-odds of the mean rate.
        error: its standard error over training seeds, ≥ 0.
        seeds: checkpoints, ≥ 2.
    """

    centre: float
    error: float
    seeds: int

    @property
    def variance(self) -> float:
        """Squared standard error on the scale of rates, at the mean rate."""
        rate = float(expit(self.centre))
        return (self.error * rate * (1.0 - rate)) ** 2

    def distances(self, quantile: float) -> tuple[float, float]:
        """Return how far `quantile` standard errors reach below and above the rate, ≥ 0."""
        rate = float(expit(self.centre))
        margin = quantile * self.error
        return rate - float(expit(self.centre - margin)), float(expit(self.centre + margin)) - rate


def seed_spread(rates: Floats, n: int) -> SeedSpread:
    """Return the variation of the rates of two or more checkpoints over n dialogues each.

    Half a dialogue is added to wins and to losses, so that a rate of 0 or 1 has finite log-odds (Haldane
    1956).
    """
    odds = logit((rates * n + 0.5) / (n + 1.0))
    k = int(rates.size)
    centre = float(logit((rates.mean() * n * k + 0.5) / (n * k + 1.0)))
    return SeedSpread(centre, float(odds.std(ddof=1)) / float(np.sqrt(k)), k)


def welch_degrees(groups: Sequence[SeedSpread]) -> float:
    """Return the degrees of freedom of one or two strategies' seeds, ≥ 1; 1 for two seeds against more."""
    minimum = float(min(group.seeds for group in groups) - 1)
    if minimum == 1.0 and max(group.seeds for group in groups) > 2:
        return minimum
    total = sum(group.variance for group in groups)
    weighted = sum(group.variance**2 / (group.seeds - 1) for group in groups)
    return max(minimum, total**2 / weighted) if weighted > 0.0 else minimum


def seed_margin(groups: Sequence[SeedSpread], degrees: float, tail: float) -> tuple[float, float]:
    """Return the seeds' margins below and above the estimate at an upper tail probability.

    The estimate is the first strategy's rate or, with two strategies, the first minus the second.
    """
    quantile = -float(stdtrit(degrees, tail))
    below, above = groups[0].distances(quantile)
    if len(groups) > 1:
        second_below, second_above = groups[1].distances(quantile)
        below, above = float(np.hypot(below, second_above)), float(np.hypot(above, second_below))
    return below, above


def p_value(groups: Sequence[SeedSpread], degrees: float, deviation: float, error: float) -> float:
    """Return the two-sided p-value: the level at which the interval just reaches the null.

    Args:
        groups: between-seed variation of one or two strategies.
        degrees: degrees of freedom of the seeds.
        deviation: estimate minus null.
        error: standard error over dialogues, ≥ 0.
    """
    side = 0 if deviation > 0.0 else 1
    low, high = np.log(_SMALLEST_P), 0.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        tail = float(np.exp(middle)) / 2.0
        margin = np.hypot(seed_margin(groups, degrees, tail)[side], float(ndtri(tail)) * error)
        low, high = (middle, high) if margin >= abs(deviation) else (low, middle)
    return float(np.exp(high))
