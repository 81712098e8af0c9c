"""Billed tokens from the token counts of a response, for providers that count thinking differently."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.messages import Usage


def token_count(value: Any) -> int | None:
    """Return a token count, ≥ 0; None if the value is not one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def billed_output(
    prompt: int | None, completion: int | None, reasoning: int | None, total: int | None
) -> int | None:
    """Return the largest number of output tokens, including thinking, that the stated counts allow.

    Some providers include thinking in `completion`, some only in `total`, and some state no total. The output
    is at least `total - prompt` and at least `completion`. If `reasoning` exceeds `completion`, it cannot be
    part of it, so both are added.
    """
    if completion is None and (total is None or prompt is None):
        return None
    candidates = [completion or 0]
    if total is not None and prompt is not None:
        candidates.append(total - prompt)
    if reasoning is not None and reasoning > (completion or 0):
        candidates.append((completion or 0) + reasoning)
    return max(candidates)


def openai_usage(answer: Mapping[str, Any]) -> Usage:
    """Return the token usage of an OpenAI-compatible response."""
    stated = answer.get("usage")
    if not isinstance(stated, Mapping):
        return Usage()
    details = stated.get("completion_tokens_details")
    reasoning = stated.get("reasoning_tokens")
    if isinstance(details, Mapping):
        reasoning = details.get("reasoning_tokens", reasoning)
    prompt = token_count(stated.get("prompt_tokens"))
    completion = token_count(stated.get("completion_tokens"))
    total = token_count(stated.get("total_tokens"))
    return Usage(prompt, billed_output(prompt, completion, token_count(reasoning), total))
