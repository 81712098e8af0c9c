"""OpenAI's legacy completions (`POST /v1/completions`), as vLLM serves base models."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from agents.messages import Message
from harness.emulator.config import EmulatorConfig
from harness.emulator.protocols import openai_common as common
from harness.emulator.protocols.openai_common import (
    ID_HEADER,
    build_error,
    find_api_key,
    limit_headers,
    reject,
)
from harness.emulator.types import CompletionSet, ParsedRequest, SampledCompletion

__all__ = [
    "ID_HEADER",
    "NAME",
    "build_error",
    "build_response",
    "find_api_key",
    "limit_headers",
    "parse_request",
]

NAME: str = "openai-completions"
KNOWN = frozenset(
    [
        "best_of",
        "echo",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "max_tokens",
        "model",
        "n",
        "presence_penalty",
        "prompt",
        "seed",
        "stop",
        "stream",
        "stream_options",
        "suffix",
        "temperature",
        "top_p",
        "user",
    ]
)
DEFAULT_LIMIT = 16  # the real protocol's default


def parse_request(
    body: Any, path_model: str, headers: Mapping[str, str], options: EmulatorConfig
) -> ParsedRequest:
    """Parse a request's JSON, with one prompt per request."""
    fields = common.request_fields(body)
    model = common.find_model(fields, options)
    if not model.completions:
        raise reject(
            "This is a chat model and not supported in the v1/completions endpoint. Did you mean to use "
            "v1/chat/completions?",
            "model",
        )
    if model.provider == "openai":
        fields.reject_unknown(KNOWN, "Unknown parameter: '{}'.")
    common.reject_stream(fields)
    common.check_sampling(fields, model)
    prompts = fields.strings("prompt", 1, or_single=True)
    if not prompts:
        raise reject("Either prompt or prompt_embeds must be provided and non-empty.", "prompt")
    if fields.boolean("echo"):
        raise reject("the emulator does not echo", "echo")
    return ParsedRequest(
        model=model,
        messages=(Message("user", prompts[0]),),
        max_tokens=common.output_limit(fields.integer("max_tokens", 1), DEFAULT_LIMIT, options),
        top_logprobs=fields.integer("logprobs", 0, 20),
        choices=common.allowed_choices(fields, model),
        stop=fields.strings("stop", 16, or_single=True),
        samples=fields.integer("n", 1, 128) or 1,
    )


def build_response(request: ParsedRequest, outcome: CompletionSet) -> dict[str, Any]:
    """Return the response's JSON."""
    return {
        "id": f"cmpl-{outcome.identity}",
        "object": "text_completion",
        "created": common.CREATED,
        "model": request.model.name,
        "choices": [
            {
                "index": index,
                "text": answer.text,
                "logprobs": _logprobs(request, answer),
                "finish_reason": common.FINISH_REASONS[answer.finish],
                "stop_reason": answer.stopped_by or None,
            }
            for index, answer in enumerate(outcome.answers)
        ],
        "usage": common.usage(outcome),
    }


def _logprobs(request: ParsedRequest, answer: SampledCompletion) -> dict[str, Any] | None:
    if request.top_logprobs is None:
        return None
    lengths = [len(token.token) for token in answer.tokens]
    return {
        "tokens": [token.token for token in answer.tokens],
        "token_logprobs": [token.logprob for token in answer.tokens],
        "top_logprobs": [dict(token.top) for token in answer.tokens],
        "text_offset": list(accumulate([0, *lengths[:-1]])) if lengths else [],
    }
