"""Non-inferiority of one author to another within a margin, from the interval of their difference.

The first author is non-inferior if the interval of "first minus second" lies above −margin, inferior if it
lies below, and otherwise undecided: an undetected difference proves nothing (Piaggio et al. 2012, "Reporting
of noninferiority and equivalence randomized trials", JAMA 308). Choose the margin for its meaning, before
judging. A dialogue with a missing judgment counts as lost for "non-inferior" and as won for "inferior", and
the sampling error of these worst cases is included.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from results.statistics.intervals import Interval, score_interval
from results.statistics.not_estimable import NotEstimable
from results.statistics.paired_differences import PairedScores
from results.statistics.power import SampleSize, required_sample_size
from results.statistics.training_seeds import StrategyEstimate

NON_INFERIOR, INFERIOR, UNDECIDED = "non-inferior", "inferior", "undecided"
STATISTIC = "non-inferiority"


@dataclass(frozen=True, slots=True)
class NonInferiority:
    """Whether the first author does as well as the second within a margin.

    Attributes:
        verdict: `NON_INFERIOR`, `INFERIOR` or `UNDECIDED`.
        margin: in the unit of rates, in (0, 1).
        difference: rate of the first minus rate of the second over the n dialogues, in [−1, 1]; None without
            complete dialogues.
        low: lower end of the interval with every missing judgment against the first, in [−1, 1]; decides
            "non-inferior".
        high: upper end with every missing judgment for the first, in [−1, 1]; decides "inferior".
        level: level of the two-sided interval; each verdict's one-sided error is at most (1 − level) / 2.
        n: dialogues complete for both.
        left_out: the other dialogues that were to be judged.
        required_sample_size: dialogues to show non-inferiority with power 0.8 if the authors are equally
            good; None if nothing differed.
        method: how the interval was computed.
    """

    verdict: str
    margin: float
    difference: float | None
    low: float
    high: float
    level: float
    n: int
    left_out: int
    required_sample_size: SampleSize | None
    method: str


def non_inferior(
    pairs: PairedScores, margin: float, *, seed: int, level: float = 0.95, resamples: int = 4000
) -> NonInferiority | NotEstimable:
    """Decide whether the first author of a pair is as good as the second within the margin.

    `NotEstimable` without dialogues.

    Args:
        pairs: scores over exactly the dialogues that were to be judged for both.
        margin: in the unit of rates, in (0, 1).
        seed: of the bootstrap.
        level: confidence level, in (0, 1).
        resamples: bootstrap samples.

    Raises:
        ValueError: a margin or level outside (0, 1).
    """
    check_margin(margin)
    if not pairs.low.size:
        return NotEstimable(STATISTIC, "no dialogue was to be judged for both")
    lost, won = (
        score_interval((1.0 + worst) / 2.0, seed=seed, level=level, resamples=resamples)
        for worst in (pairs.low, pairs.high)
    )
    low, high = 2.0 * lost.low - 1.0, 2.0 * won.high - 1.0
    values = pairs.differences[~np.isnan(pairs.differences)]
    return NonInferiority(
        verdict=within_margin(low, high, margin),
        margin=margin,
        difference=float(values.mean()) if values.size else None,
        low=low,
        high=high,
        level=level,
        n=int(values.size),
        left_out=int(pairs.low.size - values.size),
        required_sample_size=noninferiority_sample_size(margin, float(values.std()), int(values.size), level)
        if values.size
        else None,
        method=_method(lost, won),
    )


def _method(lost: Interval, won: Interval) -> str:
    """Return the methods of both ends."""
    return lost.method if lost.method == won.method else f"{lost.method}; {won.method}"


def strategy_non_inferior(estimate: StrategyEstimate, margin: float) -> NonInferiority:
    """Decide non-inferiority of strategies, from their estimate over dialogues and training seeds.

    A rate against the opponent is treated as the difference 2 · rate − 1. Each excluded dialogue shifts the
    ends by the largest amount possible.

    Raises:
        ValueError: a margin outside (0, 1).
    """
    check_margin(margin)
    scale, shift = (2.0, 1.0) if len(estimate.seeds) == 1 else (1.0, 0.0)
    share = estimate.n / (estimate.n + estimate.left_out)
    low = share * (scale * estimate.low - shift) - (1.0 - share)
    high = share * (scale * estimate.high - shift) + (1.0 - share)
    return NonInferiority(
        verdict=within_margin(low, high, margin),
        margin=margin,
        difference=scale * estimate.estimate - shift,
        low=low,
        high=high,
        level=estimate.level,
        n=estimate.n,
        left_out=estimate.left_out,
        required_sample_size=None,
        method=estimate.method,
    )


def within_margin(low: float, high: float, margin: float) -> str:
    """Return the verdict implied by an interval of "first minus second"."""
    if low > -margin:
        return NON_INFERIOR
    return INFERIOR if high < -margin else UNDECIDED


def noninferiority_sample_size(
    margin: float, spread: float, n: int, level: float = 0.95
) -> SampleSize | None:
    """Return the dialogues needed to show non-inferiority with power 0.8 if the authors are equally good.

    n = (z₀.₉₇₅ + z₀.₈)² std² / margin² (Julious 2004, "Sample sizes for clinical trials with normal data",
    Stat. Med. 23). None if nothing differs.

    Args:
        margin: in the unit of rates.
        spread: standard deviation of the difference per dialogue.
        n: dialogues available.
        level: confidence level.
    """
    return required_sample_size(margin, spread, n, level=level) if spread > 0.0 else None


def check_margin(margin: float) -> None:
    """Raise ValueError unless `margin` is in (0, 1)."""
    if not 0.0 < margin < 1.0:
        raise ValueError(f"margin must be between 0 and 1, not {margin}")
