"""What a contest of a planned size could tell, from an assumed rate and consistency, before it is judged.

With p the rate of A and, of two verdicts on one pair, c the probability that the two orders name the same
author and r ≥ c the probability that two repetitions of one order do, a dialogue's score over both orders and
k samples varies by

    p (1 − p) − (1 − c) / 4 − (1 − r) (1 − 1/k) / 4

and over one order by p (1 − p) − (1 − r) (1 − 1/k) / 2, p being that order's rate: exact for verdicts without
ties, whatever the dialogues' preferences and the judge's position bias are. A rate near 0 or 1 leaves little
room to be inconsistent: c is at least |2p − 1|, r at least 2 − c − 4p (1 − p).

The precision of a rate is normal theory (Miller 2024, "Adding error bars to evals", arXiv 2411.00640,
sections 3 and 5). The sign-flip test measures spread around "no difference", so a true difference δ is found
where δ √n = z₀.₉₇₅ √(σ² + δ²) + z₀.₈ σ. With several training seeds Student's t takes the normal's place for
the seeds' part, as in `results.statistics.training_seeds`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from scipy.special import nctdtrinc, ndtri, stdtrit

from results.statistics.power import check_level_and_power

CONSISTENCY, REPEAT_AGREEMENT = 0.75, 0.9  # assumed where nothing is said
FEWEST_ON_A_SIDE = 10  # dialogues' worth of score below which normal theory does not serve
_STEPS = 60


@dataclass(frozen=True, slots=True)
class DesignAssumptions:
    """What is assumed of a contest before it is judged.

    Attributes:
        rate: win rate of A, in (0, 1).
        consistency: share of dialogues in which both orders name the same author, in [|2 rate − 1|, 1].
        repeat_agreement: probability that two repetitions of one comparison agree, in [consistency, 1], and
            higher near the edges, see the module.
        seed_spread: standard deviation between training seeds, in log-odds, ≥ 0.
        correlation: of two authors' scores against a common opponent over dialogues, in [0, 1); 0 is the
            cautious choice.

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
    if not 0.0 < assumed.rate < 1.0:
        return [f"rate lies between 0 and 1, not at {assumed.rate:g}"]
    least = abs(2.0 * assumed.rate - 1.0)
    faults = []
    if not least - 1e-9 <= assumed.consistency <= 1.0:
        faults.append(
            f"consistency lies in [{least:g}, 1] at a rate of {assumed.rate:g}, not at "
            f"{assumed.consistency:g}"
        )
    else:
        fewest = _least_repeat_agreement(assumed.rate, assumed.consistency)
        if not fewest - 1e-9 <= assumed.repeat_agreement <= 1.0:
            faults.append(
                f"repeat_agreement lies in [{fewest:.3g}, 1] at this rate and consistency, not at "
                f"{assumed.repeat_agreement:g}"
            )
    if not 0.0 <= assumed.seed_spread < float("inf"):
        faults.append(f"seed_spread is at least 0, not {assumed.seed_spread:g}")
    if not 0.0 <= assumed.correlation < 1.0:
        faults.append(f"correlation lies in [0, 1), not at {assumed.correlation:g}")
    return faults


def _least_repeat_agreement(rate: float, consistency: float) -> float:
    """The least that leaves a score no negative variance between dialogues."""
    return max(consistency, 2.0 - consistency - 4.0 * rate * (1.0 - rate))


def design_assumptions(
    rate: float = 0.6,
    consistency: float | None = None,
    repeat_agreement: float | None = None,
    seed_spread: float = 0.3,
    correlation: float = 0.0,
) -> DesignAssumptions:
    """Assumptions with usual values in place of those that are not given.

    Args:
        consistency: by default 0.75, or halfway between the least that the rate allows and 1 where that
            is more.
        repeat_agreement: by default 0.9, or the least that the others allow where that is more.

    Raises:
        ValueError: as `DesignAssumptions`.
    """
    if consistency is None:  # a rate out of range is refused below
        consistency = max(CONSISTENCY, (1.0 + abs(2.0 * rate - 1.0)) / 2.0)
    if repeat_agreement is None:
        repeat_agreement = max(REPEAT_AGREEMENT, _least_repeat_agreement(rate, consistency))
    return DesignAssumptions(rate, consistency, repeat_agreement, seed_spread, correlation)


