"""Gemini's generateContent (`POST /v1beta/models/MODEL:generateContent`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from agents.messages import FinishReason, Message, TokenLogprobs
from harness.emulator.config import EmulatorConfig
from harness.emulator.models import EmulatedModel
from harness.emulator.protocols.request_parser import RequestFields, parse_schema_fields
from harness.emulator.rate_limits import ModelLimitStatus
from harness.emulator.types import CompletionSet, ParsedRequest, RejectedError, SampledCompletion

NAME: str = "gemini-generate"
ID_HEADER: str = "x-request-id"
TOP = frozenset(
    [
        "cachedContent",
        "contents",
        "generationConfig",
        "labels",
        "model",
        "safetySettings",
        "serviceTier",
        "store",
        "systemInstruction",
    ]
)
CONFIG = frozenset(
    [
        "_responseJsonSchema",
        "candidateCount",
        "frequencyPenalty",
        "logprobs",
        "maxOutputTokens",
        "presencePenalty",
        "responseFormat",
        "responseJsonSchema",
        "responseLogprobs",
        "responseMimeType",
        "responseModalities",
        "responseSchema",
        "seed",
        "stopSequences",
        "temperature",
        "thinkingConfig",
        "topK",
        "topP",
    ]
)
_UNKNOWN = 'Invalid JSON payload received. Unknown name "{}": Cannot find field.'
_STATUSES = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
_RPC = "type.googleapis.com/google.rpc."
_FINISH_REASONS = {
    FinishReason.STOP: "STOP",
    FinishReason.LENGTH: "MAX_TOKENS",
    FinishReason.REFUSAL: "SAFETY",
    FinishReason.FILTERED: "SAFETY",
}


def find_api_key(headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    """Return the key in `x-goog-api-key` or in the query's `key`, or ""."""
    return headers.get("x-goog-api-key") or query.get("key", "")


def reject(message: str, param: str = "", code: str = "") -> RejectedError:
    """Return a 400 in Google's words."""
    return RejectedError(400, "bad request", message, param=param, code=code)


def parse_request(
    body: Any, path_model: str, headers: Mapping[str, str], options: EmulatorConfig
) -> ParsedRequest:
    """Parse a request's JSON; `path_model` is the model named in the path."""
    if not isinstance(body, dict):
        raise reject("Invalid JSON payload received. Root element must be a message.")
    fields = RequestFields(_camel(body), reject)
    model = options.model(path_model)
    if model is None or model.provider != "google":
        raise RejectedError(
            404,
            "unknown model",
            f"models/{path_model} is not found for API version v1beta, or is not supported for "
            "generateContent. Call ListModels to see the list of available models and their supported "
            "methods.",
        )
    fields.reject_unknown(TOP, _UNKNOWN)
    requested = fields.object("generationConfig")
    config = RequestFields(
        _camel(requested.content) if requested is not None else {}, reject, "generation_config."
    )
    config.reject_unknown(CONFIG, _UNKNOWN)
    config.number("temperature", 0.0, 2.0)
    config.number("topP", 0.0, 1.0)
    config.integer("topK", 1)
    config.integer("seed", -(2**31), 2**31 - 1)
    choices, schema = _response_form(config)
    return ParsedRequest(
        model=model,
        messages=_messages(fields),
        max_tokens=config.integer("maxOutputTokens", 1, options.max_output_tokens)
        or options.max_output_tokens,
        top_logprobs=_top_logprobs(config, model),
        choices=choices,
        fields=schema,
        stop=config.strings("stopSequences", 5),
        samples=config.integer("candidateCount", 1, 8) or 1,
        thinking_budget=_thinking_budget(config, model),
    )


def _camel(content: dict[str, Any]) -> dict[str, Any]:
    """Convert snake-case keys to camel case, one level deep: Google's API accepts both."""
    return {
        re.sub(r"(?<=[a-z0-9])_([a-z])", lambda match: match[1].upper(), key): value
        for key, value in content.items()
    }


def _messages(fields: RequestFields) -> tuple[Message, ...]:
    messages = []
    system = fields.object("systemInstruction")
    if system is not None:
        messages.append(Message("system", _parts(system)))
    for content in fields.objects("contents"):
        role = content.text("role") or "user"
        if role not in ("user", "model"):
            raise reject("Please use a valid role: user, model.", content.where + "role")
        messages.append(Message("user" if role == "user" else "assistant", _parts(content)))
    return tuple(messages)


def _parts(fields: RequestFields) -> str:
    strings = []
    for part in fields.objects("parts"):
        text = part.text("text")
        if text is None:
            raise reject("the emulator reads parts of text only", part.where)
        strings.append(text)
    return "".join(strings)


def _top_logprobs(config: RequestFields, model: EmulatedModel) -> int | None:
    wanted = config.boolean("responseLogprobs")
    count = config.integer("logprobs", 0, 20)
    if count is not None and not wanted:
        raise reject("logprobs is only valid if responseLogprobs is true", "generation_config.logprobs")
    if wanted and not model.max_top_logprobs:
        raise reject(f"Logprobs is not enabled for models/{model.name}")
    return (count or 0) if wanted else None


def _response_form(config: RequestFields) -> tuple[tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...]]:
    """Return (allowed answers of `text/x.enum`, properties of a JSON schema)."""
    kind = config.text("responseMimeType") or "text/plain"
    names = ("responseSchema", "responseJsonSchema", "_responseJsonSchema")
    schema = next((match for name in names if (match := config.object(name)) is not None), None)
    if kind == "text/plain":
        if schema is not None:
            raise reject(
                "response_schema is only supported with response_mime_type application/json or text/x.enum"
            )
        return (), ()
    if schema is None:
        raise reject("the emulator writes JSON by a schema only", "generation_config.response_schema")
    if kind == "text/x.enum":
        return schema.strings("enum", 100), ()
    if kind != "application/json":
        raise reject(f"Unsupported MIME type {kind!r}", "generation_config.response_mime_type")
    return (), parse_schema_fields(schema, strict=False)


