"""Claims about a training strategy from several training seeds.

One checkpoint per strategy only supports a claim about "these two checkpoints". With several, the interval
covers dialogues (shared by all checkpoints) and training seeds. The seeds' part uses Student's t on the
log-odds scale (`few_seeds`), the dialogues' part the usual interval of a win rate with the checkpoints fixed.
The two are combined by squared distances from the estimate. The interval is never narrower, and the p-value
never smaller, than for the dialogues alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from results.statistics.few_seeds import p_value, seed_margin, seed_spread, welch_degrees
from results.statistics.hypothesis_tests import holm, sign_flip
from results.statistics.intervals import check_level, score_interval
from results.statistics.judgment_table import JudgmentTable
from results.statistics.not_estimable import NotEstimable
from results.statistics.scores import dialogue_scores, order_robust

Floats = NDArray[np.float64]

ONE_SEED = "these two checkpoints"
SCOPE = "over dialogues and training seeds; this judge"
METHOD = "training seeds by Student's t in log-odds, dialogues resampled, combined by squares"


@dataclass(frozen=True, slots=True)
class StrategyEstimate:
    """Rate of a strategy, or difference of two strategies' rates, rather than of single checkpoints.

    Attributes:
        estimate: mean over seeds and dialogues; a rate in [0, 1] or a difference in [−1, 1].
        low, high: its interval over dialogues and training seeds at `level`, low < high; simultaneous over
            the family (Bonferroni) if `family_size` exceeds 1.
        level: confidence level.
        p: two-sided p-value, in (0, 1], of a rate of ½ or a difference of 0.
        p_adjusted: `p` after Holm's correction over the family; equal to `p` in a family of one.
        family_size: estimates of one table, ≥ 1, counted by Holm and the simultaneous intervals.
        seeds: training seeds of each strategy.
        n: dialogues complete under every checkpoint.
        left_out: the other dialogues.
        degrees: degrees of freedom of the seeds' t distribution, ≥ 1: k − 1 for k seeds, Welch's for two
            strategies.
        between_seeds: standard deviation between checkpoints' rates (pooled over strategies), ≥ 0.
        spread_log_odds: the same in log-odds, as assumed by a contest design. Both include the noise of
            single judgments.
        order_robust_low, order_robust_high: order-robust bounds (see `WinRate`) averaged over checkpoints;
            None for a difference.
        method, scope: how the interval was computed and what it covers.
    """

    estimate: float
    low: float
    high: float
    level: float
    p: float
    p_adjusted: float
    family_size: int
    seeds: tuple[int, ...]
    n: int
    left_out: int
    degrees: float
    between_seeds: float
    spread_log_odds: float
    order_robust_low: float | None = None
    order_robust_high: float | None = None
    method: str = METHOD
    scope: str = SCOPE


def strategy_rate(
    checkpoints: Sequence[JudgmentTable],
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 4000,
    soft: bool = False,
) -> StrategyEstimate | NotEstimable:
    """Return the win rate of a strategy.

    `NotEstimable` with fewer than two seeds or two shared complete dialogues.

    Args:
        checkpoints: one contest per training seed, all against one opponent under one judge.
        seed: of the resampling.
        level: confidence level, in (0, 1).
        resamples: bootstrap samples.
        soft: use soft verdicts.

    Raises:
        ValueError: contests over different numbers of dialogues, or a level outside (0, 1).
    """
    return _estimate([checkpoints], seed=seed, level=level, resamples=resamples, soft=soft)


def strategy_difference(
    first: Sequence[JudgmentTable],
    second: Sequence[JudgmentTable],
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 4000,
    soft: bool = False,
) -> StrategyEstimate | NotEstimable:
    """Return the win rate of the first strategy minus that of the second, against a common opponent.

    Dialogues are shared by all checkpoints; seeds belong to one strategy each and are not paired.
    `NotEstimable` with fewer than two seeds of either strategy.

    Args:
        first, second: one contest per training seed of each strategy.
        seed, level, resamples, soft: as in `strategy_rate`.

    Raises:
        ValueError: contests over different numbers of dialogues, or a level outside (0, 1).
    """
    return _estimate([first, second], seed=seed, level=level, resamples=resamples, soft=soft)


def strategy_family(
    contests: Mapping[str, Sequence[Sequence[JudgmentTable]]],
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 4000,
    soft: bool = False,
) -> dict[str, StrategyEstimate | NotEstimable]:
    """Return one table of strategies: rates or differences, adjusted for their number.

    Args:
        contests: per row name, the checkpoints of one strategy (a rate) or of two (a difference).
        seed, level, resamples, soft: as in `strategy_rate`.

    Raises:
        ValueError: contests over different numbers of dialogues in a row, or a level outside (0, 1).
    """
    estimate = partial(_estimate, seed=seed, resamples=resamples, soft=soft)
    estimates = {name: estimate(groups, level=level) for name, groups in contests.items()}
    estimable = {name: row for name, row in estimates.items() if isinstance(row, StrategyEstimate)}
    if len(estimable) < 2:
        return estimates
    share = (1.0 - level) / len(estimable)
    adjusted = holm([row.p for row in estimable.values()])
    for (name, row), p_adjusted in zip(estimable.items(), adjusted, strict=True):
        wider = estimate(contests[name], level=1.0 - share)
        if isinstance(wider, StrategyEstimate):
            estimates[name] = replace(
                row, low=wider.low, high=wider.high, p_adjusted=p_adjusted, family_size=len(estimable)
            )
    return estimates


def _estimate(
    groups: Sequence[Sequence[JudgmentTable]],
    *,
    seed: int,
    level: float,
    resamples: int,
    soft: bool,
) -> StrategyEstimate | NotEstimable:
    """Return the rate of one group of checkpoints, or the difference of two groups' rates."""
    check_level(level)
    null = 0.5 if len(groups) == 1 else 0.0
    seeds = tuple(len(group) for group in groups)
    statistic = "claim about a strategy"
    if min(seeds) < 2:
        return NotEstimable(
            statistic, f"requires at least two training seeds each; one supports only “{ONE_SEED}”"
        )
    if len({columns.n_dialogues for group in groups for columns in group}) != 1:
        raise ValueError("all checkpoints' contests must be over the same dialogues")
    tables = [np.stack([dialogue_scores(c, soft=soft).score for c in group]) for group in groups]
    complete = np.asarray(~np.isnan(np.concatenate(tables)).any(axis=0))
    n = int(complete.sum())
    if n < 2:
        return NotEstimable(statistic, f"{n} dialogues are complete under every checkpoint")
    tables = [table[:, complete] for table in tables]
    signs = [1.0, -1.0][: len(tables)]
    estimate = sum(sign * float(table.mean()) for sign, table in zip(signs, tables, strict=True))
    net = sum(sign * table.mean(axis=0) for sign, table in zip(signs, tables, strict=True))
    dialogues_alone = _dialogues_alone(net, null, seed=seed, level=level, resamples=resamples)
    spreads = [seed_spread(table.mean(axis=1), n) for table in tables]
    degrees = welch_degrees(spreads)
    below, above = seed_margin(spreads, degrees, (1.0 - level) / 2.0)
    error = float(np.std(net, ddof=1) / np.sqrt(n))
    p = min(1.0, max(p_value(spreads, degrees, estimate - null, error), dialogues_alone.p))
    robust = _order_robust(groups[0], complete) if len(groups) == 1 else (None, None)
    return StrategyEstimate(
        estimate=estimate,
        low=max(
            -1.0 if null == 0.0 else 0.0, estimate - float(np.hypot(below, estimate - dialogues_alone.low))
        ),
        high=min(1.0, estimate + float(np.hypot(above, dialogues_alone.high - estimate))),
        level=level,
        p=p,
        p_adjusted=p,
        family_size=1,
        seeds=seeds,
        n=n,
        left_out=int((~complete).sum()),
        degrees=degrees,
        order_robust_low=robust[0],
        order_robust_high=robust[1],
        between_seeds=float(np.sqrt(np.mean([table.mean(axis=1).var(ddof=1) for table in tables]))),
        spread_log_odds=float(
            np.sqrt(np.mean([group_spread.error**2 * group_spread.seeds for group_spread in spreads]))
        ),
    )


def _order_robust(checkpoints: Sequence[JudgmentTable], complete: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the checkpoints' order-robust bounds, averaged."""
    all_bounds = [order_robust(dialogue_scores(columns).by_order[complete]) for columns in checkpoints]
    lows, highs = zip(*(bounds for bounds in all_bounds if bounds is not None), strict=True)
    return float(np.mean(lows)), float(np.mean(highs))


class _DialoguesOnly(NamedTuple):
    """Interval and p-value over dialogues, with the checkpoints fixed."""

    low: float
    high: float
    p: float


def _dialogues_alone(net: Floats, null: float, *, seed: int, level: float, resamples: int) -> _DialoguesOnly:
    """Return the interval and test of per-dialogue rates (`null` ½) or differences of rates (`null` 0)."""
    lowest, span = (0.0, 1.0) if null else (-1.0, 2.0)
    interval = score_interval((net - lowest) / span, seed=seed, level=level, resamples=resamples)
    test = sign_flip(net - null, seed=seed)
    return _DialoguesOnly(lowest + span * interval.low, lowest + span * interval.high, test.p)
