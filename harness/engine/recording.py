"""The outermost client: an answer that is stored is not asked again; a new one is stored before it is used.

Identical calls in one process share one question. What is read from an answer (`Call.read`) is committed
with it. Nothing here knows how the answer is got.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from agents.call import Call, ModelClient
from agents.messages import Completion
from agents.vocabulary import Judgment, Unscored
from harness.engine.events import LaneStats
from harness.engine.ledger import Ledger
from harness.engine.money import Price


class RecordingClient:
    """Look up, claim, ask, commit.

    Args:
        price: to state an answer's cost; None where the price is unknown (the cost is then unknown too).
        hungry: whether the lane has little else to send.
    """

    def __init__(
        self,
        inner: ModelClient,
        ledger: Ledger,
        stats: LaneStats,
        price: Price | None,
        hungry: Callable[[], bool] = lambda: True,
    ) -> None:
        self._inner = inner
        self._ledger = ledger
        self._stats = stats
        self._price = price
        self._hungry = hungry
        self._being_asked = ledger.being_asked

    async def complete(self, call: Call) -> Completion:
        """The stored answer, or a new one once it is committed.

        Raises:
            CallError, LaneStopped: as the wrapped client; the claim is given back.
            UserError: the database cannot be written.
        """
        key, being_asked = call.key, self._being_asked
        if key in being_asked:
            return await self._share(call)
        being_asked[key] = None  # a future is made only where somebody else waits for this answer
        try:
            completion = await self._known_or_asked(call, key)
        except BaseException as error:
            if (shared := being_asked.pop(key)) is not None:
                if isinstance(error, asyncio.CancelledError):
                    shared.cancel()
                else:
                    shared.set_exception(error)
                    shared.exception()  # it is raised here; that nobody waits any more is no mistake
            raise
        if (shared := being_asked.pop(key)) is not None:
            shared.set_result(completion)
        return completion

    async def close(self) -> None:
        """Close what is wrapped."""
        await self._inner.close()

    async def _known_or_asked(self, call: Call, key: str) -> Completion:
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
            self._ledger.hurry()
        cost = None if self._price is None else self._price.cost(call, completion.usage)
        stats.made += 1
        stats.spent_usd += cost or 0.0
        try:
            reading = call.read(completion, key) if call.read is not None else None
        except Exception:
            await self._ledger.record(call, completion, None, cost)  # paid for, whatever its reader thinks
            raise
        stats.unscored += _is_unscored(reading)
        await self._ledger.record(call, completion, reading, cost)
        return completion

    async def _share(self, call: Call) -> Completion:
        """Wait for whoever asks already."""
        shared = self._being_asked[call.key]
        if shared is None:
            shared = self._being_asked[call.key] = asyncio.get_running_loop().create_future()
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

    async def _read_again(self, call: Call, completion: Completion) -> None:
        """The same answer may say something of another pair of responses, or to a newer reader."""
        if call.read is not None:
            reading = call.read(completion, call.key)
            self._stats.unscored += _is_unscored(reading)
            await self._ledger.record_reading(reading)


def _is_unscored(reading: object) -> bool:
    return isinstance(reading, Judgment) and isinstance(reading.outcome, Unscored)
