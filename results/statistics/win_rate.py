"""Win rate of one contest, with interval, bounds, consistency, position bias and unscored counts.

The rate is balanced over order, not free of bias: the mean over both orders cancels a position bias that is
additive on the probability scale and not clipped, but a bias on the logit scale can move the rate either
way, even across ½. The order-robust bounds assume nothing about the bias. Missing judgments are counted and
bounded; they never become losses, ties or silent omissions.
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
    stability,
    to_order_array,
)

Floats = NDArray[np.float64]

GENERATION = "the noise of the one generation for each"  # Miller (2024), arXiv 2411.00640, section 3
SCOPE = f"over dialogues and {GENERATION}; this training, this judge, this prompt"


@dataclass(frozen=True, slots=True)
class SingleOrder:
    """Win rate of A in one order only: the paper's estimator.

    Attributes:
        rate: mean over dialogues, in [0, 1], of the mean over samples: 1 if A is preferred, ½ for a tie, 0 if
            B is preferred *or the judgment is unscored*; None without judgments. The two authors' rates, each
            in the other's order, sum to 1 only if nothing is unscored.
        low, high: interval over dialogues at the win rate's level; None if `rate` is None.
        n: dialogues with any judgment in this order, including unscored ones.
        method: how the interval was computed; exact binomial if no dialogue has a tie or a split.
        variance: of the dialogues' means; None if `rate` is None.
    """

    rate: float | None
    low: float | None
    high: float | None
    n: int
    method: str
    variance: float | None = None


@dataclass(frozen=True, slots=True)
class WinRate:
    """Win rate of A over B and its diagnostics. All shares lie in [0, 1].

    Attributes:
        rate: mean score of the complete dialogues; None without any.
        low, high: its confidence interval over dialogues at `level`; None if `rate` is None, and for groups
            of fewer than 20 dialogues.
        level: confidence level of every interval.
        interval_method: "BCa over dialogues", "exact binomial (Clopper–Pearson)" or "bounded mean (betting)";
            "" if `rate` is None.
        n: complete dialogues: every sample of both orders is scored.
        incomplete: the contest's other dialogues.
        bound_low, bound_high: rate over all dialogues with every missing judgment against A, and for A; None
            without dialogues. Not a confidence interval.
        missing_lost, missing_won: confidence intervals at `level` over all dialogues of these two worst
            cases. The rate exceeds a threshold with certainty only if `missing_lost.low` does, and is below
            it only if `missing_won.high` is. Equal to (low, high) if nothing is missing; None without
            dialogues.
        ties: share of ties among the complete dialogues' verdicts; None if `rate` is None.
        consistency: share of complete dialogues whose two orders name the same author (mean over samples,
            paired by number); a tie names none. None if `rate` is None.
        order_robust_low, order_robust_high: share of complete dialogues that A wins in both orders, and 1
            minus the share that B wins in both: bounds of the rate without assumptions about position
            bias. Not a confidence interval; None if `rate` is None.
        both_orders_tied: share of complete dialogues with a tie in both orders, which count neither as
            consistent nor as inconsistent.
        first_position_rate: share of the complete dialogues' verdicts for the first position, without ties; ½
            is unbiased. None if all are ties, or if `rate` is None.
        a_first, b_first: the two single-order estimates, with unscored judgments in the denominator.
        repetition_stability: share of comparisons (a dialogue in one order) whose samples all gave the same
            hard verdict, among those with all samples scored; None with one sample or without any.
        samples: repetitions per comparison.
        soft: whether `rate` uses soft verdicts, P(A) + ½ P(tie). Ties, consistency, order-robust bounds,
            first-position rate and stability always use hard ones.
        unlisted_mass: mean probability mass outside the allowed answers; None if none was recorded.
        not_judged: judgments still to be made: 2 × samples × dialogues − rows.
        seed, resamples: of the bootstrap.
        unscored: number of unscored judgments by reason.
        scope: what the interval covers.
        note: why a number is missing, or what is unusual; may be "".
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
        """Order-robust bounds, low and high."""
        return self.order_robust_low, self.order_robust_high

    @property
    def single_orders(self) -> tuple[SingleOrder, SingleOrder]:
        """Single-order estimates, A first and B first."""
        return self.a_first, self.b_first


