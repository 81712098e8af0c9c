"""Paired per-dialogue differences between two students, with an estimate, interval and test.

Students are paired by dialogue: against a common opponent by the difference of their scores, head to head by
the net preference 2 · score − 1. Both are "rate of the first minus rate of the second", in [−1, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from results.statistics.hypothesis_tests import sign_flip
from results.statistics.intervals import score_interval
from results.statistics.judgment_table import JudgmentTable
from results.statistics.power import minimum_detectable_effect, spread_of
from results.statistics.scores import dialogue_scores
from results.statistics.win_rate import SCOPE

Floats = NDArray[np.float64]

COMMON_OPPONENT = "against a common opponent"
HEAD_TO_HEAD = "head to head"


@dataclass(frozen=True, eq=False)
class PairedScores:
    """Scores of two authors, one entry per dialogue code.

    Attributes:
        name: name of the comparison, used as the table's row label.
        kind: `COMMON_OPPONENT` or `HEAD_TO_HEAD`.
        first, second: scores in [0, 1]; NaN unless the dialogue is complete for both.
        low, high: the difference with missing judgments against the first, and for it, in [−1, 1].
    """

    name: str
    kind: str
    first: Floats
    second: Floats
    low: Floats
    high: Floats

    @property
    def differences(self) -> Floats:
        """first − second; NaN where incomplete."""
        return self.first - self.second

    @property
    def shared(self) -> int:
        """Number of dialogues complete for both."""
        return int((~np.isnan(self.differences)).sum())

    def select_dialogues(self, wanted: NDArray[np.bool_]) -> PairedScores:
        """Return only the dialogues where `wanted`, one boolean per dialogue, is true."""
        parts = (part[wanted] for part in (self.first, self.second, self.low, self.high))
        return PairedScores(self.name, self.kind, *parts)


def against_common_opponent(
    first: JudgmentTable, second: JudgmentTable, *, name: str = "", soft: bool = False
) -> PairedScores:
    """Pair two contests with the same opponent as B, the same judge and the same dialogue codes.

    Args:
        first, second: the contests, with the compared authors as A.
        name: name of the comparison.
        soft: use soft verdicts.

    Raises:
        ValueError: the contests have different numbers of dialogues.
    """
    if first.n_dialogues != second.n_dialogues:
        raise ValueError(
            f"contests over {first.n_dialogues} and {second.n_dialogues} dialogues cannot be paired; "
            "both must use the same dialogue codes"
        )
    first_scores, second_scores = dialogue_scores(first, soft=soft), dialogue_scores(second, soft=soft)
    both_complete = first_scores.complete & second_scores.complete
    return PairedScores(
        name=name,
        kind=COMMON_OPPONENT,
        first=np.where(both_complete, first_scores.score, np.nan),
        second=np.where(both_complete, second_scores.score, np.nan),
        low=first_scores.low - second_scores.high,
        high=first_scores.high - second_scores.low,
    )


def head_to_head(columns: JudgmentTable, *, name: str = "", soft: bool = False) -> PairedScores:
    """Return the two authors of one contest as a pair; their scores sum to 1 in every dialogue."""
    scores = dialogue_scores(columns, soft=soft)
    return PairedScores(
        name=name,
        kind=HEAD_TO_HEAD,
        first=scores.score,
        second=1.0 - scores.score,
        low=2.0 * scores.low - 1.0,
        high=2.0 * scores.high - 1.0,
    )


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Difference between two authors' rates, with its interval and test.

    Attributes:
        name, kind: as in `PairedScores`.
        difference: rate_first − rate_second, in [−1, 1]; None without shared complete dialogues.
        low, high: paired interval over dialogues at `level`; simultaneous over the family if `family_size`
            exceeds 1. None if `difference` is None, and for groups of fewer than 20 dialogues.
        level: confidence level.
        interval_method: how the interval was computed; "" if `difference` is None.
        p: two-sided p-value of no difference, in (0, 1]; None if `difference` is None, and for groups,
            which are not tested.
        p_adjusted: `p` after Holm's correction over the family; equal to `p` in a family of one.
        test: how p was computed.
        family_size: tests counted by the adjustment and the intervals.
        rate_first, rate_second: mean scores over the n shared dialogues; None if `difference` is None.
        n: dialogues complete for both.
        left_out: the other dialogues.
        bound_low, bound_high: the difference over all dialogues with every missing judgment against the
            first, and for it; not a confidence interval. None without dialogues.
        discordant: share of the n dialogues with different scores; None if `difference` is None.
        spread: root mean square of the per-dialogue differences; None if `difference` is None.
        mde: minimum detectable effect of n dialogues at power 0.8, before adjustment; None if nothing
            differed.
        seed: of the resampling.
        scope: what the interval covers.
        note: what is missing or unusual, in words.
    """

    name: str
    kind: str
    difference: float | None
    low: float | None
    high: float | None
    level: float
    interval_method: str
    p: float | None
    p_adjusted: float | None
    test: str
    family_size: int
    rate_first: float | None
    rate_second: float | None
    n: int
    left_out: int
    bound_low: float | None
    bound_high: float | None
    discordant: float | None
    spread: float | None
    mde: float | None
    seed: int
    scope: str = SCOPE
    note: str = ""


