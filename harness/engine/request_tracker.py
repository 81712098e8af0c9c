"""Tracker of a run's requests: already answered, in progress elsewhere, or claimed by this process.

Keys are looked up and claimed in batches, each in one transaction. A dispatcher that knows the coming
requests claims many at once (`claim`); callers that ask for one completion after another join the next batch
(`claim_one`). Keys claimed by another process are looked up again until that process has answered them or
has died. Completions are passed to the database writer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import Enum
from itertools import islice
from typing import Any

from agents.clients.base import ModelRequest
from agents.errors import CallError
from agents.messages import Completion
from results.db.claims import ClaimResult

BATCH_SIZE = 256
BATCH_SECONDS = 0.02  # how long callers of `claim_one` wait for others to join their batch
POLL_SECONDS = 0.25


class _Held(Enum):
    """A key that another process has claimed."""

    ELSEWHERE = 1


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
        self._collected: dict[str, asyncio.Future[Completion | _Held | None]] = {}
        self._released: list[str] = []
        self._batches: asyncio.Task[None] | None = None

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

    async def claim_one(self, key: str) -> Completion | None:
        """Claim a key in the next batch; return its stored completion, or None once this process claimed it.

        If another process has claimed the key, wait until it has answered it or has died.

        Raises:
            EndpointDisabled, UserError: as `claim`.
        """
        while True:
            loop = asyncio.get_running_loop()
            future: asyncio.Future[Completion | _Held | None] = loop.create_future()
            self._collected[key] = future
            if self._batches is None:
                self._batches = loop.create_task(self._claim_batches())
            outcome = await future
            if not isinstance(outcome, _Held):
                return outcome
            await asyncio.sleep(POLL_SECONDS)

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
        """Fail all callers that claim or wait for another process; no new request may be sent."""
        self._aborted = error

    async def usage_since(self, model: str, since: float) -> Any:
        """Return the usage of a model since a time by all other invocations."""
        return await self._store.usage_since(model, since, besides=self._invocation_id)

    async def close(self) -> None:
        """Release all claims of requests that were not sent."""
        if self._batches is not None:
            self._batches.cancel()
            await asyncio.gather(self._batches, return_exceptions=True)
        await self._release_claims()

    async def _release_claims(self) -> None:
        released, self._released = self._released, []
        if released:
            await self._store.release(released, self._invocation_id)

    async def _claim_batches(self) -> None:
        """Claim the keys that `claim_one` has collected, until there are none."""
        await asyncio.sleep(BATCH_SECONDS)
        while wanted := {key: future for key, future in self._collected.items() if not future.done()}:
            batch = dict(islice(wanted.items(), BATCH_SIZE))
            self._collected = {key: future for key, future in wanted.items() if key not in batch}
            try:
                claimed = await self.claim(list(batch))
            except Exception as error:
                for future in batch.values():
                    if not future.done():
                        future.set_exception(error)
                continue
            held = set(claimed.held_elsewhere)
            for key, future in batch.items():
                if not future.done():
                    future.set_result(_Held.ELSEWHERE if key in held else claimed.completed.get(key))
                elif key not in held and key not in claimed.completed:
                    self._released.append(key)  # the caller was cancelled in the meantime
        self._batches = None
