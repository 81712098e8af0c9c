"""Cheap and gold with a stratified share: the gold judge asked more where the cheap one is inconsistent.

After the cheap judge has judged every dialogue, dialogues fall into two strata: where all its verdicts name
one author, and the others. In each, a simple random sample of known size is drawn, so that every dialogue's
probability of inclusion is known, n_h/N_h. The estimate is the difference estimator of stratified two-phase
sampling, the cheap judge weighted as in power-tuned prediction-powered inference (Särndal, Swensson and
Wretman 1992, chapters 6 and 9; Angelopoulos et al. 2023, arXiv 2311.01453; Fisch et al. 2024, "Stratified
prediction-powered inference", arXiv 2406.04291):

    rate = w · mean(cheap) + Σ_h N_h/N · mean_h(gold − w · cheap)

It estimates what the gold judge would have said, however biased the cheap one is; the dialogues' own sampling
error is counted. With fewer than ten gold outcomes on either side, a bounded-mean interval of the inversely
weighted gold scores.
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
from results.statistics.ppi import FEWEST, CheapAndGold

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STRATIFIED = "stratified prediction-powered inference"
BOUNDED = "bounded mean (betting) of inversely weighted gold scores"
CONSISTENT, INCONSISTENT = 0, 1
NAMES = ("consistent", "inconsistent")
MORE_WHERE_INCONSISTENT = 2.0  # probability of inclusion there, in terms of that elsewhere
FEWEST_IN_A_STRATUM = 10


@dataclass(frozen=True, slots=True)
class Stratum:
    """One stratum of a gold share.

    Attributes:
        name: consistent or inconsistent, of the cheap judge.
        n: dialogues in it.
        n_gold: those with a gold score.
        probability: of inclusion, n_gold / n, in (0, 1].
    """

    name: str
    n: int
    n_gold: int
    probability: float


@dataclass(frozen=True, slots=True)
class StratifiedGold:
    """The gold judge's win rate of A from a stratified share.

    Attributes:
        estimate: as of a random share; its `gold` is weighted by inclusion.
        strata: those that have dialogues.
    """

    estimate: CheapAndGold
    strata: tuple[Stratum, ...]


def assign_strata(cheap: Floats) -> Ints:
    """`CONSISTENT` where all verdicts name one author (a score of 0 or 1), `INCONSISTENT` elsewhere.

    `cheap`: complete scores only.
    """
    return np.where((cheap < SAME) | (cheap > 1.0 - SAME), CONSISTENT, INCONSISTENT).astype(np.int64)


def allocation(sizes: Sequence[int], total: int) -> tuple[int, ...]:
    """How many of each stratum are asked: inconsistent ones twice as likely, ten of each at least.

    Never more than a stratum has; sums to `total` where the strata hold that many and the least allow it.
    """
    least = [min(size, FEWEST_IN_A_STRATUM) for size in sizes]
    weights = np.array(sizes, dtype=np.float64)
    weights[INCONSISTENT:] *= MORE_WHERE_INCONSISTENT
    found = [0] * len(sizes)
    for at, size in enumerate(sizes):
        aimed = round(total * float(weights[at]) / max(1.0, float(weights.sum())))
        found[at] = min(size, max(least[at], aimed))
    for at, size in enumerate(sizes):  # what a full stratum could not take goes to the others, and back
        spare = total - sum(found)
        found[at] = min(size, max(least[at], found[at] + spare))
    return tuple(found)


def stratified_cheap_and_gold(
    cheap: Floats, gold: Floats, *, level: float = 0.95
) -> StratifiedGold | NotEstimable:
    """Estimate the gold judge's rate from a share drawn stratum by stratum.

    Args:
        cheap: score per dialogue, nan where it has none; such dialogues are left out.
        gold: likewise, nan outside the share. Within a stratum, a simple random sample.
        level: confidence level.

    Refused where a stratum with dialogues has fewer than two gold scores (one, if it is all there is).

    Raises:
        ValueError: arrays of different lengths, or a level outside (0, 1).
    """
    check_level(level)
    if cheap.shape != gold.shape:
        raise ValueError(f"{cheap.size} cheap and {gold.size} gold scores")
    there = ~np.isnan(cheap)
    f, y = cheap[there], gold[there]
    stratum = assign_strata(f)
    asked = ~np.isnan(y)
    strata = []
    for code, name in enumerate(NAMES):
        n, n_gold = int((stratum == code).sum()), int((asked & (stratum == code)).sum())
        if not n:
            continue
        if n_gold < min(2, n):
            why = f"{n_gold} of {n} dialogues on which the cheap judge is {name} have a gold score"
            return NotEstimable("cheap and gold estimate", why)
        strata.append(Stratum(name, n, n_gold, n_gold / n))
    if not strata:
        return NotEstimable("cheap and gold estimate", "no dialogue has the cheap judge's score")
    probability = np.array([(asked & (stratum == code)).sum() for code in stratum]) / np.array(
        [(stratum == code).sum() for code in stratum]
    )
    sides = min(float(y[asked].sum()), float((1.0 - y[asked]).sum()))
    if sides < FEWEST - 1e-9:
        estimate = _bounded(f, y, asked, probability, level, sides)
    else:
        estimate = _difference(f, y, asked, stratum, level)
    return StratifiedGold(estimate, tuple(strata))


def _difference(f: Floats, y: Floats, asked: NDArray[np.bool_], stratum: Ints, level: float) -> CheapAndGold:
    total = f.size
    cells = [(stratum == code, asked & (stratum == code)) for code in np.unique(stratum)]
    shares = [float(inside.sum()) / total for inside, _ in cells]
    factors = [
        share**2 * (1.0 / int(chosen.sum()) - 1.0 / int(inside.sum()))
        for share, (inside, chosen) in zip(shares, cells, strict=True)
    ]
    weight = _weight(f, y, cells, factors)
    mean = sum(share * float(y[chosen].mean()) for share, (_, chosen) in zip(shares, cells, strict=True))
    square = sum(
        share * float((y[chosen] ** 2).mean()) for share, (_, chosen) in zip(shares, cells, strict=True)
    )
    apart = y - weight * f
    rate = weight * float(f.mean()) + sum(
        share * float(apart[chosen].mean()) for share, (_, chosen) in zip(shares, cells, strict=True)
    )
    spread = max(0.0, square - mean**2)
    parts = [(spread / total, int(asked.sum()) - 1)]
    parts += [
        (factor * _variance(apart[chosen]), int(chosen.sum()) - 1)
        for factor, (_, chosen) in zip(factors, cells, strict=True)
        if factor > 0.0
    ]
    variance = sum(part for part, _ in parts)
    weighted = sum(part**2 / degrees for part, degrees in parts if degrees > 0)
    degrees = variance**2 / weighted if weighted > 0.0 else float(asked.sum() - 1)
    reach = float(stdtrit(degrees, (1.0 + level) / 2.0)) * float(np.sqrt(variance))
    return CheapAndGold(
        rate=min(1.0, max(0.0, rate)),
        low=max(0.0, rate - reach),
        high=min(1.0, rate + reach),
        level=level,
        method=STRATIFIED,
        gold=mean,
        cheap=float(f.mean()),
        weight=weight,
        n_gold=int(asked.sum()),
        n=total,
        effective_n=spread / variance if variance > 0.0 else float(total),
    )


def _variance(values: Floats) -> float:
    return float(values.var(ddof=1)) if values.size > 1 else 0.0


def _weight(
    f: Floats,
    y: Floats,
    cells: Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]],
    factors: Sequence[float],
) -> float:
    """The weight of the cheap judge with the shortest interval, in [0, 1]."""
    together = alone = 0.0
    for factor, (_, chosen) in zip(factors, cells, strict=True):
        if chosen.sum() > 1:
            together += factor * float(np.cov(y[chosen], f[chosen])[0, 1])
            alone += factor * _variance(f[chosen])
    return min(1.0, max(0.0, together / alone)) if alone > 0.0 else 0.0


def _bounded(
    f: Floats, y: Floats, asked: NDArray[np.bool_], probability: Floats, level: float, sides: float
) -> CheapAndGold:
    """The rarer outcome, each score counted for those that it stands for: in [0, 1/least probability]."""
    losses_are_rare = float(y[asked].sum()) >= float((1.0 - y[asked]).sum())
    rare = np.where(asked, (1.0 - y) if losses_are_rare else y, 0.0)
    least = float(probability.min())
    low, high = (end / least for end in bounded_mean_interval(rare / probability * least, level))
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
        n_gold=int(asked.sum()),
        n=f.size,
        effective_n=float(asked.sum()),
        note=f"the gold judge has {sides:g} outcomes on one side, fewer than {FEWEST}: its own interval",
    )
