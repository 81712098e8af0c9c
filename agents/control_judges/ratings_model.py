"""Pairwise rating model of `control/ratings`, in plain Python.

P(first) = σ(w · (f(first) − f(second))), which is antisymmetric and therefore has no position bias. The
features are simple counts. The weights come with the package; they were fitted on the training dialogues by
`python -m scripts.fit_control_judge`, with the accuracy they have on the test dialogues' rated pairs (a
little above chance: it is a floor, not a judge to trust).
"""

from __future__ import annotations

import math
import re
from functools import cache
from importlib import resources
from typing import Any

import orjson

_WORD = re.compile(r"[a-z']+")
_FAMILIES = {
    "understanding": "understand understandable imagine see know realize sounds must",
    "feeling": "feel feeling feels felt heart emotions overwhelming frustrating upset sad happy",
    "sorrow": "sorry awful terrible tough hard difficult painful hurt loss",
    "joy": "great wonderful amazing glad congratulations awesome proud excited fantastic nice",
    "help": "help support here listen talk try hope take share reach",
    "advice": "should need could maybe consider remember perhaps why",
    "self": "i i'm i've i'd me my",
    "you": "you you're you've your yourself",
    "hedge": "but however though although least",
}
LEXICON = {family: frozenset(words.split()) for family, words in _FAMILIES.items()}
FEATURES = ("log_words", "short", "question", "exclamation", "ellipsis", "overlap", *LEXICON)


def features(text: str, utterance: str) -> list[float]:
    """Return the features of a response, in the order of `FEATURES`."""
    words = _WORD.findall(text.lower().replace("’", "'"))
    spoken = {word for word in _WORD.findall(utterance.lower()) if len(word) > 3}
    count = max(1, len(words))
    return [
        math.log(1 + len(words)),
        float(len(words) < 10),
        float(text.count("?")),
        float(text.count("!")),
        float("..." in text),
        sum(word in spoken for word in words) / count,
        *(sum(word in family for word in words) / math.sqrt(count) for family in LEXICON.values()),
    ]


@cache
def weights() -> dict[str, Any]:
    """Return the weights of the package: `id`, `features`, `author_means`, and their provenance `made`."""
    text = resources.files("agents.control_judges").joinpath("weights.json").read_bytes()
    loaded: dict[str, Any] = orjson.loads(text)
    return loaded


def p_first(first: str, second: str, utterance: str) -> float:
    """Return the probability, in (0, 1), that people rate the first response higher; ½ for equal features."""
    coefficients = weights()["features"]
    pairs = zip(features(first, utterance), features(second, utterance), FEATURES, strict=True)
    score = sum(coefficients[name] * (value - other) for value, other, name in pairs)
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))
