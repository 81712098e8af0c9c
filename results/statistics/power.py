"""Power analysis of paired comparisons: minimum detectable effect and required sample size.

Both follow from the number of dialogues and the spread of the per-dialogue differences, never from the
observed effect: "observed power" is a function of the p-value (Hoenig and Heisey 2001, Am. Stat. 55). The
spread is the root mean square of the differences, their standard deviation under the null. For single binary
verdicts its square is the share of discordant dialogues (Connor 1987, Biometrics 43). Normal approximation.
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
    """Sample size required to detect a true difference of a given size.

    Attributes:
        difference: the true difference, in the unit of rates, in (0, 1].
        dialogues: dialogues required in all, at the present number of samples.
        more_dialogues: dialogues required beyond the present ones; 0 if there are enough.
        samples: samples per comparison required with the present dialogues; None if no number suffices, or if
            one sample was taken and the variance between repetitions is unknown.
        power, level: probability of detection, at significance 1 − level.
    """

    difference: float
    dialogues: int
    more_dialogues: int
    samples: int | None
    power: float
    level: float


def spread_of(differences: Floats) -> float:
    """Return the root mean square of the differences: their standard deviation without an effect."""
    return float(np.sqrt(np.mean(differences**2)))


def minimum_detectable_effect(
    spread: float, n: int, *, level: float = 0.95, power: float = 0.8
) -> float | None:
    """Return the smallest true difference that n dialogues detect with probability `power`, at most 1.

    None if the spread or n is 0: without any observed difference the spread is unknown.

    Args:
        spread: as returned by `spread_of`.
        n: dialogues.
        level: confidence level, in (0, 1).
        power: probability of detection, in [½, 1).
    """
    if n < 1 or spread <= 0.0:
        return None
    return min(1.0, _quantile_sum(level, power) * spread / sqrt(n))


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
    """Return the dialogues, or samples per comparison, required to detect a true difference of this size.

    Args:
        difference: in (0, 1]; choose it for its meaning, not from the data.
        spread: as returned by `spread_of`, at `samples` samples.
        n: present dialogues.
        samples: present samples per comparison.
        repetition_variance: part of spread² that more samples reduce (see `repetition_variance`); None if
            unknown.
        level: confidence level, in (0, 1).
        power: probability of detection, in [½, 1).

    Raises:
        ValueError: a difference outside (0, 1], or a level or power out of range.
    """
    if not 0.0 < difference <= 1.0:
        raise ValueError(f"difference must be in (0, 1], not {difference}")
    quantiles = _quantile_sum(level, power)
    dialogues = max(1, ceil((quantiles * spread / difference) ** 2 - 1e-9))
    required_samples = None
    if repetition_variance is not None and n:
        noise = min(repetition_variance, spread**2)
        allowed_noise = n * (difference / quantiles) ** 2 - (spread**2 - noise)
        if allowed_noise > 0.0:
            required_samples = max(1, ceil(noise * samples / allowed_noise - 1e-9))
    return SampleSize(difference, dialogues, max(0, dialogues - n), required_samples, power, level)


def repetition_variance(contests: list[JudgmentTable], *, soft: bool = False) -> float | None:
    """Return the variance that repetition noise adds to a dialogue's score, summed over the contests.

    Each order's samples vary by v. A score is the mean of two orders' means, so it varies by
    (v₁ + v₂) / (4 · samples). None with one sample, or without complete dialogues.
    """
    total = 0.0
    for columns in contests:
        scores = dialogue_scores(columns, soft=soft)
        samples = scores.by_order.shape[2]
        complete = scores.by_order[scores.complete]
        if samples < 2 or not complete.size:
            return None
        total += float(complete.var(axis=2, ddof=1).sum(axis=1).mean()) / (4.0 * samples)
    return total


def check_level_and_power(level: float, power: float) -> None:
    """Raise ValueError unless `level` is in (0, 1) and `power` in [½, 1)."""
    if not 0.0 < level < 1.0 or not 0.5 <= power < 1.0:
        raise ValueError(f"level must be in (0, 1) and power in [0.5, 1), not {level} and {power}")


def _quantile_sum(level: float, power: float) -> float:
    """Return the sum of the normal quantiles of significance and power."""
    check_level_and_power(level, power)
    return float(ndtri((1.0 + level) / 2.0) + ndtri(power))
