"""Parts of a whole answer, whatever the protocol: its texts, finish reasons, log-probabilities and usage.

Functions on the JSON that `protocols/` writes; each gives changed JSON and leaves what it was given alone.
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
    """The objects that hold a finish reason each: choices, candidates, or the message itself."""
    if protocol == ANTHROPIC:
        return [body]
    return list(body.get("candidates" if protocol == GEMINI else "choices") or ())


def with_answers(
    protocol: str, body: dict[str, Any], change: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """The JSON with every answer changed in place."""
    changed = deepcopy(body)
    for answer in answers_in(protocol, changed):
        change(answer)
    return changed


def text_in(protocol: str, answer: dict[str, Any]) -> str:
    """The text of an answer that `protocols/` wrote; "" where there is none."""
    if protocol == CHAT:
        return answer["message"]["content"] or ""
    if protocol == COMPLETIONS:
        return str(answer["text"])
    parts = answer["content"] if protocol == ANTHROPIC else answer["content"].get("parts") or ()
    return "".join(part["text"] for part in parts)


def set_text(protocol: str, answer: dict[str, Any], text: str) -> None:
    """Put another text in an answer."""
    if protocol == CHAT:
        answer["message"]["content"] = text
    elif protocol == COMPLETIONS:
        answer["text"] = text
    elif protocol == ANTHROPIC:
        answer["content"] = [{"type": "text", "text": text}]
    else:
        answer["content"]["parts"] = [{"text": text}]


def set_parts(protocol: str, answer: dict[str, Any], thought: str, texts: list[str]) -> None:
    """Put a text in parts in an answer, a thought before it; plain completions have none."""
    if protocol == CHAT:
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": thought}]}
        answer["message"]["content"] = [thinking, *({"type": "text", "text": text} for text in texts)]
    elif protocol == ANTHROPIC:
        thinking = {"type": "thinking", "thinking": thought, "signature": "EqoB"}
        answer["content"] = [thinking, *({"type": "text", "text": text} for text in texts)]
    else:
        answer["content"]["parts"] = [{"text": thought, "thought": True}, *({"text": text} for text in texts)]


def drop_logprobs(protocol: str, answer: dict[str, Any]) -> None:
    """Leave out log-probabilities where there are any."""
    if protocol == GEMINI:
        answer.pop("logprobsResult", None)
        answer.pop("avgLogprobs", None)
    elif "logprobs" in answer:
        answer["logprobs"] = None


def set_alternatives(protocol: str, answer: dict[str, Any], value: float | None) -> None:
    """Give every second alternative of every token a log-probability that is none."""
    if protocol == CHAT:
        for position in (answer.get("logprobs") or {}).get("content") or ():
            for top in position["top_logprobs"][1::2]:
                top["logprob"] = value
    elif protocol == COMPLETIONS:
        for tops in (answer.get("logprobs") or {}).get("top_logprobs") or ():
            tops.update(dict.fromkeys(list(tops)[1::2], value))
    else:
        for tops in (answer.get("logprobsResult") or {}).get("topCandidates") or ():
            for top in tops["candidates"][1::2]:
                top["logProbability"] = value


def add_thinking(protocol: str, body: dict[str, Any], tokens: int) -> dict[str, Any]:
    """The JSON with so many tokens of thinking beside the stated output, in the total alone."""
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
    """Count so many more output tokens, in place."""
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
    """The name of the object that holds the counts."""
    return "usageMetadata" if protocol == GEMINI else "usage"
