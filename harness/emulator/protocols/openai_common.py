"""Parts shared by OpenAI's chat completions and plain completions, with OpenAI's messages and vLLM's
behaviour.

Models of provider `vllm` ignore unknown keys, as vLLM does, and accept `structured_outputs`; models of
provider `openai` reject both, as OpenAI does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from agents.messages import FinishReason
from harness.emulator.config import EmulatorConfig
from harness.emulator.models import EmulatedModel
from harness.emulator.protocols.request_parser import RequestFields
from harness.emulator.rate_limits import LimitStatus, ModelLimitStatus
from harness.emulator.seeded_random import uniform
from harness.emulator.types import CompletionSet, RejectedError

ID_HEADER: str = "x-request-id"
CREATED = 1_700_000_000  # constant, because a response must not depend on the clock
SAMPLING = ("temperature", "top_p", "frequency_penalty", "presence_penalty")
FINISH_REASONS = {
    FinishReason.STOP: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.FILTERED: "content_filter",
    FinishReason.REFUSAL: "stop",
}
_TYPES = {
    "authentication": "invalid_request_error",
    "unknown model": "invalid_request_error",
    "unknown path": "invalid_request_error",
    "bad request": "invalid_request_error",
    "too large": "invalid_request_error",
    "rate limit": "requests",
    "server": "server_error",
}


def find_api_key(headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    """Return the bearer token, or ""."""
    return headers.get("Authorization", "").removeprefix("Bearer ").strip()


def reject(message: str, param: str = "", code: str = "") -> RejectedError:
    """Return a 400 in OpenAI's words."""
    return RejectedError(400, "bad request", message, param=param, code=code)


def request_fields(body: Any) -> RequestFields:
    """Return the request's top-level object."""
    if not isinstance(body, dict):
        raise reject("We could not parse the JSON body of your request.")
    return RequestFields(body, reject)


def find_model(fields: RequestFields, options: EmulatorConfig) -> EmulatedModel:
    """Return the requested model; raise a 404 if this server does not have it."""
    name = fields.text("model")
    if not name:
        raise reject("you must provide a model parameter")
    model = options.model(name)
    if model is None or model.provider not in ("openai", "vllm"):
        raise RejectedError(
            404,
            "unknown model",
            f"The model `{name}` does not exist or you do not have access to it.",
            code="model_not_found",
        )
    return model


def reject_stream(fields: RequestFields) -> None:
    """Reject streaming, which the emulator does not support."""
    if fields.boolean("stream"):
        raise reject("the emulator does not stream", "stream", "unsupported_value")


def check_sampling(fields: RequestFields, model: EmulatedModel) -> None:
    """Check the ranges of the sampling parameters, and reject them for models that accept none."""
    for key, low, high in (
        ("temperature", 0.0, 2.0),
        ("top_p", 0.0, 1.0),
        ("frequency_penalty", -2.0, 2.0),
        ("presence_penalty", -2.0, 2.0),
    ):
        value = fields.number(key, low, high)
        neutral = 1.0 if key in ("temperature", "top_p") else 0.0
        if value is not None and not model.sampling and value != neutral:
            raise reject(
                f"Unsupported value: '{key}' does not support {value:g} with this model. Only the default "
                f"({neutral:g}) value is supported.",
                key,
                "unsupported_value",
            )
    fields.integer("seed", -(2**63), 2**63 - 1)


def allowed_choices(fields: RequestFields, model: EmulatedModel) -> tuple[str, ...]:
    """Return vLLM's `structured_outputs: {"choice": […]}`; () if absent."""
    constraint = fields.object("structured_outputs") if model.provider == "vllm" else None
    if constraint is None:
        return ()
    if set(constraint.content) != {"choice"}:
        raise reject("the emulator knows structured_outputs of kind choice only", "structured_outputs")
    choices = constraint.strings("choice", 100)
    if not choices:
        raise reject("structured_outputs.choice must not be empty", "structured_outputs")
    return choices


def output_limit(requested: int | None, default: int, options: EmulatorConfig) -> int:
    """Return the requested output limit, or the model's `default`; raise a 400 above the maximum."""
    if requested is not None and requested > options.max_output_tokens:
        raise reject(
            f"max_tokens is too large: {requested}. This model supports at most {options.max_output_tokens} "
            f"completion tokens, whereas you provided {requested}.",
            "max_tokens",
            "invalid_value",
        )
    return default if requested is None else requested


def usage(outcome: CompletionSet) -> dict[str, Any]:
    """Return the usage object, including thinking tokens."""
    thinking_tokens = sum(answer.thinking_tokens for answer in outcome.answers)
    return {
        "prompt_tokens": outcome.input_tokens,
        "completion_tokens": outcome.output_tokens,
        "total_tokens": outcome.input_tokens + outcome.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": thinking_tokens, "audio_tokens": 0},
    }


def build_error(rejection: RejectedError) -> tuple[int, dict[str, Any]]:
    """Return the status and OpenAI's error object."""
    code = rejection.code or None
    if rejection.kind == "rate limit":
        code = "rate_limit_exceeded"
    error_body = {
        "message": rejection.message,
        "type": rejection.details.get("type", _TYPES[rejection.kind]),
        "param": rejection.param or None,
        "code": code,
    }
    return rejection.status, {"error": error_body}


def limit_headers(status: ModelLimitStatus, retry_seconds: float | None, now: datetime) -> dict[str, str]:
    """Return `x-ratelimit-*` headers; after a 429 also `retry-after` in whole seconds, sometimes with
    `retry-after-ms`.
    """
    headers: dict[str, str] = {}
    for name, gauge in (("requests", status.requests), ("tokens", status.tokens)):
        if gauge is not None:
            headers |= _gauge_headers(name, gauge)
    if retry_seconds is not None:
        headers["retry-after"] = str(max(1, math.ceil(retry_seconds)))
        if uniform("retry-after-ms", repr(retry_seconds)) < 0.5:
            headers["retry-after-ms"] = str(math.ceil(retry_seconds * 1000))
    return headers


def _gauge_headers(name: str, gauge: LimitStatus) -> dict[str, str]:
    return {
        f"x-ratelimit-limit-{name}": f"{gauge.limit:g}" if gauge.limit < 1e5 else f"{gauge.limit:.0f}",
        f"x-ratelimit-remaining-{name}": f"{gauge.remaining:.0f}",
        f"x-ratelimit-reset-{name}": duration(gauge.reset_seconds),
    }


def duration(seconds: float) -> str:
    """Format a duration as OpenAI does.

    >>> duration(0.012), duration(1), duration(2.5), duration(360)
    ('12ms', '1s', '2.5s', '6m0s')
    """
    if seconds < 1.0:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(seconds, 60.0)
    hours, minutes = divmod(int(minutes), 60)
    head = (f"{hours}h" if hours else "") + (f"{minutes}m" if minutes or hours else "")
    return f"{head}{round(rest, 3):g}s"
