"""Suggestion of capability changes under which a model accepts a rejected request.

The suggestion is derived from the error message. It concerns only parameters that the request contains, and
always changes a capability.
"""

from __future__ import annotations

import re

import orjson

from agents.errors import Adaptation
from agents.models.spec import ApiProtocol, Model
from agents.protocols.error_patterns import is_about_a_parameter

THINKING_OUTPUT_TOKENS = 4096  # output tokens
MIN_VERDICT_TOKENS = 5  # output tokens
_CONTEXT = re.compile(
    r"(?:maximum context length (?:is|of)|context (?:window|length|size) (?:is|of))\D{0,20}(\d+)"
    r"|cannot be greater than [\w=]*=(\d+)",
    re.IGNORECASE,
)
_INPUT = re.compile(
    r"(\d+)(?: input tokens| tokens? (?:in|from) the (?:input|prompt|messages)| in the (?:messages|prompt))"
)
_ABOUT_OUTPUT = re.compile(r"max_(?:completion_|output_)?tokens|maxOutputTokens|(?:output|completion) tokens")
_MOST_OUTPUT = re.compile(
    r"(?:at most|up to|maximum(?: value)?(?: allowed)?(?: is| of|:)|less than or equal to|<=|\[\d+,)"
    r"\s*(\d+)\b",
    re.IGNORECASE,
)
_BOUND = re.compile(
    r"(?:<=|≤|at most|less than or equal to|maximum(?: value)?(?: is| of)?|no more than|up to"
    r"|between 0 and|between 1 and|from 0 to|\[0, ?)\s*(\d{1,3})\b",
    re.IGNORECASE,
)
_CONSTRAINTS = ("response_format", "json_schema", "responseJsonSchema", "responseMimeType", "output_config")
_GUIDED = ("structured_outputs", "guided_choice")
_SAMPLING = ("temperature", "top_p", "topP", "topK")
_LOGPROBS = ("top_logprobs", "logprobs", "responseLogprobs")
_THINKING = (
    "thinkingConfig",
    "thinkingBudget",
    "thinking_budget",
    "thinking_config",
    "reasoning_effort",
    "thinking",
)


def suggest_adaptation(model: Model, words: str, parameter: str, sent: bytes) -> Adaptation | None:
    """Return the capability changes under which the model may accept the request; None if unknown.

    Args:
        words: the error message with its codes.
        parameter: the parameter that the error names, or "".
        sent: JSON of the request.
    """
    smaller = _smaller_verdict(model, words, sent)
    if smaller:
        return Adaptation(model.capabilities.token_limit, smaller)
    if not is_about_a_parameter(words):
        return None
    named = f"{parameter} {words}"
    for spellings, settings in (
        (("max_tokens", "max_completion_tokens"), _token_limit),
        (_LOGPROBS, _logprobs),
        (_SAMPLING, _sampling),
        (("seed",), _seed),
        ((*_CONSTRAINTS, *_GUIDED), _plain_text),
        (_THINKING, _thinking),
    ):
        spelling = next((each for each in spellings if _is_named(each, named)), None)
        if spelling is not None and any(f'"{each}"'.encode() in sent for each in spellings):
            changes = settings(model, words)
            if changes:
                return Adaptation(parameter or spelling, changes)
    return None


def disable_streaming(model: Model) -> Adaptation | None:
    """Return the setting that turns streaming off; None if it is already off or does not apply."""
    if model.protocol is ApiProtocol.GEMINI_GENERATE:
        return None
    extra = orjson.loads(model.capabilities.extra) if model.capabilities.extra else {}
    if extra.get("stream") is False:
        return None
    return Adaptation("stream", (("extra", orjson.dumps({**extra, "stream": False}).decode()),))


Settings = tuple[tuple[str, str | int | bool], ...]


def _is_named(parameter: str, words: str) -> bool:
    return (
        re.search(rf"(?<![A-Za-z0-9]){re.escape(parameter)}(?![A-Za-z0-9])", words, re.IGNORECASE) is not None
    )


def _smaller_verdict(model: Model, words: str, sent: bytes) -> Settings:
    """Return a smaller token limit for verdicts if the limit sent exceeds the model's limit or context."""
    asked = model.capabilities.verdict_tokens
    if f'"{model.capabilities.token_limit}":{asked}'.encode() not in sent:
        return ()
    context, bound = _CONTEXT.search(words), _MOST_OUTPUT.search(words)
    if context is not None:
        inputs = [int(each) for each in _INPUT.findall(words)]
        fits = (int(context[1] or context[2]) - max(inputs, default=0)) // 2
    elif bound is not None and _ABOUT_OUTPUT.search(words):
        fits = int(bound[1])
    else:
        return ()
    return (("verdict_tokens", fits),) if MIN_VERDICT_TOKENS <= fits < asked else ()


def _token_limit(model: Model, words: str) -> Settings:
    """Return the other name of the token limit, if the error is about its name and not about its value."""
    other = "max_completion_tokens" if model.capabilities.token_limit == "max_tokens" else "max_tokens"
    unknown = re.search(
        r"unsupported|not supported|unrecogni|unknown|extra|not permitted|deprecated", words, re.I
    )
    instead = re.search(rf"use ['\"`]?{other}", words, re.I)
    return (("token_limit", other),) if instead or unknown else ()


def _logprobs(model: Model, words: str) -> Settings:
    bound = _BOUND.search(words)
    fewer = int(bound[1]) if bound is not None else 0
    if fewer >= model.capabilities.max_top_logprobs:
        fewer = 0
    return (("max_top_logprobs", fewer),) if model.capabilities.max_top_logprobs else ()


def _sampling(model: Model, words: str) -> Settings:
    return (("temperature", False),) if model.capabilities.temperature else ()


def _seed(model: Model, words: str) -> Settings:
    return (("seed", False),) if model.capabilities.seed else ()


def _plain_text(model: Model, words: str) -> Settings:
    return (("verdict", "text"),) if model.capabilities.verdict in ("json", "choice") else ()


def _thinking(model: Model, words: str) -> Settings:
    """Return settings for a model whose thinking cannot be turned off: no `extra`, and a larger limit.

    An `extra` with other keys is the user's and is left unchanged.
    """
    extra = orjson.loads(model.capabilities.extra) if model.capabilities.extra else {}
    if len(extra) != 1 or next(iter(extra)) not in _THINKING:
        return ()
    return (("extra", ""), ("thinking", True), ("verdict_tokens", THINKING_OUTPUT_TOKENS))