def _thinking_budget(config: RequestFields, model: EmulatedModel) -> int | None:
    requested = config.object("thinkingConfig")
    if requested is None:
        return None
    if not model.thinking:
        raise reject("Thinking is not supported for this model.", "generation_config.thinking_config")
    thinking = RequestFields(_camel(requested.content), reject, requested.where)
    thinking.reject_unknown(("thinkingBudget", "includeThoughts", "thinkingLevel"), _UNKNOWN)
    budget = thinking.integer("thinkingBudget", -1, 24_576)
    return None if budget == -1 else budget  # -1: the model's own budget


def build_response(request: ParsedRequest, outcome: CompletionSet) -> dict[str, Any]:
    """Return the response's JSON; a filtered prompt has no candidates."""
    thinking_tokens = sum(answer.thinking_tokens for answer in outcome.answers)
    usage = {
        "promptTokenCount": outcome.input_tokens,
        "candidatesTokenCount": outcome.output_tokens - thinking_tokens,
        "totalTokenCount": outcome.input_tokens + outcome.output_tokens,
        **({"thoughtsTokenCount": thinking_tokens} if thinking_tokens else {}),
    }
    error_body = {"usageMetadata": usage, "modelVersion": request.model.name, "responseId": outcome.identity}
    if all(answer.finish is FinishReason.FILTERED for answer in outcome.answers):
        return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, **error_body}
    candidates = [_candidate(request, answer, index) for index, answer in enumerate(outcome.answers)]
    return {"candidates": candidates, **error_body}


def _candidate(request: ParsedRequest, answer: SampledCompletion, index: int) -> dict[str, Any]:
    content: dict[str, Any] = {"role": "model"}
    if answer.text:
        content["parts"] = [{"text": answer.text}]
    candidate: dict[str, Any] = {
        "content": content,
        "finishReason": _FINISH_REASONS[answer.finish],
        "index": index,
    }
    if request.top_logprobs is not None and answer.tokens:
        total = sum(token.logprob for token in answer.tokens)
        candidate["avgLogprobs"] = total / len(answer.tokens)
        candidate["logprobsResult"] = {
            "chosenCandidates": [_entry(token.token, token.logprob) for token in answer.tokens],
            "topCandidates": [_top(token) for token in answer.tokens],
            "logProbabilitySum": total,
        }
    return candidate


def _top(token: TokenLogprobs) -> dict[str, Any]:
    return {"candidates": [_entry(text, logprob) for text, logprob in token.top]}


def _entry(text: str, logprob: float) -> dict[str, Any]:
    return {"token": text, "tokenId": sum(text.encode("utf-8", "replace")), "logProbability": logprob}


def build_error(rejection: RejectedError) -> tuple[int, dict[str, Any]]:
    """Return the status and Google's error object: a wrong key is a 400, a missing one a 403."""
    status, message = rejection.status, rejection.message
    details: list[dict[str, Any]] = []
    if rejection.kind == "authentication" and rejection.code:
        status, message = 400, "API key not valid. Please pass a valid API key."
        details = [
            {
                "@type": _RPC + "ErrorInfo",
                "reason": "API_KEY_INVALID",
                "domain": "googleapis.com",
                "metadata": {"service": "generativelanguage.googleapis.com"},
            }
        ]
    elif rejection.kind == "authentication":
        status = 403
        message = (
            "Method doesn't allow unregistered callers (callers without established identity). Please use "
            "API Key or other form of API consumer identity to call this API."
        )
    elif rejection.kind == "rate limit":
        message, details = _quota(rejection)
    elif rejection.param:
        violation = {"field": rejection.param.rstrip("."), "description": message}
        details = [{"@type": _RPC + "BadRequest", "fieldViolations": [violation]}]
    error_body: dict[str, Any] = {
        "code": status,
        "message": message,
        "status": _STATUSES.get(status, "UNKNOWN"),
    }
    return status, {"error": {**error_body, "details": details} if details else error_body}


def _quota(rejection: RejectedError) -> tuple[str, list[dict[str, Any]]]:
    """Return Google's 429 message and details, which mention plan and billing even for a limit per minute."""
    wait = rejection.retry_seconds or 0.0
    message = (
        "You exceeded your current quota, please check your plan and billing details. For more information "
        "on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.\n"
        "* Quota exceeded for metric: "
        f"generativelanguage.googleapis.com/generate_content_requests\nPlease retry in {wait:.9f}s."
    )
    violation = {
        "quotaMetric": "generativelanguage.googleapis.com/generate_content_requests",
        "quotaId": "GenerateRequestsPerMinutePerProjectPerModel",
    }
    return message, [
        {"@type": _RPC + "QuotaFailure", "violations": [violation]},
        {"@type": _RPC + "RetryInfo", "retryDelay": f"{wait:.3f}s"},
    ]


def limit_headers(standing: ModelLimitStatus, retry_seconds: float | None, now: datetime) -> dict[str, str]:
    """Return no headers: Google states the wait in the error's body, and nothing about what remains."""
    return {}


def build_model_list(names: list[str]) -> dict[str, Any]:
    """Return the response of `GET /v1beta/models`."""
    return {
        "models": [
            {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": ["generateContent"]}
            for name in names
        ]
    }
