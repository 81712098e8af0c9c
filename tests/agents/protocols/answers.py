"""Smallest response bodies of every protocol, and their parsing."""

from __future__ import annotations

from typing import Any

from agents.messages import Completion
from agents.models.spec import ApiProtocol, Model
from agents.protocols import parse_completion

CHAT, PLAIN = ApiProtocol.OPENAI_CHAT, ApiProtocol.OPENAI_COMPLETIONS
CLAUDE, GEMINI = ApiProtocol.ANTHROPIC_MESSAGES, ApiProtocol.GEMINI_GENERATE
NO_ANSWERS: list[Any] = [None, [], {}, "1", 1, {"object": "error"}]
SENT = [CHAT, PLAIN, CLAUDE, GEMINI]


def model(protocol: ApiProtocol) -> Model:
    return Model("p", "m", protocol, base_url="http://h/v1")


def read(protocol: ApiProtocol, answer: Any) -> Completion:
    return parse_completion(model(protocol), answer)


def chat(
    message: dict[str, Any] | None = None, finish: str | None = "stop", **further: Any
) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **(message or {})}, "finish_reason": finish}
    return {"choices": [{**choice, **further}]}


def plain(text: str | None, finish: str | None = "stop", **further: Any) -> dict[str, Any]:
    return {"choices": [{"text": text, "finish_reason": finish, **further}]}


def claude(*texts: str, stop: str | None = "end_turn", **further: Any) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text} for text in texts], "stop_reason": stop, **further}


def gemini(*texts: str, finish: str = "STOP", **further: Any) -> dict[str, Any]:
    content = {"role": "model", "parts": [{"text": text} for text in texts]}
    return {"candidates": [{"content": content, "finishReason": finish, **further}]}
