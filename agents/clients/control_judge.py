"""Client for control judges, which run in this process without a key, a network or a GPU."""

from __future__ import annotations

from agents.clients.base import ModelRequest
from agents.control_judges import rules
from agents.messages import Completion


class ControlClient:
    """Client that evaluates a control judge on its request (see `agents.control_judges.rules`)."""

    async def complete(self, call: ModelRequest) -> Completion:
        """Return the control judge's verdict."""
        return rules.answer(call.model, call.messages[0].content)

    async def close(self) -> None:
        """Do nothing; the client holds no resources."""
