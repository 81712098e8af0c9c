"""The pump: feeds every lane from its own source, as fast as the lane takes it, in flat memory.

A source is a lazy iterator of work; work is anything that asks a client (one call, or a chain of dependent
calls). Each lane has a crew of workers, only as many as can be in flight or waiting for their commit; a
worker takes the next piece of work when it has finished one, so a million comparisons are never in memory,
a slow lane never keeps another from its work, and chains and single calls interleave. Work that fails is
over and counted; a lane that stops ends its crew; the others go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from agents.call import ModelClient
from agents.errors import CallError, LaneStopped
from harness.engine.gate import UNCOMMITTED
from harness.engine.lane import Lane

Work = Callable[[ModelClient], Awaitable[object]]

LOOK_AHEAD = 256  # work that is looked up and claimed before there is room to send it


class Crew:
    """The workers of one lane."""

    def __init__(self, lane: Lane, source: Iterator[Work]) -> None:
        self._lane = lane
        self._source = source
        self._group = asyncio.TaskGroup()
        self._workers = 0
        self._exhausted = False

    async def run(self) -> None:
        """Until the source is exhausted or the lane stops; what a worker did not expect is raised."""
        try:
            async with self._group:
                self._grow()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    def interrupt(self) -> None:
        """Take no new work."""
        self._exhausted = True
        self._lane.interrupt()

    def _wanted(self) -> int:
        return self._lane.gate.concurrency + UNCOMMITTED + LOOK_AHEAD

    def _grow(self) -> None:
        while not self._exhausted and self._workers < self._wanted():
            work = next(self._source, None)
            if work is None:
                self._exhausted = True
                return
            self._workers += 1
            self._group.create_task(self._work(work))

    async def _work(self, work: Work) -> None:
        lane = self._lane
        client, stats = lane.client, lane.stats
        next_work: Work | None = work
        while next_work is not None:
            try:
                await next_work(client)
            except LaneStopped:
                stats.failed += 1
                self._exhausted = True
            except CallError:
                stats.failed += 1
            stats.done += 1
            if self._exhausted:
                return
            next_work = next(self._source, None)
            self._exhausted = next_work is None
            if self._workers < self._wanted():
                self._grow()


async def _all(crews: list[Crew]) -> None:
    """Run all crews; where one meets what it did not expect, end the others and raise that."""
    try:
        async with asyncio.TaskGroup() as group:
            for crew in crews:
                group.create_task(crew.run())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def pump(
    sources: list[tuple[Lane, Iterator[Work]]],
    interrupted: asyncio.Event | None = None,
    grace_seconds: float = 30.0,
) -> None:
    """Do all work of all lanes.

    Args:
        sources: each lane with its own lazy source.
        interrupted: when set, nothing new is sent; what is in flight has `grace_seconds` to be answered.

    Raises:
        Exception: what a worker did not expect (a database that cannot be written); all crews are ended.
    """
    crews = [Crew(lane, source) for lane, source in sources]
    running = asyncio.ensure_future(_all(crews))
    if interrupted is None:
        await running
        return
    waiting: asyncio.Future[Any] = asyncio.ensure_future(interrupted.wait())
    try:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            for crew in crews:
                crew.interrupt()
            await asyncio.wait({running}, timeout=grace_seconds)
        if not running.done():
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            return
        await running
    finally:
        waiting.cancel()
        if not running.done():
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
