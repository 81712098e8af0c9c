"""Dispatcher: feeds every endpoint from its own source of requests, in constant memory.

A source is a lazy iterator of work items. A work item is a request or a chain: a function that is given a
client and awaits completions from it. Each endpoint has its own tasks:

    feeder     takes work items from the source; requests are looked up and claimed in batches
    senders    one for each request that may be in flight: send one claimed request after another
    followers  one for each chain, and for each request that is already in progress elsewhere

So a million comparisons are never in memory at once, a slow endpoint never delays another, and chains and
requests interleave. A sender does not wait until its completion is committed (the rate limiter bounds how
many are uncommitted), but all are committed before the endpoint's tasks end. A failed work item is counted.
An endpoint that stops ends its tasks; the others continue.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from agents.clients.base import ModelClient, ModelRequest
from agents.errors import CallError, EndpointDisabled
from harness.engine.endpoint import Endpoint
from harness.engine.rate_limiter import MAX_UNCOMMITTED
from harness.engine.request_tracker import BATCH_SIZE
from harness.interrupt import Interrupt

Chain = Callable[[ModelClient], Awaitable[object]]
WorkItem = ModelRequest | Chain

LOW_WATER_MARK = 128  # with fewer claimed requests, the next batch is claimed
MAX_PENDING_CHAINS = 256  # chains started before their requests can be sent


class EndpointTasks:
    """Tasks of one endpoint."""

    def __init__(self, endpoint: Endpoint, source: Iterator[WorkItem]) -> None:
        self._endpoint = endpoint
        self._source = source
        self._group = asyncio.TaskGroup()
        self._ready: deque[ModelRequest] = deque()  # claimed by this process and not sent yet
        self._senders = 0
        self._followers = 0
        self._changed = asyncio.Event()  # few requests are ready, or a follower has finished
        self._stopped = False

    async def run(self) -> None:
        """Run until the source is exhausted or the endpoint stops, and every completion is committed.

        Raises:
            Exception: an unexpected error of a task.
        """
        self._endpoint.retrying.on_waiting = self._spawn_senders
        try:
            async with self._group:
                self._group.create_task(self._feed())
            await self._endpoint.drain()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            self._stop()

    def interrupt(self) -> None:
        """Take no new work and send nothing more."""
        self._stop()
        self._endpoint.interrupt()

    def _stop(self) -> None:
        """Start nothing new; release requests that are claimed and not sent."""
        self._stopped = True
        self._changed.set()
        while self._ready:
            self._endpoint.client.release(self._ready.popleft())

    # -- feeder ------------------------------------------------------------------------------------

    async def _feed(self) -> None:
        requests: list[ModelRequest] = []
        for work in self._source:
            if isinstance(work, ModelRequest):
                requests.append(work)
                if len(requests) >= BATCH_SIZE:
                    await self._claim(requests)
                    requests = []
                    await self._wait_until(self._needs_work)
            else:
                if not self._has_capacity():
                    await self._claim(requests)
                    requests = []
                await self._start_follower(work)
            if self._stopped:
                return
        await self._claim(requests)

    async def _claim(self, requests: list[ModelRequest]) -> None:
        """Look up and claim requests: each is finished, ready to send, or given to a follower."""
        if not requests or self._stopped:
            return
        try:
            claim = await self._endpoint.client.claim(requests)
        except EndpointDisabled:
            self._stop()
            return
        self._endpoint.stats.done += claim.n_completed
        self._ready.extend(claim.to_send)
        self._spawn_senders()
        for request in claim.in_progress:
            await self._start_follower(request)

    def _needs_work(self) -> bool:
        return len(self._ready) < max(LOW_WATER_MARK, self._endpoint.rate_limiter.concurrency)

    async def _wait_until(self, condition: Callable[[], bool]) -> None:
        while not (self._stopped or condition()):
            self._changed.clear()
            await self._changed.wait()

    # -- senders -------------------------------------------------------------------------------------

    def _target_senders(self) -> int:
        """Return the target number of senders: the concurrency, plus replacements for those that wait for a
        retry.
        """
        return self._endpoint.rate_limiter.concurrency + min(self._endpoint.retrying.waiting, MAX_UNCOMMITTED)

    def _spawn_senders(self) -> None:
        if self._stopped:
            self._stop()  # releases what was claimed in the meantime
        for _ in range(min(self._target_senders() - self._senders, len(self._ready))):
            self._senders += 1
            self._group.create_task(self._run_sender())

    async def _run_sender(self) -> None:
        ready, client, stats = self._ready, self._endpoint.client, self._endpoint.stats
        while ready and self._senders <= (target := self._target_senders()):
            request = ready.popleft()
            if self._needs_work():
                self._changed.set()
            if self._senders < target:
                self._spawn_senders()
            try:
                await client.send(request)
            except (CallError, EndpointDisabled) as error:
                self._count_failure(error)
            stats.done += 1
        self._senders -= 1

    # -- followers -------------------------------------------------------------------------------------

    def _has_capacity(self) -> bool:
        concurrency = self._endpoint.rate_limiter.concurrency
        return self._followers < concurrency + MAX_UNCOMMITTED + MAX_PENDING_CHAINS

    async def _start_follower(self, work: WorkItem) -> None:
        """Start a follower for a chain or for a request in progress elsewhere, once there is capacity."""
        await self._wait_until(self._has_capacity)
        if not self._stopped:
            self._followers += 1
            self._group.create_task(self._run_follower(work))

    async def _run_follower(self, work: WorkItem) -> None:
        client, stats = self._endpoint.client, self._endpoint.stats
        try:
            await (client.complete(work) if isinstance(work, ModelRequest) else work(client))
        except (CallError, EndpointDisabled) as error:
            self._count_failure(error)
        stats.done += 1
        self._followers -= 1
        self._changed.set()

    def _count_failure(self, error: CallError | EndpointDisabled) -> None:
        """Count a failed work item; start nothing new if the endpoint has stopped."""
        self._endpoint.stats.failed += 1
        if isinstance(error, EndpointDisabled):
            self._stop()


async def _run_all(tasks: list[EndpointTasks]) -> None:
    """Run the tasks of all endpoints; on an unexpected error of one, cancel the others and raise it."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in tasks:
                group.create_task(each.run())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def dispatch(
    sources: list[tuple[Endpoint, Iterator[WorkItem]]],
    interrupt: Interrupt | None = None,
    grace_seconds: float = 30.0,
) -> None:
    """Process the work of all endpoints; every completion is committed when this returns.

    Args:
        sources: each endpoint with its own lazy source.
        interrupt: once requested, nothing new is sent; requests in flight have `grace_seconds` left.
        grace_seconds: see `interrupt`.

    Raises:
        Exception: an unexpected error of a task (such as a database that cannot be written); all tasks are
            cancelled.
    """
    tasks = [EndpointTasks(endpoint, source) for endpoint, source in sources]
    running = asyncio.ensure_future(_run_all(tasks))
    if interrupt is None:
        await running
        return
    waiting: asyncio.Future[Any] = asyncio.ensure_future(interrupt.wait())
    try:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            for each in tasks:
                each.interrupt()
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
