"""Precision and power of a planned contest, from an assumed win rate and consistency.

Let p be the win rate of A. Of two verdicts on one pair, let c be the probability that the two orders name the
same author and r ≥ c the probability that two repetitions of one order agree. A dialogue's score over both
orders and k samples has the variance

    p (1 − p) − (1 − c) / 4 − (1 − r) (1 − 1/k) / 4

and over one order p (1 − p) − (1 − r) (1 − 1/k) / 2, where p is that order's rate. This is exact for verdicts
without ties, for any preferences of the dialogues and any position bias. A rate near 0 or 1 limits
inconsistency: c is at least |2p − 1| and r at least 2 − c − 4p (1 − p).

The precision of a rate uses normal theory (Miller 2024, "Adding error bars to evals", arXiv 2411.00640,
sections 3 and 5). The sign-flip test measures spread around "no difference", so a true difference δ is
detected if δ √n = z₀.₉₇₅ √(σ² + δ²) + z₀.₈ σ. With several training seeds Student's t replaces the normal
for the between-seed part, as in `results.statistics.training_seeds`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from scipy.special import nctdtrinc, ndtri, stdtrit

from results.statistics.power import check_level_and_power

CONSISTENCY, REPEAT_AGREEMENT = 0.75, 0.9  # default assumptions
MIN_SHORT_SIDE_SCORE = 10  # dialogues' worth of score below which normal theory is not accurate
_STEPS = 60


@dataclass(frozen=True, slots=True)
class DesignAssumptions:
    """Assumptions about a contest before it is judged.

    Attributes:
        rate: win rate of A, in (0, 1).
        consistency: share of dialogues whose two orders name the same author, in [|2 rate − 1|, 1].
        repeat_agreement: probability that two repetitions of a comparison agree, in [consistency, 1]; the
            minimum rises near the edges, see the module.
        seed_spread: standard deviation between training seeds, in log-odds, ≥ 0.
        correlation: of two authors' scores against a common opponent over dialogues, in [0, 1); 0 is
            conservative.

    Raises:
        ValueError: a value out of its range.
    """

    rate: float
    consistency: float
    repeat_agreement: float
    seed_spread: float
    correlation: float

    def __post_init__(self) -> None:
        faults = _faults(self)
        if faults:
            raise ValueError("; ".join(faults))


def _faults(assumed: DesignAssumptions) -> list[str]:
    """Return a message for every assumption that is out of range."""
    if not 0.0 < assumed.rate < 1.0:
        return [f"rate must be between 0 and 1, not {assumed.rate:g}"]
    lowest = abs(2.0 * assumed.rate - 1.0)
    faults = []
    if not lowest - 1e-9 <= assumed.consistency <= 1.0:
        faults.append(
            f"consistency must be in [{lowest:g}, 1] at a rate of {assumed.rate:g}, not "
            f"{assumed.consistency:g}"
        )
    else:
        lowest_agreement = _least_repeat_agreement(assumed.rate, assumed.consistency)
        if not lowest_agreement - 1e-9 <= assumed.repeat_agreement <= 1.0:
            faults.append(
                f"repeat_agreement must be in [{lowest_agreement:.3g}, 1] at this rate and consistency, not "
                f"{assumed.repeat_agreement:g}"
            )
    if not 0.0 <= assumed.seed_spread < float("inf"):
        faults.append(f"seed_spread must be at least 0, not {assumed.seed_spread:g}")
    if not 0.0 <= assumed.correlation < 1.0:
        faults.append(f"correlation must be in [0, 1), not {assumed.correlation:g}")
    return faults


def _least_repeat_agreement(rate: float, consistency: float) -> float:
    """Return the lowest repeat agreement for which the variance between dialogues is not negative."""
    return max(consistency, 2.0 - consistency - 4.0 * rate * (1.0 - rate))


def design_assumptions(
    rate: float = 0.6,
    consistency: float | None = None,
    repeat_agreement: float | None = None,
    seed_spread: float = 0.3,
    correlation: float = 0.0,
) -> DesignAssumptions:
    """Return assumptions with default values for those that are not given.

    Args:
        rate: win rate of A, in (0, 1).
        consistency: default 0.75, or halfway between the lowest possible value and 1 if that is more.
        repeat_agreement: default 0.9, or the lowest possible value if that is more.
        seed_spread: standard deviation between training seeds, in log-odds.
        correlation: of two authors' scores against a common opponent.

    Raises:
        ValueError: a value out of its range.
    """
    if consistency is None:  # an invalid rate raises below
        consistency = max(CONSISTENCY, (1.0 + abs(2.0 * rate - 1.0)) / 2.0)
    if repeat_agreement is None:
        repeat_agreement = max(REPEAT_AGREEMENT, _least_repeat_agreement(rate, consistency))
    return DesignAssumptions(rate, consistency, repeat_agreement, seed_spread, correlation)


@dataclass(frozen=True, slots=True)
class Design:
    """Precision and power of a planned contest under its assumptions.

    Attributes:
        assumed: the assumptions.
        dialogues, samples, orders, seeds: size of the design; orders is 1 or 2, the others ≥ 1.
        requests: verdicts per judge and author: the product of the four.
        score_sd: standard deviation of a dialogue's score, in [0, ½].
        half_width: half-width of the interval of a rate at `level`, at most 1.
        mde: minimum detectable effect: smallest true distance of a rate from a fixed one (from ½, say)
            detected with probability `power`, at most 1.
        mde_difference: the same for the difference of two authors' rates against a common opponent.
        difference_std: standard deviation of that difference per dialogue, as used by
            `required_sample_size`.
        level, power: confidence level and power.
        scope: what the numbers cover.
        note: warning if normal theory is inaccurate, else "".
    """

    assumed: DesignAssumptions
    dialogues: int
    samples: int
    orders: int
    seeds: int
    requests: int
    score_sd: float
    half_width: float
    mde: float
    mde_difference: float
    difference_std: float
    level: float
    power: float
    scope: str
    note: str = ""


CHECKPOINTS_SCOPE = "over dialogues; these checkpoints, this judge"
SEEDS_SCOPE = "over dialogues and training seeds; this judge"


def design(
    assumed: DesignAssumptions,
    dialogues: int,
    *,
    samples: int = 1,
    orders: int = 2,
    seeds: int = 1,
    level: float = 0.95,
    power: float = 0.8,
) -> Design:
    """Return the precision and the minimum detectable effects of a planned contest.

    With two or more training seeds the numbers describe the training method. All noise of dialogues is then
    treated as shared by the seeds' checkpoints, which is conservative.

    Args:
        assumed: the assumptions.
        dialogues, samples, orders, seeds: size of the design.
        level: confidence level, in (0, 1).
        power: of detection, in (0, 1).

    Raises:
        ValueError: a size below 1, orders other than 1 and 2, or a level or power out of range.
    """
    check_level_and_power(level, power)
    if min(dialogues, samples, seeds) < 1 or orders not in (1, 2):
        raise ValueError(f"{dialogues} dialogues, {samples} samples, {orders} orders, {seeds} seeds")
    variance = score_variance(assumed, samples=samples, orders=orders)
    dialogue_variance = variance / dialogues
    slope = assumed.rate * (1.0 - assumed.rate)
    seed_variance = (assumed.seed_spread * slope) ** 2 / seeds if seeds > 1 else 0.0
    uncorrelated = 1.0 - assumed.correlation
    short_side = dialogues * min(assumed.rate, 1.0 - assumed.rate)
    return Design(
        assumed=assumed,
        dialogues=dialogues,
        samples=samples,
        orders=orders,
        seeds=seeds,
        requests=dialogues * samples * orders * seeds,
        score_sd=sqrt(variance),
        half_width=_half_width(dialogue_variance, seed_variance, seeds - 1, level),
        mde=_minimum_detectable(dialogue_variance, seed_variance, seeds - 1, dialogues, level, power),
        mde_difference=_minimum_detectable(
            2.0 * uncorrelated * dialogue_variance,
            2.0 * seed_variance,
            2 * (seeds - 1),
            dialogues,
            level,
            power,
        ),
        difference_std=sqrt(2 * uncorrelated * variance),
        level=level,
        power=power,
        scope=CHECKPOINTS_SCOPE if seeds == 1 else SEEDS_SCOPE,
        note=""
        if short_side >= MIN_SHORT_SIDE_SCORE
        else f"about {short_side:.0f} dialogues are expected on the short side, so intervals will be wider",
    )


def score_variance(assumed: DesignAssumptions, *, samples: int = 1, orders: int = 2) -> float:
    """Return the variance of a dialogue's score over the orders and samples, in [0, ¼]."""
    total_variance = assumed.rate * (1.0 - assumed.rate)
    repetition_part = (1.0 - assumed.repeat_agreement) * (1.0 - 1.0 / samples)
    if orders == 1:
        return max(0.0, total_variance - repetition_part / 2.0)
    return max(0.0, total_variance - (1.0 - assumed.consistency) / 4.0 - repetition_part / 4.0)


