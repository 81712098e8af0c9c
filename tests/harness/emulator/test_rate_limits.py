"""Rate limits with the test's own clock: admitted requests, waits and headers."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.emulator.protocols import anthropic_messages, openai_common
from harness.emulator.rate_limits import (
    BURST_REQUESTS,
    EmulatedRateLimiter,
    LimitStatus,
    ModelLimits,
    ModelLimitStatus,
)

RATES = st.floats(1.0, 20_000.0)
GAPS = st.lists(st.floats(0.0, 3.0), min_size=1, max_size=200)


@settings(deadline=None, derandomize=True)
@given(RATES, GAPS)
def test_no_window_admits_more_than_the_rate_plus_the_burst(rate: float, gaps: list[float]) -> None:
    limits, now, admitted = ModelLimits(rate, None), 100.0, []
    for gap in gaps:
        now += gap
        if limits.admit(0.0, now) == 0.0:
            admitted.append(now)
    burst = max(BURST_REQUESTS, rate / 60.0)
    for start in range(len(admitted)):
        for end in range(start, len(admitted)):
            seconds = admitted[end] - admitted[start]
            assert end - start + 1 <= seconds * rate / 60.0 + burst + 1e-6


@settings(deadline=None, derandomize=True)
@given(RATES, st.floats(0.0, 0.9), st.integers(2, 300))
def test_a_steady_stream_at_the_limit_passes_with_jitter(rate: float, jitter: float, count: int) -> None:
    limits, gap = ModelLimits(rate, None), 60.0 / rate
    times = sorted((number + jitter * (number * 7 % 10) / 10) * gap for number in range(count))
    assert all(limits.admit(0.0, now) == 0.0 for now in times)


@settings(deadline=None, derandomize=True)
@given(RATES, st.floats(1.0, 1e6), st.floats(1.0, 5000.0), GAPS)
def test_the_stated_wait_is_exact(rate: float, tokens_rate: float, tokens: float, gaps: list[float]) -> None:
    limits, now = ModelLimits(rate, tokens_rate), 0.0
    for gap in gaps:
        now += gap
        wait = limits.admit(tokens, now)
        if wait > 1e-3:
            assert limits.admit(tokens, now + wait * 0.99) > 0.0
            now += wait * (1 + 1e-9) + 1e-9
            assert limits.admit(tokens, now) == 0.0


def test_a_burst_is_rejected_and_a_minute_keeps_the_limit() -> None:
    limits = ModelLimits(600.0, None)
    assert sum(limits.admit(0.0, 0.0) == 0.0 for _ in range(100)) == 10
    admitted = sum(limits.admit(0.0, now / 100) == 0.0 for now in range(1, 6001))
    assert 600 <= admitted + 10 <= 610


def test_unused_tokens_are_refunded() -> None:
    limits = ModelLimits(None, 6000.0)  # holds 1,000
    assert limits.admit(900.0, 0.0) == 0.0
    assert limits.admit(200.0, 0.0) == pytest.approx(1.0)
    limits.refund(850.0, 0.0)
    assert limits.admit(200.0, 0.0) == 0.0


def test_an_oversized_request_passes_an_empty_bucket() -> None:
    limits = ModelLimits(None, 6000.0)
    assert limits.admit(5000.0, 0.0) == 0.0
    assert limits.admit(1.0, 0.0) == pytest.approx(40.01)


def test_models_have_separate_limits_that_drop_together() -> None:
    limiter = EmulatedRateLimiter(600.0, None, lower_to_rpm=60.0, lower_after_requests=3)
    assert [limiter.admit("a", 0, 0.0), limiter.admit("b", 0, 0.0)] == [0.0, 0.0]
    status = limiter.limits_for("a").status(0.0).requests
    assert status is not None
    assert (status.limit, status.remaining) == (600.0, 599)
    assert limiter.admit("a", 0, 0.0) == 0.0
    for model in ("a", "b", "new"):
        status = limiter.limits_for(model).status(0.0).requests
        assert status is not None
        assert status.limit == 60.0
    assert limiter.admit("a", 0, 0.0) == pytest.approx(1.0)
    assert limiter.admit("new", 0, 0.0) == 0.0
    assert limiter.admitted == 4


def test_without_limits_all_pass_and_no_headers_are_sent() -> None:
    limiter = EmulatedRateLimiter()
    assert all(limiter.admit("a", 1e9, 0.0) == 0.0 for _ in range(1000))
    assert limiter.limits_for("a").status(0.0) == ModelLimitStatus()


NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STANDING = ModelLimitStatus(LimitStatus(600.0, 599.0, 0.1), LimitStatus(1e6, 999_000.0, 0.06))


def test_openai_headers() -> None:
    headers = openai_common.limit_headers(STANDING, None, NOW)
    assert headers["x-ratelimit-limit-requests"] == "600"
    assert headers["x-ratelimit-remaining-requests"] == "599"
    assert headers["x-ratelimit-reset-requests"] == "100ms"
    assert headers["x-ratelimit-limit-tokens"] == "1000000"
    assert "retry-after" not in headers
    waits = [openai_common.limit_headers(ModelLimitStatus(), wait / 7, NOW) for wait in range(1, 50)]
    assert all(int(each["retry-after"]) >= number / 7 for number, each in enumerate(waits, 1))
    in_milliseconds = [each for each in waits if "retry-after-ms" in each]
    assert 0 < len(in_milliseconds) < len(waits)
    assert all(float(each["retry-after-ms"]) <= 1000 * int(each["retry-after"]) for each in in_milliseconds)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0ms"), (0.0121, "13ms"), (1.0, "1s"), (2.5, "2.5s"), (360.0, "6m0s"), (7261.5, "2h1m1.5s")],
)
def test_durations_have_openais_format(seconds: float, text: str) -> None:
    assert openai_common.duration(seconds) == text


def test_anthropic_headers() -> None:
    headers = anthropic_messages.limit_headers(STANDING, 2.2, NOW)
    assert headers["anthropic-ratelimit-requests-limit"] == "600"
    assert headers["anthropic-ratelimit-tokens-remaining"] == "999000"
    assert headers["anthropic-ratelimit-requests-reset"] == "2026-01-02T03:04:06Z"
    assert headers["retry-after"] == str(math.ceil(2.2))
