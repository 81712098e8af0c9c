"""Calls that come one by one are answered in batches: for engines in this process.

Every client of one engine puts its calls into one queue; whatever has come while the engine was busy is the
next batch, all models together. The engine is a plain function of a list of calls, run in a thread of its
own. Knows no engine.
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
    """One engine's queue.

    Args:
        engine: answers a batch, one answer for each call, in their order.
        most: calls in a batch, ≥ 1.
    """

    def __init__(self, engine: BatchEngine, most: int = MAX_BATCH_SIZE) -> None:
        self._engine = engine
        self._most = most
        self._waiting: list[tuple[ModelRequest, asyncio.Future[Completion]]] = []
        self._worker: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self.batches: list[int] = []

    def client(self) -> BatchClient:
        """A client for one model of this engine."""
        return BatchClient(self)

    async def complete(self, call: ModelRequest) -> Completion:
        """Answered with whatever else is waiting.

        Raises:
            CallError: the engine could not.
        """
        answered: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, answered))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await answered

    async def close(self) -> None:
        """Wait for the batch at work; whoever still waits is told. Idempotent."""
        if self._worker is not None and not self._worker.done():
            self._worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._worker
        for _, answered in self._waiting:
            if not answered.done():
                answered.set_exception(CallError(Failure.INTERRUPTED, "the engine was closed"))
        self._waiting.clear()
        self._thread.shutdown(wait=True)

    async def _work(self) -> None:
        await _settled(lambda: len(self._waiting), self._most)
        while self._waiting:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            batch = [(call, answered) for call, answered in batch if not answered.done()]
            if not batch:
                continue
            began = time.perf_counter()
            answers = await asyncio.get_running_loop().run_in_executor(
                self._thread, self._answers, [call for call, _ in batch]
            )
            self.batches.append(len(batch))
            took = time.perf_counter() - began
            for (_, answered), answer in zip(batch, answers, strict=True):
                if answered.done():
                    continue
                if isinstance(answer, CallError):
                    answered.set_exception(answer)
                else:
                    answered.set_result(answer.with_measurements(took, None))
            await _settled(lambda: len(self._waiting), self._most)

    def _answers(self, calls: Sequence[ModelRequest]) -> Sequence[BatchResult]:
        try:
            return self._engine(calls)
        except CallError as error:
            return [error] * len(calls)
        except Exception as error:  # of an engine that is not ours: a fault of these calls, told as such
            what = f"the engine failed on a batch of {len(calls)}: {type(error).__name__}: {error}"
            return [CallError(Failure.SERVER, what[:2000])] * len(calls)


class BatchClient:
    """A `ModelClient` of a batcher; many may share one, which is closed by whoever made it."""

    def __init__(self, batcher: Batcher) -> None:
        self._batcher = batcher

    async def complete(self, call: ModelRequest) -> Completion:
        """Ask once, in a batch.

        Raises:
            CallError: there was no answer, and why.
        """
        return await self._batcher.complete(call)

    async def close(self) -> None:
        """The batcher is not this client's to close."""


async def _settled(count: Callable[[], int], most: int) -> None:
    """Let those that are about to ask do so: until a turn of the loop brings no more."""
    before, quiet = -1, 0
    while quiet < 3 and count() < most:
        now = count()
        quiet = quiet + 1 if now == before else 0
        before = now
        await asyncio.sleep(0.002)
