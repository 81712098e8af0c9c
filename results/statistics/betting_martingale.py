"""Intervals and confidence sequences for bounded scores by betting, valid at any sample size.

A bettor who believes that the mean of scores in [0, 1] exceeds m bets a fraction f of a capital of 1 on each
score x; the capital becomes ∏ (1 + f (x/m − 1)). If the mean is m or less, the expected capital never exceeds
1, so the capital reaches 1/α with probability at most α (Markov's inequality; Ville's inequality for
continuous monitoring). The values m at which the capital stays below 1/α form a lower confidence bound.
The capital decreases in m, so the bound is found by bisection. Bets are spread over several fractions, which
keeps the expectation, is independent of the order of the scores and mirrors exactly (x → 1 − x).

Source: Waudby-Smith and Ramdas (2024), "Estimating means of bounded random variables by betting", JRSS-B
86(1), sections 3–5; the spread of fractions is a discrete universal portfolio (Orabona and Jun 2024,
"Tight concentrations and confidence sequences from the regret of universal portfolio", IEEE Trans. Inf.
Theory 70(1)). Assumes only independent scores in [0, 1] with a common mean.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_FRACTION = 0.99  # largest fraction of the capital that is bet
HALVINGS = 50  # bisection steps of [0, 1]: far more precise than any printed digit


def fractions_for(planned: int, alpha: float, count: int = 6) -> Floats:
    """Return the fractions of the capital to bet, from the best for highly variable scores to nearly all.

    For n scores of variance σ² around m the best fraction is about m √(2 log(1/α)/n) / σ. σ ≤ ½ gives the
    smallest fraction; scores near the edges of [0, 1] need the largest. A fraction of exactly 1 would let a
    single score of 0 end all bets.

    Args:
        planned: scores planned for, n.
        alpha: error probability.
        count: number of fractions.
    """
    smallest = min(MAX_FRACTION, float(np.sqrt(2.0 * np.log(1.0 / alpha) / max(1, planned))))
    return np.geomspace(smallest, MAX_FRACTION, count)


def log_capital(values: Floats, counts: Floats, mean: float, fractions: Floats) -> float:
    """Return the log of the capital after betting that the mean of `values` exceeds `mean` > 0.

    Args:
        values: distinct scores.
        counts: how often each of them occurs.
        mean: hypothesized mean.
        fractions: as returned by `fractions_for`.
    """
    gains = np.log1p(np.outer(fractions, values / mean - 1.0))
    per_fraction = gains @ counts
    largest = float(per_fraction.max())
    return largest + float(np.log(np.exp(per_fraction - largest).mean()))


def lower_bound(scores: Floats, alpha: float) -> float:
    """Return a lower confidence bound in [0, 1] of the mean, with error probability `alpha`; n ≥ 1."""
    values, tally = np.unique(scores, return_counts=True)
    counts = tally.astype(np.float64)
    fractions = fractions_for(scores.size, alpha)
    low, high = 0.0, float(values @ counts) / scores.size
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        if middle <= 0.0:
            break
        is_rejected = log_capital(values, counts, middle, fractions) >= -np.log(alpha)
        low, high = (middle, high) if is_rejected else (low, middle)
    return low


def bounded_mean_interval(scores: Floats, level: float) -> tuple[float, float]:
    """Return the two-sided interval of the mean of scores in [0, 1], with equal error on either side."""
    alpha = (1.0 - level) / 2.0
    return lower_bound(scores, alpha), 1.0 - lower_bound(1.0 - scores, alpha)
