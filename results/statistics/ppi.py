"""A cheap judge on every dialogue and a gold one on a random share: what the gold judge would have said.

Power-tuned prediction-powered inference: the cheap judge's mean, corrected by the gold judge's on the share,
the cheap one trusted only as far as the two vary together (Angelopoulos, Duchi and Zrnic 2023, "PPI++",
arXiv 2311.01453). Valid however biased the cheap judge is, as long as the share is a random sample of
dialogues. Arrays in, frozen values out; the same with people in the gold judge's place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from results.statistics.intervals import boundary_interval, check_level
from results.statistics.not_estimable import NotEstimable
from results.statistics.win_rate import GENERATION

Floats = NDArray[np.float64]

TUNED = "power-tuned prediction-powered inference"
FEWEST = 10  # gold outcomes on either side
SCOPE = f"what the gold judge would have said; over dialogues and {GENERATION}; this training and prompt"


@dataclass(frozen=True, slots=True)
class CheapAndGold:
    """The gold judge's win rate of A, estimated. Rates in [0, 1].

    Attributes:
        rate, low, high: the estimate and its interval at `level`.
        method: `TUNED`, or that of the gold-only interval (see `note`).
        gold: the gold judge's own mean over the share; cheap: the cheap judge's over all dialogues.
        weight: how far the cheap judge is trusted, 0 (not at all) to 1.
        n_gold, n: dialogues with a gold score; dialogues with a cheap score.
        effective: gold dialogues that would give as short an interval without the cheap judge.
        scope: what the interval covers.
        note: why it is gold-only; "" where it is not.
    """

    rate: float
    low: float
    high: float
    level: float
    method: str
    gold: float
    cheap: float
    weight: float
    n_gold: int
    n: int
    effective_n: float
    scope: str = SCOPE
    note: str = ""


def cheap_and_gold(cheap: Floats, gold: Floats, *, level: float = 0.95) -> CheapAndGold | NotEstimable:
    """Estimate the gold judge's rate.

    Args:
        cheap: score per dialogue, nan where it has none; such dialogues are left out.
        gold: likewise, nan outside the share. A dialogue with a gold score and no cheap one is left out.
        level: confidence level.

    Raises:
        ValueError: arrays of different lengths, or a level outside (0, 1).
    """
    check_level(level)
    if cheap.shape != gold.shape:
        raise ValueError(f"{cheap.size} cheap and {gold.size} gold scores")
    there = ~np.isnan(cheap)
    labelled = there & ~np.isnan(gold)
    n_gold, n = int(labelled.sum()), int(there.sum())
    if n_gold < 2:
        return NotEstimable("cheap and gold estimate", "fewer than two dialogues have both judges' scores")
    y, f, rest = gold[labelled], cheap[labelled], cheap[there & ~labelled]
    told = float(y.mean()), float(cheap[there].mean())
    sides = min(float(y.sum()), float((1.0 - y).sum()))
    if sides < FEWEST - 1e-9 or not rest.size or float(np.ptp(f)) == 0.0:
        interval = boundary_interval(y, level=level)
        why = (
            f"the gold judge has {sides:g} outcomes on one side, fewer than {FEWEST}: its own interval"
            if sides < FEWEST - 1e-9
            else "the gold judge scored every dialogue"
            if not rest.size
            else "the cheap judge said the same of every dialogue of the share"
        )
        return CheapAndGold(
            told[0],
            interval.low,
            interval.high,
            level,
            interval.method,
            *told,
            0.0,
            n_gold,
            n,
            n_gold,
            note=why,
        )
    weight = tuned_weight(y, f, rest)
    rate = told[0] - weight * (float(f.mean()) - float(rest.mean()))
    variance = float((y - weight * f).var(ddof=1)) / n_gold + weight**2 * float(rest.var()) / rest.size
    reach = float(stdtrit(n_gold - 1, (1.0 + level) / 2.0)) * float(np.sqrt(variance))
    return CheapAndGold(
        rate=min(1.0, max(0.0, rate)),
        low=max(0.0, rate - reach),
        high=min(1.0, rate + reach),
        level=level,
        method=TUNED,
        gold=told[0],
        cheap=told[1],
        weight=weight,
        n_gold=n_gold,
        n=n,
        effective_n=float(y.var(ddof=1)) / variance if variance > 0 else float(n),
    )


def tuned_weight(y: Floats, f: Floats, rest: Floats) -> float:
    """The weight of the cheap judge with the shortest interval, in [0, 1]: Cov(y, f) / (1 + n/N) Var f."""
    spread = float(np.concatenate([f, rest]).var())
    if spread == 0.0:
        return 0.0
    together = float(np.cov(y, f, ddof=0)[0, 1])
    return min(1.0, max(0.0, together / ((1.0 + y.size / rest.size) * spread)))


@dataclass(frozen=True, slots=True)
class CostSaving:
    """What the share saved, in US dollars; None where a price is not known.

    Attributes:
        paid: for cheap and gold together; gold_everywhere: what the gold judge on every dialogue would cost.
        gold_alike: what gold alone would cost for an interval as short.
    """

    paid: float | None
    gold_everywhere: float | None
    gold_equivalent: float | None

    @property
    def saved(self) -> float | None:
        """Against the gold judge on every dialogue; below 0 where more was paid."""
        if self.paid is None or self.gold_everywhere is None:
            return None
        return self.gold_everywhere - self.paid

    @property
    def is_worth_it(self) -> bool:
        """Whether the gold judge alone, asked as often as would be as precise, would have cost more."""
        return None not in (self.paid, self.gold_equivalent) and (self.gold_equivalent or 0.0) > (
            self.paid or 0.0
        )


def cost_saving(found: CheapAndGold, cheap_usd: float | None, gold_usd: float | None) -> CostSaving:
    """Money paid and saved, from what each judge's judgments cost."""
    if gold_usd is None or not found.n_gold:
        return CostSaving(None, None, None)
    each = gold_usd / found.n_gold
    paid = None if cheap_usd is None else cheap_usd + gold_usd
    return CostSaving(paid, each * found.n, each * found.effective_n)
