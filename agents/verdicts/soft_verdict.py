"""Soft verdicts: probabilities of the allowed answers at the token that states the verdict.

At that token the probabilities of all spellings of each allowed answer are summed and normalised over the
allowed answers; the remaining mass is stored as `outside`. Log-probabilities that are not finite are ignored;
they never affect the hard verdict.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from agents.messages import Completion, TokenLogprobs
from agents.types import Preference, Verdict

_SPELLINGS = {
    "1": ("1", "one", "first"),
    "2": ("2", "two", "second"),
    "tie": ("tie", "tied", "neither", "equal"),
}
_ANSWERS = {spelling: answer for answer, spellings in _SPELLINGS.items() for spelling in spellings}
_PREFERENCES = {"1": Preference.FIRST, "2": Preference.SECOND, "tie": Preference.TIE}
_ORNAMENT = " \t\n\r\xa0*_`\"'“”‘’.:;,!()[]{}<>#-–—▁Ġ\u200b"
_WIDE_DIGITS = str.maketrans("１２", "12")


def with_probabilities(answer: str, place: int, answers: Sequence[str], completion: Completion) -> Verdict:
    """Return the verdict for an answer, with probabilities if the completion has log-probabilities.

    Args:
        answer: "1", "2" or "tie".
        place: index of the character in `completion.text` that states it.
        answers: the allowed answers.
    """
    preference = _PREFERENCES[answer]
    if not completion.logprobs:
        return Verdict(preference)
    decisive = _decisive(answer, place, completion)
    if decisive is None:
        return Verdict(preference)
    mass = dict.fromkeys(answers, 0.0)
    render_figure = decisive.token
    for text, logprob in decisive.top:
        if (spelled := _spelled(text)) in mass:
            mass[spelled] += _probability(logprob)
        if text == render_figure:
            render_figure = ""
    if (
        render_figure and (spelled := _spelled(render_figure)) in mass
    ):  # the sampled token may be missing among the alternatives
        mass[spelled] += _probability(decisive.logprob)
    total = sum(mass.values())
    if not total > 0:
        return Verdict(preference)
    return Verdict(
        preference,
        p_first=mass["1"] / total,
        p_second=mass["2"] / total,
        p_tie=mass.get("tie", 0.0) / total,
        outside=min(1.0, max(0.0, 1.0 - total)),
    )


def _probability(logprob: object) -> float:
    """Return the probability for a natural logarithm; 0 if it is not a finite number."""
    if not isinstance(logprob, int | float) or not math.isfinite(logprob):
        return 0.0
    return math.exp(min(logprob, 0.0))


def _decisive(answer: str, place: int, completion: Completion) -> TokenLogprobs | None:
    """Return the token that states the answer.

    If the tokens do not concatenate to the text, it is the last token that spells the answer.
    """
    spelling = [token for token in completion.logprobs if _spelled(token.token) == answer]
    if len(spelling) > 1 and "".join(token.token for token in completion.logprobs) == completion.text:
        end = 0
        for token in completion.logprobs:
            end += len(token.token)
            if end > place and token in spelling:
                return token
    return spelling[-1] if spelling else None


@lru_cache(maxsize=4096)
def _spelled(token: str) -> str:
    """Return the answer that a token spells, or ""."""
    return _ANSWERS.get(token.strip(_ORNAMENT).translate(_WIDE_DIGITS).lower(), "")
