"""Length-controlled win rate, after AlpacaEval 2: an association given length.

    logit P(A preferred) = θ + φ · tanh(Δ / s),   Δ = words of A − words of B, s = standard deviation of Δ

The model is fitted to dialogue scores (fractional logit). The length-controlled rate is 1 / (1 + exp(−θ)),
the fitted rate at Δ = 0. Δ is not centred, so the model is antisymmetric: swapping the authors negates θ and
turns the rate into 1 − rate. AlpacaEval's instruction difficulty is omitted; it requires many models.

Sources: Dubois, Galambosi, Liang and Hashimoto (2024), arXiv 2404.04475; Papke and Wooldridge (1996) for the
fractional response; HC3 standard errors (MacKinnon and White 1985) with one row per dialogue.
Length is also an effect of training, so the rate is not a causal effect of equal length.
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

STATISTIC = "length-controlled win rate"
WORDING = "association given length"
UNIT = "in words, unpenalised"  # AlpacaEval 2 counts characters and penalises its coefficients
MIN_SHARE_EITHER_SIDE = 0.10  # share of dialogues that must lie on either side of equal length
MIN_DIALOGUES = 20
_STEPS = 60
_MAX_LOG_ODDS = 12.0  # beyond these log-odds the likelihood has no usable maximum


@dataclass(frozen=True, slots=True)
class LengthControl:
    """Win rate at equal length.

    Attributes:
        rate: fitted rate of A at equal length, in [0, 1].
        low, high: its interval over dialogues at `level`, computed on the logit scale.
        level: confidence level.
        plain: win rate of the same dialogues without control.
        effect: φ, in log-odds per unit of tanh(Δ/s); positive if longer responses are preferred.
        scale: s, in the unit of the lengths.
        longer, shorter: share of dialogues in which A's response is longer, and shorter.
        n: complete dialogues.
        wording: how to describe the number.
        unit: unit of length, and that the fit is not penalised.
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
    """Return the win rate of A at equal length, or why it is not estimable.

    `NotEstimable` with fewer than 20 complete dialogues, with fewer than 10 % of them on either side of equal
    length, with fewer than ten scores that differ from the most common one, or if length separates the
    outcomes.

    Args:
        columns: the contest's judgments.
        length_a, length_b: length of A's and B's response per dialogue code, in words.
        level: confidence level, in (0, 1).
        soft: use soft verdicts.

    Raises:
        ValueError: not one length per dialogue, a missing length, or a level outside (0, 1).
    """
    check_level(level)
    difference = np.asarray(length_a, dtype=np.float64) - np.asarray(length_b, dtype=np.float64)
    if difference.shape != (columns.n_dialogues,) or not np.isfinite(difference).all():
        raise ValueError(f"two finite lengths are required for each of {columns.n_dialogues} dialogues")
    scores = dialogue_scores(columns, soft=soft)
    outcome, length_difference = scores.score[scores.complete], difference[scores.complete]
    if outcome.size < MIN_DIALOGUES:
        return NotEstimable(
            STATISTIC, f"{outcome.size} complete dialogues, at least {MIN_DIALOGUES} are required"
        )
    longer, shorter = float((length_difference > 0).mean()), float((length_difference < 0).mean())
    if min(longer, shorter) < MIN_SHARE_EITHER_SIDE:
        sides = (
            f"A's response is longer in {_share(longer)} of the dialogues and shorter in {_share(shorter)}"
        )
        required = f"at least {_share(MIN_SHARE_EITHER_SIDE)} must lie on either side of equal length"
        return NotEstimable(STATISTIC, f"{sides}; {required}")
    others = differing(outcome)
    if others < MIN_DIFFERING_DIALOGUES:
        constant = f"{outcome.size - others} of {outcome.size} dialogues have the same score"
        return NotEstimable(STATISTIC, f"{constant}; at least {MIN_DIFFERING_DIALOGUES} must differ")
    scale = float(length_difference.std())
    design = np.stack([np.ones(outcome.size), np.tanh(length_difference / scale)], axis=1)
    fit = fit_fractional_logit(design, outcome)
    if fit is None:
        return NotEstimable(STATISTIC, "length separates the outcomes perfectly")
    margin = float(ndtri((1.0 + level) / 2.0) * np.sqrt(robust_covariance(design, outcome, fit)[0, 0]))
    return LengthControl(
        rate=float(expit(fit[0])),
        low=float(expit(fit[0] - margin)),
        high=float(expit(fit[0] + margin)),
        level=level,
        plain=float(outcome.mean()),
        effect=float(fit[1]),
        scale=scale,
        longer=longer,
        shorter=shorter,
        n=int(outcome.size),
    )


def _share(share: float) -> str:
    """Return a share in percent."""
    return f"{100 * share:.0f} %"


def fit_fractional_logit(design: Floats, outcome: Floats) -> Floats | None:
    """Fit a logistic regression to outcomes in [0, 1] by Newton's method and return its coefficients.

    None if the likelihood has no finite maximum (perfect or quasi-complete separation).
    """
    coefficients = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        probability = expit(design @ coefficients)
        information = design.T @ (design * (probability * (1.0 - probability))[:, None])
        if np.linalg.cond(information) > 1e12:
            return None
        step = np.linalg.solve(information, design.T @ (outcome - probability))
        step *= min(1.0, 2.0 / max(float(np.abs(design @ step).max()), 1e-300))  # no overshooting
        coefficients = coefficients + step
        if np.abs(coefficients).max() > _MAX_LOG_ODDS:
            return None
        if np.abs(step).max() < 1e-11:
            return coefficients
    return None


def robust_covariance(design: Floats, outcome: Floats, coefficients: Floats) -> Floats:
    """Return the HC3 covariance of the coefficients, with residuals scaled by their leverage."""
    probability = expit(design @ coefficients)
    weight = probability * (1.0 - probability)
    bread = np.linalg.inv(design.T @ (design * weight[:, None]))
    leverage = weight * np.einsum("ij,jk,ik->i", design, bread, design)
    residual = (outcome - probability) / (1.0 - np.minimum(leverage, 0.999))
    meat = design.T @ (design * (residual**2)[:, None])
    return np.asarray(bread @ meat @ bread, dtype=np.float64)
