"""A client for tests and trials: a function from messages to text."""

from __future__ import annotations

from collections.abc import Callable

from agents.clients.base import ModelRequest
from agents.messages import Completion, FinishReason, Message, Usage


class FunctionClient:
    """Answers with what `answer(messages)` says; usage is counted in words."""

    def __init__(self, answer: Callable[[tuple[Message, ...]], str]) -> None:
        self._answer = answer

    async def complete(self, call: ModelRequest) -> Completion:
        """The function's text."""
        text = self._answer(call.messages)
        said = sum(len(message.content.split()) for message in call.messages)
        return Completion(text, FinishReason.STOP, Usage(said, len(text.split())), model=call.model.name)

    async def close(self) -> None:
        """Nothing is held."""
