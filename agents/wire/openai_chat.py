"""OpenAI's chat completions, as OpenAI, vLLM and every compatible server speak it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from agents.messages import Completion, Finish, Message, Sampling, TokenLogprobs, Usage
from agents.models import Model

FINISHES = {"stop": Finish.STOP, "length": Finish.LENGTH, "content_filter": Finish.FILTERED}


def path(model: Model) -> str:
    """The path below the base URL (which ends in /v1)."""
    return "/chat/completions"


def headers(key: str) -> dict[str, str]:
    """The headers that carry the key."""
    return {"Authorization": f"Bearer {key}"} if key else {}


def body(model: Model, messages: tuple[Message, ...], sampling: Sampling) -> dict[str, Any]:
    """The request's JSON."""
    request = {
        "messages": [{"role": message.role, "content": message.content} for message in messages],
        **common(model, sampling),
    }
    if sampling.top_logprobs is not None and model.traits.max_top_logprobs:
        request["logprobs"] = True
        request["top_logprobs"] = min(sampling.top_logprobs, model.traits.max_top_logprobs)
    if sampling.constraint == "json":
        request["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "verdict", "strict": True, "schema": answer_schema(sampling.choices)},
        }
    return request


def common(model: Model, sampling: Sampling) -> dict[str, Any]:
    """What chat and plain completions share."""
    traits = model.traits
    request: dict[str, Any] = {"model": model.name, traits.token_limit: sampling.max_output_tokens}
    if traits.temperature:
        if sampling.temperature is not None:
            request["temperature"] = sampling.temperature
        if sampling.top_p is not None:
            request["top_p"] = sampling.top_p
    if sampling.top_k is not None and model.provider == "vllm":
        request["top_k"] = sampling.top_k
    if sampling.seed is not None and traits.seed:
        request["seed"] = sampling.seed
    if sampling.stop:
        request["stop"] = list(sampling.stop)
    if sampling.constraint == "choice":
        request["structured_outputs"] = {"choice": list(sampling.choices)}
    if traits.extra:
        request |= orjson.loads(traits.extra)
    return request


def answer_schema(choices: tuple[str, ...]) -> dict[str, Any]:
    """A JSON schema for `{"answer": one of choices}`."""
    return {
        "type": "object",
        "properties": {"answer": {"type": "string", "enum": list(choices)}},
        "required": ["answer"],
        "additionalProperties": False,
    }


def read(answer: Mapping[str, Any]) -> Completion:
    """The answer's JSON, read."""
    choice = answer["choices"][0]
    message = choice["message"]
    refusal = message.get("refusal")
    finish = FINISHES.get(choice.get("finish_reason") or "", Finish.OTHER)
    return Completion(
        text=message.get("content") or refusal or "",
        finish=Finish.REFUSAL if refusal else finish,
        usage=usage(answer),
        logprobs=_logprobs(choice.get("logprobs")),
        model=str(answer.get("model") or ""),
        request_id=str(answer.get("id") or ""),
    )


def usage(answer: Mapping[str, Any]) -> Usage:
    """Tokens used; thinking is part of the output."""
    used = answer.get("usage") or {}
    return Usage(count(used.get("prompt_tokens")), count(used.get("completion_tokens")))


def count(told: Any) -> int | None:
    """A number of tokens; None where it is none: an answer is not lost for want of its bill."""
    return told if isinstance(told, int) and told >= 0 else None


def _logprobs(given: Mapping[str, Any] | None) -> tuple[TokenLogprobs, ...]:
    return tuple(
        TokenLogprobs(
            position["token"],
            position["logprob"],
            tuple((top["token"], top["logprob"]) for top in position.get("top_logprobs") or ()),
        )
        for position in (given or {}).get("content") or ()
    )
