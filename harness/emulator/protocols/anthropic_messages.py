"""Anthropic's messages (`POST /v1/messages`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from agents.messages import FinishReason, Message
from harness.emulator.config import EmulatorConfig
from harness.emulator.models import EmulatedModel
from harness.emulator.protocols.request_parser import RequestFields, parse_schema_fields
from harness.emulator.rate_limits import ModelLimitStatus
from harness.emulator.types import CompletionSet, ParsedRequest, RejectedError

NAME: str = "anthropic-messages"
ID_HEADER: str = "request-id"
KNOWN = frozenset(
    [
        "cache_control",
        "inference_geo",
        "max_tokens",
        "messages",
        "metadata",
        "model",
        "output_config",
        "service_tier",
        "stop_sequences",
        "stream",
        "system",
        "temperature",
        "thinking",
        "top_k",
        "top_p",
    ]
)
_STOP_REASONS = {
    FinishReason.LENGTH: "max_tokens",
    FinishReason.REFUSAL: "refusal",
    FinishReason.FILTERED: "refusal",
}
_TYPES = {
    "authentication": "authentication_error",
    "unknown model": "not_found_error",
    "unknown path": "not_found_error",
    "bad request": "invalid_request_error",
    "too large": "request_too_large",
    "rate limit": "rate_limit_error",
    "server": "api_error",
}


def find_api_key(headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    """Return the key in `x-api-key`, or the bearer token, or ""."""
    return headers.get("x-api-key") or headers.get("Authorization", "").removeprefix("Bearer ").strip()


def reject(message: str, param: str = "", code: str = "") -> RejectedError:
    """Return a 400 in Anthropic's words, with the parameter's path first."""
    if code == "missing_required_parameter":
        message = "Field required"
    return RejectedError(
        400, "bad request", f"{param}: {message}" if param else message, param=param, code=code
    )


def parse_request(
    body: Any, path_model: str, headers: Mapping[str, str], options: EmulatorConfig
) -> ParsedRequest:
    """Parse a request's JSON."""
    if "anthropic-version" not in headers:
        raise reject("anthropic-version: header is required")
    if not isinstance(body, dict):
        raise reject("The request body is not valid JSON: expected an object")
    fields = RequestFields(body, reject)
    model = _model(fields, options)
    fields.reject_unknown(KNOWN, "Extra inputs are not permitted")
    limit = fields.integer("max_tokens", 1)
    if limit is None:
        raise reject("Field required", "max_tokens")
    if limit > options.max_output_tokens:
        raise reject(
            f"{limit} > {options.max_output_tokens}, which is the maximum allowed number of output tokens "
            f"for {model.name}",
            "max_tokens",
        )
    _check_sampling(fields, model)
    if fields.boolean("stream"):
        raise reject("the emulator does not stream", "stream")
    thinking = fields.object("thinking")
    if thinking is not None and thinking.content.get("type") != "disabled":
        raise reject("the emulator knows thinking of type disabled only", "thinking")
    return ParsedRequest(
        model=model,
        messages=_messages(fields),
        max_tokens=limit,
        fields=_output_format(fields),
        stop=fields.strings("stop_sequences", 8191),
    )


def _model(fields: RequestFields, options: EmulatorConfig) -> EmulatedModel:
    name = fields.text("model")
    if not name:
        raise reject("Field required", "model")
    model = options.model(name)
    if model is None or model.provider != "anthropic":
        raise RejectedError(404, "unknown model", f"model: {name}")
    return model


def _check_sampling(fields: RequestFields, model: EmulatedModel) -> None:
    temperature, top_p = fields.number("temperature", 0.0, 1.0), fields.number("top_p", 0.0, 1.0)
    top_k = fields.integer("top_k", 0)
    for key, value, neutral in (
        ("temperature", temperature, 1.0),
        ("top_p", top_p, 1.0),
        ("top_k", top_k, 0),
    ):
        if value is not None and value != neutral and not model.sampling:
            raise reject(f"`{key}` is deprecated for this model.")
    if temperature is not None and top_p is not None and not model.top_p_with_temperature:
        raise reject(
            "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
        )


