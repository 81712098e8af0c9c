"""Access to the parts of a completion's JSON in any protocol: text, finish reason, log-probabilities, usage.

The functions work on the JSON that `protocols/` builds. Those that return JSON leave their argument
unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

CHAT, COMPLETIONS = "openai-chat", "openai-completions"
ANTHROPIC, GEMINI = "anthropic-messages", "gemini-generate"
PROTOCOLS = (CHAT, COMPLETIONS, ANTHROPIC, GEMINI)
FINISH_KEYS = {
    CHAT: "finish_reason",
    COMPLETIONS: "finish_reason",
    ANTHROPIC: "stop_reason",
    GEMINI: "finishReason",
}
LENGTH = {CHAT: "length", COMPLETIONS: "length", ANTHROPIC: "max_tokens", GEMINI: "MAX_TOKENS"}


def answers_in(protocol: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the objects that contain a finish reason: choices, candidates, or the message itself."""
    if protocol == ANTHROPIC:
        return [body]
    return list(body.get("candidates" if protocol == GEMINI else "choices") or ())


def with_answers(
    protocol: str, body: dict[str, Any], change: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Return a copy of the JSON in which `change` was applied to every completion."""
    changed = deepcopy(body)
    for answer in answers_in(protocol, changed):
        change(answer)
    return changed


def text_in(protocol: str, answer: dict[str, Any]) -> str:
    """Return the text of a completion; "" if there is none."""
    if protocol == CHAT:
        return answer["message"]["content"] or ""
    if protocol == COMPLETIONS:
        return str(answer["text"])
    parts = answer["content"] if protocol == ANTHROPIC else answer["content"].get("parts") or ()
    return "".join(part["text"] for part in parts)


def set_text(protocol: str, answer: dict[str, Any], text: str) -> None:
    """Replace the text of a completion."""
    if protocol == CHAT:
        answer["message"]["content"] = text
    elif protocol == COMPLETIONS:
        answer["text"] = text
    elif protocol == ANTHROPIC:
        answer["content"] = [{"type": "text", "text": text}]
    else:
        answer["content"]["parts"] = [{"text": text}]


def set_parts(protocol: str, answer: dict[str, Any], thought: str, texts: list[str]) -> None:
    """Set the content of a completion to a thought and a text in parts (plain completions have no parts)."""
    part: dict[str, Any]
    if protocol == CHAT:
        part = {"type": "thinking", "thinking": [{"type": "text", "text": thought}]}
        answer["message"]["content"] = [part, *({"type": "text", "text": text} for text in texts)]
    elif protocol == ANTHROPIC:
        part = {"type": "thinking", "thinking": thought, "signature": "EqoB"}
        answer["content"] = [part, *({"type": "text", "text": text} for text in texts)]
    else:
        answer["content"]["parts"] = [
            {"text": thought, "thought": True},
            *({"text": text} for text in texts),
        ]


def drop_logprobs(protocol: str, answer: dict[str, Any]) -> None:
    """Remove the log-probabilities, if any."""
    if protocol == GEMINI:
        answer.pop("logprobsResult", None)
        answer.pop("avgLogprobs", None)
    elif "logprobs" in answer:
        answer["logprobs"] = None


def set_alternatives(protocol: str, answer: dict[str, Any], value: float | None) -> None:
    """Set the log-probability of every second alternative of every token to an invalid value."""
    if protocol == CHAT:
        for position in (answer.get("logprobs") or {}).get("content") or ():
            for top in position["top_logprobs"][1::2]:
                top["logprob"] = value
    elif protocol == COMPLETIONS:
        for alternatives in (answer.get("logprobs") or {}).get("top_logprobs") or ():
            alternatives.update(dict.fromkeys(list(alternatives)[1::2], value))
    else:
        for alternatives in (answer.get("logprobsResult") or {}).get("topCandidates") or ():
            for top in alternatives["candidates"][1::2]:
                top["logProbability"] = value


def add_thinking(protocol: str, body: dict[str, Any], tokens: int) -> dict[str, Any]:
    """Return a copy of the JSON with additional thinking tokens in the total only."""
    changed = deepcopy(body)
    if protocol == GEMINI:
        usage = changed["usageMetadata"]
        usage["thoughtsTokenCount"] = usage.get("thoughtsTokenCount", 0) + tokens
        usage["totalTokenCount"] += tokens
    elif protocol == ANTHROPIC:
        changed["usage"]["output_tokens"] += tokens
    else:
        usage = changed["usage"]
        usage["total_tokens"] += tokens
        usage["completion_tokens_details"]["reasoning_tokens"] += tokens
    return changed


def add_output(protocol: str, body: dict[str, Any], tokens: int) -> None:
    """Increase the number of output tokens, in place."""
    if protocol == GEMINI:
        usage = body["usageMetadata"]
        usage["candidatesTokenCount"] += tokens
        usage["totalTokenCount"] += tokens
    elif protocol == ANTHROPIC:
        body["usage"]["output_tokens"] += tokens
    else:
        body["usage"]["completion_tokens"] += tokens
        body["usage"]["total_tokens"] += tokens


def usage_key(protocol: str) -> str:
    """Return the name of the object that contains the token counts."""
    return "usageMetadata" if protocol == GEMINI else "usage"
