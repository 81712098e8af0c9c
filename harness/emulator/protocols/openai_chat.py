"""OpenAI's chat completions (`POST /v1/chat/completions`), as OpenAI and vLLM serve them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.messages import FinishReason, Message, TokenLogprobs
from harness.emulator.config import EmulatorConfig
from harness.emulator.models import EmulatedModel
from harness.emulator.protocols import openai_common as common
from harness.emulator.protocols.openai_common import (
    ID_HEADER,
    build_error,
    find_api_key,
    limit_headers,
    reject,
)
from harness.emulator.protocols.request_parser import RequestFields, parse_schema_fields
from harness.emulator.seeded_random import uniform
from harness.emulator.types import CompletionSet, ParsedRequest, SampledCompletion

__all__ = [
    "ID_HEADER",
    "NAME",
    "build_error",
    "build_model_list",
    "build_response",
    "find_api_key",
    "limit_headers",
    "parse_request",
]

NAME: str = "openai-chat"
KNOWN = frozenset(
    [
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "modalities",
        "model",
        "n",
        "parallel_tool_calls",
        "presence_penalty",
        "prompt_cache_key",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
    ]
)
ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_EFFORT = {"minimal": 16, "low": 64, "medium": 128, "high": 192, "none": 0}


def parse_request(
    body: Any, path_model: str, headers: Mapping[str, str], options: EmulatorConfig
) -> ParsedRequest:
    """Parse a request's JSON."""
    fields = common.request_fields(body)
    model = common.find_model(fields, options)
    if model.provider == "openai":
        fields.reject_unknown(KNOWN, "Unknown parameter: '{}'.")
    if not model.chat:
        raise reject(
            "As of transformers v4.44, default chat template is no longer allowed, so you must provide a "
            "chat template if the tokenizer does not define one."
        )
    common.reject_stream(fields)
    common.check_sampling(fields, model)
    messages = tuple(_message(each) for each in fields.objects("messages"))
    choices = common.allowed_choices(fields, model)
    return ParsedRequest(
        model=model,
        messages=messages,
        max_tokens=_limit(fields, model, options),
        top_logprobs=_top_logprobs(fields, model),
        choices=choices,
        fields=_response_format(fields),
        stop=fields.strings("stop", 4, or_single=True),
        samples=fields.integer("n", 1, 128) or 1,
        thinking_budget=_EFFORT.get(fields.text("reasoning_effort") or ""),
    )


def _message(fields: RequestFields) -> Message:
    role = fields.text("role")
    if role not in ROLES:
        raise reject(
            f"Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', and 'developer'.",
            fields.where + "role",
            "invalid_value",
        )
    content = fields.content.get("content")
    if isinstance(content, list):
        parts = [part.text("text") for part in fields.objects("content")]
        content = "".join(part or "" for part in parts)
    if not isinstance(content, str):
        type_name = "null" if content is None else "another type"
        raise reject(
            f"Invalid value for 'content': expected a string, got {type_name}.",
            fields.where + "content",
            "invalid_type",
        )
    return Message(ROLES[role], content)  # type: ignore[arg-type]  # the values of ROLES are the literals


def _limit(fields: RequestFields, model: EmulatedModel, options: EmulatorConfig) -> int:
    if model.thinking and fields.content.get("max_tokens") is not None:
        raise reject(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
            "max_tokens",
            "unsupported_parameter",
        )
    legacy_limit, new_limit = fields.integer("max_tokens", 1), fields.integer("max_completion_tokens", 1)
    if legacy_limit is not None and new_limit is not None and model.provider == "openai":
        raise reject(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            "max_tokens",
            "invalid_parameter_combination",
        )
    return common.output_limit(
        legacy_limit if new_limit is None else new_limit, options.max_output_tokens, options
    )


def _top_logprobs(fields: RequestFields, model: EmulatedModel) -> int | None:
    response_format = fields.boolean("logprobs")
    count = fields.integer("top_logprobs", 0, 20)
    if count is not None and not response_format:
        raise reject(
            "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.",
            "top_logprobs",
            "invalid_parameter_combination",
        )
    if response_format and not model.max_top_logprobs:
        raise reject(
            "Unsupported parameter: 'logprobs' is not supported with this model.",
            "logprobs",
            "unsupported_parameter",
        )
    return (count or 0) if response_format else None


def _response_format(fields: RequestFields) -> tuple[tuple[str, tuple[str, ...]], ...]:
    response_format = fields.object("response_format")
    if response_format is None or response_format.content.get("type") == "text":
        return ()
    kind = response_format.text("type")
    if kind != "json_schema":
        raise reject(f"the emulator knows response_format json_schema, not {kind!r}", "response_format")
    form = response_format.object("json_schema")
    schema = form.object("schema") if form is not None else None
    if form is None or schema is None or not form.text("name"):
        raise reject(
            "Missing required parameter: 'response_format.json_schema'.",
            "response_format.json_schema",
            "missing_required_parameter",
        )
    return parse_schema_fields(schema, strict=form.boolean("strict"))


def build_response(request: ParsedRequest, outcome: CompletionSet) -> dict[str, Any]:
    """Return the response's JSON."""
    return {
        "id": f"chatcmpl-{outcome.identity}",
        "object": "chat.completion",
        "created": common.CREATED,
        "model": request.model.name,
        "choices": [_choice(request, outcome, index) for index in range(len(outcome.answers))],
        "usage": common.usage(outcome),
        "service_tier": "default",
        "system_fingerprint": "fp_emulated",
    }


def _choice(request: ParsedRequest, outcome: CompletionSet, index: int) -> dict[str, Any]:
    answer = outcome.answers[index]
    refusal = "I'm sorry, but I can't assist with that." if answer.finish is FinishReason.REFUSAL else None
    finish = common.FINISH_REASONS[answer.finish]
    if refusal and uniform("refusal finish", outcome.identity, index) < 0.5:
        finish = "content_filter"  # servers send both: the refusal alone, and with the filter's finish reason
    return {
        "index": index,
        "message": {
            "role": "assistant",
            "content": None if refusal else answer.text,
            "refusal": refusal,
            "annotations": [],
        },
        "logprobs": _logprobs(request, answer),
        "finish_reason": finish,
    }


def _logprobs(request: ParsedRequest, answer: SampledCompletion) -> dict[str, Any] | None:
    if request.top_logprobs is None:
        return None
    return {"content": [_position(token) for token in answer.tokens], "refusal": None}


def _position(token: TokenLogprobs) -> dict[str, Any]:
    top = [_entry(text, logprob) for text, logprob in token.top]
    return {**_entry(token.token, token.logprob), "top_logprobs": top}


def _entry(text: str, logprob: float) -> dict[str, Any]:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode("utf-8", "replace"))}


def build_model_list(names: list[str], shutdown_date: str | None = None) -> dict[str, Any]:
    """Return the response of `GET /v1/models`; `shutdown_date` is null if no shutdown is announced."""
    same = {"object": "model", "created": common.CREATED, "owned_by": "emulator"}
    models = [{"id": name, **same, "shutdown_date": shutdown_date} for name in names]
    return {"object": "list", "data": models}
