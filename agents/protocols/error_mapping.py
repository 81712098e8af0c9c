"""A provider's refusal, whatever its form: an answer without text, or a `CallError` that names the kind.

A prompt that a filter refused and an output limit that was reached are answers (`Completion`); everything
else is an error. The body decides before the status does. A message keeps the provider's own words where
they help, short and with anything like a key struck out.
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
from agents.protocols import error_patterns as words_of
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
)  # keys under which an error repeats what was sent, or lists what it looked for
_CODES = ("code", "type", "status", "reason", "param", "error_code", "err_code", "quotaId", "quotaMetric")
_UNAVAILABLE = {502, 503, 504, 520, 521, 522, 523, 524, 529, 530}
_MAYBE_CHARGED = {504, 524}  # a gateway that gave up on a generation
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
    """The text with the key, and anything that looks like one, struck out."""
    if key:
        text = text.replace(key, "***")
    return _LIKE_A_KEY.sub("***", text)


def strip_markup(content: bytes) -> str:
    """The text of an error page."""
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
    """The answer that another status than 200 means: filtered, or cut off before it said anything.

    Args:
        content: the body.
        key: struck out of every message.
        now: the time that dates in headers are counted from.
        sent: the request's JSON, to find the parameter that was refused.

    Raises:
        CallError: it is no answer.
    """
    if key:
        content = content.replace(key.encode(), b"***")
    try:
        body = load_json(content)
    except ValueError:
        body = None
    refusal = _Refusal.of(status, body, content)
    return _answer_or_error(model, refusal, headers, key, now, sent)


def parse_error_object(
    model: Model,
    body: Mapping[str, Any],
    headers: Mapping[str, str],
    key: str,
    now: datetime,
    sent: bytes = b"",
) -> Completion:
    """The answer that an error inside a 200 means. As `parse_error_response`.

    Raises:
        CallError: it is no answer; MALFORMED where nothing says what it is.
    """
    return _answer_or_error(model, _Refusal.of(200, body, b""), headers, key, now, sent)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """What a refusal says.

    Attributes:
        stated: the HTTP status; `status`: the one that counts, which the body may name.
        said: the words for people; `codes`: the words for programs; `parameter`: what it is about, or "".
        body: the JSON, or None.
    """

    stated: int
    status: int
    said: str
    codes: str
    parameter: str
    body: Any

    @classmethod
    def of(cls, status: int, body: Any, content: bytes) -> _Refusal:
        body = body[0] if isinstance(body, list) and body else body  # Gemini wraps some errors in a list
        errors = list(_errors_in(body))
        said = _joined(_words_in(error) for error in errors) if errors else strip_markup(content)
        codes = _joined(str(value) for value in _codes_in(body))
        parameter = next((str(each["param"]) for each in errors if each.get("param")), "")
        return cls(status, _effective(status, errors), said, codes, parameter, body)

    @property
    def everything(self) -> str:
        """Words and codes, without what the error repeats of the request."""
        return f"{self.said} {self.codes}"


def _errors_in(body: Any) -> Iterator[Mapping[str, Any]]:
    """The error objects of a body, the outermost first, those that a router passes on as text included."""
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
    """What an error object says to people."""
    words = [
        error[name] for name in ("message", "msg", "raw", "error_msg") if isinstance(error.get(name), str)
    ]
    detail = error.get("detail")
    if isinstance(detail, str):
        words.append(detail)
    elif isinstance(detail, list):  # the form of FastAPI
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
    """The parts that say something, each once."""
    return " ".join(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _codes_in(body: Any, depth: int = 0) -> Iterator[Any]:
    """Every code of a body, however deep, but none of what it repeats of the request."""
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
    """The status that the body names, where the one of HTTP says little; else that."""
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
    model: Model, refusal: _Refusal, headers: Mapping[str, str], key: str, now: datetime, sent: bytes
) -> Completion:
    finish = _finish(refusal)
    if finish is not None:
        output = None if finish is FinishReason.LENGTH else 0  # what was generated before the limit is billed
        return Completion("", finish, Usage(None, output))
    adaptation = suggest_adaptation(model, refusal.everything, refusal.parameter, sent)
    failure = Failure.BAD_REQUEST if adaptation and _may_be_a_parameter(refusal) else _kind(refusal)
    status = refusal.status
    wait = None
    if failure in (Failure.RATE_LIMITED, Failure.UNAVAILABLE, Failure.SERVER, Failure.QUOTA_EXHAUSTED):
        wait = retry_after_seconds(headers, refusal.body, now, refusal.said)
    raise CallError(
        failure,
        _message(model, refusal, failure, key, str(adaptation) if adaptation else ""),
        status=status,
        retry_after_seconds=wait,
        charged=status in _MAYBE_CHARGED or failure is Failure.MALFORMED,
        adaptation=adaptation if failure is Failure.BAD_REQUEST else None,
    )


def _finish(refusal: _Refusal) -> FinishReason | None:
    """How the answer ended, where the refusal is one; None where it is an error."""
    status = refusal.status
    if status < 500 and words_of.is_filter_code(refusal.codes):
        return FinishReason.FILTERED
    if status in (401, 402, 404, 405, 429) or status >= 500 or 300 <= status < 400:
        return None
    if refusal.stated == 200 and not refusal.said:
        return None
    if words_of.is_truncation(refusal.said):
        return FinishReason.LENGTH
    if words_of.is_filter(refusal.said) and not words_of.is_about_key(refusal.said):
        return FinishReason.FILTERED
    return None


def _may_be_a_parameter(refusal: _Refusal) -> bool:
    return refusal.status in (200, 400, 403, 404, 422, 500, 501) and not words_of.is_about_key(refusal.said)


def _kind(refusal: _Refusal) -> Failure:  # noqa: PLR0911  (a table of conditions, in their order)
    status, said, everything = refusal.status, refusal.said, refusal.everything
    if status == 429 or (status == 403 and words_of.is_rate_limit(everything)):
        return Failure.QUOTA_EXHAUSTED if _is_exhausted(everything) else Failure.RATE_LIMITED
    if status == 402 or (status < 500 and words_of.is_out_of_money(said)):
        return Failure.QUOTA_EXHAUSTED
    if status == 401 or (status in (400, 403) and words_of.is_about_key(everything)):
        return Failure.AUTHENTICATION
    if status == 407:
        return Failure.PROXY
    if status in (404, 405, 410) or 300 <= status < 400:
        return Failure.UNKNOWN_MODEL
    if status in _UNAVAILABLE or (status >= 500 and words_of.is_busy(everything)):
        return Failure.UNAVAILABLE
    if status in _WAITS or status >= 500:
        return Failure.SERVER
    if status == 200:
        return _kind_by_words(everything)
    if status == 498:
        return Failure.UNAVAILABLE
    if status in (403, 451) and words_of.is_about_account(everything):
        return Failure.AUTHENTICATION
    return Failure.UNKNOWN_MODEL if words_of.is_unknown_model(everything) else Failure.BAD_REQUEST


def _kind_by_words(everything: str) -> Failure:
    """The kind of an error that came with a 200 and without a code."""
    for matches, failure in (
        (words_of.is_about_key, Failure.AUTHENTICATION),
        (words_of.is_out_of_money, Failure.QUOTA_EXHAUSTED),
        (words_of.is_rate_limit, Failure.RATE_LIMITED),
        (words_of.is_busy, Failure.UNAVAILABLE),
        (words_of.is_unknown_model, Failure.UNKNOWN_MODEL),
        (words_of.is_unknown_path, Failure.UNKNOWN_MODEL),
    ):
        if matches(everything):
            return failure
    return Failure.MALFORMED


def _is_exhausted(everything: str) -> bool:
    """Whether waiting minutes will not help. Google speaks of billing even where a minute would do: what
    counts there is which quota it names, and whether it says when to come back."""
    if words_of.is_daily(everything):
        return True
    return not words_of.is_by_the_minute(everything) and words_of.is_out_of_money(everything)


def _message(model: Model, refusal: _Refusal, failure: Failure, key: str, setting: str) -> str:
    inside = "" if refusal.status == refusal.stated else f" (its error says {refusal.status})"
    message = f"{model.id}: {failure}, HTTP {refusal.stated}{inside}."
    if failure is Failure.AUTHENTICATION:
        message += f" The key in {model.key_env} is not accepted." if model.key_env else " It wants a key."
    elif failure is Failure.UNKNOWN_MODEL:
        message += f" Is the model's name right, and its address ({model.base_url})?{address_hint(model)}"
    said = redact_secrets(refusal.said, key)[:LONGEST_MESSAGE]
    if said and (failure is not Failure.AUTHENTICATION or refusal.status != 401):
        message += f" It says: {said}"
    if setting:
        message += f" The setting for it, in a file given with --models: {setting}."
    return message


def address_hint(model: Model) -> str:
    """A hint where the address of an OpenAI-compatible server has no version in its path; else ""."""
    openai = model.protocol in (ApiProtocol.OPENAI_CHAT, ApiProtocol.OPENAI_COMPLETIONS)
    if not openai or re.search(r"/v\d", model.base_url):
        return ""
    return f" Most servers answer below /v1: try {model.base_url}/v1."
