"""The win rate of one contest, with all that has to stand beside it.

Balanced over order, not free of bias: a dialogue's score is the mean over both orders, which cancels a
position bias that adds on the probability scale as long as nothing is clipped; one on the logit scale can
move the rate either way, even across ½. The order-robust bounds assume nothing about the bias. Missing
judgments are never losses, ties or silent drops. Takes `JudgmentTable`, returns frozen values; no database, no
clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from results.statistics.intervals import EXACT, Interval, clopper_pearson, score_interval
from results.statistics.judgment_table import JudgmentTable
from results.statistics.scores import (
    DialogueScores,
    consistency,
    dialogue_scores,
    first_position_rate,
    mean_of,
    order_robust,
    spread,
    stability,
)

Floats = NDArray[np.float64]

GENERATION = "the noise of the one generation for each"  # Miller (2024), arXiv 2411.00640, section 3
SCOPE = f"over dialogues and {GENERATION}; this training, this judge, this prompt"


@dataclass(frozen=True, slots=True)
class SingleOrder:
    """The paper's estimator: the win rate of A in one order alone.

    Attributes:
        rate: mean over dialogues, in [0, 1], of the mean over samples: 1 where A is preferred, ½ for a tie,
            0 where B is preferred *or the judgment is unscored*. None where nothing was judged in it. Only
            where nothing is unscored do the two authors' rates, in each other's order, sum to 1.
        low, high: interval over dialogues at the win rate's level; None with `rate`.
        n: dialogues with any judgment in this order, unscored ones included.
        method: how the interval was made: exact binomial where no dialogue has a tie or a split.
        variance: of the dialogues' means; None with `rate`.
    """

    rate: float | None
    low: float | None
    high: float | None
    n: int
    method: str
    variance: float | None = None


@dataclass(frozen=True, slots=True)
class WinRate:
    """How often A is preferred to B, and what that rests on. All shares are in [0, 1].

    Attributes:
        rate: mean score of the complete dialogues; None where there is none.
        low, high: confidence interval of it over dialogues at `level`; None with `rate`, and in a breakdown
            by groups for a group of fewer than 20.
        level: confidence level of every interval here.
        interval_method: how the interval was made: "BCa over dialogues", "exact binomial
            (Clopper–Pearson)" or "bounded mean (betting)"; "" with `rate` None.
        n: complete dialogues: every sample of both orders scored.
        incomplete: the others of the contest's dialogues.
        bound_low, bound_high: what the rate over *all* dialogues would be with every missing judgment
            against A, and for A; None where the contest has no dialogue. Not a confidence interval.
        missing_lost, missing_won: confidence intervals at `level` over *all* dialogues, of those two worst
            cases: the sampling error is added to what is missing. A rate lies above a bound for certain
            only where `missing_lost.low` does, below it only where `missing_won.high` does. Equal to
            (low, high) where nothing is missing; None where the contest has no dialogue.
        ties: share of the complete dialogues' verdicts that are ties; None with `rate`.
        consistency: share of the complete dialogues whose two orders name the same author (mean over
            samples, paired by number); a tie names none. None with `rate`.
        order_robust_low, order_robust_high: the share of complete dialogues that A wins in both orders, and 1
            less the share that B wins in both: the rate's bounds with no assumption about position bias.
            1 − consistency apart; not a confidence interval; None with `rate`.
        tied_both: share, likewise, whose two orders are both ties; neither consistent nor inconsistent.
        position_preference: share of verdicts for the first place among the complete dialogues' verdicts
            that are not ties; ½ is no preference; None where all are ties, or with `rate`.
        unscored: how many judgments were made and are unscored, by reason.
        not_judged: judgments still to be made: 2 × samples × dialogues − rows.
        a_first, b_first: the two single-order estimates, unscored in the denominator.
        repetition_stability: share of comparisons (a dialogue in one order) whose samples all gave the
            same hard verdict, among those with all samples scored; None with one sample or no such one.
        samples: repetitions per comparison.
        soft: whether `rate` is of soft verdicts: P(A) + ½ P(tie). Ties, consistency, order-robust bounds,
            position preference and stability are always of the hard ones.
        unlisted_mass: mean probability mass outside the allowed answers; None where none was recorded.
        seed, resamples: of the bootstrap.
        scope: what the interval covers, in words.
        note: why a number is missing, or what is special, in words; "" where nothing is.
    """

    rate: float | None
    low: float | None
    high: float | None
    level: float
    interval_method: str
    n: int
    incomplete: int
    bound_low: float | None
    bound_high: float | None
    missing_lost: Interval | None
    missing_won: Interval | None
    ties: float | None
    consistency: float | None
    order_robust_low: float | None
    order_robust_high: float | None
    both_orders_tied: float | None
    first_position_rate: float | None
    a_first: SingleOrder
    b_first: SingleOrder
    repetition_stability: float | None
    samples: int
    soft: bool
    unlisted_mass: float | None
    not_judged: int
    seed: int
    resamples: int
    unscored: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    scope: str = SCOPE
    note: str = ""

    @property
    def order_robust(self) -> tuple[float | None, float | None]:
        """Low, high."""
        return self.order_robust_low, self.order_robust_high

    @property
    def single_orders(self) -> tuple[SingleOrder, SingleOrder]:
        """A first, B first."""
        return self.a_first, self.b_first


def win_rate(
    columns: JudgmentTable, *, seed: int, level: float = 0.95, resamples: int = 4000, soft: bool = False
) -> WinRate:
    """Win rate of A over B, with its interval over dialogues and everything beside it.

    Args:
        columns: the contest's judgments, in any order of rows.
        seed: of the resampling.
        level: confidence level, in (0, 1).
        resamples: bootstrap samples.
        soft: of the soft verdicts, for judges that give one for every judgment; a verdict without
            probabilities is then missing. Never mixed with hard ones.

    Raises:
        ValueError: a level outside (0, 1).
    """
    scores = dialogue_scores(columns, soft=soft)
    hard = scores if not soft else dialogue_scores(columns)
    complete = scores.complete
    chosen = scores.score[complete]

    def over(values: Floats) -> Interval | None:
        return score_interval(values, seed=seed, level=level, resamples=resamples) if values.size else None

    interval = over(chosen)
    whole = bool(complete.all())
    verdicts = hard.by_order[complete]
    robust_low, robust_high = order_robust(verdicts) or (None, None)
    samples = scores.by_order.shape[2]
    return WinRate(
        rate=mean_of(chosen),
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        level=level,
        interval_method=interval.method if interval else "",
        n=int(complete.sum()),
        incomplete=int((~complete).sum()),
        bound_low=mean_of(scores.low),
        bound_high=mean_of(scores.high),
        missing_lost=interval if whole else over(scores.low),
        missing_won=interval if whole else over(scores.high),
        ties=mean_of(verdicts == 0.5),
        consistency=consistency(verdicts),
        order_robust_low=robust_low,
        order_robust_high=robust_high,
        both_orders_tied=mean_of((verdicts[:, 0] == 0.5) & (verdicts[:, 1] == 0.5)),
        first_position_rate=first_position_rate(verdicts),
        a_first=_single_order(columns, scores, 0, seed=seed, level=level, resamples=resamples),
        b_first=_single_order(columns, scores, 1, seed=seed, level=level, resamples=resamples),
        repetition_stability=stability(hard.by_order),
        samples=samples,
        soft=soft,
        unlisted_mass=mean_of(columns.outside[~np.isnan(columns.outside)]),
        not_judged=2 * samples * columns.n_dialogues - len(columns),
        seed=seed,
        resamples=resamples,
        unscored=_unscored(columns, soft=soft),
        note=_note(columns, chosen, soft=soft),
    )


def _single_order(
    columns: JudgmentTable, scores: DialogueScores, order: int, *, seed: int, level: float, resamples: int
) -> SingleOrder:
    asked = spread(columns, np.ones(len(columns)))[:, order] == 1.0
    judged = asked.any(axis=1)
    n = int(judged.sum())
    if not n:
        return SingleOrder(None, None, None, 0, "")
    filled = np.nan_to_num(scores.by_order[:, order], nan=0.0)[judged]
    means = filled.sum(axis=1) / asked[judged].sum(axis=1)
    rate, variance = float(means.mean()), float(means.var())
    wins = int((means == 1.0).sum())
    if wins + int((means == 0.0).sum()) == n:
        return SingleOrder(rate, *clopper_pearson(wins, n, level=level), n, EXACT, variance)
    interval = score_interval(means, seed=seed, level=level, resamples=resamples)
    return SingleOrder(rate, interval.low, interval.high, n, interval.method, variance)


def _unscored(columns: JudgmentTable, *, soft: bool) -> Mapping[str, int]:
    reasons = columns.reason[columns.reason != ""].astype(str)
    names, counts = np.unique(reasons, return_counts=True)
    tally = dict(zip(names.tolist(), counts.tolist(), strict=True))
    without = int((~np.isnan(columns.outcome) & np.isnan(columns.soft)).sum())
    if soft and without:
        tally["no probabilities"] = without
    return MappingProxyType(tally)


def _note(columns: JudgmentTable, scores: Floats, *, soft: bool) -> str:
    note = ""
    if columns.n_dialogues == 0:
        note = "no dialogue: the two authors share none, or none was asked for"
    elif not len(columns):
        note = "nothing judged yet"
    elif not scores.size and soft and np.isnan(columns.soft).all():
        note = "this judge gives no probabilities: there is no soft win rate"
    elif not scores.size:
        orders = "both orders" if columns.a_first.any() and not columns.a_first.all() else "one order only"
        note = f"no dialogue has both orders scored (judged in {orders}): only the bounds are known"
    elif scores.size == 1:
        note = "one complete dialogue: the interval says how little that is"
    elif float(np.ptp(scores)) == 0.0:
        note = f"every complete dialogue has the score {scores[0]:g}"
    return note
