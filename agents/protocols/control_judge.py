"""The form in which a control judge is asked: never sent, but hashed and stored like any other request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.messages import Completion, FinishReason, Message, Sampling, Usage
from agents.models.spec import Model


def path(model: Model) -> str:
    """Control judges have no address."""
    return ""


def headers(key: str) -> dict[str, str]:
    """Control judges have no key."""
    return {}


def body(model: Model, messages: tuple[Message, ...], sampling: Sampling) -> dict[str, Any]:
    """The one message is the comparison's canonical JSON."""
    (message,) = messages
    return {"model": model.name, "comparison": message.content}


def is_error(answer: Mapping[str, Any]) -> bool:
    """A control judge fails with an exception of its own."""
    return False


def read(answer: Mapping[str, Any]) -> Completion:
    """`{"text": "1"}`; control judges cost nothing."""
    return Completion(answer["text"], FinishReason.STOP, Usage(0, 0))
