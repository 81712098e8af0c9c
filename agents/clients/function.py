"""Client that calls a Python function, for tests and experiments."""

from __future__ import annotations

from collections.abc import Callable

from agents.clients.base import ModelRequest
from agents.messages import Completion, FinishReason, Message, Usage


class FunctionClient:
    """Client whose completions are the results of `answer(messages)`; usage is counted in words."""

    def __init__(self, answer: Callable[[tuple[Message, ...]], str]) -> None:
        self._answer = answer

    async def complete(self, call: ModelRequest) -> Completion:
        """Return the function's text as a completion."""
        text = self._answer(call.messages)
        input_words = sum(len(message.content.split()) for message in call.messages)
        return Completion(
            text, FinishReason.STOP, Usage(input_words, len(text.split())), model=call.model.name
        )

    async def close(self) -> None:
        """Do nothing; the client holds no resources."""
