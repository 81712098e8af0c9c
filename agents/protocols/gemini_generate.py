"""Gemini's generateContent API."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any
from urllib.parse import quote

import orjson

from agents.messages import Completion, FinishReason, Message, Sampling, TokenLogprobs, Usage
from agents.models.spec import Model
from agents.protocols.finish_reasons import parse_finish_reason
from agents.protocols.logprobs import parse_logprobs
from agents.protocols.openai_chat import answer_schema
from agents.protocols.usage import billed_output, token_count


def path(model: Model) -> str:
    """Return the path below the base URL (which ends in /v1beta); it contains the model's name."""
    return f"/models/{quote(model.name, safe='')}:generateContent"


def headers(key: str) -> dict[str, str]:
    """Return the headers for a key."""
    return {"x-goog-api-key": key} if key else {}


def body(model: Model, messages: tuple[Message, ...], sampling: Sampling) -> dict[str, Any]:
    """Return the JSON of a request."""
    capabilities = model.capabilities
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    config: dict[str, Any] = {"maxOutputTokens": sampling.max_output_tokens}
    if capabilities.temperature:
        optional = {"temperature": sampling.temperature, "topP": sampling.top_p, "topK": sampling.top_k}
        config |= {name: value for name, value in optional.items() if value is not None}
    if sampling.seed is not None and capabilities.seed:
        config["seed"] = sampling.seed
    if sampling.stop:
        config["stopSequences"] = list(sampling.stop)
    if sampling.top_logprobs is not None and capabilities.max_top_logprobs:
        config["responseLogprobs"] = True
        config["logprobs"] = min(sampling.top_logprobs, capabilities.max_top_logprobs)
    if sampling.constraint == "json":
        config["responseMimeType"] = "application/json"
        config["responseJsonSchema"] = answer_schema(sampling.choices)
    if capabilities.extra:
        config |= orjson.loads(capabilities.extra)
    request: dict[str, Any] = {
        "contents": [
            {
                "role": "model" if message.role == "assistant" else "user",
                "parts": [{"text": message.content}],
            }
            for message in messages
            if message.role != "system"
        ],
        "generationConfig": config,
    }
    if system:
        request["systemInstruction"] = {"parts": [{"text": system}]}
    return request


def is_error(answer: Mapping[str, Any]) -> bool:
    """Return whether the JSON of a 200 is an error, that is, has neither candidates nor a block reason."""
    feedback = answer.get("promptFeedback")
    blocked = isinstance(feedback, Mapping) and feedback.get("blockReason")
    return not answer.get("candidates") and not blocked


def read(answer: Mapping[str, Any]) -> Completion:
    """Parse the JSON of a completion; a blocked prompt is a filtered completion.

    Raises:
        CallError: the generation failed midway.
    """
    tokens = _usage(answer.get("usageMetadata") or {})
    model, request_id = str(answer.get("modelVersion") or ""), str(answer.get("responseId") or "")
    if not answer.get("candidates"):
        if not answer["promptFeedback"]["blockReason"]:
            raise ValueError("neither candidates nor a block reason")
        return Completion("", FinishReason.FILTERED, tokens, (), model, request_id)
    candidate = answer["candidates"][0]
    finish = parse_finish_reason(str(candidate.get("finishReason") or ""))
    parts = (candidate.get("content") or {}).get("parts") or ()
    return Completion(
        text="".join(part["text"] for part in parts if part.get("text") and not part.get("thought")),
        finish=finish,
        usage=tokens,
        logprobs=_logprobs(candidate.get("logprobsResult")),
        model=model,
        request_id=request_id,
    )


def _usage(used: Mapping[str, Any]) -> Usage:
    """Parse the token counts; thinking is part of the output, and a missing count is 0."""
    prompt = token_count(used.get("promptTokenCount"))
    if prompt is None:
        return Usage()
    prompt += token_count(used.get("toolUsePromptTokenCount")) or 0
    counts = (token_count(used.get(name)) or 0 for name in ("candidatesTokenCount", "thoughtsTokenCount"))
    total = token_count(used.get("totalTokenCount"))
    return Usage(prompt, billed_output(prompt, sum(counts), None, total))


def _logprobs(raw: Any) -> tuple[TokenLogprobs, ...]:
    if not isinstance(raw, Mapping):
        return ()
    chosen, tops = raw.get("chosenCandidates") or (), raw.get("topCandidates") or ()
    return parse_logprobs(
        (
            token.get("token"),
            token.get("logProbability"),
            [(each.get("token"), each.get("logProbability")) for each in (top or {}).get("candidates") or ()],
        )
        for token, top in zip_longest(chosen, tops)
        if token is not None
    )
