"""Tracker of a run's requests: already answered, in progress elsewhere, or claimed by this process.

Keys are looked up and claimed in batches. A dispatcher that knows the coming requests claims many at once
(`claim`). Code that asks for one completion after another uses `resolve`, whose keys are collected into
batches for all endpoints: a batch is sent as soon as an endpoint needs work (few of its requests wait at its
rate limiter), when it is full, or when a key has waited for `MAX_DELAY_SECONDS`. Keys claimed by another
process are looked up again until that process has answered them or has died. Completions are passed to the
database writer.
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
    """Access of one run in one process to the stored completions and claims.

    Args:
        store: claims and releases keys for this invocation.
        writer: commits completions and failed attempts.
        invocation_id: identifies this invocation in the database.

    Attributes:
        pending: requests of this process, on any endpoint, that are being looked up, sent or committed;
            identical requests share one completion. The value is the future that other callers wait for
            (created only if there are any), or the completion until it is committed.
    """

    def __init__(self, store: Any, writer: Any, invocation_id: str) -> None:
        self._store = store
        self._writer = writer
        self._invocation_id = invocation_id
        self.pending: dict[str, asyncio.Future[Completion] | Completion | None] = {}
        self._aborted: Exception | None = None
        self._collected: list[tuple[str, asyncio.Future[Completion | None]]] = []
        self._held: dict[str, asyncio.Future[Completion | None]] = {}
        self._released: list[str] = []
        self._flusher: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._poller: asyncio.Task[None] | None = None

    def resolve(self, key: str, needs_work: bool = True) -> asyncio.Future[Completion | None]:
        """Return a future of the stored completion; it gives None if this process has claimed the request.

        A claimed request must be passed to `record` or `release`.

        Args:
            needs_work: whether the endpoint has little else to send, so that the batch must not wait until it
                is full.
        """
        if self._aborted is not None:
            raise self._aborted
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Completion | None] = loop.create_future()
        self._collected.append((key, future))
        if self._flusher is None:
            if needs_work or len(self._collected) >= BATCH_SIZE:
                self._start_flush()
            elif self._timer is None:
                self._timer = loop.call_later(MAX_DELAY_SECONDS, self._start_flush)
        return future

    async def claim(self, keys: Sequence[str]) -> ClaimResult:
        """Look up and claim keys: each is claimed by this process, already answered, or claimed by another
        process.

        Raises:
            EndpointDisabled: no new request may be sent.
            UserError: the database failed.
        """
        if self._aborted is not None:
            raise self._aborted
        await self._release_claims()
        claimed: ClaimResult = await self._store.claim(keys, self._invocation_id)
        return claimed

    def flush_soon(self) -> None:
        """Claim the collected keys now, because an endpoint has little left to send."""
        if self._collected and self._flusher is None:
            self._start_flush()

    def _start_flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._flusher is None:
            self._flusher = asyncio.get_running_loop().create_task(self._flush())

    def record(
        self, request: ModelRequest, completion: Completion, parsed: object, cost_usd: float | None
    ) -> Awaitable[None]:
        """Commit a completion and what was parsed from it; the returned awaitable ends when both are
        committed.
        """
        committed: Awaitable[None] = self._writer.save(request, completion, parsed, cost_usd)
        return committed

    def record_parsed(self, parsed: object) -> Awaitable[None]:
        """Commit what was parsed from a completion that was stored before."""
        committed: Awaitable[None] = self._writer.save_parsed(parsed)
        return committed

    def enqueue(
        self, request: ModelRequest, completion: Completion, parsed: object, cost_usd: float | None
    ) -> None:
        """Queue a completion for its commit without waiting; it is shared with other callers until then."""
        shared, self.pending[request.key] = self.pending.get(request.key), completion
        if isinstance(shared, asyncio.Future):
            shared.set_result(completion)
        self._writer.enqueue(request, completion, parsed, cost_usd)

    def enqueue_parsed(self, parsed: object) -> None:
        """Queue what was parsed from a stored completion, without waiting."""
        self._writer.enqueue_parsed(parsed)

    async def wait_for_capacity(self) -> None:
        """Wait until less than a batch is queued: back-pressure for results that need not be sent."""
        if self._writer.pending >= BATCH_SIZE:
            await self._writer.committed()

    async def drain(self) -> None:
        """Wait until everything queued so far is committed.

        Raises:
            UserError: the database cannot be written.
        """
        await self._writer.committed()

    def committed(self, keys: Sequence[str]) -> None:
        """Forget completions that are committed; they are looked up in the database from now on."""
        pending = self.pending
        for key in keys:
            if isinstance(pending.get(key), Completion):
                del pending[key]

    def record_failure(
        self, request: ModelRequest, error: CallError, attempts: int, cost_usd: float | None
    ) -> None:
        """Queue a failed attempt and its possible cost for the next commit."""
        self._writer.save_failure(request, error, attempts, cost_usd)

    def release(self, key: str) -> None:
        """Give up the claim of a request that will not be sent, so that another process may send it."""
        self._released.append(key)

    def abort(self, error: Exception) -> None:
        """Fail all callers that wait for a claim or for another process; no new request may be sent."""
        self._aborted = error
        waiting = [future for _, future in self._collected] + list(self._held.values())
        self._collected, self._held = [], {}
        for future in waiting:
            if not future.done():
                future.set_exception(error)

    async def usage_since(self, model: str, since: float) -> Any:
        """Return the usage of a model since a time by all other invocations."""
        return await self._store.usage_since(model, since, besides=self._invocation_id)

    async def close(self) -> None:
        """Release all claims of requests that were not sent."""
        if self._timer is not None:
            self._timer.cancel()
        for task in (self._flusher, self._poller):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await self._release_claims()

    async def _release_claims(self) -> None:
        released, self._released = self._released, []
        if released:
            await self._store.release(released, self._invocation_id)

    async def _flush(self) -> None:
        while self._collected:
            batch, self._collected = self._collected[:BATCH_SIZE], self._collected[BATCH_SIZE:]
            await self._claim(dict(batch))
        self._flusher = None

    async def _poll_held(self) -> None:
        """Look up keys held by other processes until none is wanted any more."""
        while self._held:
            await asyncio.sleep(POLL_SECONDS)
            held, self._held = self._held, {}
            futures = list(held.items())
            for start in range(0, len(futures), BATCH_SIZE):
                await self._claim(dict(futures[start : start + BATCH_SIZE]))
        self._poller = None

    async def _claim(self, futures: dict[str, asyncio.Future[Completion | None]]) -> None:
        wanted = {key: future for key, future in futures.items() if not future.done()}
        if not wanted:
            return
        try:
            await self._release_claims()
            claimed = await self._store.claim(list(wanted), self._invocation_id)
        except Exception as error:
            for future in wanted.values():
                if not future.done():
                    future.set_exception(error)
            return
        acquired = set(claimed.acquired)
        for key, future in wanted.items():  # in the order of arrival
            if key in acquired:
                self._resolve_future(future, key, None)
        for key, completion in claimed.completed.items():
            self._resolve_future(wanted[key], key, completion)
        for key in claimed.held_elsewhere:
            if self._aborted is None:
                self._held[key] = wanted[key]
            elif not wanted[key].done():
                wanted[key].set_exception(self._aborted)
        if self._held and self._poller is None:
            self._poller = asyncio.get_running_loop().create_task(self._poll_held())

    def _resolve_future(
        self, future: asyncio.Future[Completion | None], key: str, completion: Completion | None
    ) -> None:
        if not future.done():
            future.set_result(completion)
        elif completion is None:
            self._released.append(key)  # the caller was cancelled in the meantime
