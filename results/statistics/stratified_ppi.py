"""Stratified cheap + gold: more gold verdicts where the cheap judge is inconsistent.

After the cheap judge has judged every dialogue, dialogues fall into two strata: those where all its verdicts
name one author, and the others. A simple random sample is drawn in each, so the inclusion probability of
every dialogue is known: n_h/N_h. The estimate is the difference estimator of stratified two-phase sampling,
with the cheap judge weighted as in power-tuned prediction-powered inference (Särndal, Swensson and Wretman
1992, chapters 6 and 9; Angelopoulos et al. 2023, arXiv 2311.01453; Fisch et al. 2024, "Stratified
prediction-powered inference", arXiv 2406.04291):

    rate = w · mean(cheap) + Σ_h N_h/N · mean_h(gold − w · cheap)

It estimates the gold judge's rate for any bias of the cheap judge and includes the sampling error of the
dialogues. With fewer than ten gold outcomes on either side, a bounded-mean interval of the inversely weighted
gold scores is used instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from results.statistics.betting_martingale import bounded_mean_interval
from results.statistics.intervals import SAME, check_level
from results.statistics.not_estimable import NotEstimable
from results.statistics.ppi import MIN_GOLD_OUTCOMES, CheapAndGold

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STRATIFIED = "stratified prediction-powered inference"
BOUNDED = "bounded mean (betting) of inversely weighted gold scores"
CONSISTENT, INCONSISTENT = 0, 1
NAMES = ("consistent", "inconsistent")
INCONSISTENT_WEIGHT = 2.0  # inclusion probability relative to consistent dialogues
MIN_PER_STRATUM = 10


@dataclass(frozen=True, slots=True)
class Stratum:
    """One stratum of a gold share.

    Attributes:
        name: "consistent" or "inconsistent", by the cheap judge's verdicts.
        n: dialogues in the stratum.
        n_gold: dialogues with a gold score.
        probability: of inclusion, n_gold / n, in (0, 1].
    """

    name: str
    n: int
    n_gold: int
    probability: float


@dataclass(frozen=True, slots=True)
class StratifiedGold:
    """Estimate of the gold judge's win rate of A from a stratified share.

    Attributes:
        estimate: the estimate; its `gold` is weighted by inclusion.
        strata: strata that have dialogues.
    """

    estimate: CheapAndGold
    strata: tuple[Stratum, ...]


def assign_strata(cheap: Floats) -> Ints:
    """Return `CONSISTENT` where all verdicts name one author (a score of 0 or 1), else `INCONSISTENT`.

    `cheap`: complete scores only.
    """
    return np.where((cheap < SAME) | (cheap > 1.0 - SAME), CONSISTENT, INCONSISTENT).astype(np.int64)


def allocation(sizes: Sequence[int], total: int) -> tuple[int, ...]:
    """Return how many dialogues of each stratum the gold judge gets.

    Inconsistent dialogues are twice as likely, and each stratum gets at least ten. Never more than a stratum
    has; sums to `total` where the strata and the minimum allow it.
    """
    minimum = [min(size, MIN_PER_STRATUM) for size in sizes]
    weights = np.array(sizes, dtype=np.float64)
    weights[INCONSISTENT:] *= INCONSISTENT_WEIGHT
    counts = [0] * len(sizes)
    for index, size in enumerate(sizes):
        target = round(total * float(weights[index]) / max(1.0, float(weights.sum())))
        counts[index] = min(size, max(minimum[index], target))
    for index, size in enumerate(sizes):  # move what a full stratum cannot take to the others
        spare = total - sum(counts)
        counts[index] = min(size, max(minimum[index], counts[index] + spare))
    return tuple(counts)


def stratified_cheap_and_gold(
    cheap: Floats, gold: Floats, *, level: float = 0.95
) -> StratifiedGold | NotEstimable:
    """Estimate the gold judge's win rate from a share drawn by stratum.

    `NotEstimable` if a stratum has fewer than two gold scores (one, if it has one dialogue).

    Args:
        cheap: the cheap judge's score per dialogue; NaN where missing, which excludes the dialogue.
        gold: the gold judge's score; NaN outside the share. Within a stratum, a simple random sample.
        level: confidence level, in (0, 1).

    Raises:
        ValueError: arrays of different lengths, or a level outside (0, 1).
    """
    check_level(level)
    if cheap.shape != gold.shape:
        raise ValueError(f"{cheap.size} cheap and {gold.size} gold scores")
    has_cheap = ~np.isnan(cheap)
    f, y = cheap[has_cheap], gold[has_cheap]
    stratum = assign_strata(f)
    has_gold = ~np.isnan(y)
    strata = []
    for code, name in enumerate(NAMES):
        n, n_gold = int((stratum == code).sum()), int((has_gold & (stratum == code)).sum())
        if not n:
            continue
        if n_gold < min(2, n):
            reason = f"{n_gold} of {n} dialogues on which the cheap judge is {name} have a gold score"
            return NotEstimable("cheap and gold estimate", reason)
        strata.append(Stratum(name, n, n_gold, n_gold / n))
    if not strata:
        return NotEstimable("cheap and gold estimate", "no dialogue has the cheap judge's score")
    probability = np.array([(has_gold & (stratum == code)).sum() for code in stratum]) / np.array(
        [(stratum == code).sum() for code in stratum]
    )
    short_side = min(float(y[has_gold].sum()), float((1.0 - y[has_gold]).sum()))
    if short_side < MIN_GOLD_OUTCOMES - 1e-9:
        estimate = _bounded(f, y, has_gold, probability, level, short_side)
    else:
        estimate = _difference(f, y, has_gold, stratum, level)
    return StratifiedGold(estimate, tuple(strata))


def _difference(
    f: Floats, y: Floats, has_gold: NDArray[np.bool_], stratum: Ints, level: float
) -> CheapAndGold:
    """Return the difference estimate with its interval."""
    total = f.size
    cells = [(stratum == code, has_gold & (stratum == code)) for code in np.unique(stratum)]
    shares = [float(in_stratum.sum()) / total for in_stratum, _ in cells]
    factors = [
        share**2 * (1.0 / int(sampled.sum()) - 1.0 / int(in_stratum.sum()))
        for share, (in_stratum, sampled) in zip(shares, cells, strict=True)
    ]
    weight = _weight(f, y, cells, factors)
    mean = sum(share * float(y[sampled].mean()) for share, (_, sampled) in zip(shares, cells, strict=True))
    square = sum(
        share * float((y[sampled] ** 2).mean()) for share, (_, sampled) in zip(shares, cells, strict=True)
    )
    residual = y - weight * f
    rate = weight * float(f.mean()) + sum(
        share * float(residual[sampled].mean()) for share, (_, sampled) in zip(shares, cells, strict=True)
    )
    spread = max(0.0, square - mean**2)
    parts = [(spread / total, int(has_gold.sum()) - 1)]
    parts += [
        (factor * _variance(residual[sampled]), int(sampled.sum()) - 1)
        for factor, (_, sampled) in zip(factors, cells, strict=True)
        if factor > 0.0
    ]
    variance = sum(part for part, _ in parts)
    weighted = sum(part**2 / degrees for part, degrees in parts if degrees > 0)
    degrees = variance**2 / weighted if weighted > 0.0 else float(has_gold.sum() - 1)
    margin = float(stdtrit(degrees, (1.0 + level) / 2.0)) * float(np.sqrt(variance))
    return CheapAndGold(
        rate=min(1.0, max(0.0, rate)),
        low=max(0.0, rate - margin),
        high=min(1.0, rate + margin),
        level=level,
        method=STRATIFIED,
        gold=mean,
        cheap=float(f.mean()),
        weight=weight,
        n_gold=int(has_gold.sum()),
        n=total,
        effective_n=spread / variance if variance > 0.0 else float(total),
    )


def _variance(values: Floats) -> float:
    """Return the sample variance; 0 for one value."""
    return float(values.var(ddof=1)) if values.size > 1 else 0.0


def _weight(
    f: Floats,
    y: Floats,
    cells: Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]],
    factors: Sequence[float],
) -> float:
    """Return the cheap judge's weight for the shortest interval, in [0, 1]."""
    covariance = cheap_variance = 0.0
    for factor, (_, sampled) in zip(factors, cells, strict=True):
        if sampled.sum() > 1:
            covariance += factor * float(np.cov(y[sampled], f[sampled])[0, 1])
            cheap_variance += factor * _variance(f[sampled])
    return min(1.0, max(0.0, covariance / cheap_variance)) if cheap_variance > 0.0 else 0.0


