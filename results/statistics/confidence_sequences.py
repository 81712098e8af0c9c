"""Stopping when it is known: a confidence sequence over dialogues that may be looked at all the time.

Dialogues are judged in one seeded order, shared by all judges and authors. The sequence is updated only on
the longest *complete prefix* of that order, never by arrival: answers that arrive late may differ from the
others, and arrival order would let them bias the estimate. A dialogue whose judgments are all in, but some
unscored, enters by its bounds: at its lowest for the lower end, at its highest for the upper.

The estimand is named. "population" (the default): the mean of a population that the dialogues were drawn
from; a contest is *decided* where its interval excludes ½. "these dialogues": the mean score of the N
dialogues that were to be judged; the seeded order is a random draw without replacement, so nothing is assumed
about the dialogues, and at N the answer is exact. An interval of it that excludes ½ decides nothing: who
leads is then *known for these dialogues*, which at N is so of nearly every even contest.

Sources: Waudby-Smith and Ramdas (2024), JRSS-B 86(1), betting, with and without replacement; the same
(2020), "Confidence sequences for sampling without replacement", NeurIPS 33. See `betting.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from results.statistics.betting_martingale import fractions_for
from results.statistics.intervals import check_level
from results.statistics.judgment_table import JudgmentTable
from results.statistics.scores import DialogueScores, dialogue_scores, spread

Floats = NDArray[np.float64]

CROSSED = (
    "the two ends crossed, which a random order does with a probability below 1 − level: "
    "was this the order in which the dialogues were judged?"
)

_HALVINGS = 24  # of [0, 1]: to 1e-7, rounded to the wider side
_NOISE = 1e-9


class Estimand(StrEnum):
    """What a sequence is about."""

    THESE_DIALOGUES = "these dialogues"
    POPULATION = "population"


ANSWER = {Estimand.POPULATION: "decided", Estimand.THESE_DIALOGUES: "known for these dialogues"}


@dataclass(frozen=True, eq=False)
class ConfidenceSequence:
    """Where a contest stands, at a time chosen in any way.

    Where a contest is stopped by it, this stands alone: no BCa, McNemar or Holm beside it.

    Attributes:
        estimand: what `low` and `high` are about.
        rate: mean score of the prefix's complete dialogues, in [0, 1]; None where there is none.
        low, high: the sequence's interval now, in [0, 1]: with probability `level` it covers the estimand
            at every time at once, over all `n_contests`.
        level: that probability.
        lanes: contests that share 1 − level; each has its equal part.
        prefix: dialogues that entered: the longest prefix of the order with all judgments in.
        incomplete: of these, dialogues with an unscored judgment, which entered by their bounds.
        waiting: dialogues that are all in but stand behind one that is not; they have not entered.
        total: dialogues in all.
        decided: whether the population's interval excludes ½; never with these dialogues as the estimand.
        known: whether these dialogues' interval excludes ½; never with the population as the estimand.
        better: "A" or "B" where decided or known, else "".
        narrow: whether the half-width asked for is reached; False where none was.
        exhausted: whether all dialogues have entered.
        soft: whether scores are of soft verdicts.
        note: in words, what it says now.
    """

    estimand: Estimand
    rate: float | None
    low: float
    high: float
    level: float
    n_contests: int
    prefix: int
    incomplete: int
    waiting: int
    total: int
    decided: bool
    known: bool
    better: str
    narrow: bool
    exhausted: bool
    soft: bool
    note: str

    @property
    def half_width(self) -> float:
        """Half of the interval's width, in the unit of rates."""
        return (self.high - self.low) / 2.0


def judging_order(n_dialogues: int, seed: int) -> NDArray[np.int64]:
    """The order in which dialogues are judged: codes 0 … n − 1, permuted by the seed alone."""
    return np.random.default_rng(seed).permutation(n_dialogues).astype(np.int64)


