"""Cheap + gold: a cheap judge on all dialogues and a gold judge on a random share.

Power-tuned prediction-powered inference (Angelopoulos, Duchi and Zrnic 2023, "PPI++", arXiv 2311.01453)
estimates the gold judge's win rate on all dialogues. The cheap judge's mean is corrected by the gold judge's
verdicts on the share, weighted by how far the two vary together. It is valid for any bias of the cheap judge
if the share is a random sample of dialogues. People can take the place of the gold judge.
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
MIN_GOLD_OUTCOMES = 10  # required for either author
SCOPE = (
    f"the gold judge's verdicts on all dialogues; over dialogues and {GENERATION}; this training and prompt"
)


@dataclass(frozen=True, slots=True)
class CheapAndGold:
    """Estimate of the gold judge's win rate of A. Rates lie in [0, 1].

    Attributes:
        rate, low, high: the estimate and its interval at `level`.
        level: confidence level.
        method: `TUNED`, or the method of the gold-only interval (see `note`).
        gold: the gold judge's mean over the share.
        cheap: the cheap judge's mean over all dialogues.
        weight: weight of the cheap judge, from 0 (ignored) to 1.
        n_gold, n: dialogues with a gold score; dialogues with a cheap score.
        effective_n: gold dialogues that would give an equally short interval without the cheap judge.
        scope: what the interval covers.
        note: why the interval is gold-only; "" if it is not.
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
    """Estimate the gold judge's win rate.

    Args:
        cheap: the cheap judge's score per dialogue; NaN where missing, which excludes the dialogue.
        gold: the gold judge's score per dialogue; NaN outside the share.
        level: confidence level, in (0, 1).

    Raises:
        ValueError: arrays of different lengths, or a level outside (0, 1).
    """
    check_level(level)
    if cheap.shape != gold.shape:
        raise ValueError(f"{cheap.size} cheap and {gold.size} gold scores")
    has_cheap = ~np.isnan(cheap)
    has_both = has_cheap & ~np.isnan(gold)
    n_gold, n = int(has_both.sum()), int(has_cheap.sum())
    if n_gold < 2:
        return NotEstimable("cheap and gold estimate", "fewer than two dialogues have both judges' scores")
    y, f, rest = gold[has_both], cheap[has_both], cheap[has_cheap & ~has_both]
    means = float(y.mean()), float(cheap[has_cheap].mean())
    short_side = min(float(y.sum()), float((1.0 - y).sum()))
    if short_side < MIN_GOLD_OUTCOMES - 1e-9 or not rest.size or float(np.ptp(f)) == 0.0:
        interval = boundary_interval(y, level=level)
        reason = (
            f"the gold judge has {short_side:g} outcomes on one side, fewer than {MIN_GOLD_OUTCOMES}, "
            "so its own interval is used"
            if short_side < MIN_GOLD_OUTCOMES - 1e-9
            else "the gold judge scored every dialogue"
            if not rest.size
            else "the cheap judge gave every dialogue of the share the same score"
        )
        return CheapAndGold(
            means[0],
            interval.low,
            interval.high,
            level,
            interval.method,
            *means,
            0.0,
            n_gold,
            n,
            n_gold,
            note=reason,
        )
    weight = tuned_weight(y, f, rest)
    rate = means[0] - weight * (float(f.mean()) - float(rest.mean()))
    variance = float((y - weight * f).var(ddof=1)) / n_gold + weight**2 * float(rest.var()) / rest.size
    margin = float(stdtrit(n_gold - 1, (1.0 + level) / 2.0)) * float(np.sqrt(variance))
    return CheapAndGold(
        rate=min(1.0, max(0.0, rate)),
        low=max(0.0, rate - margin),
        high=min(1.0, rate + margin),
        level=level,
        method=TUNED,
        gold=means[0],
        cheap=means[1],
        weight=weight,
        n_gold=n_gold,
        n=n,
        effective_n=float(y.var(ddof=1)) / variance if variance > 0 else float(n),
    )


def tuned_weight(y: Floats, f: Floats, rest: Floats) -> float:
    """Return the cheap judge's weight for the shortest interval, in [0, 1]: Cov(y, f) / (1 + n/N) Var f."""
    spread = float(np.concatenate([f, rest]).var())
    if spread == 0.0:
        return 0.0
    covariance = float(np.cov(y, f, ddof=0)[0, 1])
    return min(1.0, max(0.0, covariance / ((1.0 + y.size / rest.size) * spread)))


@dataclass(frozen=True, slots=True)
class CostSaving:
    """Money saved by the gold share, in US dollars; None where a price is unknown.

    Attributes:
        paid: cost of cheap and gold together.
        gold_everywhere: cost of the gold judge on every dialogue.
        gold_equivalent: cost of gold alone for an equally short interval.
    """

    paid: float | None
    gold_everywhere: float | None
    gold_equivalent: float | None

    @property
    def saved(self) -> float | None:
        """Saving against the gold judge on every dialogue; negative if more was paid."""
        if self.paid is None or self.gold_everywhere is None:
            return None
        return self.gold_everywhere - self.paid

    @property
    def is_worth_it(self) -> bool:
        """Whether the gold judge alone would have cost more for the same precision."""
        return None not in (self.paid, self.gold_equivalent) and (self.gold_equivalent or 0.0) > (
            self.paid or 0.0
        )


def cost_saving(estimate: CheapAndGold, cheap_usd: float | None, gold_usd: float | None) -> CostSaving:
    """Return the money paid and saved.

    Args:
        found: the estimate.
        cheap_usd, gold_usd: cost of each judge's judgments; None if unknown.
    """
    if gold_usd is None or not estimate.n_gold:
        return CostSaving(None, None, None)
    cost_per_dialogue = gold_usd / estimate.n_gold
    paid = None if cheap_usd is None else cheap_usd + gold_usd
    return CostSaving(paid, cost_per_dialogue * estimate.n, cost_per_dialogue * estimate.effective_n)
