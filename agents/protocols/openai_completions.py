"""OpenAI's plain completions API, for base models without a chat template on vLLM or compatible servers.

A request has a single message, the rendered prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from agents.messages import Completion, Message, Sampling
from agents.models.spec import Model
from agents.protocols.finish_reasons import parse_finish_reason
from agents.protocols.logprobs import parse_logprobs
from agents.protocols.openai_chat import common, headers, is_error, message_text, raise_if_failed
from agents.protocols.usage import openai_usage

__all__ = ["body", "headers", "is_error", "path", "read"]


def path(model: Model) -> str:
    """Return the path below the base URL (which ends in /v1)."""
    return "/completions"


def body(model: Model, messages: tuple[Message, ...], sampling: Sampling) -> dict[str, Any]:
    """Return the JSON of a request; its only message is the prompt."""
    (message,) = messages
    request = {"prompt": message.content, **common(model, sampling)}
    if sampling.top_logprobs is not None and model.capabilities.max_top_logprobs:
        request["logprobs"] = min(sampling.top_logprobs, model.capabilities.max_top_logprobs)
    return request


def read(answer: Mapping[str, Any]) -> Completion:
    """Parse the JSON of a completion.

    Raises:
        CallError: the generation failed midway.
    """
    choice = answer["choices"][0]
    raise_if_failed(answer)
    raise_if_failed(choice)
    return Completion(
        text=message_text(choice["text"]) or "",
        finish=parse_finish_reason(str(choice.get("finish_reason") or "")),
        usage=openai_usage(answer),
        logprobs=parse_logprobs(_positions(choice.get("logprobs"))),
        model=str(answer.get("model") or ""),
        request_id=str(answer.get("id") or ""),
    )


def _positions(raw: Any) -> list[Any]:
    """Return (token, log-probability, alternatives) of each position; alternatives may be missing."""
    if not isinstance(raw, Mapping):
        return []
    tokens, logprobs = raw.get("tokens") or (), raw.get("token_logprobs") or ()
    tops = raw.get("top_logprobs") or ()
    return [
        (token, logprob, top.items() if isinstance(top, Mapping) else ())
        for token, logprob, top in zip_longest(tokens, logprobs, tops)
        if token is not None
    ]