def _messages(fields: RequestFields) -> tuple[Message, ...]:
    messages = []
    system = _text(fields, "system")
    if system:
        messages.append(Message("system", system))
    for each in fields.objects("messages"):
        role = each.text("role")
        if role not in ("user", "assistant"):
            raise reject("Input should be 'user' or 'assistant'", each.where + "role")
        content = _text(each, "content")
        if content is None:
            raise reject("Field required", each.where + "content")
        if not content.strip():
            raise reject("text content blocks must be non-empty", "messages")
        messages.append(Message("user" if role == "user" else "assistant", content))
    return tuple(messages)


def _text(fields: RequestFields, key: str) -> str | None:
    """Return a string, or the text of a list of text blocks."""
    content = fields.content.get(key)
    if not isinstance(content, list):
        return fields.text(key)
    blocks = fields.objects(key)
    for block in blocks:
        if block.content.get("type") != "text":
            raise reject("the emulator reads text blocks only", block.where + "type")
    return "".join(block.text("text") or "" for block in blocks)


def _output_format(fields: RequestFields) -> tuple[tuple[str, tuple[str, ...]], ...]:
    config = fields.object("output_config")
    output_format = config.object("format") if config is not None else None
    if output_format is None:
        return ()
    schema = output_format.object("schema")
    if output_format.content.get("type") != "json_schema" or schema is None:
        raise reject("Input should be of type json_schema, with a schema", "output_config.format")
    if schema.content.get("additionalProperties") is not False:
        raise reject(
            "For 'object' type, 'additionalProperties' must be explicitly set to false",
            "output_config.format.schema",
        )
    return parse_schema_fields(schema, strict=False)


def build_response(request: ParsedRequest, outcome: CompletionSet) -> dict[str, Any]:
    """The response's JSON."""
    answer = outcome.answers[0]
    stop_reason = _STOP_REASONS.get(answer.finish, "stop_sequence" if answer.stopped_by else "end_turn")
    refused = stop_reason == "refusal"
    return {
        "id": f"msg_{outcome.identity}",
        "type": "message",
        "role": "assistant",
        "model": request.model.name,
        "content": [{"type": "text", "text": answer.text}] if answer.text else [],
        "stop_reason": stop_reason,
        "stop_sequence": answer.stopped_by or None,
        "stop_details": {"type": "refusal", "category": None, "explanation": None} if refused else None,
        "usage": {
            "input_tokens": outcome.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": outcome.output_tokens,
            "service_tier": "standard",
        },
    }


def build_error(rejection: RejectedError) -> tuple[int, dict[str, Any]]:
    """Return the status and Anthropic's error object; a 503 becomes a 529."""
    status, kind, message = rejection.status, _TYPES[rejection.kind], rejection.message
    if status == 503:
        status, kind, message = 529, "overloaded_error", "Overloaded"
    if rejection.kind == "authentication":
        message = "invalid x-api-key" if rejection.code else "x-api-key header is required"
    return status, {"type": "error", "error": {"type": kind, "message": message}, "request_id": None}


def limit_headers(standing: ModelLimitStatus, retry_seconds: float | None, now: datetime) -> dict[str, str]:
    """Return `anthropic-ratelimit-*` headers with RFC 3339 times; after a 429 also `retry-after` in whole
    seconds.
    """
    headers: dict[str, str] = {}
    for name, gauge in (("requests", standing.requests), ("tokens", standing.tokens)):
        if gauge is not None:
            reset = now + timedelta(seconds=math.ceil(gauge.reset_seconds))
            headers[f"anthropic-ratelimit-{name}-limit"] = f"{gauge.limit:.0f}"
            headers[f"anthropic-ratelimit-{name}-remaining"] = f"{gauge.remaining:.0f}"
            headers[f"anthropic-ratelimit-{name}-reset"] = reset.strftime("%Y-%m-%dT%H:%M:%SZ")
    if retry_seconds is not None:
        headers["retry-after"] = str(max(1, math.ceil(retry_seconds)))
    return headers


def build_model_list(names: list[str]) -> dict[str, Any]:
    """Return the response of `GET /v1/models` to an Anthropic client."""
    models = [
        {"type": "model", "id": name, "display_name": name, "created_at": "2023-11-14T00:00:00Z"}
        for name in names
    ]
    return {
        "data": models,
        "has_more": False,
        "first_id": names[0] if names else None,
        "last_id": names[-1] if names else None,
    }