def _bounded(
    f: Floats, y: Floats, has_gold: NDArray[np.bool_], probability: Floats, level: float, short_side: float
) -> CheapAndGold:
    """Return the bounded-mean interval of the rarer outcome, inversely weighted to [0, 1/min probability]."""
    losses_are_rare = float(y[has_gold].sum()) >= float((1.0 - y[has_gold]).sum())
    rare = np.where(has_gold, (1.0 - y) if losses_are_rare else y, 0.0)
    min_probability = float(probability.min())
    low, high = (
        end / min_probability for end in bounded_mean_interval(rare / probability * min_probability, level)
    )
    mean = float((rare / probability).mean())
    if losses_are_rare:
        mean, low, high = 1.0 - mean, 1.0 - high, 1.0 - low
    return CheapAndGold(
        rate=min(1.0, max(0.0, mean)),
        low=max(0.0, low),
        high=min(1.0, high),
        level=level,
        method=BOUNDED,
        gold=mean,
        cheap=float(f.mean()),
        weight=0.0,
        n_gold=int(has_gold.sum()),
        n=f.size,
        effective_n=float(has_gold.sum()),
        note=f"the gold judge has {short_side:g} outcomes on one side, fewer than {MIN_GOLD_OUTCOMES}, "
        "so its own interval is used",
    )
