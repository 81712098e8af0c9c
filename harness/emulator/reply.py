"""Draft of a reply, and the context that a fault may use to change it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from harness.emulator.seeded_random import Part, choice, uniform
from harness.emulator.types import RejectedError

Thing = TypeVar("Thing")
ErrorForm = Callable[[RejectedError], tuple[int, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class ReplyDraft:
    """Reply before it is sent.

    Attributes:
        status, headers, content_type: of the HTTP response.
        body: the JSON body; it may contain NaN, infinities and lone surrogates, which valid JSON cannot.
        input_tokens, output_tokens: billed tokens, ≥ 0.
        content: bytes sent instead of the JSON; None sends the JSON.
        is_answer: whether it settles the request, so that repeating the request is paid for twice.
    """

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    input_tokens: int = 0
    output_tokens: int = 0
    content_type: str = "application/json"
    content: bytes | None = None
    is_answer: bool = True

    @property
    def is_readable(self) -> bool:
        """Whether it is a completion in the protocol's JSON, which a further fault may change."""
        return self.status == 200 and self.content is None and self.is_answer

    def to_bytes(self) -> bytes:
        """Return the body as sent."""
        return json.dumps(self.body, separators=(",", ":")).encode() if self.content is None else self.content

    def refused(self, status: int, body: Any, **changes: Any) -> ReplyDraft:
        """Return an error instead: unbilled and not settling the request, unless `changes` says otherwise."""
        error = replace(self, status=status, body=body, input_tokens=0, output_tokens=0, is_answer=False)
        return replace(error, **changes)


@dataclass(frozen=True, slots=True)
class FaultContext:
    """Context of a fault.

    Attributes:
        protocol: name of the API protocol.
        request: the request's JSON.
        model: the model name.
        max_tokens: the request's output limit, or the model's own, ≥ 1.
        error: converts a rejection to the protocol's own form.
        draw: values that decide the fault's choices.
    """

    protocol: str
    request: Mapping[str, Any]
    model: str
    max_tokens: int
    error: ErrorForm
    draw: tuple[Part, ...]

    def choose(self, items: Sequence[Thing]) -> Thing:
        """Return one of the items."""
        return choice(items, *self.draw, "variant")

    def between(self, low: int, high: int) -> int:
        """Return an integer in [low, high)."""
        return low + int(uniform(*self.draw, "number") * (high - low))
