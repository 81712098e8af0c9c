"""The wire formats as pure functions: messages and sampling → JSON; JSON → `Completion`.

One module a protocol, each with `path`, `headers`, `body` and `read`. Nothing here sends anything, holds a
key longer than a call, or knows how often a call may be tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol, cast

from agents.errors import CallError, Failure
from agents.messages import Completion, Message, Sampling
from agents.models.spec import ApiProtocol, Model
from agents.protocols import (
    anthropic_messages,
    control_judge,
    gemini_generate,
    openai_chat,
    openai_completions,
)
from agents.protocols.adaptation import disable_streaming
from agents.protocols.error_mapping import address_hint, parse_error_object, redact_secrets
from agents.protocols.tolerant_json import load_json

QUOTED_CHARACTERS = 200


class ProtocolAdapter(Protocol):
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

    def is_error(self, answer: Mapping[str, Any]) -> bool:
        """Whether the JSON of a 200 tells of an error instead of an answer."""
        ...

    def read(self, answer: Mapping[str, Any]) -> Completion:
        """The answer's JSON, read; KeyError, IndexError, TypeError or ValueError where it is another.

        Raises:
            CallError: the generation failed midway.
        """
        ...


FORMATS = cast(
    dict[ApiProtocol, ProtocolAdapter],
    {
        ApiProtocol.OPENAI_CHAT: openai_chat,
        ApiProtocol.OPENAI_COMPLETIONS: openai_completions,
        ApiProtocol.ANTHROPIC_MESSAGES: anthropic_messages,
        ApiProtocol.GEMINI_GENERATE: gemini_generate,
        ApiProtocol.CONTROL: control_judge,
    },
)


def request_body(model: Model, messages: tuple[Message, ...], sampling: Sampling) -> dict[str, Any]:
    """The request's JSON in the model's protocol; parameters it does not accept are left out."""
    return FORMATS[model.protocol].body(model, messages, sampling)


def request_url(model: Model) -> str:
    """Where the model is asked."""
    return model.base_url + FORMATS[model.protocol].path(model)


def parse_response(
    model: Model,
    content: bytes,
    headers: Mapping[str, str],
    *,
    key: str = "",
    now: datetime | None = None,
    sent: bytes = b"",
) -> Completion:
    """The body of a 200, read.

    Args:
        headers: of the answer, looked up without regard to case.
        key: struck out of every message.
        now: the time that dates in headers are counted from; the present by default.
        sent: the request's JSON, to find the parameter that was refused.

    Raises:
        CallError: MALFORMED, where it is not JSON or not what the protocol says; UNKNOWN_MODEL, where it is a
            web page; BAD_REQUEST, where it is a stream of events; or the error that the body tells of.
    """
    content_type = headers.get("content-type") or headers.get("Content-Type") or ""
    if "event-stream" in content_type or content.lstrip()[:6] in (b"data: ", b"event:"):
        raise _stream(model)
    try:
        answer = load_json(content)
    except ValueError as error:
        if "html" in content_type or content.lstrip()[:1] == b"<":
            raise CallError(
                Failure.UNKNOWN_MODEL,
                f"{model.id}: {model.base_url} answers a web page, not the API. "
                f"Is the address right?{address_hint(model)}",
                status=200,
            ) from error
        raise _malformed(model, f"no JSON ({error})", content, key) from error
    if isinstance(answer, dict) and FORMATS[model.protocol].is_error(answer):
        try:
            return parse_error_object(model, answer, headers, key, now or datetime.now(UTC), sent)
        except CallError as error:
            if error.failure is not Failure.MALFORMED:
                raise
            raise _malformed(model, f"JSON of another form than {model.protocol}'s", content, key) from error
    return parse_completion(model, answer, content, key)


def parse_completion(model: Model, answer: Any, content: bytes = b"", key: str = "") -> Completion:
    """The answer's JSON, read.

    Args:
        content: the same as bytes, to quote from.

    Raises:
        CallError: MALFORMED, where it is not what the protocol says; SERVER, where it broke off.
    """
    try:
        completion = FORMATS[model.protocol].read(answer)
        _check(completion)
    except CallError as error:
        failed = CallError(error.failure, f"{model.id}: {error}", status=200, charged=error.charged)
        raise failed from error
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise _malformed(model, f"JSON of another form than {model.protocol}'s", content, key) from error
    return completion


def _malformed(model: Model, what: str, content: bytes, key: str) -> CallError:
    """A 200 that cannot be read, with its first characters."""
    quoted = " ".join(content[:4000].decode("utf-8", "replace").split())
    shown = redact_secrets(quoted, key)[:QUOTED_CHARACTERS] or "nothing"
    words = f"{model.id}: the answer from {model.base_url} is {what}: {shown}"
    return CallError(Failure.MALFORMED, words, status=200, charged=True)


def _stream(model: Model) -> CallError:
    adaptation = disable_streaming(model)
    message = f"{model.id}: {model.base_url} answers with a stream of events"
    if adaptation is None:
        failure = Failure.UNKNOWN_MODEL
        message += ", which is not read here. Use an address that answers with one JSON object."
    else:
        failure = Failure.BAD_REQUEST
        message += "; with extra = { stream = false } it is asked for one answer."
    return CallError(failure, message, status=200, charged=True, adaptation=adaptation)


def _check(completion: Completion) -> None:
    """Check the types of what was read: JSON does not."""
    if not isinstance(completion.text, str):
        raise TypeError("the text is no text")
