"""Do a judge's probabilities mean what they say? Soft verdicts against what people, or a gold judge, decided.

A soft verdict on a pair names one response with a confidence in [½, 1]; it is right where that response was
also preferred by the reference, half right where either says tie. Calibrated is who is right in a share c of
the verdicts of confidence c. The pair's two names do not matter: exchanging them changes nothing.

The Brier score is mean (P − outcome)² of P(first better) (Brier 1950); ¼ is what "½ for every pair" gets. It
splits exactly into miscalibration − discrimination + uncertainty, the first two by the reliability curve that
isotonic regression fits, without a choice of bins (Dimitriadis, Gneiting and Jordan 2021, PNAS 118).
Intervals resample clusters: rating tasks, or dialogues. Miscalibration is never below 0 and is above it by
chance alone: `miscalibration_by_chance` says how far, for a calibrated judge of these confidences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from results.statistics.cluster_bootstrap import ClusteredEstimate, clustered_mean
from results.statistics.not_estimable import NotEstimable

Floats = NDArray[np.float64]

WHAT = "calibration of soft verdicts"
FEWEST = 20  # pairs
EDGES = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
_REPEATS = 200


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Verdicts of about one confidence.

    Attributes:
        low, high: which confidences, in [½, 1]; the upper end belongs to the last bin alone.
        confidence: their mean.
        right: share that is right, in [0, 1], with its interval over clusters.
    """

    low: float
    high: float
    confidence: float
    right: ClusteredEstimate


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far soft verdicts can be taken at their word.

    Attributes:
        brier: mean (P − outcome)² in [0, 1], with its interval; lower is better.
        hard_brier: the same of the verdicts without their probabilities (0, ½ or 1).
        miscalibration, discrimination, uncertainty: the parts; brier = miscalibration − discrimination +
            uncertainty. All ≥ 0.
        miscalibration_by_chance: what 95 % of calibrated judges of these confidences stay below; pairs are
            taken as independent.
        confidence: mean confidence, in [½, 1].
        right: share that is right, in [0, 1], with its interval.
        overconfidence: confidence minus share that is right, in [−1, 1], with its interval.
        bins: the reliability curve, by confidence; only bins that have verdicts.
        n: pairs with a soft verdict and an outcome.
        left_out: the other pairs.
        seed: of resampling.
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
    """Soft verdicts against outcomes, one entry per pair.

    Args:
        soft: P(first is better), in [0, 1], over both orders and all samples; nan where there is none.
        outcome: 1 where the reference prefers the first, 0 the second, ½ a tie; nan where unknown.
        clusters: code of what is resampled as a whole.

    Refused with fewer than 20 pairs.

    Raises:
        ValueError: arrays of different lengths, a value outside [0, 1], or a level outside (0, 1).
    """
    if not soft.shape == outcome.shape == clusters.shape or soft.ndim != 1:
        raise ValueError("one soft verdict, one outcome and one cluster for each pair")
    there = ~np.isnan(soft) & ~np.isnan(outcome)
    p, y, cluster = soft[there], outcome[there], clusters[there]
    if p.size < FEWEST:
        return NotEstimable(
            WHAT, f"{p.size} pairs have a soft verdict and an outcome, at least {FEWEST} needed"
        )
    if min(p.min(), y.min()) < 0.0 or max(p.max(), y.max()) > 1.0:
        raise ValueError("soft verdicts and outcomes lie in [0, 1]")
    confidence, right = folded(p, y)

    def mean(values: Floats, span: tuple[float, float] = (0.0, 1.0)) -> ClusteredEstimate:
        return clustered_mean(values, cluster, seed=seed, level=level, span=span)

    miscalibration, discrimination, uncertainty = _parts(p, y)
    place = np.clip(np.searchsorted(EDGES, np.round(confidence, 12), side="right") - 1, 0, EDGES.size - 2)
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
                float(EDGES[at]),
                float(EDGES[at + 1]),
                float(confidence[place == at].mean()),
                mean(np.where(place == at, right, np.nan)),
            )
            for at in np.unique(place)
        ),
        n=int(p.size),
        left_out=int((~there).sum()),
        seed=seed,
    )


def folded(soft: Floats, outcome: Floats) -> tuple[Floats, Floats]:
    """Confidence in [½, 1] in the response that is named, and whether it is right; ½ where none is named."""
    confidence = np.maximum(soft, 1.0 - soft)
    right = np.where(soft > 0.5, outcome, np.where(soft < 0.5, 1.0 - outcome, 0.5))
    return confidence, right


def reliability(soft: Floats, outcome: Floats) -> Floats:
    """P(first better) recalibrated: by isotonic regression over every pair under either order of its names.

    So the curve rises, and mirrors: what 1 − P becomes is 1 less what P becomes.
    """
    both = np.round(np.concatenate([soft, 1.0 - soft]), 12)  # 0.58 and 1 − 0.42 are one probability
    outcomes = np.concatenate([outcome, 1.0 - outcome])
    _, place, count = np.unique(both, return_inverse=True, return_counts=True)
    means = np.bincount(place, outcomes) / count
    fitted = isotonic_regression(means, weights=count.astype(np.float64)).x
    return np.asarray(fitted[place[: soft.size]], dtype=np.float64)


def _parts(soft: Floats, outcome: Floats) -> tuple[float, float, float]:
    """Miscalibration, discrimination and uncertainty; the last is the Brier score of "½ for every pair"."""
    loss = float(((soft - outcome) ** 2).mean())
    recalibrated = float(((reliability(soft, outcome) - outcome) ** 2).mean())
    even = float(((0.5 - outcome) ** 2).mean())
    return max(0.0, loss - recalibrated), max(0.0, even - recalibrated), even


def _by_chance(soft: Floats, outcome: Floats, seed: int) -> float:
    """The 95 % quantile of the miscalibration of calibrated judges with these soft verdicts."""
    generator = np.random.default_rng(seed)
    tied = outcome == 0.5
    drawn = [
        _parts(soft, np.where(tied, 0.5, generator.random(soft.size) < soft))[0] for _ in range(_REPEATS)
    ]
    return float(np.quantile(drawn, 0.95))
