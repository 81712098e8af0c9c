"""The pump: feeds every lane from its own source, as fast as the lane takes it, in flat memory.

A source is a lazy iterator of work. Work is a call; or a chain, anything that asks a client and waits for its
answers. Each lane has a crew of tasks of its own:

    feeder     takes work from the source; has calls looked up and claimed, many in one transaction
    askers     one for each call that may be in flight: ask what is claimed, one call after another
    followers  one for each chain, and for each call that somebody else asks already

So a million comparisons are never in memory, a slow lane never keeps another from its work, and chains and
calls interleave. An asker does not wait until its answer is committed (how many may not be yet, the gate sees
to); the crew does, at its end. Work that fails is over and counted; a lane that stops ends its crew; the
others go on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from agents.clients.base import ModelClient, ModelRequest
from agents.errors import CallError, EndpointDisabled
from harness.engine.endpoint import LOW_WATER_MARK, Endpoint
from harness.engine.rate_limiter import MAX_UNCOMMITTED
from harness.engine.request_tracker import BATCH_SIZE

Chain = Callable[[ModelClient], Awaitable[object]]
WorkItem = ModelRequest | Chain

MAX_PENDING_CHAINS = 256  # chains that are begun before there is room to send their calls


class EndpointWorkers:
    """The tasks of one lane."""

    def __init__(self, endpoint: Endpoint, source: Iterator[WorkItem]) -> None:
        self._lane = endpoint
        self._source = source
        self._group = asyncio.TaskGroup()
        self._ready: deque[ModelRequest] = deque()  # claimed, and ours to ask
        self._askers = 0
        self._followers = 0
        self._changed = asyncio.Event()  # little is ready, or a follower is done
        self._ended = False

    async def run(self) -> None:
        """Until the source is exhausted or the lane stops, and every answer is committed.

        Raises:
            Exception: what a task did not expect.
        """
        self._lane.retrying.on_waiting = self._hire
        try:
            async with self._group:
                self._group.create_task(self._feed())
            await self._lane.settled()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            self._end()

    def interrupt(self) -> None:
        """Take no new work, and send nothing more."""
        self._end()
        self._lane.interrupt()

    def _end(self) -> None:
        """Nothing new is begun; what is claimed and not asked is given back."""
        self._ended = True
        self._changed.set()
        while self._ready:
            self._lane.client.give_back(self._ready.popleft())

    # -- the feeder ----------------------------------------------------------------------------------

    async def _feed(self) -> None:
        calls: list[ModelRequest] = []
        for work in self._source:
            if isinstance(work, ModelRequest):
                calls.append(work)
                if len(calls) >= BATCH_SIZE:
                    await self._claim(calls)
                    calls = []
                    await self._until(self._is_hungry)
            else:
                if not self._has_room():
                    await self._claim(calls)
                    calls = []
                await self._follow(work)
            if self._ended:
                return
        await self._claim(calls)

    async def _claim(self, calls: list[ModelRequest]) -> None:
        """Look up and claim these: they are known, ready to be asked, or followed."""
        if not calls or self._ended:
            return
        try:
            claim = await self._lane.client.claim(calls)
        except EndpointDisabled:
            self._end()
            return
        self._lane.stats.done += claim.known
        self._ready.extend(claim.ours)
        self._hire()
        for call in claim.elsewhere:
            await self._follow(call)

    def _is_hungry(self) -> bool:
        return len(self._ready) < max(LOW_WATER_MARK, self._lane.rate_limiter.concurrency)

    async def _until(self, enough: Callable[[], bool]) -> None:
        while not (self._ended or enough()):
            self._changed.clear()
            await self._changed.wait()

    # -- askers --------------------------------------------------------------------------------------

    def _wanted(self) -> int:
        """As many askers as calls may be in flight, beside those that wait for a further try."""
        return self._lane.rate_limiter.concurrency + min(self._lane.retrying.waiting, MAX_UNCOMMITTED)

    def _hire(self) -> None:
        if self._ended:
            self._end()  # what was claimed meanwhile is given back
        for _ in range(min(self._wanted() - self._askers, len(self._ready))):
            self._askers += 1
            self._group.create_task(self._ask())

    async def _ask(self) -> None:
        ready, client, stats = self._ready, self._lane.client, self._lane.stats
        while ready and self._askers <= (wanted := self._wanted()):
            call = ready.popleft()
            if self._is_hungry():
                self._changed.set()
            if self._askers < wanted:
                self._hire()
            try:
                await client.ask(call)
            except (CallError, EndpointDisabled) as error:
                self._failed(error)
            stats.done += 1
        self._askers -= 1

    # -- followers -----------------------------------------------------------------------------------

    def _has_room(self) -> bool:
        return self._followers < self._lane.rate_limiter.concurrency + MAX_UNCOMMITTED + MAX_PENDING_CHAINS

    async def _follow(self, work: WorkItem) -> None:
        """Begin a chain, or wait for somebody else's answer, once there is room for it."""
        await self._until(self._has_room)
        if not self._ended:
            self._followers += 1
            self._group.create_task(self._follower(work))

    async def _follower(self, work: WorkItem) -> None:
        client, stats = self._lane.client, self._lane.stats
        try:
            await (client.complete(work) if isinstance(work, ModelRequest) else work(client))
        except (CallError, EndpointDisabled) as error:
            self._failed(error)
        stats.done += 1
        self._followers -= 1
        self._changed.set()

    def _failed(self, error: CallError | EndpointDisabled) -> None:
        """One piece of work got no answer; where the lane has stopped, nothing more is begun."""
        self._lane.stats.failed += 1
        if isinstance(error, EndpointDisabled):
            self._end()


async def _all(crews: list[EndpointWorkers]) -> None:
    """Run all crews; where one meets what it did not expect, end the others and raise that."""
    try:
        async with asyncio.TaskGroup() as group:
            for crew in crews:
                group.create_task(crew.run())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def dispatch(
    sources: list[tuple[Endpoint, Iterator[WorkItem]]],
    interrupted: asyncio.Event | None = None,
    grace_seconds: float = 30.0,
) -> None:
    """Do all work of all lanes; every answer is committed when this returns.

    Args:
        sources: each lane with its own lazy source.
        interrupted: when set, nothing new is sent; what is in flight has `grace_seconds` to be answered.

    Raises:
        Exception: what a task did not expect (a database that cannot be written); all crews are ended.
    """
    crews = [EndpointWorkers(endpoint, source) for endpoint, source in sources]
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