def _half_width(dialogue_variance: float, seed_variance: float, degrees: int, level: float) -> float:
    """Return the half-width of an interval from the two variances, at most 1."""
    tail = (1.0 + level) / 2.0
    seed_part = float(stdtrit(degrees, tail)) ** 2 * seed_variance if seed_variance else 0.0
    return min(1.0, sqrt(float(ndtri(tail)) ** 2 * dialogue_variance + seed_part))


def _minimum_detectable(
    dialogue_variance: float, seed_variance: float, degrees: int, dialogues: int, level: float, power: float
) -> float:
    """Return the minimum detectable effect of an estimate with these two variances, at most 1."""
    tail = (1.0 + level) / 2.0
    if seed_variance:
        noncentrality = float(nctdtrinc(degrees, 1.0 - power, stdtrit(degrees, tail)))
        return min(
            1.0,
            sqrt(
                float(ndtri(tail) + ndtri(power)) ** 2 * dialogue_variance + noncentrality**2 * seed_variance
            ),
        )
    effect = 0.0
    for _ in range(_STEPS):
        tested_sd = sqrt(dialogue_variance + effect**2 / dialogues)
        effect = min(1.0, float(ndtri(tail)) * tested_sd + float(ndtri(power)) * sqrt(dialogue_variance))
    return effect
