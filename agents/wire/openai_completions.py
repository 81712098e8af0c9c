"""OpenAI's plain completions: for base models without a chat template, on vLLM or a compatible server.

The conversation is one text; rendering it is the asker's business, not the wire's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.messages import Completion, Finish, Message, Sampling, TokenLogprobs
from agents.models import Model
from agents.wire.openai_chat import FINISHES, common, headers, usage

__all__ = ["body", "headers", "path", "read"]


def path(model: Model) -> str:
    """The path below the base URL (which ends in /v1)."""
    return "/completions"


def body(model: Model, messages: tuple[Message, ...], sampling: Sampling) -> dict[str, Any]:
    """The request's JSON; the only message is the whole prompt."""
    (message,) = messages
    request = {"prompt": message.content, **common(model, sampling)}
    if sampling.top_logprobs is not None and model.traits.max_top_logprobs:
        request["logprobs"] = min(sampling.top_logprobs, model.traits.max_top_logprobs)
    return request


def read(answer: Mapping[str, Any]) -> Completion:
    """The answer's JSON, read."""
    choice = answer["choices"][0]
    return Completion(
        text=choice["text"] or "",
        finish=FINISHES.get(choice.get("finish_reason") or "", Finish.OTHER),
        usage=usage(answer),
        logprobs=_logprobs(choice.get("logprobs")),
        model=str(answer.get("model") or ""),
        request_id=str(answer.get("id") or ""),
    )


def _logprobs(given: Mapping[str, Any] | None) -> tuple[TokenLogprobs, ...]:
    if not given or not given.get("tokens"):
        return ()
    tops = given.get("top_logprobs") or [{}] * len(given["tokens"])
    return tuple(
        TokenLogprobs(token, logprob, tuple((top or {}).items()))
        for token, logprob, top in zip(given["tokens"], given["token_logprobs"], tops, strict=True)
    )
