"""OpenAI's chat completions API, which vLLM and other servers also implement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from agents.errors import CallError, Failure
from agents.messages import Completion, FinishReason, Message, Sampling
from agents.models.spec import Model
from agents.protocols.finish_reasons import parse_finish_reason
from agents.protocols.logprobs import parse_logprobs
from agents.protocols.usage import openai_usage


def path(model: Model) -> str:
    """Return the path below the base URL (which ends in /v1)."""
    return "/chat/completions"


def headers(key: str) -> dict[str, str]:
    """Return the headers for a key."""
    return {"Authorization": f"Bearer {key}"} if key else {}


def body(model: Model, messages: tuple[Message, ...], sampling: Sampling) -> dict[str, Any]:
    """Return the JSON of a request."""
    request = {
        "messages": [{"role": message.role, "content": message.content} for message in messages],
        **common(model, sampling),
    }
    if sampling.top_logprobs is not None and model.capabilities.max_top_logprobs:
        request["logprobs"] = True
        request["top_logprobs"] = min(sampling.top_logprobs, model.capabilities.max_top_logprobs)
    if sampling.constraint == "json":
        request["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "verdict", "strict": True, "schema": answer_schema(sampling.choices)},
        }
    return request


def common(model: Model, sampling: Sampling) -> dict[str, Any]:
    """Return the parameters that chat and plain completions share."""
    capabilities = model.capabilities
    request: dict[str, Any] = {"model": model.name, capabilities.token_limit: sampling.max_output_tokens}
    if capabilities.temperature:
        if sampling.temperature is not None:
            request["temperature"] = sampling.temperature
        if sampling.top_p is not None:
            request["top_p"] = sampling.top_p
    if sampling.top_k is not None and model.provider == "vllm":
        request["top_k"] = sampling.top_k
    if sampling.seed is not None and capabilities.seed:
        request["seed"] = sampling.seed
    if sampling.stop:
        request["stop"] = list(sampling.stop)
    if sampling.constraint == "choice":
        request["structured_outputs"] = {"choice": list(sampling.choices)}
    if capabilities.extra:
        request |= orjson.loads(capabilities.extra)
    return request


def answer_schema(choices: tuple[str, ...]) -> dict[str, Any]:
    """Return a JSON schema for `{"answer": one of choices}`."""
    return {
        "type": "object",
        "properties": {"answer": {"type": "string", "enum": list(choices)}},
        "required": ["answer"],
        "additionalProperties": False,
    }


def is_error(answer: Mapping[str, Any]) -> bool:
    """Return whether the JSON of a 200 is an error, that is, has no choices."""
    return not answer.get("choices")


def read(answer: Mapping[str, Any]) -> Completion:
    """Parse the JSON of a completion.

    Raises:
        CallError: the generation failed midway.
    """
    choice = answer["choices"][0]
    raise_if_failed(answer)
    raise_if_failed(choice)
    message = choice["message"]
    refusal = message.get("refusal")
    finish = parse_finish_reason(str(choice.get("finish_reason") or ""))
    return Completion(
        text=message_text(message.get("content")) or refusal or "",
        finish=FinishReason.REFUSAL if refusal else finish,
        usage=openai_usage(answer),
        logprobs=parse_logprobs(_positions(choice.get("logprobs"))),
        model=str(answer.get("model") or ""),
        request_id=str(answer.get("id") or ""),
    )


def raise_if_failed(part: Mapping[str, Any]) -> None:
    """Check a completion or a choice for an error of its own, which means that the generation failed.

    Raises:
        CallError: there is an error; the generated text may be charged.
    """
    error = part.get("error")
    if not error:
        return
    code = error.get("code") if isinstance(error, Mapping) else None
    words = error.get("message") if isinstance(error, Mapping) else error
    busy = {429: Failure.RATE_LIMITED, 503: Failure.UNAVAILABLE, 529: Failure.UNAVAILABLE}
    failure = busy.get(code, Failure.SERVER) if isinstance(code, int) else Failure.SERVER
    raise CallError(failure, f"the generation failed: {str(words)[:200]}", status=200, charged=True)


def message_text(content: Any) -> Any:
    """Return the text of a message's content, which is a string or a list of parts.

    Only parts of text are joined, not those of thinking, tool calls or images. Any other value is returned
    unchanged.
    """
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, list):
        return content
    return "".join(_text_of_part(part) for part in content)


def _text_of_part(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping) or part.get("type", "text") not in ("text", "output_text"):
        return ""
    text = part.get("text")
    if isinstance(text, Mapping):
        text = text.get("value")
    if not isinstance(text, str):
        raise TypeError("a text part without text")
    return text


def _positions(raw: Any) -> list[Any]:
    content = raw.get("content") if isinstance(raw, Mapping) else None
    if not isinstance(content, list):
        return []
    return [
        (
            position.get("token"),
            position.get("logprob"),
            [
                (top.get("token"), top.get("logprob"))
                for top in position.get("top_logprobs") or ()
                if isinstance(top, Mapping)
            ],
        )
        for position in content
        if isinstance(position, Mapping)
    ]
