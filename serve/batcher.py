"""Batching of single requests for engines in this process.

Every client of an engine puts its requests into one queue. The requests that arrive while the engine is busy
form the next batch, across all models. The engine is any function from a list of requests to a list of
results. It runs in a thread of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from agents.clients.base import ModelRequest
from agents.errors import CallError, Failure
from agents.messages import Completion

BatchResult = Completion | CallError
BatchEngine = Callable[[Sequence[ModelRequest]], Sequence[BatchResult]]
MAX_BATCH_SIZE = 256


class Batcher:
    """Request queue of one engine.

    Args:
        engine: processes a batch and returns one result for each request, in the same order.
        max_batch_size: maximum requests in a batch, ≥ 1.

    Attributes:
        batches: sizes of the batches processed so far.
    """

    def __init__(self, engine: BatchEngine, max_batch_size: int = MAX_BATCH_SIZE) -> None:
        self._engine = engine
        self._max_batch_size = max_batch_size
        self._queue: list[tuple[ModelRequest, asyncio.Future[Completion]]] = []
        self._worker: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self.batches: list[int] = []

    def client(self) -> BatchClient:
        """Return a client for one model of this engine."""
        return BatchClient(self)

    async def complete(self, request: ModelRequest) -> Completion:
        """Return the completion of a request, processed in a batch with other queued requests.

        Raises:
            CallError: the engine failed.
        """
        future: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._queue.append((request, future))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._process_queue())
        return await future

    async def close(self) -> None:
        """Wait for the current batch and fail the requests that are still queued; idempotent."""
        if self._worker is not None and not self._worker.done():
            self._worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._worker
        for _, future in self._queue:
            if not future.done():
                future.set_exception(CallError(Failure.INTERRUPTED, "the engine was closed"))
        self._queue.clear()
        self._thread.shutdown(wait=True)

    async def _process_queue(self) -> None:
        await _wait_for_arrivals(lambda: len(self._queue), self._max_batch_size)
        while self._queue:
            size = self._max_batch_size
            batch, self._queue = self._queue[:size], self._queue[size:]
            batch = [(request, future) for request, future in batch if not future.done()]
            if not batch:
                continue
            started_at = time.perf_counter()
            results = await asyncio.get_running_loop().run_in_executor(
                self._thread, self._run_engine, [request for request, _ in batch]
            )
            self.batches.append(len(batch))
            seconds = time.perf_counter() - started_at
            for (_, future), result in zip(batch, results, strict=True):
                if future.done():
                    continue
                if isinstance(result, CallError):
                    future.set_exception(result)
                else:
                    future.set_result(result.with_measurements(seconds, None))
            await _wait_for_arrivals(lambda: len(self._queue), self._max_batch_size)

    def _run_engine(self, requests: Sequence[ModelRequest]) -> Sequence[BatchResult]:
        try:
            return self._engine(requests)
        except CallError as error:
            return [error] * len(requests)
        except Exception as error:  # any error of the engine fails the requests of this batch
            message = f"the engine failed on a batch of {len(requests)}: {type(error).__name__}: {error}"
            return [CallError(Failure.SERVER, message[:2000])] * len(requests)


class BatchClient:
    """`ModelClient` of a batcher; several clients may share a batcher, which its creator closes."""

    def __init__(self, batcher: Batcher) -> None:
        self._batcher = batcher

    async def complete(self, request: ModelRequest) -> Completion:
        """Return the completion of a request, processed in a batch.

        Raises:
            CallError: the engine failed.
        """
        return await self._batcher.complete(request)

    async def close(self) -> None:
        """Do nothing; the creator of the batcher closes it."""


async def _wait_for_arrivals(count: Callable[[], int], limit: int) -> None:
    """Wait until no more requests arrive within a few turns of the event loop, or `limit` is reached."""
    previous, quiet_turns = -1, 0
    while quiet_turns < 3 and count() < limit:
        current = count()
        quiet_turns = quiet_turns + 1 if current == previous else 0
        previous = current
        await asyncio.sleep(0.002)
