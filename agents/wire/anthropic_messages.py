"""Anthropic's messages. It gives no log-probabilities and takes no seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from agents.messages import Completion, Finish, Message, Sampling, Usage
from agents.models import Model
from agents.wire.openai_chat import answer_schema, count

VERSION = "2023-06-01"
FINISHES = {
    "end_turn": Finish.STOP,
    "stop_sequence": Finish.STOP,
    "max_tokens": Finish.LENGTH,
    "model_context_window_exceeded": Finish.LENGTH,
    "refusal": Finish.REFUSAL,
}


def path(model: Model) -> str:
    """The path below the base URL (without /v1)."""
    return "/v1/messages"


def headers(key: str) -> dict[str, str]:
    """The headers that carry the key."""
    return {"anthropic-version": VERSION, **({"x-api-key": key} if key else {})}


def body(model: Model, messages: tuple[Message, ...], sampling: Sampling) -> dict[str, Any]:
    """The request's JSON. Where a temperature is sent, top-p is not: newer models refuse the two together."""
    traits = model.traits
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    request: dict[str, Any] = {
        "model": model.name,
        "max_tokens": sampling.max_output_tokens,
        "messages": [
            {"role": message.role, "content": message.content}
            for message in messages
            if message.role != "system"
        ],
    }
    if system:
        request["system"] = system
    if traits.temperature and sampling.temperature is not None:
        request["temperature"] = sampling.temperature
    elif traits.temperature and sampling.top_p is not None:
        request["top_p"] = sampling.top_p
    if traits.temperature and sampling.top_k is not None:
        request["top_k"] = sampling.top_k
    if sampling.stop:
        request["stop_sequences"] = list(sampling.stop)
    if sampling.constraint == "json":
        request["output_config"] = {
            "format": {"type": "json_schema", "schema": answer_schema(sampling.choices)}
        }
    if traits.extra:
        request |= orjson.loads(traits.extra)
    return request


def read(answer: Mapping[str, Any]) -> Completion:
    """The answer's JSON, read; blocks of thinking are not what was said."""
    used = answer.get("usage") or {}
    return Completion(
        text="".join(block["text"] for block in answer["content"] if block["type"] == "text"),
        finish=FINISHES.get(answer.get("stop_reason") or "", Finish.OTHER),
        usage=Usage(count(used.get("input_tokens")), count(used.get("output_tokens"))),
        model=str(answer.get("model") or ""),
        request_id=str(answer.get("id") or ""),
    )
