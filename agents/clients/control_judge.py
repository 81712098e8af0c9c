"""Control judges as a client: they answer in this process, without a key, a network or a GPU."""

from __future__ import annotations

from agents.clients.base import ModelRequest
from agents.control_judges import rules
from agents.messages import Completion


class ControlClient:
    """Answers a control judge's one message (see `agents.control_judges.rules`)."""

    async def complete(self, call: ModelRequest) -> Completion:
        """The control judge's verdict."""
        return rules.answer(call.model, call.messages[0].content)

    async def close(self) -> None:
        """Nothing is held."""
