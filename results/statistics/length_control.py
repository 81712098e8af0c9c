"""Win rate at equal length: an association given length, after AlpacaEval 2.

    logit P(A preferred) = θ + φ · tanh(Δ / s),   Δ = words of A − words of B, s = standard deviation of Δ

fitted to dialogue scores (fractional logit); the length-controlled rate is 1 / (1 + exp(−θ)), the fitted
rate at Δ = 0. Δ is not centred, so that the model is antisymmetric in the authors: exchanging them turns θ
into −θ and the rate into 1 − rate. Without AlpacaEval's instruction difficulty, which needs many models.

Source: Dubois, Galambosi, Liang and Hashimoto (2024), arXiv 2404.04475; Papke and Wooldridge (1996) for the
fractional response; HC3 errors (MacKinnon and White 1985), one row per dialogue, for the interval.
Length is also an effect of training: this is no causal "what if it were as long".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtri

from results.statistics.intervals import MIN_DIFFERING_DIALOGUES, check_level, differing
from results.statistics.judgment_table import JudgmentTable
from results.statistics.not_estimable import NotEstimable
from results.statistics.scores import dialogue_scores
from results.statistics.win_rate import SCOPE

Floats = NDArray[np.float64]

WHAT = "length-controlled win rate"
WORDING = "association given length"
UNIT = "in words, unpenalised"  # AlpacaEval 2 counts characters and penalises its coefficients
MIN_SHARE_EITHER_SIDE = 0.10  # share of dialogues that must lie on either side of equal length
FEWEST = 20  # dialogues
_STEPS = 60
_NO_FINITE = 12.0  # log-odds beyond which the likelihood has no maximum worth the name


@dataclass(frozen=True, slots=True)
class LengthControl:
    """The win rate at equal length.

    Attributes:
        rate: fitted rate of A at equal length, in [0, 1].
        low, high: its interval over dialogues, made on the logit scale, at `level`.
        level: confidence level.
        plain: win rate of the same dialogues without control.
        effect: φ, in log-odds per unit of tanh(Δ/s), in (−∞, ∞); above 0 longer is preferred.
        scale: s, in the lengths' unit.
        longer, shorter: share of dialogues in which A's response is longer, and shorter.
        n: complete dialogues.
        wording, unit: how the number is called; what length is, and that the fit is not penalised.
        scope: what the interval covers.
    """

    rate: float
    low: float
    high: float
    level: float
    plain: float
    effect: float
    scale: float
    longer: float
    shorter: float
    n: int
    wording: str = WORDING
    unit: str = UNIT
    scope: str = SCOPE


def length_controlled(
    columns: JudgmentTable,
    length_a: Sequence[float] | NDArray[Any],
    length_b: Sequence[float] | NDArray[Any],
    *,
    level: float = 0.95,
    soft: bool = False,
) -> LengthControl | NotEstimable:
    """Win rate of A at equal length, or why there is none.

    Args:
        length_a, length_b: per dialogue, by its code, the length of A's and B's response (words).

    Refused with fewer than 20 complete dialogues, fewer than 10 % of them on either side of equal length,
    fewer than ten scores that differ from the commonest one, or outcomes that length predicts perfectly.

    Raises:
        ValueError: not one length per dialogue, a missing length, or a level outside (0, 1).
    """
    check_level(level)
    difference = np.asarray(length_a, dtype=np.float64) - np.asarray(length_b, dtype=np.float64)
    if difference.shape != (columns.n_dialogues,) or not np.isfinite(difference).all():
        raise ValueError(f"needs two finite lengths for each of {columns.n_dialogues} dialogues")
    scores = dialogue_scores(columns, soft=soft)
    outcome, apart = scores.score[scores.complete], difference[scores.complete]
    if outcome.size < FEWEST:
        return NotEstimable(WHAT, f"{outcome.size} complete dialogues, at least {FEWEST} are needed")
    longer, shorter = float((apart > 0).mean()), float((apart < 0).mean())
    if min(longer, shorter) < MIN_SHARE_EITHER_SIDE:
        sides = (
            f"A's response is longer in {_share(longer)} of the dialogues and shorter in {_share(shorter)}"
        )
        must = f"at least {_share(MIN_SHARE_EITHER_SIDE)} must lie on either side of equal length"
        return NotEstimable(WHAT, f"{sides}; {must}")
    others = differing(outcome)
    if others < MIN_DIFFERING_DIALOGUES:
        same = f"{outcome.size - others} of {outcome.size} dialogues have one and the same score"
        return NotEstimable(WHAT, f"{same}; at least {MIN_DIFFERING_DIALOGUES} must have another")
    scale = float(apart.std())
    design = np.stack([np.ones(outcome.size), np.tanh(apart / scale)], axis=1)
    fit = fit_fractional_logit(design, outcome)
    if fit is None:
        return NotEstimable(WHAT, "length separates the outcomes perfectly")
    half = float(ndtri((1.0 + level) / 2.0) * np.sqrt(robust_covariance(design, outcome, fit)[0, 0]))
    return LengthControl(
        rate=float(expit(fit[0])),
        low=float(expit(fit[0] - half)),
        high=float(expit(fit[0] + half)),
        level=level,
        plain=float(outcome.mean()),
        effect=float(fit[1]),
        scale=scale,
        longer=longer,
        shorter=shorter,
        n=int(outcome.size),
    )


def _share(share: float) -> str:
    return f"{100 * share:.0f} %"


def fit_fractional_logit(design: Floats, outcome: Floats) -> Floats | None:
    """Coefficients of a logistic regression on outcomes in [0, 1] by Newton's method.

    None where the likelihood has no finite maximum (perfect or quasi-complete separation).
    """
    coefficients = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        chance = expit(design @ coefficients)
        information = design.T @ (design * (chance * (1.0 - chance))[:, None])
        if np.linalg.cond(information) > 1e12:
            return None
        step = np.linalg.solve(information, design.T @ (outcome - chance))
        step *= min(1.0, 2.0 / max(float(np.abs(design @ step).max()), 1e-300))  # no overshooting
        coefficients = coefficients + step
        if np.abs(coefficients).max() > _NO_FINITE:
            return None
        if np.abs(step).max() < 1e-11:
            return coefficients
    return None


def robust_covariance(design: Floats, outcome: Floats, coefficients: Floats) -> Floats:
    """HC3 covariance of the coefficients: each dialogue's own residual, scaled by its leverage."""
    chance = expit(design @ coefficients)
    weight = chance * (1.0 - chance)
    bread = np.linalg.inv(design.T @ (design * weight[:, None]))
    leverage = weight * np.einsum("ij,jk,ik->i", design, bread, design)
    residual = (outcome - chance) / (1.0 - np.minimum(leverage, 0.999))
    meat = design.T @ (design * (residual**2)[:, None])
    return np.asarray(bread @ meat @ bread, dtype=np.float64)
