"""Calibration of a judge's soft verdicts against human or gold preferences.

A soft verdict on a pair names one response with a confidence in [½, 1]. It is right if the reference also
preferred that response, and half right if either is a tie. A judge is calibrated if a share c of its
verdicts with confidence c is right. All results are invariant to swapping the two responses of a pair.

The Brier score is mean (P − outcome)² of P(first better) (Brier 1950); ½ for every pair scores ¼. It
decomposes into miscalibration − discrimination + uncertainty. The first two use the reliability curve fitted
by isotonic regression, without bins (Dimitriadis, Gneiting and Jordan 2021, PNAS 118). Intervals resample
clusters: rating tasks or dialogues. Miscalibration is biased upwards by sampling noise;
`miscalibration_by_chance` gives its 95 % quantile for a calibrated judge with the same confidences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from results.statistics.cluster_bootstrap import ClusteredEstimate, clustered_mean
from results.statistics.not_estimable import NotEstimable

Floats = NDArray[np.float64]

STATISTIC = "calibration of soft verdicts"
MIN_PAIRS = 20
EDGES = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
_REPEATS = 200


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Verdicts of similar confidence.

    Attributes:
        low, high: range of confidences, in [½, 1]; only the last bin includes its upper end.
        confidence: their mean.
        right: share of right verdicts, in [0, 1], with its interval over clusters.
    """

    low: float
    high: float
    confidence: float
    right: ClusteredEstimate


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibration of a judge's soft verdicts.

    Attributes:
        brier: mean (P − outcome)², in [0, 1], with its interval; lower is better.
        hard_brier: Brier score of the hard verdicts (0, ½ or 1).
        miscalibration, discrimination, uncertainty: parts of the Brier score, all ≥ 0;
            brier = miscalibration − discrimination + uncertainty.
        miscalibration_by_chance: 95 % quantile of the miscalibration of calibrated judges with these
            confidences, for independent pairs.
        confidence: mean confidence, in [½, 1].
        right: share of right verdicts, in [0, 1], with its interval.
        overconfidence: confidence minus share of right verdicts, in [−1, 1], with its interval.
        bins: reliability curve; bins without verdicts are omitted.
        n: pairs with a soft verdict and an outcome.
        left_out: the other pairs.
        seed: of the resampling.
    """

    brier: ClusteredEstimate
    hard_brier: float
    miscalibration: float
    discrimination: float
    uncertainty: float
    miscalibration_by_chance: float
    confidence: float
    right: ClusteredEstimate
    overconfidence: ClusteredEstimate
    bins: tuple[CalibrationBin, ...]
    n: int
    left_out: int
    seed: int


def calibration(
    soft: Floats, outcome: Floats, clusters: NDArray[np.int64], *, seed: int, level: float = 0.95
) -> Calibration | NotEstimable:
    """Return the calibration of soft verdicts; `NotEstimable` with fewer than 20 pairs.

    Args:
        soft: P(first is better) per pair, in [0, 1], over both orders and all samples; NaN where missing.
        outcome: the reference per pair: 1 if it prefers the first, 0 the second, ½ a tie; NaN if unknown.
        clusters: cluster code of each pair; clusters are resampled as a whole.
        seed: of the resampling.
        level: confidence level, in (0, 1).

    Raises:
        ValueError: arrays of different lengths, a value outside [0, 1], or a level outside (0, 1).
    """
    if not soft.shape == outcome.shape == clusters.shape or soft.ndim != 1:
        raise ValueError("soft verdicts, outcomes and clusters have different lengths")
    is_scored = ~np.isnan(soft) & ~np.isnan(outcome)
    p, y, cluster = soft[is_scored], outcome[is_scored], clusters[is_scored]
    if p.size < MIN_PAIRS:
        return NotEstimable(
            STATISTIC, f"{p.size} pairs have a soft verdict and an outcome, at least {MIN_PAIRS} are required"
        )
    if min(p.min(), y.min()) < 0.0 or max(p.max(), y.max()) > 1.0:
        raise ValueError("soft verdicts and outcomes lie in [0, 1]")
    confidence, right = folded(p, y)

    def mean(values: Floats, span: tuple[float, float] = (0.0, 1.0)) -> ClusteredEstimate:
        return clustered_mean(values, cluster, seed=seed, level=level, span=span)

    miscalibration, discrimination, uncertainty = _parts(p, y)
    bin_index = np.clip(np.searchsorted(EDGES, np.round(confidence, 12), side="right") - 1, 0, EDGES.size - 2)
    return Calibration(
        brier=mean((p - y) ** 2),
        hard_brier=float(((np.where(p == 0.5, 0.5, p > 0.5) - y) ** 2).mean()),
        miscalibration=miscalibration,
        discrimination=discrimination,
        uncertainty=uncertainty,
        miscalibration_by_chance=_by_chance(p, y, seed),
        confidence=float(confidence.mean()),
        right=mean(right),
        overconfidence=mean(confidence - right, (-1.0, 1.0)),
        bins=tuple(
            CalibrationBin(
                float(EDGES[index]),
                float(EDGES[index + 1]),
                float(confidence[bin_index == index].mean()),
                mean(np.where(bin_index == index, right, np.nan)),
            )
            for index in np.unique(bin_index)
        ),
        n=int(p.size),
        left_out=int((~is_scored).sum()),
        seed=seed,
    )


def folded(soft: Floats, outcome: Floats) -> tuple[Floats, Floats]:
    """Return the confidence of each verdict, in [½, 1], and whether it is right; ½ for ties."""
    confidence = np.maximum(soft, 1.0 - soft)
    right = np.where(soft > 0.5, outcome, np.where(soft < 0.5, 1.0 - outcome, 0.5))
    return confidence, right


def reliability(soft: Floats, outcome: Floats) -> Floats:
    """Return P(first better) recalibrated by isotonic regression, with every pair in both orientations.

    The fitted curve is monotone and satisfies f(1 − P) = 1 − f(P).
    """
    both = np.round(np.concatenate([soft, 1.0 - soft]), 12)  # 0.58 and 1 − 0.42 are one probability
    outcomes = np.concatenate([outcome, 1.0 - outcome])
    _, value_index, count = np.unique(both, return_inverse=True, return_counts=True)
    means = np.bincount(value_index, outcomes) / count
    fitted = isotonic_regression(means, weights=count.astype(np.float64)).x
    return np.asarray(fitted[value_index[: soft.size]], dtype=np.float64)


def _parts(soft: Floats, outcome: Floats) -> tuple[float, float, float]:
    """Return miscalibration, discrimination and uncertainty (the Brier score of ½ for every pair)."""
    loss = float(((soft - outcome) ** 2).mean())
    recalibrated = float(((reliability(soft, outcome) - outcome) ** 2).mean())
    even = float(((0.5 - outcome) ** 2).mean())
    return max(0.0, loss - recalibrated), max(0.0, even - recalibrated), even


def _by_chance(soft: Floats, outcome: Floats, seed: int) -> float:
    """Return the 95 % quantile of the miscalibration of calibrated judges with these soft verdicts."""
    generator = np.random.default_rng(seed)
    tied = outcome == 0.5
    simulated = [
        _parts(soft, np.where(tied, 0.5, generator.random(soft.size) < soft))[0] for _ in range(_REPEATS)
    ]
    return float(np.quantile(simulated, 0.95))
