"""Requests to models, with their bodies and keys, and the interface of model clients.

The key is the content id of everything that determines the completion: protocol, model, messages and
parameters (the canonical body as it is sent), the address if it is not the provider's own, the sample index
and the attempt. Retries of a failed request have the same key.
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
    """Request to one model.

    Attributes:
        model: the model.
        messages: the rendered conversation.
        sampling: the sampling parameters; those that the model does not accept are not part of the body.
        sample: index of the repetition of the same request, from 0.
        attempt: 0; higher if an unusable completion is requested again on purpose.
        read: pure function from the completion and the request key to the value that is stored with it, in
            the same transaction (a `Judgment` or a `Generation`); None to store only the completion.
        body: canonical JSON of the request, which is sent and hashed.
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
    """Interface of a model client; rate limiting, retrying and recording clients wrap another client."""

    async def complete(self, call: ModelRequest) -> Completion:
        """Ask once.

        Raises:
            CallError: there was no answer; carries the reason.
            EndpointDisabled: the endpoint accepts no more requests.
        """
        ...

    async def close(self) -> None:
        """Free what is held. Idempotent."""
        ...
