"""What a run knows of its calls: answered, being asked by somebody, or ours to ask.

Looks keys up and claims them: many at once for a pump that knows what comes (`claim`), and one by one for a
chain that does not (`resolve`). The latter are gathered into batches, for all lanes together: as soon as a
lane is hungry (few of its calls wait at its gate), else when a batch is full or somebody has waited for
`MAX_DELAY_SECONDS`. Keys that another process holds are asked about again until that process has answered them, or
has died. Hands answers to the writer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

from agents.clients.base import ModelRequest
from agents.errors import CallError
from agents.messages import Completion
from results.db.claims import ClaimResult

BATCH_SIZE = 256
MAX_DELAY_SECONDS = 1.0
POLL_SECONDS = 0.25


class RequestTracker:
    """The run's side of the store. One per process and run.

    `store` claims and releases keys for this invocation; `writer` commits answers and failed tries.

    Attributes:
        being_asked: calls of this process that are looked up, asked or committed right now, whichever lane's:
            identical calls share one question. Each with what others who want the same answer wait for (made
            only where somebody does), or with its answer, until that is committed.
    """

    def __init__(self, store: Any, writer: Any, invocation_id: str) -> None:
        self._store = store
        self._writer = writer
        self._invocation_id = invocation_id
        self.pending: dict[str, asyncio.Future[Completion] | Completion | None] = {}
        self._abandoned: Exception | None = None
        self._asked: list[tuple[str, asyncio.Future[Completion | None]]] = []
        self._held: dict[str, asyncio.Future[Completion | None]] = {}
        self._released: list[str] = []
        self._flusher: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None

    def resolve(self, key: str, hungry: bool = True) -> asyncio.Future[Completion | None]:
        """The stored answer of this call; or None, and then the call is ours to ask and to `record`.

        Args:
            hungry: whether the asker has little else to send, so that the batch should not wait to fill.
        """
        if self._abandoned is not None:
            raise self._abandoned
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Completion | None] = loop.create_future()
        self._asked.append((key, future))
        if self._flusher is None:
            if hungry or len(self._asked) >= BATCH_SIZE:
                self._start()
            elif self._timer is None:
                self._timer = loop.call_later(MAX_DELAY_SECONDS, self._start)
        return future

    async def claim(self, keys: Sequence[str]) -> ClaimResult:
        """What becomes of these keys: ours to ask and to `keep`, answered, or held by another process.

        Raises:
            LaneStopped: nothing new is to be asked.
            UserError: the database fails.
        """
        if self._abandoned is not None:
            raise self._abandoned
        await self._give_back()
        claimed: ClaimResult = await self._store.claim(keys, self._invocation_id)
        return claimed

    def flush_soon(self) -> None:
        """Somebody has little left to send: claim what has been asked about, however little."""
        if self._asked and self._flusher is None:
            self._start()

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._flusher is None:
            self._flusher = asyncio.get_running_loop().create_task(self._flush())

    def record(
        self, call: ModelRequest, completion: Completion, reading: object, cost_usd: float | None
    ) -> Awaitable[None]:
        """Commit an answer and what was read from it; done when both are safe."""
        committed: Awaitable[None] = self._writer.save(call, completion, reading, cost_usd)
        return committed

    def record_reading(self, reading: object) -> Awaitable[None]:
        """Commit what was read from an answer that was stored before."""
        committed: Awaitable[None] = self._writer.save_parsed(reading)
        return committed

    def keep(
        self, call: ModelRequest, completion: Completion, reading: object, cost_usd: float | None
    ) -> None:
        """The same as `record` for who does not wait: the answer is shared until it is committed."""
        shared, self.pending[call.key] = self.pending.get(call.key), completion
        if isinstance(shared, asyncio.Future):
            shared.set_result(completion)
        self._writer.enqueue(call, completion, reading, cost_usd)

    def keep_reading(self, reading: object) -> None:
        """The same as `record_reading` for who does not wait."""
        self._writer.enqueue_parsed(reading)

    async def room(self) -> None:
        """Until less than a batch waits for its commit: the back-pressure for what is kept and not asked."""
        if self._writer.pending >= BATCH_SIZE:
            await self._writer.committed()

    async def settled(self) -> None:
        """Until everything that was kept so far is committed.

        Raises:
            UserError: the database cannot be written.
        """
        await self._writer.committed()

    def committed(self, keys: Sequence[str]) -> None:
        """These answers are in the database: who wants them looks there."""
        pending = self.pending
        for key in keys:
            if isinstance(pending.get(key), Completion):
                del pending[key]

    def record_failure(
        self, call: ModelRequest, error: CallError, tries: int, cost_usd: float | None
    ) -> None:
        """Keep a failed try, with what it may have cost; committed with the next batch."""
        self._writer.save_failure(call, error, tries, cost_usd)

    def release(self, key: str) -> None:
        """We shall not ask this call after all; somebody else may."""
        self._released.append(key)

    def abort(self, error: Exception) -> None:
        """Nothing new is to be asked: all who wait for a claim, or for another process, get this error."""
        self._abandoned = error
        waiting = [future for _, future in self._asked] + list(self._held.values())
        self._asked, self._held = [], {}
        for future in waiting:
            if not future.done():
                future.set_exception(error)

    async def usage_since(self, model: str, since: float) -> Any:
        """What a model was asked since a moment, by everybody but this invocation."""
        return await self._store.usage_since(model, since, besides=self._invocation_id)

    async def close(self) -> None:
        """Give back what was claimed and not asked."""
        if self._timer is not None:
            self._timer.cancel()
        for task in (self._flusher, self._watcher):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await self._give_back()

    async def _give_back(self) -> None:
        released, self._released = self._released, []
        if released:
            await self._store.release(released, self._invocation_id)

    async def _flush(self) -> None:
        while self._asked:
            batch, self._asked = self._asked[:BATCH_SIZE], self._asked[BATCH_SIZE:]
            await self._claim(dict(batch))
        self._flusher = None

    async def _watch(self) -> None:
        """Ask again about what others hold, until nobody holds anything that we want."""
        while self._held:
            await asyncio.sleep(POLL_SECONDS)
            held, self._held = self._held, {}
            futures = list(held.items())
            for start in range(0, len(futures), BATCH_SIZE):
                await self._claim(dict(futures[start : start + BATCH_SIZE]))
        self._watcher = None

    async def _claim(self, futures: dict[str, asyncio.Future[Completion | None]]) -> None:
        wanted = {key: future for key, future in futures.items() if not future.done()}
        if not wanted:
            return
        try:
            await self._give_back()
            claimed = await self._store.claim(list(wanted), self._invocation_id)
        except Exception as error:
            for future in wanted.values():
                if not future.done():
                    future.set_exception(error)
            return
        won = set(claimed.acquired)
        for key, future in wanted.items():  # in the order in which they came
            if key in won:
                self._settle(future, key, None)
        for key, completion in claimed.completed.items():
            self._settle(wanted[key], key, completion)
        for key in claimed.held_elsewhere:
            if self._abandoned is None:
                self._held[key] = wanted[key]
            elif not wanted[key].done():
                wanted[key].set_exception(self._abandoned)
        if self._held and self._watcher is None:
            self._watcher = asyncio.get_running_loop().create_task(self._watch())

    def _settle(
        self, future: asyncio.Future[Completion | None], key: str, completion: Completion | None
    ) -> None:
        if not future.done():
            future.set_result(completion)
        elif completion is None:
            self._released.append(key)  # whoever wanted it was cancelled meanwhile
