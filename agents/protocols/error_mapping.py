"""Mapping of error responses to an empty completion or a `CallError`.

A filtered prompt and a reached output limit are completions; everything else is an error. The body takes
precedence over the HTTP status. Messages quote the provider's text, shortened and without keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.errors import CallError, Failure
from agents.messages import Completion, FinishReason, Usage
from agents.models.spec import ApiProtocol, Model
from agents.protocols import error_patterns as patterns
from agents.protocols.adaptation import suggest_adaptation
from agents.protocols.rate_limit_headers import retry_after_seconds
from agents.protocols.tolerant_json import load_json

LONGEST_MESSAGE = 300
_LIKE_A_KEY = re.compile(r"\b(?:(?:sk|pk|rk|gsk|hf|xai|nvapi)[-_]|AIza|Bearer )[A-Za-z0-9*_.\-]{8,}")
_ECHOES = frozenset(
    [
        "flagged_input",
        "input",
        "inputs",
        "prompt",
        "messages",
        "contents",
        "content_filter_results",
        "ctx",
        "url",
        "documentation_url",
    ]
)  # keys under which an error repeats the request or lists the checked categories
_CODES = ("code", "type", "status", "reason", "param", "error_code", "err_code", "quotaId", "quotaMetric")
_UNAVAILABLE = {502, 503, 504, 520, 521, 522, 523, 524, 529, 530}
_MAYBE_CHARGED = {504, 524}  # a gateway timed out during a generation
_WAITS = {408, 409, 425, 429}
_BY_TYPE = {
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "resource_exhausted": 429,
    "too_many_requests": 429,
    "overloaded_error": 529,
    "service_unavailable": 503,
    "unavailable": 503,
    "timeout_error": 504,
    "api_error": 500,
    "internal_server_error": 500,
    "server_error": 500,
    "invalid_request_error": 400,
}


def redact_secrets(text: str, key: str = "") -> str:
    """Replace the key, and anything that looks like a key, by `***`."""
    if key:
        text = text.replace(key, "***")
    return _LIKE_A_KEY.sub("***", text)


def strip_markup(content: bytes) -> str:
    """Return the text of an HTML error page."""
    text = re.sub(r"<[^>]*>", " ", content[:4000].decode("utf-8", "replace"))
    return " ".join(text.split())


def parse_error_response(
    model: Model,
    status: int,
    headers: Mapping[str, str],
    content: bytes,
    key: str,
    now: datetime,
    sent: bytes = b"",
) -> Completion:
    """Return the empty completion that an error response means: filtered, or truncated before any text.

    Args:
        status: HTTP status other than 200.
        headers: headers of the response, case-insensitive.
        content: body of the response.
        key: the API key, which is removed from error messages.
        now: reference time for dates in headers.
        sent: JSON of the request, to identify a rejected parameter.

    Raises:
        CallError: the response is an error.
    """
    if key:
        content = content.replace(key.encode(), b"***")
    try:
        body = load_json(content)
    except ValueError:
        body = None
    response = _ErrorResponse.parse(status, body, content)
    return _answer_or_error(model, response, headers, key, now, sent)


def parse_error_object(
    model: Model,
    body: Mapping[str, Any],
    headers: Mapping[str, str],
    key: str,
    now: datetime,
    sent: bytes = b"",
) -> Completion:
    """Return the empty completion that an error object in a 200 means; see `parse_error_response`.

    Raises:
        CallError: the body is an error; MALFORMED if its kind is unknown.
    """
    return _answer_or_error(model, _ErrorResponse.parse(200, body, b""), headers, key, now, sent)


@dataclass(frozen=True, slots=True)
class _ErrorResponse:
    """Parsed error response.

    Attributes:
        stated: the HTTP status.
        status: the status that counts; the body may state another than the HTTP status.
        message: the human-readable text.
        codes: the machine-readable codes.
        parameter: the parameter that the error names, or "".
        body: the JSON, or None.
    """

    stated: int
    status: int
    message: str
    codes: str
    parameter: str
    body: Any

    @classmethod
    def parse(cls, status: int, body: Any, content: bytes) -> _ErrorResponse:
        body = body[0] if isinstance(body, list) and body else body  # Gemini wraps some errors in a list
        errors = list(_errors_in(body))
        message = _joined(_words_in(error) for error in errors) if errors else strip_markup(content)
        codes = _joined(str(value) for value in _codes_in(body))
        parameter = next((str(each["param"]) for each in errors if each.get("param")), "")
        return cls(status, _effective(status, errors), message, codes, parameter, body)

    @property
    def everything(self) -> str:
        """Message and codes, without the parts of the request that the error repeats."""
        return f"{self.message} {self.codes}"


def _errors_in(body: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the error objects of a body, outermost first, including those that a router nests as text."""
    if not isinstance(body, Mapping):
        return
    error = body.get("error")
    if isinstance(error, Mapping):
        yield error
        metadata = error.get("metadata")
        if isinstance(metadata, Mapping):
            yield metadata
            yield from _errors_in(_parsed(metadata.get("raw")))
        if isinstance(error.get("innererror"), Mapping):
            yield error["innererror"]
        if isinstance(error.get("error"), Mapping):
            yield from _errors_in(error)
    elif isinstance(error, str) and error:
        nested = _parsed(error)
        if isinstance(nested, Mapping):
            yield from _errors_in({"error": nested.get("error", nested)})
        else:
            yield {"message": error}
    else:
        yield body


