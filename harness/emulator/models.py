"""Emulated models: what each accepts, how well it writes, and its preferences as a judge.

A judge's preferences are known, so that an estimate from its verdicts can be compared with the true value
(`judge_preferences.py`). The names are those of real models, prefixed with `emulated-`; the numbers are not
measurements of the real models. A model without an entry is emulated by that of its family (`find_model`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal

PREFIX = "emulated-"

Provider = Literal["openai", "anthropic", "google", "vllm"]
BiasScale = Literal["probability", "logit"]


@dataclass(frozen=True, slots=True)
class JudgeProfile:
    """Preferences of a judge.

    Attributes:
        mean_preference: mean over dialogues of P(the response with the higher empathy score is preferred), in
            [0, 1]; ½ for a judge that sees no difference.
        concentration: the preference in one dialogue is Beta(mean·c, (1−mean)·c), c > 0; small values vary
            more.
        position_bias: added for the first response to P(first), then clipped to [0, 1], or added to its
            logit; a negative value favours the second.
        bias_on: the scale on which the bias is added.
        tie_share: P(tie) if the prompt offers a tie and the preference is ½; it falls to 0 at preferences of
            0 and 1.
    """

    mean_preference: float
    concentration: float
    position_bias: float
    bias_on: BiasScale = "probability"
    tie_share: float = 0.2


@dataclass(frozen=True, slots=True)
class EmulatedModel:
    """One emulated model.

    Attributes:
        name: starts with `emulated-`.
        provider: the provider whose protocol and behaviour it has.
        taste: its preferences as a judge.
        skill: number of dimensions of empathy that its responses address without being asked, 0–3.
        chat, completions: which of the two APIs it accepts (completions: only OpenAI's legacy API).
        sampling: whether temperature and top_p are accepted (many thinking models accept neither).
        top_p_with_temperature: whether both may be set.
        max_top_logprobs: maximum number of alternatives per token, ≥ 0; 0 for no log-probabilities.
        thinking: whether it thinks before it answers; the thoughts count as output tokens.
        rambles: whether it is a base model, which continues after its answer.
    """

    name: str
    provider: Provider
    taste: JudgeProfile
    skill: int = 2
    chat: bool = True
    completions: bool = False
    sampling: bool = True
    top_p_with_temperature: bool = True
    max_top_logprobs: int = 0
    thinking: bool = False
    rambles: bool = False


MODELS: dict[str, EmulatedModel] = {
    model.name: model
    for model in (
        EmulatedModel("emulated-gpt-4o", "openai", JudgeProfile(0.78, 6.0, 0.06), max_top_logprobs=20),
        EmulatedModel("emulated-gpt-4o-mini", "openai", JudgeProfile(0.70, 5.0, 0.12), max_top_logprobs=20),
        EmulatedModel(
            "emulated-o4-mini", "openai", JudgeProfile(0.80, 8.0, 0.03), sampling=False, thinking=True
        ),
        EmulatedModel(
            "emulated-gemini-2.0-flash", "google", JudgeProfile(0.74, 5.0, -0.05), max_top_logprobs=20
        ),
        EmulatedModel(
            "emulated-gemini-2.5-flash", "google", JudgeProfile(0.80, 8.0, 0.02), skill=3, thinking=True
        ),
        EmulatedModel(
            "emulated-claude-sonnet-4-5",
            "anthropic",
            JudgeProfile(0.82, 8.0, 0.04),
            skill=3,
            top_p_with_temperature=False,
        ),
        EmulatedModel(
            "emulated-llama-3.1-8b",
            "vllm",
            JudgeProfile(0.55, 4.0, 0.10),
            skill=0,
            chat=False,
            completions=True,
            max_top_logprobs=20,
            rambles=True,
        ),
        EmulatedModel(
            "emulated-llama-3.1-8b-instruct",
            "vllm",
            JudgeProfile(0.64, 4.0, 0.8, bias_on="logit"),
            skill=1,
            completions=True,
            max_top_logprobs=20,
        ),
    )
}

_NEWER_CLAUDE = replace(
    MODELS["emulated-claude-sonnet-4-5"], name="emulated-claude", sampling=False, thinking=True
)
FAMILIES: tuple[tuple[str, EmulatedModel], ...] = (
    ("gpt-4*", MODELS["emulated-gpt-4o"]),
    ("gpt-[5-9]*", MODELS["emulated-o4-mini"]),
    ("o[1-9]*", MODELS["emulated-o4-mini"]),
    ("gemini-2.0-*", MODELS["emulated-gemini-2.0-flash"]),
    ("gemini-*", MODELS["emulated-gemini-2.5-flash"]),
    ("claude-*-4-[0-6]*", MODELS["emulated-claude-sonnet-4-5"]),
    ("claude-*", _NEWER_CLAUDE),
)
"""Name pattern of real models → the entry that emulates them; the first matching pattern counts."""


def find_model(name: str) -> EmulatedModel | None:
    """Return the emulated model of that name: its own entry or its family's; None if there is neither."""
    own = MODELS.get(name)
    if own is not None or not name.startswith(PREFIX):
        return own
    real = name.removeprefix(PREFIX)
    family = next((model for pattern, model in FAMILIES if fnmatchcase(real, pattern)), None)
    return None if family is None else replace(family, name=name)
