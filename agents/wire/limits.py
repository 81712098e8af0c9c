"""What a server says about limits: how long to wait after a 429, and its rates in an answer's headers.

Retry-After as seconds, as milliseconds (`retry-after-ms`) or as an HTTP date; Google's RetryInfo in the
error's body; `x-ratelimit-*` (OpenAI, vLLM and others) and `anthropic-ratelimit-*`. All of it as stated:
what is made of it is the engine's business.
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


def retry_after_seconds(headers: Mapping[str, str], body: Any, now: datetime) -> float | None:
    """How long the server asks us to wait, ≥ 0; None where it does not say.

    Args:
        headers: of the answer, looked up without regard to case.
        body: the error's JSON, or anything else.
        now: the time an HTTP date is counted from.
    """
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return max(0.0, milliseconds / 1000)
    said = headers.get("retry-after")
    if (seconds := _number(said)) is not None:
        return max(0.0, seconds)
    if said is not None:
        with contextlib.suppress(ValueError, TypeError, OverflowError):
            at = parsedate_to_datetime(said)
            return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())
    return _google_retry_delay(body)


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
            requests_per_minute=_number(headers.get("x-ratelimit-limit-requests")),
            tokens_per_minute=_number(headers.get("x-ratelimit-limit-tokens")),
            remaining_requests=_number(headers.get("x-ratelimit-remaining-requests")),
            remaining_tokens=_number(headers.get("x-ratelimit-remaining-tokens")),
            reset_requests_seconds=duration_seconds(headers.get("x-ratelimit-reset-requests", "")),
            reset_tokens_seconds=duration_seconds(headers.get("x-ratelimit-reset-tokens", "")),
        )
    if "anthropic-ratelimit-requests-limit" in headers or "anthropic-ratelimit-tokens-limit" in headers:
        return ServerLimits(
            requests_per_minute=_number(headers.get("anthropic-ratelimit-requests-limit")),
            tokens_per_minute=_number(headers.get("anthropic-ratelimit-tokens-limit")),
            remaining_requests=_number(headers.get("anthropic-ratelimit-requests-remaining")),
            remaining_tokens=_number(headers.get("anthropic-ratelimit-tokens-remaining")),
            reset_requests_seconds=_until(headers.get("anthropic-ratelimit-requests-reset"), now),
            reset_tokens_seconds=_until(headers.get("anthropic-ratelimit-tokens-reset"), now),
        )
    return None


def _number(text: str | None) -> float | None:
    """A finite number, or None."""
    try:
        number = float(text) if text is not None else None
    except ValueError:
        return None
    return number if number is not None and abs(number) < 1e12 else None


def _until(text: str | None, now: datetime) -> float | None:
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())