@dataclass(frozen=True, slots=True)
class Design:
    """What a design can tell, under what is assumed.

    Attributes:
        assumed: the assumptions.
        dialogues, samples, orders, seeds: of the design; orders is 1 or 2, the others ≥ 1.
        requests: verdicts asked of one judge for one author: the product of the four.
        score_sd: standard deviation of a dialogue's score, in [0, ½].
        half_width: of the interval of one rate at `level`, in the unit of rates, at most 1.
        detectable: smallest true distance of a rate from a fixed one (from ½, say) that is detected with
            probability `power`, at most 1.
        detectable_difference: the same of the difference of two authors' rates against a common opponent,
            at most 1.
        difference_spread: standard deviation of that difference per dialogue: what `required_sample_size` takes.
        level, power: of the interval and test; of detecting.
        scope: what the numbers are about.
        note: in words, where normal theory does not serve; "" where it does.
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


CHECKPOINTS = "over dialogues; these checkpoints, this judge"
SEEDS = "over dialogues and training seeds; this judge"


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
    """The precision and the smallest detectable differences of a planned contest.

    With two or more training seeds the numbers speak of what is trained; all noise of dialogues is counted
    as shared by the seeds' checkpoints, the cautious choice.

    Raises:
        ValueError: a size below 1, orders other than 1 and 2, or a level or power out of range.
    """
    check_level_and_power(level, power)
    if min(dialogues, samples, seeds) < 1 or orders not in (1, 2):
        raise ValueError(f"{dialogues} dialogues, {samples} samples, {orders} orders, {seeds} seeds")
    variance = score_variance(assumed, samples=samples, orders=orders)
    of_dialogues = variance / dialogues
    slope = assumed.rate * (1.0 - assumed.rate)
    of_seeds = (assumed.seed_spread * slope) ** 2 / seeds if seeds > 1 else 0.0
    shared = 1.0 - assumed.correlation
    side = dialogues * min(assumed.rate, 1.0 - assumed.rate)
    return Design(
        assumed=assumed,
        dialogues=dialogues,
        samples=samples,
        orders=orders,
        seeds=seeds,
        requests=dialogues * samples * orders * seeds,
        score_sd=sqrt(variance),
        half_width=_half_width(of_dialogues, of_seeds, seeds - 1, level),
        mde=_detectable(of_dialogues, of_seeds, seeds - 1, dialogues, level, power),
        mde_difference=_detectable(
            2.0 * shared * of_dialogues, 2.0 * of_seeds, 2 * (seeds - 1), dialogues, level, power
        ),
        difference_std=sqrt(2 * shared * variance),
        level=level,
        power=power,
        scope=CHECKPOINTS if seeds == 1 else SEEDS,
        note=""
        if side >= FEWEST_ON_A_SIDE
        else f"about {side:.0f} dialogues are expected on the short side: intervals will be wider than this",
    )


def score_variance(assumed: DesignAssumptions, *, samples: int = 1, orders: int = 2) -> float:
    """Variance of a dialogue's score over so many orders and samples, in [0, ¼]."""
    alike = assumed.rate * (1.0 - assumed.rate)
    repeated = (1.0 - assumed.repeat_agreement) * (1.0 - 1.0 / samples)
    if orders == 1:
        return max(0.0, alike - repeated / 2.0)
    return max(0.0, alike - (1.0 - assumed.consistency) / 4.0 - repeated / 4.0)


def _half_width(of_dialogues: float, of_seeds: float, degrees: int, level: float) -> float:
    """Half of an interval for an estimate with these two variances, at most 1."""
    tail = (1.0 + level) / 2.0
    students = float(stdtrit(degrees, tail)) ** 2 * of_seeds if of_seeds else 0.0
    return min(1.0, sqrt(float(ndtri(tail)) ** 2 * of_dialogues + students))


def _detectable(
    of_dialogues: float, of_seeds: float, degrees: int, dialogues: int, level: float, power: float
) -> float:
    """How far an estimate with these two variances must lie from a value to be told from it, at most 1."""
    tail = (1.0 + level) / 2.0
    if of_seeds:
        students = float(nctdtrinc(degrees, 1.0 - power, stdtrit(degrees, tail)))  # noncentrality
        return min(1.0, sqrt(float(ndtri(tail) + ndtri(power)) ** 2 * of_dialogues + students**2 * of_seeds))
    found = 0.0
    for _ in range(_STEPS):
        tested = sqrt(of_dialogues + found**2 / dialogues)
        found = min(1.0, float(ndtri(tail)) * tested + float(ndtri(power)) * sqrt(of_dialogues))
    return found
