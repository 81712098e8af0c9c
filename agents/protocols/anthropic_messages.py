"""Anthropic's Messages API, which has no log-probabilities and no seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from agents.messages import Completion, Message, Sampling, Usage
from agents.models.spec import Model
from agents.protocols.finish_reasons import parse_finish_reason
from agents.protocols.openai_chat import answer_schema, message_text
from agents.protocols.usage import token_count

VERSION = "2023-06-01"


def path(model: Model) -> str:
    """Return the path below the base URL (which has no /v1)."""
    return "/v1/messages"


def headers(key: str) -> dict[str, str]:
    """Return the headers for a key."""
    return {"anthropic-version": VERSION, **({"x-api-key": key} if key else {})}


def body(model: Model, messages: tuple[Message, ...], sampling: Sampling) -> dict[str, Any]:
    """Return the JSON of a request.

    Top-p is not sent together with a temperature, because newer models reject both at once.
    """
    capabilities = model.capabilities
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
    if capabilities.temperature and sampling.temperature is not None:
        request["temperature"] = sampling.temperature
    elif capabilities.temperature and sampling.top_p is not None:
        request["top_p"] = sampling.top_p
    if capabilities.temperature and sampling.top_k is not None:
        request["top_k"] = sampling.top_k
    if sampling.stop:
        request["stop_sequences"] = list(sampling.stop)
    if sampling.constraint == "json":
        request["output_config"] = {
            "format": {"type": "json_schema", "schema": answer_schema(sampling.choices)}
        }
    if capabilities.extra:
        request |= orjson.loads(capabilities.extra)
    return request


def is_error(answer: Mapping[str, Any]) -> bool:
    """Return whether the JSON of a 200 is an error, that is, has no content."""
    return answer.get("type") == "error" or not isinstance(answer.get("content"), list)


def read(answer: Mapping[str, Any]) -> Completion:
    """Parse the JSON of a completion, without blocks of thinking.

    Raises:
        CallError: the generation failed midway.
    """
    return Completion(
        text=message_text(answer["content"]),
        finish=parse_finish_reason(str(answer.get("stop_reason") or "")),
        usage=_usage(answer.get("usage")),
        model=str(answer.get("model") or ""),
        request_id=str(answer.get("id") or ""),
    )


def _usage(used: Any) -> Usage:
    """Parse the token counts; tokens written to or read from the cache count as input."""
    if not isinstance(used, Mapping):
        return Usage()
    read = token_count(used.get("input_tokens"))
    cached = (used.get(name) for name in ("cache_creation_input_tokens", "cache_read_input_tokens"))
    if read is not None:
        read += sum(token_count(each) or 0 for each in cached)
    return Usage(read, token_count(used.get("output_tokens")))
