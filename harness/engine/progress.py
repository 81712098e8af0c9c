"""Long work shows where it is: a live table on a terminal, a plain line every few seconds elsewhere.

Reads the lanes' counters and nothing else. Everything goes to stderr; results go to stdout.
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
from results.render.table import Table, table_of

LIVE_SECONDS = 0.25
PLAIN_SECONDS = 5.0
SHOWN_SECONDS = 5.0  # a longer wait is shown
HEADS = (
    *("endpoint", "done", "per min", "limit", "in flight", "known", "429", "retries", "unscored", "spent"),
    "left",
)


def per_second(endpoint: Endpoint) -> float:
    """Items done per second since the lane began."""
    elapsed = time.monotonic() - endpoint.stats.started_at
    return endpoint.stats.done / elapsed if elapsed > 0 else 0.0


def remaining_seconds(endpoint: Endpoint) -> float | None:
    """At the present rate; None where the total or the rate is not known."""
    rate = per_second(endpoint)
    if endpoint.stats.total is None or rate == 0:
        return None
    return max(0, endpoint.stats.total - endpoint.stats.done) / rate


def describe_wait(endpoint: Endpoint) -> str:
    """How long the endpoint waits before it sends again, and why; "" for a wait of 5 s or less."""
    seconds, reason = endpoint.rate_limiter.pause_seconds, endpoint.rate_limiter.pause_reason
    long = seconds > SHOWN_SECONDS or endpoint.rate_limiter.outage.is_active
    return (
        f"waits {format_duration(seconds)} ({reason})"
        if long and reason and not endpoint.stats.stopped
        else ""
    )


def progress_line(endpoint: Endpoint) -> str:
    """One lane's state in one line."""
    stats, rate_limiter = endpoint.stats, endpoint.rate_limiter
    total = "?" if stats.total is None else f"{stats.total:,}"
    limit = (
        "" if rate_limiter.requests_per_minute is None else f" of {rate_limiter.requests_per_minute:,.0f}/min"
    )
    parts = [
        f"{endpoint.name}: {stats.done:,}/{total}",
        f"{per_second(endpoint) * 60:,.0f}/min{limit}",
        f"{rate_limiter.in_flight} in flight",
        f"{stats.reused:,} known",
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
    """All lanes' states as a table."""
    table = table_of("", HEADS)
    for endpoint in endpoints:
        stats, rate_limiter = endpoint.stats, endpoint.rate_limiter
        total = "?" if stats.total is None else f"{stats.total:,}"
        limit = (
            "-" if rate_limiter.requests_per_minute is None else f"{rate_limiter.requests_per_minute:,.0f}"
        )
        table.add_row(
            endpoint.name,
            f"{stats.done:,}/{total}",
            f"{per_second(endpoint) * 60:,.0f}",
            limit,
            f"{rate_limiter.in_flight}/{rate_limiter.concurrency}",
            f"{stats.reused:,}",
            str(stats.rate_limited),
            str(stats.retried),
            str(stats.unscored + stats.failed),
            format_usd(endpoint.spent_usd),
            "stopped"
            if stats.stopped
            else describe_wait(endpoint) or format_duration(remaining_seconds(endpoint)),
        )
    return table


@contextlib.contextmanager
def shown(endpoints: Sequence[Endpoint], quiet: bool = False) -> Iterator[None]:
    """Show the lanes' progress while the block runs (inside a running event loop)."""
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
