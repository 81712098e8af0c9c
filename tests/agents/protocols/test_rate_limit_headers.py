"""Rate-limit headers: waits and rates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from agents.messages import ServerLimits
from agents.protocols.rate_limit_headers import duration_seconds, retry_after_seconds, server_limits

NOW = datetime(2026, 5, 17, 12, 0, tzinfo=UTC)
INFO = "type.googleapis.com/google.rpc.RetryInfo"


def headers(**named: str) -> Mapping[str, str]:
    return CIMultiDict({name.replace("_", "-"): value for name, value in named.items()})


def google(*details: Any) -> dict[str, Any]:
    return {"error": {"code": 429, "details": list(details)}}


@pytest.mark.parametrize(
    ("given_headers", "body", "seconds"),
    [
        (headers(), None, None),
        (headers(Retry_After="7"), None, 7.0),
        (headers(retry_after="0.25"), None, 0.25),
        (headers(RETRY_AFTER="0"), None, 0.0),
        (headers(Retry_After="-3"), None, 0.0),
        (headers(Retry_After_Ms="1500"), None, 1.5),
        (headers(Retry_After_Ms="1500", Retry_After="2"), None, 1.5),
        (headers(Retry_After_Ms="soon", Retry_After="2"), None, 2.0),
        (headers(Retry_After="Sun, 17 May 2026 12:00:30 GMT"), None, 30.0),
        (headers(Retry_After="Sun, 17 May 2026 12:01:00 -0000"), None, 60.0),
        (headers(Retry_After="Sun, 17 May 2026 14:00:05 +0200"), None, 5.0),
        (headers(Retry_After="Sun, 17 May 2026 11:00:00 GMT"), None, 0.0),
        (headers(Retry_After="later"), None, None),
        (headers(Retry_After=""), None, None),
        (headers(Retry_After="nan"), None, None),
        (headers(Retry_After="inf"), None, None),
        (headers(Retry_After="1e300"), None, None),
        (headers(), google({"@type": INFO, "retryDelay": "38s"}), 38.0),
        (headers(), google({"@type": INFO, "retryDelay": "0.034074s"}), 0.034074),
        (headers(), google({"@type": "other"}, {"@type": INFO, "retryDelay": "2s"}), 2.0),
        (headers(Retry_After="9"), google({"@type": INFO, "retryDelay": "2s"}), 9.0),
        (headers(), google({"@type": INFO}), None),
        (headers(), google({"@type": INFO, "retryDelay": None}), None),
        (headers(), google("x", None, 3), None),
        (headers(), {"error": {"details": 5}}, None),
        (headers(), {"error": "slow down"}, None),
        (headers(), [1, 2], None),
        (headers(), "slow down", None),
    ],
)
def test_retry_after_headers_are_parsed(
    given_headers: Mapping[str, str], body: Any, seconds: float | None
) -> None:
    assert retry_after_seconds(given_headers, body, NOW) == pytest.approx(seconds)


@given(st.integers(0, 10**6))
def test_seconds_milliseconds_and_dates_are_equivalent(seconds: int) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    said = [
        headers(Retry_After=str(seconds)),
        headers(Retry_After_Ms=str(seconds * 1000)),
        headers(Retry_After=date),
    ]
    assert [retry_after_seconds(each, None, NOW) for each in said] == [seconds] * 3
    body = google({"@type": INFO, "retryDelay": f"{seconds}s"})
    assert retry_after_seconds(headers(), body, NOW) == seconds


texts = st.text(max_size=30) | st.from_regex(
    r"[A-Z][a-z]{2}, \d{1,4} [A-Z][a-z]{2} \d{1,6} \d\d:\d\d:\d\d [+-]?\w{1,5}"
)


@given(texts, texts, st.none() | texts)
def test_any_header_gives_a_time_or_none(seconds: str, milliseconds: str, delay: str | None) -> None:
    said = retry_after_seconds(
        {"retry-after": seconds, "retry-after-ms": milliseconds},
        google({"@type": INFO, "retryDelay": delay}),
        NOW,
    )
    assert said is None or 0.0 <= said < 1e13


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12ms", 0.012),
        ("1s", 1.0),
        ("2.5s", 2.5),
        ("6m0s", 360.0),
        ("1h2m3s", 3723.0),
        ("1d", 86400.0),
        ("1m30.5s", 90.5),
        ("17", 17.0),
        ("0.5", 0.5),
        ("-1", 0.0),
        ("", None),
        ("soon", None),
        ("1s later", None),
        ("s", None),
        ("1x", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert duration_seconds(text) == pytest.approx(seconds)


def test_openais_rates() -> None:
    said = headers(
        X_Ratelimit_Limit_Requests="10000",
        X_Ratelimit_Limit_Tokens="2000000",
        X_Ratelimit_Remaining_Requests="9999",
        X_Ratelimit_Remaining_Tokens="1999700",
        X_Ratelimit_Reset_Requests="6ms",
        X_Ratelimit_Reset_Tokens="1m0.5s",
    )
    assert server_limits(said, NOW) == ServerLimits(10_000, 2_000_000, 9_999, 1_999_700, 0.006, 60.5)
    assert server_limits(headers(X_Ratelimit_Limit_Tokens="5"), NOW) == ServerLimits(tokens_per_minute=5)


def test_anthropics_rates() -> None:
    said = headers(
        Anthropic_Ratelimit_Requests_Limit="50",
        Anthropic_Ratelimit_Requests_Remaining="49",
        Anthropic_Ratelimit_Requests_Reset="2026-05-17T12:00:02Z",
        Anthropic_Ratelimit_Tokens_Limit="40000",
        Anthropic_Ratelimit_Tokens_Remaining="39000",
        Anthropic_Ratelimit_Tokens_Reset="2026-05-17T11:59:59Z",
    )
    assert server_limits(said, NOW) == ServerLimits(50, 40_000, 49, 39_000, 2.0, 0.0)
    assert server_limits(headers(Anthropic_Ratelimit_Requests_Limit="50"), NOW) == ServerLimits(50)


@pytest.mark.parametrize("value", ["", "many", "nan", "soon"])
def test_unreadable_headers_are_omitted(value: str) -> None:
    names = ("limit", "remaining", "reset")
    openai = {f"x-ratelimit-{name}-{what}": value for name in names for what in ("requests", "tokens")}
    claude = {
        f"anthropic-ratelimit-{what}-{name}": value for name in names for what in ("requests", "tokens")
    }
    assert (
        server_limits(CIMultiDict(openai), NOW) == server_limits(CIMultiDict(claude), NOW) == ServerLimits()
    )


def test_missing_limit_headers_give_none() -> None:
    assert server_limits(headers(), NOW) is None
    assert server_limits(headers(X_Request_Id="1", Retry_After="3"), NOW) is None
