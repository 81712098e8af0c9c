"""The wire formats as pure functions: messages and sampling → JSON; JSON → `Completion`.

One module a protocol, each with `path`, `headers`, `body` and `read`. Nothing here sends anything, holds a
key longer than a call, or knows how often a call may be tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast

import orjson

from agents.errors import CallError, Failure
from agents.messages import Completion, Message, Sampling
from agents.models import Model, WireProtocol
from agents.wire import anthropic_messages, control, gemini_generate, openai_chat, openai_completions


class WireFormat(Protocol):
    """What each protocol's module offers."""

    def path(self, model: Model) -> str:
        """The path below the model's base URL."""
        ...

    def headers(self, key: str) -> dict[str, str]:
        """The headers that carry the key."""
        ...

    def body(self, model: Model, messages: tuple[Message, ...], sampling: Sampling) -> dict[str, Any]:
        """The request's JSON."""
        ...

    def read(self, answer: Mapping[str, Any]) -> Completion:
        """The answer's JSON, read; KeyError, IndexError, TypeError or ValueError where it is another."""
        ...


FORMATS = cast(
    dict[WireProtocol, WireFormat],
    {
        WireProtocol.OPENAI_CHAT: openai_chat,
        WireProtocol.OPENAI_COMPLETIONS: openai_completions,
        WireProtocol.ANTHROPIC_MESSAGES: anthropic_messages,
        WireProtocol.GEMINI_GENERATE: gemini_generate,
        WireProtocol.CONTROL: control,
    },
)


def body_of(model: Model, messages: tuple[Message, ...], sampling: Sampling) -> dict[str, Any]:
    """The request's JSON in the model's protocol; parameters it does not accept are left out."""
    return FORMATS[model.protocol].body(model, messages, sampling)


def url_of(model: Model) -> str:
    """Where the model is asked."""
    return model.base_url + FORMATS[model.protocol].path(model)


def read_content(model: Model, content: bytes, content_type: str) -> Completion:
    """The body of a 200, read.

    Raises:
        CallError: MALFORMED, where it is not JSON or not what the protocol says; UNKNOWN_MODEL, where it is
            a web page: the address is not that of an API.
    """
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        if "html" in content_type or content.lstrip()[:1] == b"<":
            raise CallError(
                Failure.UNKNOWN_MODEL,
                f"{model.id}: {model.base_url} answers a web page, not the API. Is the address right?",
                status=200,
            ) from error
        raise CallError(
            Failure.MALFORMED, f"{model.id}: the answer is not JSON ({error}).", status=200, charged=True
        ) from error
    return read_answer(model, answer)


def read_answer(model: Model, answer: Any) -> Completion:
    """The answer's JSON, read.

    Raises:
        CallError: MALFORMED, where it is not what the protocol says.
    """
    try:
        completion = FORMATS[model.protocol].read(answer)
        _check(completion)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise CallError(
            Failure.MALFORMED,
            f"{model.id} answered JSON that is not {model.protocol}'s ({type(error).__name__}: {error})",
            status=200,
            charged=True,
        ) from error
    return completion


_NUMBER = (int, float)


def _check(completion: Completion) -> None:
    """JSON has no types of its own: what is no text and no number must not go on as if it were."""
    if not isinstance(completion.text, str):
        raise TypeError("the text is no text")
    for token in completion.logprobs:
        for text, logprob in ((token.token, token.logprob), *token.top):
            if not isinstance(text, str) or not isinstance(logprob, _NUMBER):
                raise TypeError("a log-probability is none")
