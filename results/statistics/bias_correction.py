"""Win rate corrected for a judge's errors, which are estimated where people's preferences are known.

rate = (p + specificity − 1) / (sensitivity + specificity − 1), where p is the judge's raw rate (Lee et al.
2025, "How to correctly report LLM-as-a-judge evaluations", arXiv 2511.21140; Rogan and Gladen 1978). The
correction assumes that the judge errs as it does on the reference comparisons and that people's preferences
there are correct. Noisy reference preferences understate the judge's accuracy and push the result outwards,
eventually beyond 1. An inconsistent result is `NotEstimable` and is never clipped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from results.statistics.intervals import check_level
from results.statistics.not_estimable import NotEstimable

Floats = NDArray[np.float64]

MIN_REFERENCES = 10  # reference comparisons on either side
ASSUMPTIONS = (
    "the judge errs as it does on the reference comparisons",
    "people's preferences on the reference comparisons are correct; noisy ones push the result away from ½",
    "the reference comparisons are a random sample of comparisons like these",
)
SENSITIVITY_ONLY = (
    "this is a sensitivity analysis, not an estimate: the dataset's ratings are noisy and about other "
    "responders, and rater and responder are confounded"
)


@dataclass(frozen=True, slots=True)
class ReferenceVerdicts:
    """A judge's scores on comparisons where people's preference is known.

    Attributes:
        where_a: scores for A (in [0, 1], ½ for a tie) where people preferred A; mean = sensitivity.
        where_b: scores for A where people preferred B; 1 − mean = specificity.
        source: origin of the comparisons, in words.
    """

    where_a: Floats
    where_b: Floats
    source: str = ""

    @classmethod
    def role_free(cls, agreement: Floats, source: str = "") -> ReferenceVerdicts:
        """Build references from shares of verdicts that agree with people; A and B have equal errors."""
        return cls(agreement, 1.0 - agreement, source)


@dataclass(frozen=True, slots=True)
class BiasAdjusted:
    """A bias-corrected win rate.

    Attributes:
        raw: the judge's uncorrected win rate, in [0, 1].
        rate: corrected win rate, in [0, 1].
        low, high: its interval at `level`, which includes the sampling error of the contest and of the
            references (Fieller 1954); may reach outside [0, 1] if the references are weak.
        level: confidence level.
        sensitivity, specificity: of the judge, in [0, 1].
        n: complete dialogues.
        references: reference comparisons where people preferred A, and B.
        source: origin of the references.
        assumptions: assumptions of the correction, in words.
        headline: whether the rate may be reported as a headline; False for a sensitivity analysis.
    """

    raw: float
    rate: float
    low: float
    high: float
    level: float
    sensitivity: float
    specificity: float
    n: int
    references: tuple[int, int]
    source: str
    assumptions: tuple[str, ...]
    headline: bool


def bias_adjusted(
    scores: Floats, reference: ReferenceVerdicts, *, level: float = 0.95, headline: bool = True
) -> BiasAdjusted | NotEstimable:
    """Return the corrected win rate of A, or why it is not estimable.

    Args:
        scores: scores of complete dialogues, in [0, 1].
        reference: the judge's scores where people's preference is known.
        level: confidence level, in (0, 1).
        headline: False if the references are not people's preferences on the same kind of pair.

    Raises:
        ValueError: a level outside (0, 1).
    """
    check_level(level)
    statistic = "bias-adjusted win rate"
    if scores.size < 2:
        return NotEstimable(statistic, "fewer than two complete dialogues")
    counts = (int(reference.where_a.size), int(reference.where_b.size))
    if min(counts) < MIN_REFERENCES:
        return NotEstimable(
            statistic,
            f"people preferred A in {counts[0]} and B in {counts[1]} reference comparisons; "
            f"at least {MIN_REFERENCES} of each are required",
        )
    raw = float(scores.mean())
    sensitivity, specificity = float(reference.where_a.mean()), 1.0 - float(reference.where_b.mean())
    youden = sensitivity + specificity - 1.0
    errors = (_squared_error(scores), _squared_error(reference.where_a), _squared_error(reference.where_b))
    z = -float(ndtri((1.0 - level) / 2.0))
    if youden - z * float(np.sqrt(errors[1] + errors[2])) <= 0.0:
        return NotEstimable(
            statistic,
            f"sensitivity {sensitivity:.3f} and specificity {specificity:.3f} do not sum to clearly more "
            "than 1: the judge hardly distinguishes the responses that people preferred",
        )
    if not 1.0 - specificity <= raw <= sensitivity:
        return NotEstimable(
            statistic,
            f"the raw rate {raw:.3f} lies outside [{1.0 - specificity:.3f}, {sensitivity:.3f}], which no "
            "true rate can produce: the references are noisy or of another kind",
        )
    low, high = _fieller(raw - (1.0 - specificity), youden, errors, z)
    return BiasAdjusted(
        raw=raw,
        rate=(raw + specificity - 1.0) / youden,
        low=low,
        high=high,
        level=level,
        sensitivity=sensitivity,
        specificity=specificity,
        n=int(scores.size),
        references=counts,
        source=reference.source,
        assumptions=ASSUMPTIONS if headline else (*ASSUMPTIONS, SENSITIVITY_ONLY),
        headline=headline,
    )


def _squared_error(values: Floats) -> float:
    """Return the squared standard error of a mean, never 0: half an observation is added at 0 and at 1."""
    mean = (float(values.sum()) + 0.5) / (values.size + 1.0)
    spread = float(((values - mean) ** 2).sum() + mean**2 * 0.5 + (1.0 - mean) ** 2 * 0.5) / (
        values.size + 1.0
    )
    return spread / values.size


def _fieller(
    above: float, youden: float, errors: tuple[float, float, float], z: float
) -> tuple[float, float]:
    """Return the rates t with (p − t·sensitivity − (1 − t)(1 − specificity))² ≤ z² times its variance.

    The variance is var p + t² var sensitivity + (1 − t)² var specificity. The condition is a quadratic in t.
    Its solution set is an interval because sensitivity + specificity − 1 is clearly above 0.

    Args:
        above: p − (1 − specificity).
        youden: sensitivity + specificity − 1.
        errors: squared standard errors of p, sensitivity and specificity.
        z: normal quantile.
    """
    var_p, var_sensitivity, var_specificity = (z**2 * error for error in errors)
    a = youden**2 - var_sensitivity - var_specificity
    b = -2.0 * above * youden + 2.0 * var_specificity
    c = above**2 - var_p - var_specificity
    root = float(np.sqrt(b**2 - 4.0 * a * c))
    return (-b - root) / (2.0 * a), (-b + root) / (2.0 * a)
