"""Progress of a run: a live table on a terminal, or one plain line per endpoint every few seconds elsewhere.

It only reads the endpoints' counters. All output goes to stderr; results go to stdout.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Iterator, Sequence

from harness.engine.endpoint import Endpoint
from harness.terminal.output import live, print_progress
from results.render.format import format_duration, format_usd
from results.render.table import Column, Table

LIVE_SECONDS = 0.25
PLAIN_SECONDS = 5.0
MIN_SHOWN_PAUSE_SECONDS = 5.0  # shorter pauses are not shown
COLUMNS = (
    Column("endpoint"),
    Column("done", alignment="right"),
    Column("per_minute", "per min", "whole"),
    Column("limit", unit="whole"),
    Column("in_flight", alignment="right"),
    Column("reused", unit="count"),
    Column("429", unit="count"),
    Column("retries", unit="count"),
    Column("unscored", unit="count"),
    Column("spent_usd", "spent", "usd"),
    Column("left", unit="duration"),
)


def per_second(endpoint: Endpoint) -> float:
    """Return the number of items finished per second since the endpoint started."""
    elapsed = time.monotonic() - endpoint.stats.started_at
    return endpoint.stats.done / elapsed if elapsed > 0 else 0.0


def remaining_seconds(endpoint: Endpoint) -> float | None:
    """Return the estimated remaining time at the current rate; None if the total or the rate is unknown."""
    rate = per_second(endpoint)
    if endpoint.stats.total is None or rate == 0:
        return None
    return max(0, endpoint.stats.total - endpoint.stats.done) / rate


def describe_wait(endpoint: Endpoint) -> str:
    """Return how long the endpoint pauses and why; "" for pauses of 5 s or less."""
    seconds, reason = endpoint.rate_limiter.pause_seconds, endpoint.rate_limiter.pause_reason
    is_long = seconds > MIN_SHOWN_PAUSE_SECONDS or endpoint.rate_limiter.outage.is_active
    return (
        f"paused for {format_duration(seconds)} ({reason})"
        if is_long and reason and not endpoint.stats.stopped
        else ""
    )


def progress_line(endpoint: Endpoint) -> str:
    """Return the state of one endpoint as one line."""
    stats, rate_limiter = endpoint.stats, endpoint.rate_limiter
    total = "?" if stats.total is None else f"{stats.total:,}"
    limit = (
        "" if rate_limiter.requests_per_minute is None else f" of {rate_limiter.requests_per_minute:,.0f}/min"
    )
    parts = [
        f"{endpoint.name}: {stats.done:,}/{total}",
        f"{per_second(endpoint) * 60:,.0f}/min{limit}",
        f"{rate_limiter.in_flight} in flight",
        f"{stats.reused:,} reused",
        f"429s {stats.rate_limited}",
        f"retries {stats.retried}",
        f"unscored {stats.unscored + stats.failed}",
        f"cost {format_usd(endpoint.spent_usd)}",
        f"left {format_duration(remaining_seconds(endpoint))}",
    ]
    wait = describe_wait(endpoint)
    ending = f"  STOPPED: {stats.stopped}" if stats.stopped else f"  {wait}" if wait else ""
    return ", ".join(parts) + ending


def live_table(endpoints: Sequence[Endpoint]) -> Table:
    """Return the state of all endpoints as a table."""
    table = Table(columns=list(COLUMNS))
    for endpoint in endpoints:
        stats, rate_limiter = endpoint.stats, endpoint.rate_limiter
        total = "?" if stats.total is None else f"{stats.total:,}"
        table.add_row(
            endpoint.name,
            f"{stats.done:,}/{total}",
            per_second(endpoint) * 60,
            rate_limiter.requests_per_minute,
            f"{rate_limiter.in_flight}/{rate_limiter.concurrency}",
            stats.reused,
            stats.rate_limited,
            stats.retried,
            stats.unscored + stats.failed,
            endpoint.spent_usd,
            "stopped" if stats.stopped else describe_wait(endpoint) or remaining_seconds(endpoint),
        )
    return table


@contextlib.contextmanager
def live_progress(endpoints: Sequence[Endpoint], quiet: bool = False) -> Iterator[None]:
    """Show the progress of the endpoints while the block runs, inside a running event loop."""
    if quiet or not endpoints:
        yield
        return
    show = _live if sys.stderr.isatty() else _plain
    task = asyncio.get_running_loop().create_task(show(endpoints))
    try:
        yield
    finally:
        task.cancel()


async def _live(endpoints: Sequence[Endpoint]) -> None:
    with live(lambda: (live_table(endpoints), list(map(progress_line, endpoints)))) as draw:
        while True:
            await asyncio.sleep(LIVE_SECONDS)
            draw()


async def _plain(endpoints: Sequence[Endpoint]) -> None:
    while True:
        await asyncio.sleep(PLAIN_SECONDS)
        for endpoint in endpoints:
            print_progress(progress_line(endpoint))
