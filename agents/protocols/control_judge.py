"""Request format of control judges, which is hashed and stored but never sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.messages import Completion, FinishReason, Message, Sampling, Usage
from agents.models.spec import Model


def path(model: Model) -> str:
    """Return "": control judges have no address."""
    return ""


def headers(key: str) -> dict[str, str]:
    """Return {}: control judges have no key."""
    return {}


def body(model: Model, messages: tuple[Message, ...], sampling: Sampling) -> dict[str, Any]:
    """Return the JSON of a request; its only message is the comparison's canonical JSON."""
    (message,) = messages
    return {"model": model.name, "comparison": message.content}


def is_error(answer: Mapping[str, Any]) -> bool:
    """Return False: control judges raise exceptions instead."""
    return False


def read(answer: Mapping[str, Any]) -> Completion:
    """Parse a completion such as `{"text": "1"}`; control judges use no tokens."""
    return Completion(answer["text"], FinishReason.STOP, Usage(0, 0))
