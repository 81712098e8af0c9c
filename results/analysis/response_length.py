"""Response lengths in a contest: the longer author, and the win rate at equal length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from results.queries.contests import Contest
from results.statistics import LengthControl, NotEstimable, dialogue_scores, length_controlled

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LengthSummary:
    """Lengths and verdicts of one contest; shares in [0, 1].

    Attributes:
        words_a, words_b: mean number of words over the contest's dialogues; None without responses.
        a_longer: share of these dialogues in which A's response has more words.
        longer_wins: mean score of the longer response over complete dialogues of different lengths; ½ is no
            preference, None if there are none.
        control: win rate at equal length, or the reason why there is none.
    """

    words_a: float | None
    words_b: float | None
    a_longer: float | None
    longer_wins: float | None
    control: LengthControl | NotEstimable


def word_counts(contest: Contest, words: Mapping[str, Mapping[str, int]]) -> tuple[Floats, Floats]:
    """Return the lengths of A's and B's responses, each of shape (dialogues,); NaN without a response.

    Args:
        words: set id → dialogue key → number of words.
    """
    keys = [dialogue.key for dialogue in contest.dialogues]
    a, b = (
        np.array([words[response_set.id].get(key, np.nan) for key in keys], dtype=np.float64)
        for response_set in (contest.a, contest.b)
    )
    return a, b


def length_summary(contest: Contest, a: Floats, b: Floats) -> LengthSummary:
    """Summarise the lengths in a contest.

    Args:
        a, b: numbers of words per dialogue, as from `word_counts`.
    """
    apart = a - b
    if not apart.size or np.isnan(apart).any():
        missing = NotEstimable(
            "length-controlled win rate", "a response of the contest is not in the database"
        )
        return LengthSummary(None, None, None, None, missing)
    scores = dialogue_scores(contest.columns)
    counted = scores.complete & (apart != 0)
    longer = np.where(apart > 0, scores.score, 1.0 - scores.score)[counted]
    return LengthSummary(
        words_a=float(a.mean()),
        words_b=float(b.mean()),
        a_longer=float((apart > 0).mean()),
        longer_wins=float(longer.mean()) if longer.size else None,
        control=length_controlled(contest.columns, a, b),
    )
