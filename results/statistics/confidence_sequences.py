"""Early stopping with a confidence sequence over dialogues, valid at any number of interim looks.

Dialogues are judged in one seeded order, shared by all judges and authors. The sequence uses only the longest
complete prefix of that order, never the order of arrival: late answers may differ from early ones, and
arrival order would bias the estimate. A dialogue with unscored judgments enters with its bounds: the lowest
possible score for the lower end and the highest for the upper end.

Two estimands are supported. "population" (default) is the mean of the population that the dialogues were
sampled from; a contest is decided when its interval excludes ½. "these dialogues" is the mean score of the
N planned dialogues. The seeded order then is a random sample without replacement, so no assumption about the
dialogues is needed and the result is exact at N. An interval for these dialogues that excludes ½ is called
"known for these dialogues", not decided, because nearly every even contest excludes ½ at N.

Sources: Waudby-Smith and Ramdas (2024), JRSS-B 86(1), betting, with and without replacement; the same
(2020), "Confidence sequences for sampling without replacement", NeurIPS 33. See `betting_martingale.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from results.statistics.betting_martingale import fractions_for
from results.statistics.intervals import check_level
from results.statistics.judgment_table import JudgmentTable
from results.statistics.scores import DialogueScores, dialogue_scores, to_order_array

Floats = NDArray[np.float64]

CROSSED_NOTE = (
    "the two ends crossed, which happens with a probability below 1 − level in a random order; "
    "check that this is the order in which the dialogues were judged"
)

_HALVINGS = 24  # of [0, 1]: to 1e-7, rounded to the wider side
_NOISE = 1e-9


class Estimand(StrEnum):
    """Quantity that a confidence sequence estimates."""

    THESE_DIALOGUES = "these dialogues"
    POPULATION = "population"


ANSWERS = {Estimand.POPULATION: "decided", Estimand.THESE_DIALOGUES: "known for these dialogues"}


@dataclass(frozen=True, eq=False)
class ConfidenceSequence:
    """State of a contest at one interim look.

    If a contest is stopped by its sequence, report the sequence alone, without BCa, McNemar or Holm.

    Attributes:
        estimand: what `low` and `high` bound.
        rate: mean score of the prefix's complete dialogues, in [0, 1]; None without any.
        low, high: interval at this look, in [0, 1]; covers the estimand at all looks simultaneously and over
            all `n_contests` contests with probability `level`.
        level: confidence level.
        n_contests: contests that share the error probability 1 − level equally.
        prefix: dialogues that entered: the longest prefix of the order with all judgments present.
        incomplete: dialogues of the prefix with an unscored judgment; they enter with their bounds.
        waiting: complete dialogues behind a missing one; they have not entered.
        total: dialogues in all.
        decided: whether the population's interval excludes ½; False for "these dialogues".
        known: whether the interval for these dialogues excludes ½; False for "population".
        better: "A" or "B" if decided or known, else "".
        narrow: whether the requested half-width is reached; False without a request.
        exhausted: whether all dialogues have entered.
        soft: whether scores use soft verdicts.
        note: summary of the state, in words.
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
    """Return the order in which dialogues are judged: codes 0 … n − 1, permuted by the seed alone."""
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
    """Return the current confidence sequence of a contest.

    Args:
        columns: the judgments so far. An unscored row is final; an absent row is still expected.
        order: as returned by `judging_order`, the same at every look.
        level: confidence level, in (0, 1).
        n_contests: contests stopped by sequences at the same time.
        estimand: quantity to estimate.
        half_width: requested half-width, in (0, ½).
        samples: planned samples per comparison; by default those in `columns`.
        soft: use soft verdicts.

    Raises:
        ValueError: `order` is not a permutation of the dialogues, or a level, half-width or count is out of
            range.
    """
    check_level(level)
    n = columns.n_dialogues
    if order.shape != (n,) or not np.array_equal(np.sort(order), np.arange(n)):
        raise ValueError(f"the order must contain each of {n} dialogues once")
    if n_contests < 1 or (half_width is not None and not 0.0 < half_width < 0.5):
        raise ValueError(f"n_contests {n_contests} must be 1 or more, half-width {half_width} within (0, ½)")
    counted = columns if samples is None else columns.limit_samples(samples)
    scores = dialogue_scores(counted, soft=soft)
    arrived = _arrived(counted, scores, samples)[order]
    prefix = int(np.argmin(arrived)) if not arrived.all() else n
    entered = order[:prefix]
    alpha = (1.0 - level) / n_contests / 2.0
    total = n if estimand is Estimand.THESE_DIALOGUES else None
    low = lower_confidence_bound(scores.low[entered], alpha=alpha, total=total, planned=n)
    high = 1.0 - lower_confidence_bound(1.0 - scores.high[entered], alpha=alpha, total=total, planned=n)
    crossed = low > high + _NOISE
    low, high = min(low, high), max(low, high)
    better = "" if crossed else "A" if low > 0.5 + _NOISE else "B" if high < 0.5 - _NOISE else ""
    complete_scores = scores.score[entered]
    complete_scores = complete_scores[~np.isnan(complete_scores)]
    narrow = half_width is not None and (high - low) / 2.0 <= half_width + _NOISE
    return ConfidenceSequence(
        estimand=estimand,
        rate=float(complete_scores.mean()) if complete_scores.size else None,
        low=low,
        high=high,
        level=level,
        n_contests=n_contests,
        prefix=prefix,
        incomplete=prefix - int(complete_scores.size),
        waiting=int(arrived[prefix:].sum()),
        total=n,
        decided=bool(better) and estimand is Estimand.POPULATION,
        known=bool(better) and estimand is Estimand.THESE_DIALOGUES,
        better=better,
        narrow=narrow,
        exhausted=prefix == n and n > 0,
        soft=soft,
        note=CROSSED_NOTE if crossed else _note(better, estimand, prefix=prefix, total=n, narrow=narrow),
    )


