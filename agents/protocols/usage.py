"""Tokens that a provider bills for, from the counts it states, whatever it leaves out of which count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.messages import Usage


def token_count(value: Any) -> int | None:
    """A number of tokens, ≥ 0; None where `value` is none: an answer is not lost for want of its bill."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def billed_output(
    prompt: int | None, completion: int | None, reasoning: int | None, total: int | None
) -> int | None:
    """Output tokens, thinking included: the most that the stated counts allow for.

    Some providers count thinking within `completion`, some beside it (then it is in the total), some name no
    total. The output is at least total - prompt, and at least completion; reasoning that is larger than
    completion cannot be part of it, so both count.
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
    """The usage of an OpenAI-compatible answer."""
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
