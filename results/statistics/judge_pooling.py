"""Several judges of the same pair of authors: pooled only beside each judge's own, and their range.

Judges count equally: a dialogue's pooled score is the mean of the judges' scores of it, over the dialogues
that are complete under every judge. The interval is over dialogues; it says nothing about other judges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from results.statistics.intervals import score_interval
from results.statistics.judgment_table import JudgmentTable
from results.statistics.scores import dialogue_scores, mean_of, order_robust
from results.statistics.win_rate import GENERATION, WinRate, win_rate

SCOPE = f"over dialogues and {GENERATION}; this training, these judges, this prompt"
POINTS_APART = 0.10  # judges further apart than this disagree
_NOISE = 1e-9


@dataclass(frozen=True, slots=True)
class PooledRate:
    """The judges' win rates of one pair of authors, and their mean.

    Attributes:
        judges: each judge's own win rate, over its own complete dialogues, in the order given.
        rate: mean over shared dialogues of the mean over judges, in [0, 1]; None where they share none.
        low, high: interval over dialogues at `level`, these judges fixed; None with `rate`.
        level: confidence level.
        interval_method: as in `WinRate`.
        order_robust_low, order_robust_high: means over judges of theirs, on the n dialogues; None with
            `rate`.
        n: dialogues complete under every judge.
        left_out: the contest's other dialogues.
        lowest, highest: the judges' own rates' range; None where no judge has a rate.
        disagree_on_sign: whether one judge's own rate lies above ½ and another's below.
        disagree_by_points: whether `highest` − `lowest` is more than 0.10.
        scope: what the interval covers.
        note: in words, what must be said with the number; "" where nothing must.
    """

    judges: Mapping[str, WinRate]
    rate: float | None
    low: float | None
    high: float | None
    level: float
    interval_method: str
    order_robust_low: float | None
    order_robust_high: float | None
    n: int
    left_out: int
    lowest: float | None
    highest: float | None
    disagree_on_sign: bool
    disagree_by_points: bool
    scope: str = SCOPE
    note: str = ""

    @property
    def disagree(self) -> bool:
        """Whether the one-sentence answer has to say that the judges disagree."""
        return self.disagree_on_sign or self.disagree_by_points


def pooled_over_judges(
    contests: Mapping[str, JudgmentTable],
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 4000,
    soft: bool = False,
) -> PooledRate:
    """Pool judges of the same dialogues, which carry the same codes in every contest.

    Raises:
        ValueError: no judge, or contests with different numbers of dialogues.
    """
    sizes = {columns.n_dialogues for columns in contests.values()}
    if len(sizes) != 1:
        raise ValueError(f"the judges' contests have {sorted(sizes) or 'no'} dialogues: pool the same ones")
    own = {
        judge: win_rate(columns, seed=seed, level=level, resamples=resamples, soft=soft)
        for judge, columns in contests.items()
    }
    scores = np.stack([dialogue_scores(columns, soft=soft).score for columns in contests.values()])
    whole = ~np.isnan(scores).any(axis=0)
    shared = scores[:, whole].mean(axis=0)
    robust = [order_robust(dialogue_scores(columns).by_order[whole]) for columns in contests.values()]
    there = [bounds for bounds in robust if bounds is not None]
    interval = score_interval(shared, seed=seed, level=level, resamples=resamples) if shared.size else None
    rates = [result.rate for result in own.values() if result.rate is not None]
    on_sign, by_points = disagreement(rates, even=0.5)
    return PooledRate(
        judges=own,
        rate=float(shared.mean()) if shared.size else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        level=level,
        interval_method=interval.method if interval else "",
        order_robust_low=mean_of(np.array([low for low, _ in there])),
        order_robust_high=mean_of(np.array([high for _, high in there])),
        n=int(shared.size),
        left_out=sizes.pop() - int(shared.size),
        lowest=min(rates, default=None),
        highest=max(rates, default=None),
        disagree_on_sign=on_sign,
        disagree_by_points=by_points,
        note=_note(on_sign=on_sign, by_points=by_points, shared=int(shared.size)),
    )


def disagreement(values: Sequence[float], *, even: float) -> tuple[bool, bool]:
    """Whether judges' rates (`even` ½) or differences (`even` 0) disagree: on the sign, by over 10 points."""
    if not values:
        return False, False
    lowest, highest = min(values), max(values)
    on_sign = lowest < even - _NOISE and highest > even + _NOISE
    return on_sign, highest - lowest > POINTS_APART + _NOISE


def _note(*, on_sign: bool, by_points: bool, shared: int) -> str:
    if not shared:
        return "no dialogue is complete under every judge: there is no pooled rate"
    if on_sign:
        return "the judges disagree on which author is better"
    if by_points:
        return "the judges agree on which author is better, but differ by more than 10 points"
    return ""
