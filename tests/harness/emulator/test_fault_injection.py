"""Injected faults: pure functions of (seed, key, attempt), at their configured shares."""

from __future__ import annotations

import orjson
import pytest

from harness.emulator.config import EmulatorConfig
from harness.emulator.fault_injection import (
    FaultKind,
    RequestAttempt,
    draw_fault,
    error_status,
    latency_seconds,
    malformed_body,
)
from harness.emulator.seeded_random import digest

OPTIONS = EmulatorConfig(
    errors_500=0.1, resets=0.05, malformed=0.07, hangs=0.03, latency_ms=100.0, latency_sigma=0.3
)
ATTEMPTS = [RequestAttempt(digest(key), number) for key in range(2000) for number in range(2)]


def test_faults_have_their_shares() -> None:
    faults = [draw_fault(attempt, OPTIONS) for attempt in ATTEMPTS]
    for kind, share in zip(FaultKind, (0.1, 0.05, 0.07, 0.03), strict=True):
        assert faults.count(kind) / len(faults) == pytest.approx(share, abs=0.02)
    assert faults == [draw_fault(attempt, OPTIONS) for attempt in ATTEMPTS]


def test_a_seed_a_key_and_an_attempt_each_decide() -> None:
    half = EmulatorConfig(errors_500=0.5)
    other = EmulatorConfig(errors_500=0.5, seed=1)
    first = [draw_fault(RequestAttempt(digest(key), 0), half) for key in range(64)]
    assert first != [draw_fault(RequestAttempt(digest(key), 1), half) for key in range(64)]
    assert first != [draw_fault(RequestAttempt(digest(key), 0), other) for key in range(64)]


def test_every_key_is_eventually_answered() -> None:
    worst = EmulatorConfig(errors_500=0.3, resets=0.3, malformed=0.2)
    for key in range(200):
        assert any(draw_fault(RequestAttempt(digest(key), number), worst) is None for number in range(200))


def test_shares_of_0_and_1_are_exact() -> None:
    assert {draw_fault(attempt, EmulatorConfig()) for attempt in ATTEMPTS} == {None}
    assert {draw_fault(attempt, EmulatorConfig(hangs=1.0)) for attempt in ATTEMPTS} == {FaultKind.HANG}


def test_a_malformed_body_is_never_the_response() -> None:
    answer = orjson.dumps({"choices": [{"message": {"content": "1"}}]})
    forms = {malformed_body(answer, attempt, OPTIONS) for attempt in ATTEMPTS[:200]}
    assert len(forms) == 5
    for form in forms:
        try:
            assert "choices" not in (orjson.loads(form) or {})
        except orjson.JSONDecodeError:
            continue


def test_latency_and_status_depend_on_the_attempt() -> None:
    latencies = sorted(latency_seconds(attempt, OPTIONS) for attempt in ATTEMPTS)
    assert latencies[len(latencies) // 2] == pytest.approx(0.1, rel=0.05)
    assert latency_seconds(ATTEMPTS[0], EmulatorConfig(latency_ms=250.0)) == 0.25
    assert {error_status(attempt, OPTIONS) for attempt in ATTEMPTS} == {500, 502, 503}