def win_rate(
    columns: JudgmentTable, *, seed: int, level: float = 0.95, resamples: int = 4000, soft: bool = False
) -> WinRate:
    """Return the win rate of A over B, with its interval over dialogues and its diagnostics.

    Args:
        columns: the contest's judgments, in any order of rows.
        seed: of the bootstrap.
        level: confidence level, in (0, 1).
        resamples: bootstrap samples.
        soft: use soft verdicts. A verdict without probabilities then counts as missing. Hard and soft
            verdicts are never mixed.

    Raises:
        ValueError: a level outside (0, 1).
    """
    scores = dialogue_scores(columns, soft=soft)
    hard = scores if not soft else dialogue_scores(columns)
    complete = scores.complete
    complete_scores = scores.score[complete]

    def interval_over(values: Floats) -> Interval | None:
        return score_interval(values, seed=seed, level=level, resamples=resamples) if values.size else None

    interval = interval_over(complete_scores)
    all_complete = bool(complete.all())
    verdicts = hard.by_order[complete]
    robust_low, robust_high = order_robust(verdicts) or (None, None)
    samples = scores.by_order.shape[2]
    return WinRate(
        rate=mean_of(complete_scores),
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        level=level,
        interval_method=interval.method if interval else "",
        n=int(complete.sum()),
        incomplete=int((~complete).sum()),
        bound_low=mean_of(scores.low),
        bound_high=mean_of(scores.high),
        missing_lost=interval if all_complete else interval_over(scores.low),
        missing_won=interval if all_complete else interval_over(scores.high),
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
        note=_note(columns, complete_scores, soft=soft),
    )


def _single_order(
    columns: JudgmentTable, scores: DialogueScores, order: int, *, seed: int, level: float, resamples: int
) -> SingleOrder:
    """Return the single-order estimate of order 0 (A first) or 1 (B first)."""
    is_judged = to_order_array(columns, np.ones(len(columns)))[:, order] == 1.0
    has_judgment = is_judged.any(axis=1)
    n = int(has_judgment.sum())
    if not n:
        return SingleOrder(None, None, None, 0, "")
    filled = np.nan_to_num(scores.by_order[:, order], nan=0.0)[has_judgment]
    means = filled.sum(axis=1) / is_judged[has_judgment].sum(axis=1)
    rate, variance = float(means.mean()), float(means.var())
    wins = int((means == 1.0).sum())
    if wins + int((means == 0.0).sum()) == n:
        return SingleOrder(rate, *clopper_pearson(wins, n, level=level), n, EXACT, variance)
    interval = score_interval(means, seed=seed, level=level, resamples=resamples)
    return SingleOrder(rate, interval.low, interval.high, n, interval.method, variance)


def _unscored(columns: JudgmentTable, *, soft: bool) -> Mapping[str, int]:
    """Return the number of unscored judgments by reason."""
    reasons = columns.reason[columns.reason != ""].astype(str)
    names, counts = np.unique(reasons, return_counts=True)
    tally = dict(zip(names.tolist(), counts.tolist(), strict=True))
    without_probabilities = int((~np.isnan(columns.outcome) & np.isnan(columns.soft)).sum())
    if soft and without_probabilities:
        tally["no probabilities"] = without_probabilities
    return MappingProxyType(tally)


def _note(columns: JudgmentTable, scores: Floats, *, soft: bool) -> str:
    """Return why a number is missing, or what is unusual."""
    note = ""
    if columns.n_dialogues == 0:
        note = "no dialogues: the authors share none, or none was selected"
    elif not len(columns):
        note = "nothing judged yet"
    elif not scores.size and soft and np.isnan(columns.soft).all():
        note = "this judge gives no probabilities, so there is no soft win rate"
    elif not scores.size:
        orders = "both orders" if columns.a_first.any() and not columns.a_first.all() else "one order only"
        note = f"no dialogue has both orders scored (judged in {orders}), so only the bounds are known"
    elif scores.size == 1:
        note = "one complete dialogue, so the interval is very wide"
    elif float(np.ptp(scores)) == 0.0:
        note = f"every complete dialogue has the score {scores[0]:g}"
    return note
