"""A win rate corrected for how a judge errs, from comparisons on which people's preferences are known.

rate = (p + specificity − 1) / (sensitivity + specificity − 1), p being the judge's raw rate (Lee et al. 2025,
"How to correctly report LLM-as-a-judge evaluations", arXiv 2511.21140; Rogan and Gladen 1978). It assumes
that the judge errs here as it does on the reference comparisons and that people's preferences there are
right. Noisy reference preferences make the judge look worse than it is and push the result outwards,
beyond 1 in the end; so where it breaks it is refused, and never clipped. Scores in, frozen values out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from results.statistics.intervals import check_level
from results.statistics.not_estimable import NotEstimable

Floats = NDArray[np.float64]

FEWEST = 10  # reference comparisons on either side
ASSUMPTIONS = (
    "the judge errs here as it does on the reference comparisons",
    "people's preferences on the reference comparisons are right: noisy ones push the result away from ½",
    "the reference comparisons were drawn at random from comparisons like these",
)
SENSITIVITY_ONLY = (
    "a sensitivity analysis, no estimate: the dataset's ratings are noisy and of other responders, and rater "
    "and responder are confounded"
)


@dataclass(frozen=True, slots=True)
class ReferenceVerdicts:
    """The judge's scores where people's preference is known.

    Attributes:
        where_a: its scores for A (in [0, 1], ½ for a tie) where people preferred A; their mean is the
            sensitivity.
        where_b: its scores for A where people preferred B; 1 − their mean is the specificity.
        source: where they come from, in words.
    """

    where_a: Floats
    where_b: Floats
    source: str = ""

    @classmethod
    def role_free(cls, agreeing: Floats, source: str = "") -> ReferenceVerdicts:
        """From shares of verdicts that agree with people, whoever is A: the judge errs alike for both."""
        return cls(agreeing, 1.0 - agreeing, source)


@dataclass(frozen=True, slots=True)
class BiasAdjusted:
    """A corrected win rate.

    Attributes:
        raw: the judge's own, in [0, 1].
        rate: corrected, in [0, 1].
        low, high: interval of it at `level`, counting the noise of the contest and of the references
            (Fieller 1954); may reach outside [0, 1], which says how little the references know.
        sensitivity, specificity: of the judge.
        n, references: dialogues; reference comparisons (people for A, for B).
        source, assumptions, headline: where the references come from; what it rests on; whether it may
            stand in a headline, or is a sensitivity analysis.
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
    """The corrected rate of A, or why there is none.

    Args:
        scores: of complete dialogues, in [0, 1].
        headline: False for references that are not people's preferences on the same kind of pair.
    """
    check_level(level)
    what = "bias-adjusted win rate"
    if scores.size < 2:
        return NotEstimable(what, "fewer than two complete dialogues")
    counts = (int(reference.where_a.size), int(reference.where_b.size))
    if min(counts) < FEWEST:
        told = f"people preferred A in {counts[0]} and B in {counts[1]} reference comparisons"
        return NotEstimable(what, f"{told}; it takes {FEWEST} of either")
    raw = float(scores.mean())
    sensitivity, specificity = float(reference.where_a.mean()), 1.0 - float(reference.where_b.mean())
    youden = sensitivity + specificity - 1.0
    errors = (_squared_error(scores), _squared_error(reference.where_a), _squared_error(reference.where_b))
    z = -float(ndtri((1.0 - level) / 2.0))
    if youden - z * float(np.sqrt(errors[1] + errors[2])) <= 0.0:
        told = f"sensitivity {sensitivity:.3f} and specificity {specificity:.3f}"
        return NotEstimable(
            what, f"{told} do not sum to clearly more than 1: the judge tells people's sides apart too little"
        )
    if not 1.0 - specificity <= raw <= sensitivity:
        told = f"the raw rate {raw:.3f} lies outside [{1.0 - specificity:.3f}, {sensitivity:.3f}]"
        return NotEstimable(
            what, f"{told}, which no rate could give: the references are noisy, or of another kind"
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
    """Of a mean; as if one more value of either extreme had been seen, so that it is never 0."""
    mean = (float(values.sum()) + 0.5) / (values.size + 1.0)
    spread = float(((values - mean) ** 2).sum() + mean**2 * 0.5 + (1.0 - mean) ** 2 * 0.5) / (
        values.size + 1.0
    )
    return spread / values.size


def _fieller(
    above: float, youden: float, errors: tuple[float, float, float], z: float
) -> tuple[float, float]:
    """All rates t with (p − t·sensitivity − (1 − t)(1 − specificity))² ≤ z² its variance.

    The variance is var p + t² var sensitivity + (1 − t)² var specificity; a quadratic in t, whose set is an
    interval because sensitivity + specificity − 1 is clearly above 0.
    """
    p, of_a, of_b = (z**2 * error for error in errors)
    a = youden**2 - of_a - of_b
    b = -2.0 * above * youden + 2.0 * of_b
    c = above**2 - p - of_b
    root = float(np.sqrt(b**2 - 4.0 * a * c))
    return (-b - root) / (2.0 * a), (-b + root) / (2.0 * a)