def paired_difference(
    pairs: PairedScores, *, seed: int, level: float = 0.95, resamples: int = 4000
) -> PairedDifference:
    """Return the estimate, paired bootstrap interval and sign-flip test of one pair, as a family of one.

    The interval is that of the scores (1 + difference) / 2 in [0, 1]; see `score_interval` for its method.

    Args:
        pairs: the scores of both authors.
        seed: of the resampling.
        level: confidence level, in (0, 1).
        resamples: bootstrap samples.

    Raises:
        ValueError: a level outside (0, 1).
    """
    shared = ~np.isnan(pairs.differences)
    values = pairs.differences[shared]
    bound_low = float(pairs.low.mean()) if pairs.low.size else None
    bound_high = float(pairs.high.mean()) if pairs.high.size else None
    left_out = int((~shared).sum())
    if not values.size:
        return PairedDifference(
            name=pairs.name,
            kind=pairs.kind,
            difference=None,
            low=None,
            high=None,
            level=level,
            interval_method="",
            p=None,
            p_adjusted=None,
            test="",
            family_size=0,
            rate_first=None,
            rate_second=None,
            n=0,
            left_out=left_out,
            bound_low=bound_low,
            bound_high=bound_high,
            discordant=None,
            spread=None,
            mde=None,
            seed=seed,
            note="no dialogue is complete for both authors, so nothing can be compared",
        )
    interval = score_interval((1.0 + values) / 2.0, seed=seed, level=level, resamples=resamples)
    test = sign_flip(values, seed=seed)
    spread = spread_of(values)
    return PairedDifference(
        name=pairs.name,
        kind=pairs.kind,
        difference=float(values.mean()),
        low=2.0 * interval.low - 1.0,
        high=2.0 * interval.high - 1.0,
        level=level,
        interval_method=interval.method,
        p=test.p,
        p_adjusted=test.p,
        test=test.method,
        family_size=1,
        rate_first=float(pairs.first[shared].mean()),
        rate_second=float(pairs.second[shared].mean()),
        n=int(values.size),
        left_out=left_out,
        bound_low=bound_low,
        bound_high=bound_high,
        discordant=float((np.abs(values) > 1e-9).mean()),
        spread=spread,
        mde=minimum_detectable_effect(spread, int(values.size), level=level),
        seed=seed,
        note=_note(values),
    )


def _note(values: Floats) -> str:
    """Return a note about unusual differences."""
    if values.size == 1:
        return "one shared dialogue, so the interval is very wide"
    if float(np.abs(values).max()) < 1e-9:
        return "both authors have the same score in every dialogue"
    return ""


def stacked_differences(pairs: Sequence[PairedScores]) -> Floats:
    """Return the differences of several pairs over the same dialogues, shape (dialogues, pairs).

    Raises:
        ValueError: no pairs, or pairs over different numbers of dialogues.
    """
    sizes = {pair.first.size for pair in pairs}
    if len(sizes) != 1:
        raise ValueError(f"pairs over different numbers of dialogues: {sorted(sizes) or 'none'}")
    return np.stack([pair.differences for pair in pairs], axis=1)
