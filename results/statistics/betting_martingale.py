"""Betting against a mean: intervals and sequences for bounded scores that hold at any sample size.

A gambler who believes that the mean of scores in [0, 1] is larger than m bets a fraction f of a capital of
1 on each score x; the capital becomes ∏ (1 + f (x/m − 1)). Where the mean is m or less, its expectation
never exceeds 1, so it reaches 1/α with probability at most α (Markov; Ville, for looking all the time).
The values m against which the capital stays below 1/α are a lower confidence bound; it falls in m, so the
bound is found by bisection. Bets are spread over several fractions at once, which keeps the expectation,
does not depend on the scores' order and mirrors exactly (x → 1 − x).

Source: Waudby-Smith and Ramdas (2024), "Estimating means of bounded random variables by betting", JRSS-B
86(1), sections 3–5; the spread of fractions is a discrete universal portfolio (Orabona and Jun 2024,
"Tight concentrations and confidence sequences from the regret of universal portfolio", IEEE Trans. Inf.
Theory 70(1)). Assumes only that the scores lie in [0, 1] and are independent with one mean.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LARGEST = 0.99  # fraction of the capital ever bet
HALVINGS = 50  # of [0, 1]: far below any digit that is shown


def fractions_for(planned: int, alpha: float, count: int = 6) -> Floats:
    """Fractions of the capital to bet, from the best for scores that vary most to the whole of it.

    For n scores of variance σ² around m the best fraction is about m √(2 log(1/α)/n) / σ; σ ≤ ½ gives the
    smallest, and scores near the edge of [0, 1] want the largest. Never quite all: a gambler who is ruined
    by a score of 0 would tell 0 from 1e-17.
    """
    smallest = min(LARGEST, float(np.sqrt(2.0 * np.log(1.0 / alpha) / max(1, planned))))
    return np.geomspace(smallest, LARGEST, count)


def log_capital(values: Floats, counts: Floats, mean: float, fractions: Floats) -> float:
    """Log of the capital after betting that `values` (each `counts` times) have a mean above `mean` > 0."""
    gains = np.log1p(np.outer(fractions, values / mean - 1.0))
    per_fraction = gains @ counts
    top = float(per_fraction.max())
    return top + float(np.log(np.exp(per_fraction - top).mean()))


def lower_bound(scores: Floats, alpha: float) -> float:
    """A bound in [0, 1] that the mean lies below with probability at most `alpha`, for any n ≥ 1."""
    values, tally = np.unique(scores, return_counts=True)
    counts = tally.astype(np.float64)
    fractions = fractions_for(scores.size, alpha)
    low, high = 0.0, float(values @ counts) / scores.size
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        if middle <= 0.0:
            break
        refuted = log_capital(values, counts, middle, fractions) >= -np.log(alpha)
        low, high = (middle, high) if refuted else (low, middle)
    return low


def bounded_mean_interval(scores: Floats, level: float) -> tuple[float, float]:
    """Two-sided interval for the mean of scores in [0, 1], half of 1 − level on either side."""
    alpha = (1.0 - level) / 2.0
    return lower_bound(scores, alpha), 1.0 - lower_bound(1.0 - scores, alpha)
