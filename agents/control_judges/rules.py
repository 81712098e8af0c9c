"""Control judges: baselines that every judge must beat. They run in this process and need no key.

`ratings` uses a small pairwise model fitted on the human ratings of the training dialogues. `longer` prefers
the longer response, `first` the first one, `random` a random one by content, and `author` the one whose
author has the higher mean rating in training. The weights of `ratings` and `author` are part of their
identity.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from agents.control_judges import ratings_model
from agents.errors import UserError
from agents.hashing import content_id
from agents.messages import Completion, FinishReason, TokenLogprobs, Usage
from agents.models.spec import ApiProtocol, Capabilities, Model
from agents.types import Comparison

ANSWERS = ("1", "2", "tie")
VERSION = "control-1"
Question = Mapping[str, Any]


def _ratings(question: Question) -> float:
    return ratings_model.p_first(question["first"], question["second"], question["utterance"])


def _longer(question: Question) -> float:
    first, second = len(question["first"].split()), len(question["second"].split())
    return 0.5 + 0.5 * ((first > second) - (first < second))


def _first(question: Question) -> float:
    return 1.0


def _random(question: Question) -> float:
    return float(content_id("coin", question)[-1] in "01234567")


def _author(question: Question) -> float:
    means = ratings_model.weights()["author_means"]
    first, second = (means.get(question[place]) for place in ("first_author", "second_author"))
    if first is None or second is None or first == second:
        return 0.5  # a tie if an author has no ratings
    return float(first > second)


_JUDGES: dict[str, Callable[[Question], float]] = {
    "ratings": _ratings,
    "longer": _longer,
    "first": _first,
    "random": _random,
    "author": _author,
}
_SEES_AUTHORS = {"author"}
_HAS_WEIGHTS = {"ratings", "author"}
NAMES = tuple(_JUDGES)


def model(name: str) -> Model:
    """Return the control judge of this name; its identity states the version and the weights.

    Raises:
        UserError: the name is unknown.
    """
    if name not in _JUDGES:
        raise UserError(
            "unknown control judge",
            code="judge.unknown-control",
            found=f"'control/{name}'",
            remedy=f"Choose one of: {', '.join('control/' + known for known in NAMES)}.",
        )
    weights = ratings_model.weights()["id"] if name in _HAS_WEIGHTS else ""
    return Model(
        "control", name, ApiProtocol.CONTROL, Capabilities(), identity=f"{VERSION} {weights}".strip()
    )


def question(name: str, comparison: Comparison) -> dict[str, str]:
    """Return the content of a control judge's request: the texts, and the authors if it uses them."""
    shown = {
        "situation": comparison.dialogue.situation,
        "utterance": comparison.dialogue.utterance,
        "first": comparison.first.text,
        "second": comparison.second.text,
    }
    if name in _SEES_AUTHORS:
        shown |= {"first_author": comparison.first.author, "second_author": comparison.second.author}
    return shown


def answer(asked: Model, text: str) -> Completion:
    """Return a control judge's completion; a probability of ½ is a tie.

    Args:
        asked: the control judge.
        text: the canonical JSON of `question`.
    """
    p_first = _JUDGES[asked.name](orjson.loads(text))
    verdict = "tie" if p_first == 0.5 else "1" if p_first > 0.5 else "2"
    logprobs: tuple[TokenLogprobs, ...] = ()
    if 0 < p_first < 1 and verdict != "tie":
        top = (("1", math.log(p_first)), ("2", math.log1p(-p_first)))
        logprobs = (TokenLogprobs(verdict, dict(top)[verdict], top),)
    return Completion(verdict, FinishReason.STOP, Usage(0, 0), logprobs, asked.name)


__all__ = ["ANSWERS", "NAMES", "answer", "model", "question"]
