"""Win rate pooled over several judges of the same pair of authors.

Report it only beside each judge's own rate and their range. Judges have equal weight: a dialogue's pooled
score is the mean of its scores under the judges, over the dialogues complete under every judge. The interval
is over dialogues and does not generalise to other judges.
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
MAX_SPREAD = 0.10  # judges whose rates differ by more than this disagree
_NOISE = 1e-9


@dataclass(frozen=True, slots=True)
class PooledRate:
    """Win rates of one pair of authors under several judges, and their mean.

    Attributes:
        judges: each judge's win rate over its own complete dialogues, in the order given.
        rate: mean over shared dialogues of the mean over judges, in [0, 1]; None without shared dialogues.
        low, high: interval over dialogues at `level` for these judges; None if `rate` is None.
        level: confidence level.
        interval_method: as in `WinRate`.
        order_robust_low, order_robust_high: the judges' order-robust bounds on the n dialogues, averaged;
            None if `rate` is None.
        n: dialogues complete under every judge.
        left_out: the contest's other dialogues.
        lowest, highest: range of the judges' own rates; None without any rate.
        disagree_on_sign: whether one judge's rate is above ½ and another's below.
        disagree_by_points: whether `highest` − `lowest` exceeds 0.10.
        scope: what the interval covers.
        note: warning about the number, in words; may be "".
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
        """Whether the judges disagree on the sign or by more than 10 points."""
        return self.disagree_on_sign or self.disagree_by_points


def pooled_over_judges(
    contests: Mapping[str, JudgmentTable],
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 4000,
    soft: bool = False,
) -> PooledRate:
    """Pool judges of the same dialogues, which have the same codes in every contest.

    Args:
        contests: judgments per judge.
        seed: of the bootstrap.
        level: confidence level, in (0, 1).
        resamples: bootstrap samples.
        soft: use soft verdicts.

    Raises:
        ValueError: no judge, or contests with different numbers of dialogues.
    """
    sizes = {columns.n_dialogues for columns in contests.values()}
    if len(sizes) != 1:
        raise ValueError(f"contests with {sorted(sizes) or 'no'} dialogues cannot be pooled")
    rates_by_judge = {
        judge: win_rate(columns, seed=seed, level=level, resamples=resamples, soft=soft)
        for judge, columns in contests.items()
    }
    scores = np.stack([dialogue_scores(columns, soft=soft).score for columns in contests.values()])
    is_complete = ~np.isnan(scores).any(axis=0)
    shared = scores[:, is_complete].mean(axis=0)
    robust = [order_robust(dialogue_scores(columns).by_order[is_complete]) for columns in contests.values()]
    known_bounds = [bounds for bounds in robust if bounds is not None]
    interval = score_interval(shared, seed=seed, level=level, resamples=resamples) if shared.size else None
    rates = [result.rate for result in rates_by_judge.values() if result.rate is not None]
    on_sign, by_points = disagreement(rates, even=0.5)
    return PooledRate(
        judges=rates_by_judge,
        rate=float(shared.mean()) if shared.size else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        level=level,
        interval_method=interval.method if interval else "",
        order_robust_low=mean_of(np.array([low for low, _ in known_bounds])),
        order_robust_high=mean_of(np.array([high for _, high in known_bounds])),
        n=int(shared.size),
        left_out=sizes.pop() - int(shared.size),
        lowest=min(rates, default=None),
        highest=max(rates, default=None),
        disagree_on_sign=on_sign,
        disagree_by_points=by_points,
        note=_note(on_sign=on_sign, by_points=by_points, shared=int(shared.size)),
    )


def disagreement(values: Sequence[float], *, even: float) -> tuple[bool, bool]:
    """Return whether judges disagree on the sign, and by more than 10 points.

    Args:
        values: rates or differences, one per judge.
        even: the value of no preference: ½ for rates, 0 for differences.
    """
    if not values:
        return False, False
    lowest, highest = min(values), max(values)
    on_sign = lowest < even - _NOISE and highest > even + _NOISE
    return on_sign, highest - lowest > MAX_SPREAD + _NOISE


def _note(*, on_sign: bool, by_points: bool, shared: int) -> str:
    """Return the warning to print beside the pooled rate."""
    if not shared:
        return "no dialogue is complete under every judge, so there is no pooled rate"
    if on_sign:
        return "the judges disagree on which author is better"
    if by_points:
        return "the judges agree on which author is better, but differ by more than 10 points"
    return ""
