"""What a server says about limits: how long to wait after a 429, and its rates in an answer's headers.

A wait may stand in `retry-after` (seconds, an HTTP date, an epoch), in `retry-after-ms`, in Google's
RetryInfo in the error's body, in `x-ratelimit-reset*` (seconds, milliseconds, an epoch, a duration, a
date), or in words. Rates stand in `x-ratelimit-*` (OpenAI, vLLM and others) and `anthropic-ratelimit-*`. A
limit that is not above 0 is no limit. All of it as stated: the engine decides what follows.
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
_EPOCH = 1e9  # a number of seconds above it is a moment, not a duration: 31 years
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


def retry_after_seconds(headers: Mapping[str, str], body: Any, now: datetime, said: str = "") -> float | None:
    """How long the server asks us to wait, ≥ 0; None where it does not say.

    Args:
        headers: of the answer, looked up without regard to case.
        body: the error's JSON, or anything else.
        now: the time that dates and epochs are counted from.
        said: the error's words.
    """
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return max(0.0, milliseconds / 1000)
    stated = headers.get("retry-after")
    if stated is not None and (wait := reset_seconds(stated, now)) is not None:
        return wait
    for wait in (_google_retry_delay(body), _stated_reset(headers, now), _wait_in_words(said)):
        if wait is not None:
            return wait
    return None


def reset_seconds(text: str, now: datetime) -> float | None:
    """How long until a reset, ≥ 0: from seconds, an epoch in seconds or milliseconds, a duration (`6m0s`,
    `1ms`), an HTTP or ISO date; None where the text is none of these.
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
    """When the windows that are used up begin anew; None where no header says so."""
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


def _wait_in_words(said: str) -> float | None:
    """`Please retry after 86400 seconds`, `try again in 6m0s`."""
    match = _IN_WORDS.search(said)
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
    """`6m0s`, `120ms`, `3.5s` or plain seconds, in seconds; None where it is none of these."""
    if (seconds := _number(text)) is not None:
        return max(0.0, seconds)
    pieces = _PIECE.findall(text)
    if not pieces or "".join(number + unit for number, unit in pieces) != text:
        return None
    return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in pieces)


def server_limits(headers: Mapping[str, str], now: datetime) -> ServerLimits | None:
    """The rates that an answer's headers state; None where they state none."""
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
    """A limit per minute, ≥ 1; None where it is none: -1, 0 and fractions of a request are ways to say so."""
    number = _number(text)
    return number if number is not None and number >= 1 else None


def _number(text: str | None) -> float | None:
    """A finite number, or None."""
    try:
        number = float(text) if text is not None else None
    except ValueError:
        return None
    return number if number is not None and abs(number) < 1e14 else None


def _until(text: str | None, now: datetime) -> float | None:
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())
