"""API protocols as pure functions: messages and sampling parameters → JSON, JSON → `Completion`.

Every protocol is a module with the functions of `ProtocolAdapter`. Sending and retrying is left to clients.
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
    """Interface of a protocol's module."""

    def path(self, model: Model) -> str:
        """Return the path below the model's base URL."""
        ...

    def headers(self, key: str) -> dict[str, str]:
        """Return the headers for a key."""
        ...

    def body(self, model: Model, messages: tuple[Message, ...], sampling: Sampling) -> dict[str, Any]:
        """Return the JSON of a request."""
        ...

    def is_error(self, answer: Mapping[str, Any]) -> bool:
        """Return whether the JSON of a 200 is an error instead of a completion."""
        ...

    def read(self, answer: Mapping[str, Any]) -> Completion:
        """Parse the JSON of a completion.

        Raises:
            CallError: the generation failed midway.
            KeyError, IndexError, TypeError, ValueError: the JSON does not follow the protocol.
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
    """Return the JSON of a request in the model's protocol, without parameters that it does not accept."""
    return FORMATS[model.protocol].body(model, messages, sampling)


def request_url(model: Model) -> str:
    """Return the URL for requests to a model."""
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
    """Parse the body of a response with status 200.

    Args:
        headers: headers of the response, case-insensitive.
        key: the API key, which is removed from error messages.
        now: reference time for dates in headers; the current time by default.
        sent: JSON of the request, to identify a rejected parameter.

    Raises:
        CallError: MALFORMED if the body is not JSON or does not follow the protocol; UNKNOWN_MODEL if it is
            a web page; BAD_REQUEST if it is an event stream; or the failure that the body states.
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
                f"{model.id}: {model.base_url} returned a web page instead of JSON. "
                f"Check the address.{address_hint(model)}",
                status=200,
            ) from error
        raise _malformed(model, f"not JSON ({error})", content, key) from error
    if isinstance(answer, dict) and FORMATS[model.protocol].is_error(answer):
        try:
            return parse_error_object(model, answer, headers, key, now or datetime.now(UTC), sent)
        except CallError as error:
            if error.failure is not Failure.MALFORMED:
                raise
            raise _malformed(model, f"not valid {model.protocol} JSON", content, key) from error
    return parse_completion(model, answer, content, key)


def parse_completion(model: Model, answer: Any, content: bytes = b"", key: str = "") -> Completion:
    """Parse the JSON of a completion.

    Args:
        content: the JSON as bytes, to quote in error messages.
        key: the API key, which is removed from error messages.

    Raises:
        CallError: MALFORMED if the JSON does not follow the protocol; SERVER if the generation failed.
    """
    try:
        completion = FORMATS[model.protocol].read(answer)
        _check(completion)
    except CallError as error:
        failed = CallError(error.failure, f"{model.id}: {error}", status=200, charged=error.charged)
        raise failed from error
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise _malformed(model, f"not valid {model.protocol} JSON", content, key) from error
    return completion


def _malformed(model: Model, what: str, content: bytes, key: str) -> CallError:
    """Return the error for a 200 that cannot be parsed, with the first characters of the body."""
    quoted = " ".join(content[:4000].decode("utf-8", "replace").split())
    shown = redact_secrets(quoted, key)[:QUOTED_CHARACTERS] or "nothing"
    message = f"{model.id}: the response from {model.base_url} is {what}: {shown}"
    return CallError(Failure.MALFORMED, message, status=200, charged=True)


def _stream(model: Model) -> CallError:
    adaptation = disable_streaming(model)
    """Return the error for a response that is an event stream."""
    message = f"{model.id}: {model.base_url} returned an event stream"
    if adaptation is None:
        failure = Failure.UNKNOWN_MODEL
        message += ", which is not supported. Use an address that returns a single JSON object."
    else:
        failure = Failure.BAD_REQUEST
        message += ". Set extra = { stream = false } to request a single JSON object."
    return CallError(failure, message, status=200, charged=True, adaptation=adaptation)


def _check(completion: Completion) -> None:
    """Raise TypeError if the text of a completion is not a string."""
    if not isinstance(completion.text, str):
        raise TypeError("the completion's text is not a string")
