"""Parser of rate limits and waiting times in response headers and error bodies.

A waiting time may be stated in `retry-after` (seconds, HTTP date or epoch), `retry-after-ms`, Google's
RetryInfo in the error body, `x-ratelimit-reset*` (seconds, milliseconds, epoch, duration or date), or the
error message. Rate limits are stated in `x-ratelimit-*` (OpenAI, vLLM and others) and
`anthropic-ratelimit-*`; a limit below 1 means that there is none.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from agents.messages import ServerLimits

_PIECE = re.compile(r"(\d+(?:\.\d+)?)(ms|d|h|m|s)")
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_EPOCH = 1e9  # a larger number of seconds (31 years) is a point in time, not a duration
_EPOCH_MILLISECONDS = 1e12
_RESETS = ("x-ratelimit-reset-requests", "x-ratelimit-reset-tokens")
_GENERIC_RESETS = ("x-ratelimit-reset", "ratelimit-reset", "x-rate-limit-reset", "x-ratelimit-reset-after")
_IN_WORDS = re.compile(
    r"(?:(?:try|retry|come back|available|wait|resets?)\b[^.;]{0,40}?\b(?:after|in|for)"
    r"|retry[- ]?after:?|waiting)\s+(?:about |another |at least )?"
    r"((?:\d+(?:\.\d+)?\s*(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)\b[\s,]*"
    r"(?:and\s+)?)+|\d+h\d+m\d+(?:\.\d+)?s|\d+m\d+(?:\.\d+)?s)",
    re.IGNORECASE,
)
_WORD_PIECE = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|millisecond|d|h|m|s)", re.IGNORECASE)


def retry_after_seconds(
    headers: Mapping[str, str], body: Any, now: datetime, message: str = ""
) -> float | None:
    """Return the waiting time in seconds that the server requests, ≥ 0; None if it states none.

    Args:
        headers: headers of the response, case-insensitive.
        body: JSON of the error, or anything else.
        now: reference time for dates and epochs.
        message: text of the error.
    """
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return max(0.0, milliseconds / 1000)
    stated = headers.get("retry-after")
    if stated is not None and (wait := reset_seconds(stated, now)) is not None:
        return wait
    for wait in (_google_retry_delay(body), _stated_reset(headers, now), _wait_in_words(message)):
        if wait is not None:
            return wait
    return None


def reset_seconds(text: str, now: datetime) -> float | None:
    """Return the seconds until a reset, ≥ 0; None if the text cannot be parsed.

    Accepted are seconds, an epoch in seconds or milliseconds, a duration (`6m0s`, `1ms`), and an HTTP or ISO
    date.
    """
    number = _number(text)
    if number is not None:
        if number > _EPOCH:
            moment = number / (1000 if number > _EPOCH_MILLISECONDS else 1)
            return max(0.0, moment - now.timestamp())
        return max(0.0, number)
    if (seconds := duration_seconds(text)) is not None:
        return seconds
    if (seconds := _until(text, now)) is not None:
        return seconds
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        moment_of = parsedate_to_datetime(text)
        aware = moment_of if moment_of.tzinfo else moment_of.replace(tzinfo=UTC)
        return max(0.0, (aware - now).total_seconds())
    return None


def _stated_reset(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds until all exhausted windows are reset; None if no header states it."""
    waits = []
    for name in (*_RESETS, *_GENERIC_RESETS):
        remaining = _number(
            headers.get(name.replace("reset-after", "remaining").replace("reset", "remaining"))
        )
        used_up = remaining is not None and remaining <= 0
        if name in headers and (used_up or (name in _GENERIC_RESETS and remaining is None)):
            waits.append(reset_seconds(headers[name], now))
    known = [wait for wait in waits if wait is not None]
    return max(known) if known else None


def _wait_in_words(message: str) -> float | None:
    """Return the waiting time in a message such as "try again in 6m0s"; None if there is none."""
    match = _IN_WORDS.search(message)
    if match is None:
        return None
    units = {"millisecond": 0.001, **_UNIT_SECONDS}
    return sum(float(number) * units[unit.lower()] for number, unit in _WORD_PIECE.findall(match[1]))


def _google_retry_delay(body: Any) -> float | None:
    if not isinstance(body, dict) or not isinstance(body.get("error"), dict):
        return None
    details = body["error"].get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and str(detail.get("@type", "")).endswith("google.rpc.RetryInfo"):
            return duration_seconds(str(detail.get("retryDelay", "")))
    return None


def duration_seconds(text: str) -> float | None:
    """Parse a duration such as `6m0s`, `120ms`, `3.5s` or plain seconds; return seconds or None."""
    if (seconds := _number(text)) is not None:
        return max(0.0, seconds)
    pieces = _PIECE.findall(text)
    if not pieces or "".join(number + unit for number, unit in pieces) != text:
        return None
    return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in pieces)


def server_limits(headers: Mapping[str, str], now: datetime) -> ServerLimits | None:
    """Return the rate limits in the headers of a response; None if there are none."""
    if "x-ratelimit-limit-requests" in headers or "x-ratelimit-limit-tokens" in headers:
        return ServerLimits(
            requests_per_minute=_limit(headers.get("x-ratelimit-limit-requests")),
            tokens_per_minute=_limit(headers.get("x-ratelimit-limit-tokens")),
            remaining_requests=_number(headers.get("x-ratelimit-remaining-requests")),
            remaining_tokens=_number(headers.get("x-ratelimit-remaining-tokens")),
            reset_requests_seconds=reset_seconds(headers.get("x-ratelimit-reset-requests", ""), now),
            reset_tokens_seconds=reset_seconds(headers.get("x-ratelimit-reset-tokens", ""), now),
        )
    if "anthropic-ratelimit-requests-limit" in headers or "anthropic-ratelimit-tokens-limit" in headers:
        return ServerLimits(
            requests_per_minute=_limit(headers.get("anthropic-ratelimit-requests-limit")),
            tokens_per_minute=_limit(headers.get("anthropic-ratelimit-tokens-limit")),
            remaining_requests=_number(headers.get("anthropic-ratelimit-requests-remaining")),
            remaining_tokens=_number(headers.get("anthropic-ratelimit-tokens-remaining")),
            reset_requests_seconds=_until(headers.get("anthropic-ratelimit-requests-reset"), now),
            reset_tokens_seconds=_until(headers.get("anthropic-ratelimit-tokens-reset"), now),
        )
    return None


def _limit(text: str | None) -> float | None:
    """Parse a limit per minute; return None for values below 1, which mean that there is no limit."""
    number = _number(text)
    return number if number is not None and number >= 1 else None


def _number(text: str | None) -> float | None:
    """Parse a finite number; return None for anything else."""
    try:
        number = float(text) if text is not None else None
    except ValueError:
        return None
    return number if number is not None and abs(number) < 1e14 else None


def _until(text: str | None, now: datetime) -> float | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return max(0.0, ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds())
