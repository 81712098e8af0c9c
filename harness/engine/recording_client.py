"""The outermost client: an answer that is stored is not asked again; a new one is stored before it is used.

Identical calls in one process share one question. What is read from an answer (`ModelRequest.read`) is committed
with it. Nothing here knows how the answer is got.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from agents.clients.base import ModelClient, ModelRequest
from agents.messages import Completion
from agents.types import Judgment, Unscored
from harness.engine.budget import Price
from harness.engine.event_log import EndpointStats
from harness.engine.request_tracker import RequestTracker


class Claim(NamedTuple):
    """What became of calls that were claimed together.

    Attributes:
        ours: to be asked by `RecordingClient.ask`, or given back.
        elsewhere: asked by somebody else already, here or in another process: to be waited for by `complete`.
        known: how many were answered already, and are done with.
    """

    ours: list[ModelRequest]
    elsewhere: list[ModelRequest]
    known: int


class RecordingClient:
    """Look up, claim, ask, commit: `complete` does all of it for one call; a pump that knows what comes has
    many calls claimed together (`claim`), and has each asked (`ask`) without waiting for its commit.

    Args:
        price: to state an answer's cost; None where the price is unknown (the cost is then unknown too).
        hungry: whether the lane has little else to send.
        on_reading: called with every new answer's call and what was read from it.
    """

    def __init__(
        self,
        inner: ModelClient,
        tracker: RequestTracker,
        stats: EndpointStats,
        price: Price | None,
        hungry: Callable[[], bool] = lambda: True,
        on_reading: Callable[[ModelRequest, object], None] = lambda call, reading: None,
    ) -> None:
        self._inner = inner
        self._ledger = tracker
        self._stats = stats
        self._price = price
        self._hungry = hungry
        self._on_reading = on_reading
        self._being_asked = tracker.pending

    async def complete(self, call: ModelRequest) -> Completion:
        """The stored answer, or a new one once it is committed.

        Raises:
            CallError, LaneStopped: as the wrapped client; the claim is given back.
            UserError: the database cannot be written.
        """
        key, pending = call.key, self._being_asked
        if key in pending:
            return await self._share(call)
        pending[key] = None  # a future is made only where somebody else waits for this answer
        try:
            completion = await self._known_or_asked(call, key)
        except BaseException as error:
            self._over(key, error)
            raise
        self._over(key, completion)
        return completion

    async def claim(self, calls: Sequence[ModelRequest]) -> Claim:
        """Look up and claim many calls at once; what was stored is read again and done with.

        Raises:
            LaneStopped, UserError: nothing of it is claimed.
        """
        fresh: dict[str, ModelRequest] = {}
        elsewhere: list[ModelRequest] = []
        for call in calls:
            if call.key in self._being_asked:
                elsewhere.append(call)
            else:
                self._being_asked[call.key] = None
                fresh[call.key] = call
        try:
            claimed = await self._ledger.claim(list(fresh)) if fresh else None
        except BaseException as error:
            for key in fresh:
                self._over(key, error)
            raise
        if claimed is None:
            return Claim([], elsewhere, 0)
        for key in claimed.held_elsewhere:
            self._over(key, asyncio.CancelledError())  # whoever shares it asks about it itself
            elsewhere.append(fresh[key])
        for key, completion in claimed.completed.items():
            self._over(key, completion)
            self._stats.reused += 1
            if fresh[key].read is not None:
                self._ledger.keep_reading(self._reading_again(fresh[key], completion))
        if claimed.completed:
            await self._ledger.room()  # what is known comes without any limit but this
        won = set(claimed.acquired)
        ours = [call for key, call in fresh.items() if key in won]  # in the order in which they came
        return Claim(ours, elsewhere, len(claimed.completed))

    async def ask(self, call: ModelRequest) -> None:
        """Ask a call that `claim` gave us. Its answer is on its way to the database when this returns.

        Raises:
            CallError, LaneStopped: as the wrapped client; the claim is given back.
            UserError: the database cannot be written.
        """
        try:
            completion = await self._inner.complete(call)
        except BaseException as error:
            self._ledger.release(call.key)
            self._over(call.key, error)
            raise
        reading, cost, trouble = self._read(call, completion)
        self._ledger.keep(call, completion, reading, cost)
        if trouble is not None:
            raise trouble

    def give_back(self, call: ModelRequest) -> None:
        """A call that `claim` gave us is not asked after all."""
        self._ledger.release(call.key)
        self._over(call.key, asyncio.CancelledError())

    async def close(self) -> None:
        """Close what is wrapped."""
        await self._inner.close()

    async def _known_or_asked(self, call: ModelRequest, key: str) -> Completion:
        stats = self._stats
        stored = await self._ledger.resolve(key, self._hungry())
        if stored is not None:
            stats.reused += 1
            await self._read_again(call, stored)
            return stored
        try:
            completion = await self._inner.complete(call)
        except BaseException:
            self._ledger.release(key)
            raise
        if self._hungry():
            self._ledger.flush_soon()
        reading, cost, trouble = self._read(call, completion)
        await self._ledger.record(call, completion, reading, cost)
        if trouble is not None:
            raise trouble
        return completion

    def _read(
        self, call: ModelRequest, completion: Completion
    ) -> tuple[object, float | None, Exception | None]:
        """(what a new answer says, what it cost, why it could not be read): it is paid for either way."""
        stats = self._stats
        cost = None if self._price is None else self._price.cost(call, completion.usage)
        stats.made += 1
        stats.spent_usd += cost or 0.0
        try:
            reading = call.read(completion, call.key) if call.read is not None else None
        except Exception as trouble:
            return None, cost, trouble
        stats.unscored += _is_unscored(reading)
        self._on_reading(call, reading)
        return reading, cost, None

    def _over(self, key: str, outcome: Completion | BaseException) -> None:
        """Nothing more is done about this call here: whoever shares it hears how it ended."""
        shared = self._being_asked.pop(key, None)
        if not isinstance(shared, asyncio.Future):
            return
        if isinstance(outcome, asyncio.CancelledError):
            shared.cancel()
        elif isinstance(outcome, BaseException):
            shared.set_exception(outcome)
            shared.exception()  # it is raised here; that nobody waits any more is no mistake
        else:
            shared.set_result(outcome)

    async def _share(self, call: ModelRequest) -> Completion:
        """Wait for whoever asks already."""
        shared = self._being_asked[call.key]
        if shared is None:
            shared = self._being_asked[call.key] = asyncio.get_running_loop().create_future()
        if isinstance(shared, Completion):
            completion = shared
        else:
            try:
                completion = await asyncio.shield(shared)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if not shared.cancelled() or (task is not None and task.cancelling()):
                    raise
                return await self.complete(call)  # it was whoever asked that was cancelled, not we
        self._stats.reused += 1
        await self._read_again(call, completion)
        return completion

    async def _read_again(self, call: ModelRequest, completion: Completion) -> None:
        """The same answer may say something of another pair of responses, or to a newer reader."""
        if call.read is not None:
            await self._ledger.record_reading(self._reading_again(call, completion))

    def _reading_again(self, call: ModelRequest, completion: Completion) -> object:
        reading = call.read(completion, call.key) if call.read is not None else None
        self._stats.unscored += _is_unscored(reading)
        return reading


def _is_unscored(reading: object) -> bool:
    return isinstance(reading, Judgment) and isinstance(reading.outcome, Unscored)
