"""Gemini's generateContent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson

from agents.messages import Completion, Finish, Message, Sampling, TokenLogprobs, Usage
from agents.models import Model
from agents.wire.openai_chat import answer_schema, count

FINISHES = {"STOP": Finish.STOP, "MAX_TOKENS": Finish.LENGTH}
FILTERS = {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"}


def path(model: Model) -> str:
    """The path below the base URL (which ends in /v1beta); the model stands in it."""
    return f"/models/{quote(model.name, safe='')}:generateContent"


def headers(key: str) -> dict[str, str]:
    """The headers that carry the key."""
    return {"x-goog-api-key": key} if key else {}


def body(model: Model, messages: tuple[Message, ...], sampling: Sampling) -> dict[str, Any]:
    """The request's JSON."""
    traits = model.traits
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    config: dict[str, Any] = {"maxOutputTokens": sampling.max_output_tokens}
    if traits.temperature:
        given = {"temperature": sampling.temperature, "topP": sampling.top_p, "topK": sampling.top_k}
        config |= {name: value for name, value in given.items() if value is not None}
    if sampling.seed is not None and traits.seed:
        config["seed"] = sampling.seed
    if sampling.stop:
        config["stopSequences"] = list(sampling.stop)
    if sampling.top_logprobs is not None and traits.max_top_logprobs:
        config["responseLogprobs"] = True
        config["logprobs"] = min(sampling.top_logprobs, traits.max_top_logprobs)
    if sampling.constraint == "json":
        config["responseMimeType"] = "application/json"
        config["responseJsonSchema"] = answer_schema(sampling.choices)
    if traits.extra:
        config |= orjson.loads(traits.extra)
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


def read(answer: Mapping[str, Any]) -> Completion:
    """The answer's JSON, read; a prompt that was blocked is an answer too: it was filtered."""
    tokens = _usage(answer.get("usageMetadata") or {})
    model, request_id = str(answer.get("modelVersion") or ""), str(answer.get("responseId") or "")
    if not answer.get("candidates"):
        if not answer["promptFeedback"]["blockReason"]:
            raise ValueError("neither candidates nor a reason why not")
        return Completion("", Finish.FILTERED, tokens, (), model, request_id)
    candidate = answer["candidates"][0]
    reason = candidate.get("finishReason") or ""
    parts = (candidate.get("content") or {}).get("parts") or ()
    return Completion(
        text="".join(part["text"] for part in parts if part.get("text") and not part.get("thought")),
        finish=Finish.FILTERED if reason in FILTERS else FINISHES.get(reason, Finish.OTHER),
        usage=tokens,
        logprobs=_logprobs(candidate.get("logprobsResult")),
        model=model,
        request_id=request_id,
    )


def _usage(used: Mapping[str, Any]) -> Usage:
    """Thinking is part of the output; a count that is left out is 0 where the other is given."""
    read = count(used.get("promptTokenCount"))
    if read is None:
        return Usage()
    said = (count(used.get(name)) or 0 for name in ("candidatesTokenCount", "thoughtsTokenCount"))
    return Usage(read, sum(said))


def _logprobs(given: Mapping[str, Any] | None) -> tuple[TokenLogprobs, ...]:
    if not given:
        return ()
    chosen = given.get("chosenCandidates") or []
    tops = given.get("topCandidates") or [{}] * len(chosen)
    return tuple(
        TokenLogprobs(
            token["token"],
            token["logProbability"],
            tuple((other["token"], other["logProbability"]) for other in top.get("candidates") or ()),
        )
        for token, top in zip(chosen, tops, strict=True)
    )