def lower_confidence_bound(scores: Floats, *, alpha: float, total: int | None, planned: int) -> float:
    """Return the lower bound of the mean, valid at all looks simultaneously with error probability `alpha`.

    Args:
        scores: in [0, 1], in judging order.
        alpha: error probability.
        total: size of the finite set sampled without replacement; None for a population.
        planned: planned dialogues; only determines how bets are spread.
    """
    if not scores.size:
        return 0.0
    fractions = fractions_for(planned, alpha)
    # unseen scores of a finite set are at least 0; above that bound the capital decreases in the mean
    low, high = 0.0 if total is None else float(scores.sum()) / total, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        peak = float(_log_capital(scores, middle, fractions, total).max())
        low, high = (middle, high) if peak >= -np.log(alpha) else (low, middle)
    return low


def _log_capital(scores: Floats, mean: float, fractions: Floats, total: int | None) -> Floats:
    """Return the log capital after each score, betting that the mean exceeds `mean`.

    For a finite set the bet is on the mean of the remaining scores; once that is not above 0, all remaining
    scores are 0 and betting stops.
    """
    remaining_mean = np.full(scores.size, mean)
    if total is not None:
        cumulative = np.concatenate([[0.0], np.cumsum(scores)[:-1]])
        remaining_mean = (total * mean - cumulative) / (total - np.arange(scores.size, dtype=np.float64))
    open_to_bets = remaining_mean > _NOISE
    gain = np.where(open_to_bets, scores / np.where(open_to_bets, remaining_mean, 1.0) - 1.0, 0.0)
    paths = np.cumsum(np.log1p(np.outer(fractions, gain)), axis=1)
    largest = paths.max(axis=0)
    return np.asarray(largest + np.log(np.exp(paths - largest).mean(axis=0)), dtype=np.float64)


def _arrived(columns: JudgmentTable, scores: DialogueScores, samples: int | None) -> NDArray[np.bool_]:
    """Return per dialogue whether every planned judgment is present, scored or not."""
    if samples is not None and scores.by_order.shape[2] < samples:
        return np.zeros(columns.n_dialogues, dtype=np.bool_)
    return np.asarray(~np.isnan(to_order_array(columns, np.ones(len(columns)))).any(axis=(1, 2)))


def _note(better: str, estimand: Estimand, *, prefix: int, total: int, narrow: bool) -> str:
    """Return a one-line summary of the sequence."""
    if better:
        return f"{ANSWERS[estimand]} after {prefix} of {total} dialogues: {better} is preferred"
    if not total:
        return "no dialogues to judge"
    if prefix == total:
        return f"judged to the end ({total} dialogues), undecided"
    if narrow:
        return f"requested half-width reached after {prefix} of {total} dialogues"
    return f"undecided after {prefix} of {total} dialogues"
