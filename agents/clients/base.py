"""One call to a model: its body as it is sent, and the key it is remembered by.

The key is the content id of everything that decides the answer: protocol, model and every message and
parameter (the canonical body itself, as it goes over the wire), the address where that is not the
provider's own, the sample index and the attempt. Retries of a failed call share its key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from agents.hashing import canonical, hash_bytes
from agents.messages import Completion, Message, Sampling
from agents.models.spec import Model
from agents.protocols import request_body


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One question to one model.

    Attributes:
        model: whom we ask, with what it accepts.
        messages: the conversation, rendered.
        sampling: as asked; what the model does not accept is left out of the body (and so of the key).
        sample: which repetition of the same question, from 0.
        attempt: 0; more only where an unreadable answer is asked again on purpose.
        read: a pure function from the answer to what is to be stored with it, in the same transaction
            (a `Judgment`, a `Response`); None where the answer alone is stored.
        body: the request's JSON in canonical form: what is sent, and what is hashed.
        key: `call-1:` and 40 hex digits.
    """

    model: Model
    messages: tuple[Message, ...]
    sampling: Sampling
    sample: int = 0
    attempt: int = 0
    read: Callable[[Completion, str], Any] | None = field(default=None, compare=False)
    body: bytes = field(init=False, repr=False, compare=False)
    key: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        model = self.model
        body = canonical(request_body(model, self.messages, self.sampling))
        head = canonical([model.protocol, model.name, model.identity, self.sample, self.attempt])
        object.__setattr__(self, "body", body)
        object.__setattr__(self, "key", hash_bytes("call-1", head + body))


class ModelClient(Protocol):
    """The one narrow seam to a model. Limiting, retrying and recording are clients that wrap a client."""

    async def complete(self, call: ModelRequest) -> Completion:
        """Ask once.

        Raises:
            CallError: there was no answer, and why.
            LaneStopped: the lane takes no more calls.
        """
        ...

    async def close(self) -> None:
        """Free what is held. Idempotent."""
        ...