def _parsed(value: Any) -> Any:
    if not isinstance(value, str) or not value.lstrip().startswith("{"):
        return value
    try:
        return load_json(value.encode("utf-8", "replace"))
    except ValueError:
        return None


def _words_in(error: Mapping[str, Any]) -> str:
    """Return the human-readable text of an error object."""
    words = [
        error[name] for name in ("message", "msg", "raw", "error_msg") if isinstance(error.get(name), str)
    ]
    detail = error.get("detail")
    if isinstance(detail, str):
        words.append(detail)
    elif isinstance(detail, list):  # FastAPI
        words += [
            f"{'.'.join(map(str, each.get('loc') or ()))}: {each.get('msg')}"
            for each in detail
            if isinstance(each, Mapping)
        ]
    reasons = error.get("reasons")
    if isinstance(reasons, list) and reasons:
        words.append(f"Flagged for {', '.join(map(str, reasons))}.")
    return _joined(strip_markup(each.encode()) if each.lstrip().startswith("<") else each for each in words)


def _joined(parts: Iterator[str]) -> str:
    """Join the parts that are not blank, without duplicates."""
    return " ".join(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _codes_in(body: Any, depth: int = 0) -> Iterator[Any]:
    """Yield the codes at any depth of a body, except in parts that repeat the request."""
    if depth > 6:
        return
    if isinstance(body, Mapping):
        for name, value in body.items():
            if name in _CODES and isinstance(value, str | int) and not isinstance(value, bool):
                yield value
            elif str(name).lower() == "@type":
                yield str(value).rsplit(".", 1)[-1]
            elif name not in _ECHOES:
                yield from _codes_in(value, depth + 1)
    elif isinstance(body, list):
        for value in body[:20]:
            yield from _codes_in(value, depth + 1)


def _effective(status: int, errors: list[Mapping[str, Any]]) -> int:
    """Return the status that the body states if the HTTP status is unspecific, else the HTTP status."""
    if status not in (200, 400, 500, 502):
        return status
    for error in errors:
        for name in ("code", "status", "status_code", "type"):
            value = error.get(name)
            if isinstance(value, str):
                value = int(value) if value.isdigit() else _BY_TYPE.get(value.lower())
            if isinstance(value, int) and 400 <= value < 600:
                return value if status in (200, 500, 502) or value in (401, 403, 429, 503, 529) else status
    return status


def _answer_or_error(
    model: Model, response: _ErrorResponse, headers: Mapping[str, str], key: str, now: datetime, sent: bytes
) -> Completion:
    finish = _finish(response)
    if finish is not None:
        output = None if finish is FinishReason.LENGTH else 0  # what was generated before the limit is billed
        return Completion("", finish, Usage(None, output))
    adaptation = suggest_adaptation(model, response.everything, response.parameter, sent)
    failure = Failure.BAD_REQUEST if adaptation and _may_be_a_parameter(response) else _kind(response)
    status = response.status
    wait = None
    if failure in (Failure.RATE_LIMITED, Failure.UNAVAILABLE, Failure.SERVER, Failure.QUOTA_EXHAUSTED):
        wait = retry_after_seconds(headers, response.body, now, response.message)
    raise CallError(
        failure,
        _message(model, response, failure, key, str(adaptation) if adaptation else ""),
        status=status,
        retry_after_seconds=wait,
        charged=status in _MAYBE_CHARGED or failure is Failure.MALFORMED,
        adaptation=adaptation if failure is Failure.BAD_REQUEST else None,
    )


def _finish(response: _ErrorResponse) -> FinishReason | None:
    """Return the finish reason if the response means an empty completion; None if it is an error."""
    status = response.status
    if status < 500 and patterns.is_filter_code(response.codes):
        return FinishReason.FILTERED
    if status in (401, 402, 404, 405, 429) or status >= 500 or 300 <= status < 400:
        return None
    if response.stated == 200 and not response.message:
        return None
    if patterns.is_truncation(response.message):
        return FinishReason.LENGTH
    if patterns.is_filter(response.message) and not patterns.is_about_key(response.message):
        return FinishReason.FILTERED
    return None


def _may_be_a_parameter(response: _ErrorResponse) -> bool:
    return response.status in (200, 400, 403, 404, 422, 500, 501) and not patterns.is_about_key(
        response.message
    )


def _kind(response: _ErrorResponse) -> Failure:  # noqa: PLR0911  (a table of conditions in order of precedence)
    status, message, everything = response.status, response.message, response.everything
    if status == 429 or (status == 403 and patterns.is_rate_limit(everything)):
        return Failure.QUOTA_EXHAUSTED if _is_exhausted(everything) else Failure.RATE_LIMITED
    if status == 402 or (status < 500 and patterns.is_out_of_money(message)):
        return Failure.QUOTA_EXHAUSTED
    if status == 401 or (status in (400, 403) and patterns.is_about_key(everything)):
        return Failure.AUTHENTICATION
    if status == 407:
        return Failure.PROXY
    if status in (404, 405, 410) or 300 <= status < 400:
        return Failure.UNKNOWN_MODEL
    if status in _UNAVAILABLE or (status >= 500 and patterns.is_busy(everything)):
        return Failure.UNAVAILABLE
    if status in _WAITS or status >= 500:
        return Failure.SERVER
    if status == 200:
        return _kind_by_words(everything)
    if status == 498:
        return Failure.UNAVAILABLE
    if status in (403, 451) and patterns.is_about_account(everything):
        return Failure.AUTHENTICATION
    return Failure.UNKNOWN_MODEL if patterns.is_unknown_model(everything) else Failure.BAD_REQUEST


def _kind_by_words(everything: str) -> Failure:
    """Return the kind of an error with status 200 and no code, from its message."""
    for matches, failure in (
        (patterns.is_about_key, Failure.AUTHENTICATION),
        (patterns.is_out_of_money, Failure.QUOTA_EXHAUSTED),
        (patterns.is_rate_limit, Failure.RATE_LIMITED),
        (patterns.is_busy, Failure.UNAVAILABLE),
        (patterns.is_unknown_model, Failure.UNKNOWN_MODEL),
        (patterns.is_unknown_path, Failure.UNKNOWN_MODEL),
    ):
        if matches(everything):
            return failure
    return Failure.MALFORMED


def _is_exhausted(everything: str) -> bool:
    """Return whether a limit lasts longer than minutes.

    Google mentions billing even for limits per minute, so the name of the quota takes precedence.
    """
    if patterns.is_daily(everything):
        return True
    return not patterns.is_by_the_minute(everything) and patterns.is_out_of_money(everything)


def _message(model: Model, response: _ErrorResponse, failure: Failure, key: str, setting: str) -> str:
    inside = "" if response.status == response.stated else f" (its body states {response.status})"
    message = f"{model.id}: {failure}, HTTP {response.stated}{inside}."
    if failure is Failure.AUTHENTICATION:
        message += f" The key in {model.key_env} is not accepted." if model.key_env else " A key is required."
    elif failure is Failure.UNKNOWN_MODEL:
        message += f" Check the model's name and the address {model.base_url}.{address_hint(model)}"
    quoted = redact_secrets(response.message, key)[:LONGEST_MESSAGE]
    if quoted and (failure is not Failure.AUTHENTICATION or response.status != 401):
        message += f" It says: {quoted}"
    if setting:
        message += f" Set it in the models file (--models): {setting}."
    return message


def address_hint(model: Model) -> str:
    """Return a hint if the address of an OpenAI-compatible server has no version in its path, else ""."""
    openai = model.protocol in (ApiProtocol.OPENAI_CHAT, ApiProtocol.OPENAI_COMPLETIONS)
    if not openai or re.search(r"/v\d", model.base_url):
        return ""
    return f" Most servers use /v1: try {model.base_url}/v1."
