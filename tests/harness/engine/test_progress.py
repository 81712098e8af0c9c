"""Progress display: plain lines, a table, or nothing."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from agents.errors import CallError, Failure
from harness.engine import progress
from harness.engine.budget import Price
from harness.engine.endpoint import Endpoint
from harness.engine.limits import Limits
from harness.engine.progress import live_progress, live_table, progress_line, remaining_seconds
from harness.terminal.output import live
from results.render.format import format_duration
from tests.harness.engine.conftest import Server
from tests.harness.engine.test_dispatcher import EngineSetup
from tests.tables import table_text

Run = Callable[[Any], Any]


@pytest.fixture
def endpoint(virtual: Run, monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    """Return an endpoint one minute after its start."""

    async def make() -> Endpoint:
        limits = Limits(requests_per_minute=3000)
        return EngineSetup().endpoint(Server(), limits=limits, name="openai/gpt-test", price=Price(1.0, 1.0))

    made: Endpoint = virtual(make())
    stats = made.stats
    stats.total, stats.done, stats.made, stats.reused = 2000, 1500, 1200, 300
    stats.rate_limited, stats.retried, stats.unscored, stats.failed, stats.spent_usd = 3, 7, 2, 1, 0.25
    stats.started_at = 0.0
    made.rate_limiter.in_flight = 12
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: 60.0))
    return made


def test_a_line_shows_all_counters(endpoint: Endpoint) -> None:
    assert progress_line(endpoint) == (
        "openai/gpt-test: 1,500/2,000, 1,500/min of 3,000/min, 12 in flight, 300 reused, 429s 3, retries 7, "
        "unscored 3, cost $0.2500, left 0:20"
    )


def test_a_stopped_endpoint_shows_its_reason(endpoint: Endpoint) -> None:
    endpoint.stats.stopped = "the key is not accepted"
    assert progress_line(endpoint).endswith("STOPPED: the key is not accepted")


def test_a_long_pause_is_shown_with_its_reason(virtual: Run) -> None:
    async def make() -> tuple[str, str]:
        paused = EngineSetup().endpoint(
            Server(), limits=Limits(), name="openai/gpt-test", price=Price(1.0, 1.0)
        )
        loop = asyncio.get_running_loop()
        error = CallError(Failure.RATE_LIMITED, "slow down", status=429, retry_after_seconds=90.0)
        paused.rate_limiter.record_rate_limit(loop.time(), error.retry_after_seconds)
        before = progress_line(paused)
        await asyncio.sleep(86.0)
        return before, progress_line(paused)

    before, after = virtual(make())
    assert "paused for 1:30 (rate limited)" in before
    assert "paused" not in after, "5 s or less"


def test_unknown_values_are_not_shown_as_0(endpoint: Endpoint, virtual: Run) -> None:
    endpoint.stats.total = None
    assert "1,500/?" in progress_line(endpoint)
    assert "left ?" in progress_line(endpoint)
    assert remaining_seconds(endpoint) is None

    async def make() -> Endpoint:
        return EngineSetup().endpoint(Server())

    unpriced = virtual(make())
    assert "cost not known" in progress_line(unpriced)
    assert "left ?" in progress_line(unpriced)
    assert " of " not in progress_line(unpriced)


def test_durations_are_formatted_as_a_clock() -> None:
    assert [format_duration(seconds) for seconds in (None, 0, 61.9, 3723)] == ["?", "0:00", "1:02", "1:02:03"]


def test_the_table_has_a_row_per_endpoint(endpoint: Endpoint) -> None:
    table = live_table([endpoint, endpoint])
    assert [row.cells[0] for row in table.rows] == ["openai/gpt-test"] * 2
    assert all(cell in table_text(table) for cell in ("1,500/2,000", "3,000", "$0.2500", "0:20"))
    assert "429" in [column.heading for column in table.columns]


@pytest.mark.parametrize("columns", [140, 80, 60, 40])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_number_is_visible_on_a_terminal(
    endpoint: Endpoint,
    columns: int,
    count: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint.name = "openai/[/x]:two:" + "a-long-name-of-a-model"
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", "60")
    endpoints = [endpoint] * count
    with live(lambda: (live_table(endpoints), [progress_line(each) for each in endpoints])):
        pass
    seen = capsys.readouterr().err
    assert all(seen.count(number) >= count for number in ("1,500/2,000", "$0.2500", "0:20", "300"))
    assert "…" not in seen


@pytest.mark.parametrize("quiet", [True, False])
def test_lines_come_every_few_seconds_to_stderr_unless_quiet(
    virtual: Run, endpoint: Endpoint, quiet: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        with live_progress([endpoint], quiet):
            await asyncio.sleep(3.5 * progress.PLAIN_SECONDS)
        await asyncio.sleep(10 * progress.PLAIN_SECONDS)

    virtual(scenario())
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("openai/gpt-test") == (0 if quiet else 3)


def test_a_terminal_shows_the_table(
    virtual: Run, endpoint: Endpoint, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "140")

    async def scenario() -> None:
        with live_progress([endpoint]):
            await asyncio.sleep(2 * progress.LIVE_SECONDS)
        await asyncio.sleep(0)

    virtual(scenario())
    assert "1,500/2,000" in capsys.readouterr().err


def test_an_interrupted_endpoint_shows_it(virtual: Run) -> None:
    house = EngineSetup()

    async def scenario() -> Endpoint:
        endpoint = house.endpoint(Server())
        endpoint.interrupt()
        return endpoint

    assert "STOPPED: stopped by the user" in progress_line(virtual(scenario()))