def confidence_sequence(
    columns: JudgmentTable,
    order: NDArray[np.int64],
    *,
    level: float = 0.95,
    n_contests: int = 1,
    estimand: Estimand = Estimand.POPULATION,
    half_width: float | None = None,
    samples: int | None = None,
    soft: bool = False,
) -> ConfidenceSequence:
    """The confidence sequence of one contest as it stands.

    Args:
        columns: what has come in; a row that is there and unscored is final, one that is not there has yet
            to come.
        order: as from `judging_order`, the same at every look.
        lanes: how many contests are stopped by sequences at the same time.
        half_width: the half-width asked for (`--until 0.10`), in (0, ½).
        samples: samples per comparison planned; by default those in the columns.

    Raises:
        ValueError: `order` is no permutation of the dialogues, or a level, half-width or number out of range.
    """
    check_level(level)
    n = columns.n_dialogues
    if order.shape != (n,) or not np.array_equal(np.sort(order), np.arange(n)):
        raise ValueError(f"the order must name each of {n} dialogues once")
    if n_contests < 1 or (half_width is not None and not 0.0 < half_width < 0.5):
        raise ValueError(f"lanes {n_contests} must be 1 or more, half-width {half_width} within (0, ½)")
    wanted = columns if samples is None else columns.limit_samples(samples)
    scores = dialogue_scores(wanted, soft=soft)
    arrived = _arrived(wanted, scores, samples)[order]
    prefix = int(np.argmin(arrived)) if not arrived.all() else n
    entered = order[:prefix]
    alpha = (1.0 - level) / n_contests / 2.0
    total = n if estimand is Estimand.THESE_DIALOGUES else None
    low = lower_confidence_bound(scores.low[entered], alpha=alpha, total=total, planned=n)
    high = 1.0 - lower_confidence_bound(1.0 - scores.high[entered], alpha=alpha, total=total, planned=n)
    crossed = low > high + _NOISE
    low, high = min(low, high), max(low, high)
    better = "" if crossed else "A" if low > 0.5 + _NOISE else "B" if high < 0.5 - _NOISE else ""
    kept = scores.score[entered]
    kept = kept[~np.isnan(kept)]
    narrow = half_width is not None and (high - low) / 2.0 <= half_width + _NOISE
    return ConfidenceSequence(
        estimand=estimand,
        rate=float(kept.mean()) if kept.size else None,
        low=low,
        high=high,
        level=level,
        n_contests=n_contests,
        prefix=prefix,
        incomplete=prefix - int(kept.size),
        waiting=int(arrived[prefix:].sum()),
        total=n,
        decided=bool(better) and estimand is Estimand.POPULATION,
        known=bool(better) and estimand is Estimand.THESE_DIALOGUES,
        better=better,
        narrow=narrow,
        exhausted=prefix == n and n > 0,
        soft=soft,
        note=CROSSED if crossed else _note(better, estimand, prefix=prefix, total=n, narrow=narrow),
    )


def lower_confidence_bound(scores: Floats, *, alpha: float, total: int | None, planned: int) -> float:
    """Lower confidence bound of the mean now, valid at every time at once with probability 1 − alpha.

    Args:
        scores: in [0, 1], in the order of judging.
        total: size of the finite set they are drawn from without replacement; None for a population.
        planned: dialogues planned for; decides only how bets are spread.
    """
    if not scores.size:
        return 0.0
    fractions = fractions_for(planned, alpha)
    # what has not been seen of a finite set cannot be below 0; above that bound the capital falls in the mean
    low, high = 0.0 if total is None else float(scores.sum()) / total, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        peak = float(_log_capital(scores, middle, fractions, total).max())
        low, high = (middle, high) if peak >= -np.log(alpha) else (low, middle)
    return low


def _log_capital(scores: Floats, mean: float, fractions: Floats, total: int | None) -> Floats:
    """Log capital after each score, bet that the mean is above `mean`.

    From a finite set the bet is on the mean of what is left. Where that is not above 0 all that is left is 0
    and no more is bet.
    """
    left = np.full(scores.size, mean)
    if total is not None:
        before = np.concatenate([[0.0], np.cumsum(scores)[:-1]])
        left = (total * mean - before) / (total - np.arange(scores.size, dtype=np.float64))
    open_to_bets = left > _NOISE
    gain = np.where(open_to_bets, scores / np.where(open_to_bets, left, 1.0) - 1.0, 0.0)
    paths = np.cumsum(np.log1p(np.outer(fractions, gain)), axis=1)
    top = paths.max(axis=0)
    return np.asarray(top + np.log(np.exp(paths - top).mean(axis=0)), dtype=np.float64)


def _arrived(columns: JudgmentTable, scores: DialogueScores, samples: int | None) -> NDArray[np.bool_]:
    """Per dialogue, whether every judgment that is to be made has come in, scored or not."""
    if samples is not None and scores.by_order.shape[2] < samples:
        return np.zeros(columns.n_dialogues, dtype=np.bool_)
    return np.asarray(~np.isnan(spread(columns, np.ones(len(columns)))).any(axis=(1, 2)))


def _note(better: str, estimand: Estimand, *, prefix: int, total: int, narrow: bool) -> str:
    if better:
        return f"{ANSWER[estimand]} after {prefix} of {total} dialogues: {better} is preferred"
    if not total:
        return "no dialogue to be judged"
    if prefix == total:
        return f"judged to the end ({total} dialogues), undecided"
    if narrow:
        return f"as narrow as asked for after {prefix} of {total} dialogues"
    return f"undecided after {prefix} of {total} dialogues"
