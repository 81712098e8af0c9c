"""What a comparison of so many dialogues can tell, and how many more it would take.

From the number of dialogues and the spread of the per-dialogue differences, never from the observed effect:
"observed power" is the p-value in other clothes (Hoenig and Heisey 2001, Am. Stat. 55). Spread is the root
mean square of the differences, their standard deviation under the null; for single binary verdicts its
square is the share of discordant dialogues (Connor 1987, Biometrics 43). Normal approximation.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from results.statistics.judgment_table import JudgmentTable
from results.statistics.scores import dialogue_scores

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SampleSize:
    """What it would take to detect a true difference of a given size.

    Attributes:
        difference: the size, in the unit of rates, in (0, 1].
        dialogues: dialogues needed in all, at the present number of samples.
        more_dialogues: how many more than there are; 0 where there are enough.
        samples: samples per comparison needed with the present dialogues; None where no number would do,
            or where one sample was taken and the noise between repetitions is therefore unknown.
        power, level: probability of detecting it, at significance 1 − level.
    """

    difference: float
    dialogues: int
    more_dialogues: int
    samples: int | None
    power: float
    level: float


def spread_of(differences: Floats) -> float:
    """Root mean square of the differences: their standard deviation if there were no effect."""
    return float(np.sqrt(np.mean(differences**2)))


def minimum_detectable_effect(
    spread: float, n: int, *, level: float = 0.95, power: float = 0.8
) -> float | None:
    """The smallest true difference that n dialogues detect with probability `power`, at most 1.

    None where the spread is 0 (nothing ever differed: n says nothing about what could) or n is 0.
    """
    if n < 1 or spread <= 0.0:
        return None
    return min(1.0, _reach(level, power) * spread / sqrt(n))


def required_sample_size(
    difference: float,
    spread: float,
    n: int,
    *,
    samples: int = 1,
    repetition_variance: float | None = None,
    level: float = 0.95,
    power: float = 0.8,
) -> SampleSize:
    """Dialogues, or samples per comparison, needed to detect a true difference of this size.

    Args:
        difference: to be chosen for its meaning, not taken from the data; in (0, 1].
        spread: as from `spread_of`, at `samples` samples.
        repetition_variance: the part of spread² that more samples would shrink (see
            `repetition_variance`); None where unknown.

    Raises:
        ValueError: a difference outside (0, 1].
    """
    if not 0.0 < difference <= 1.0:
        raise ValueError(f"a difference to be detected lies in (0, 1], not at {difference}")
    reach = _reach(level, power)
    dialogues = max(1, ceil((reach * spread / difference) ** 2 - 1e-9))
    enough = None
    if repetition_variance is not None and n:
        noise = min(repetition_variance, spread**2)
        room = n * (difference / reach) ** 2 - (spread**2 - noise)
        if room > 0.0:
            enough = max(1, ceil(noise * samples / room - 1e-9))
    return SampleSize(difference, dialogues, max(0, dialogues - n), enough, power, level)


def repetition_variance(contests: list[JudgmentTable], *, soft: bool = False) -> float | None:
    """Variance that repeating the same comparison adds to a dialogue's score, summed over the contests.

    Each order's samples vary by v; a score is the mean of two orders' means, so it varies by
    (v₁ + v₂) / (4 · samples). None with one sample, or no complete dialogue.
    """
    total = 0.0
    for columns in contests:
        scores = dialogue_scores(columns, soft=soft)
        samples = scores.by_order.shape[2]
        whole = scores.by_order[scores.complete]
        if samples < 2 or not whole.size:
            return None
        total += float(whole.var(axis=2, ddof=1).sum(axis=1).mean()) / (4.0 * samples)
    return total


def check_level_and_power(level: float, power: float) -> None:
    """Raise ValueError where `level` is no confidence level, or `power` no probability from ½ up."""
    if not 0.0 < level < 1.0 or not 0.5 <= power < 1.0:
        raise ValueError(f"level {level} and power {power} must lie in (0, 1) and [0.5, 1)")


def _reach(level: float, power: float) -> float:
    check_level_and_power(level, power)
    return float(ndtri((1.0 + level) / 2.0) + ndtri(power))
