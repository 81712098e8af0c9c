"""Claims about a strategy or a method: several training seeds as a second level beside the dialogues.

One checkpoint per strategy only supports "these two checkpoints". With several, the interval covers dialogues
(shared by all checkpoints) and training seeds: the seeds' part by Student's t on the log-odds scale
(`few_seeds`), the dialogues' part by the rule for any win rate with the checkpoints fixed, combined by their
squared distances from the estimate. It is never narrower than the dialogues alone allow, nor its p-value
smaller.
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
    """A rate, or a difference of rates, that speaks of a strategy and not of one checkpoint.

    Attributes:
        estimate: mean over seeds and dialogues; a rate in [0, 1], or a difference in [−1, 1].
        low, high: its interval over dialogues and training seeds at `level`, low < high; simultaneous over
            the family (Bonferroni) where `family_size` is more than 1.
        level: confidence level.
        p: two-sided p-value, in (0, 1], of a rate of ½ or a difference of 0.
        p_adjusted: the same after Holm over the family; equal to `p` for a family of one.
        family_size: estimates of one table, ≥ 1, that Holm and simultaneous intervals count.
        seeds: training seeds of each strategy.
        n: dialogues complete under every checkpoint.
        left_out: the other dialogues.
        degrees: degrees of freedom of the seeds' t distribution, ≥ 1: k − 1 of k seeds, Welch's for two
            strategies.
        between_seeds: standard deviation between checkpoints' rates (pooled over strategies), ≥ 0.
        spread_log_odds: the same in log-odds: what a design assumes as its seed spread. The noise of single
            judgments is in both.
        order_robust_low, order_robust_high: of a rate, the mean over seeds of the checkpoints' order-robust
            bounds (see `WinRate`); None for a difference.
        method, scope: how the interval was made and what it covers.
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
    """Win rate of a strategy: one contest per training seed, all against one opponent under one judge.

    Refused with fewer than two seeds or two shared complete dialogues.

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
    """Win rate of the first strategy minus that of the second, against a common opponent.

    Dialogues are shared by all checkpoints; seeds belong to one strategy each and are not paired.
    Refused with fewer than two seeds of either.

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
    """One table of strategies: rates or differences, adjusted for their number.

    Args:
        contests: by the row's name, the checkpoints of one strategy (a rate) or of two (a difference).

    Raises:
        ValueError: contests over different numbers of dialogues in a row, or a level outside (0, 1).
    """
    estimate = partial(_estimate, seed=seed, resamples=resamples, soft=soft)
    found = {name: estimate(groups, level=level) for name, groups in contests.items()}
    told = {name: one for name, one in found.items() if isinstance(one, StrategyEstimate)}
    if len(told) < 2:
        return found
    share = (1.0 - level) / len(told)
    adjusted = holm([one.p for one in told.values()])
    for (name, one), p_adjusted in zip(told.items(), adjusted, strict=True):
        wider = estimate(contests[name], level=1.0 - share)
        if isinstance(wider, StrategyEstimate):
            found[name] = replace(
                one, low=wider.low, high=wider.high, p_adjusted=p_adjusted, family_size=len(told)
            )
    return found


def _estimate(
    groups: Sequence[Sequence[JudgmentTable]],
    *,
    seed: int,
    level: float,
    resamples: int,
    soft: bool,
) -> StrategyEstimate | NotEstimable:
    """A rate, by one group of checkpoints, or the difference of two groups' rates."""
    check_level(level)
    null = 0.5 if len(groups) == 1 else 0.0
    seeds = tuple(len(group) for group in groups)
    what = "claim about a strategy"
    if min(seeds) < 2:
        return NotEstimable(what, f"it takes two or more training seeds each; one supports only “{ONE_SEED}”")
    if len({columns.n_dialogues for group in groups for columns in group}) != 1:
        raise ValueError("all checkpoints' contests must be over the same dialogues")
    tables = [np.stack([dialogue_scores(c, soft=soft).score for c in group]) for group in groups]
    complete = np.asarray(~np.isnan(np.concatenate(tables)).any(axis=0))
    n = int(complete.sum())
    if n < 2:
        return NotEstimable(what, f"{n} dialogues are complete under every checkpoint")
    tables = [table[:, complete] for table in tables]
    signs = [1.0, -1.0][: len(tables)]
    estimate = sum(sign * float(table.mean()) for sign, table in zip(signs, tables, strict=True))
    net = sum(sign * table.mean(axis=0) for sign, table in zip(signs, tables, strict=True))
    alone = _dialogues_alone(net, null, seed=seed, level=level, resamples=resamples)
    spreads = [seed_spread(table.mean(axis=1), n) for table in tables]
    degrees = welch_degrees(spreads)
    below, above = seed_margin(spreads, degrees, (1.0 - level) / 2.0)
    error = float(np.std(net, ddof=1) / np.sqrt(n))
    p = min(1.0, max(p_value(spreads, degrees, estimate - null, error), alone.p))
    robust = _order_robust(groups[0], complete) if len(groups) == 1 else (None, None)
    return StrategyEstimate(
        estimate=estimate,
        low=max(-1.0 if null == 0.0 else 0.0, estimate - float(np.hypot(below, estimate - alone.low))),
        high=min(1.0, estimate + float(np.hypot(above, alone.high - estimate))),
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
        spread_log_odds=float(np.sqrt(np.mean([one.error**2 * one.seeds for one in spreads]))),
    )


def _order_robust(checkpoints: Sequence[JudgmentTable], complete: NDArray[np.bool_]) -> tuple[float, float]:
    found = [order_robust(dialogue_scores(columns).by_order[complete]) for columns in checkpoints]
    lows, highs = zip(*(bounds for bounds in found if bounds is not None), strict=True)
    return float(np.mean(lows)), float(np.mean(highs))


class _Alone(NamedTuple):
    """What the dialogues say by themselves, the checkpoints fixed."""

    low: float
    high: float
    p: float


def _dialogues_alone(net: Floats, null: float, *, seed: int, level: float, resamples: int) -> _Alone:
    """Interval and test of per-dialogue rates (`null` ½) or differences of rates (`null` 0)."""
    lowest, span = (0.0, 1.0) if null else (-1.0, 2.0)
    interval = score_interval((net - lowest) / span, seed=seed, level=level, resamples=resamples)
    test = sign_flip(net - null, seed=seed)
    return _Alone(lowest + span * interval.low, lowest + span * interval.high, test.p)
