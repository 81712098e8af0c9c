"""A reply before it is sent, and what a fault may know of the request that it answers. Pure values."""

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
    """What a server sends.

    Attributes:
        status, headers, content_type: HTTP's.
        body: the JSON; it may hold NaN, infinities and half characters, which JSON proper has not.
        input_tokens, output_tokens: what is billed for it, ≥ 0.
        content: sent instead of the JSON; None sends the JSON.
        is_answer: whether it settles the request: asked again, it is paid for twice.
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
        """Whether it is an answer in the protocol's JSON, which a further fault may change."""
        return self.status == 200 and self.content is None and self.is_answer

    def to_bytes(self) -> bytes:
        """The body as it is sent."""
        return json.dumps(self.body, separators=(",", ":")).encode() if self.content is None else self.content

    def refused(self, status: int, body: Any, **changed: Any) -> ReplyDraft:
        """An error in its place: unless `changed` says otherwise, unbilled, and it settles nothing."""
        error = replace(self, status=status, body=body, input_tokens=0, output_tokens=0, is_answer=False)
        return replace(error, **changed)


@dataclass(frozen=True, slots=True)
class FaultContext:
    """What a fault may know.

    Attributes:
        protocol: the name of the wire format.
        request: the request's JSON.
        model: the model's name.
        max_tokens: the output limit that the request states, or the model's own, ≥ 1.
        error: a rejection in the protocol's own form.
        draw: what decides the fault's choices.
    """

    protocol: str
    request: Mapping[str, Any]
    model: str
    max_tokens: int
    error: ErrorForm
    draw: tuple[Part, ...]

    def choose(self, things: Sequence[Thing]) -> Thing:
        """One of `things`."""
        return choice(things, *self.draw, "variant")

    def between(self, low: int, high: int) -> int:
        """A whole number in [low, high)."""
        return low + int(uniform(*self.draw, "number") * (high - low))
