"""Outermost client: returns stored completions and stores new ones before they are used.

Identical requests in one process share one completion. What is parsed from a completion (`ModelRequest.read`)
is committed with it. How the completion is obtained is up to the wrapped client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from agents.clients.base import ModelClient, ModelRequest
from agents.messages import Completion
from agents.types import Judgment, Unscored
from harness.engine.event_log import EndpointStats
from harness.engine.prices import Price
from harness.engine.request_tracker import RequestTracker


class ClaimedRequests(NamedTuple):
    """Result of claiming a batch of requests.

    Attributes:
        to_send: claimed by this process: to be passed to `RecordingClient.send` or `release`.
        in_progress: being answered elsewhere, in this process or another: to be awaited with `complete`.
        n_completed: number of requests that were answered already and need nothing more.
    """

    to_send: list[ModelRequest]
    in_progress: list[ModelRequest]
    n_completed: int


class RecordingClient:
    """Client that looks up, claims, sends and commits requests.

    A dispatcher claims a batch with `claim` and sends each with `send`, without waiting for its commit.
    `complete` does all of it for one request, which joins a batch.

    Args:
        price: price of the model; None if unknown, and then the cost is unknown too.
        on_parsed: called with the request of every new completion and what was parsed from it.
    """

    def __init__(
        self,
        inner: ModelClient,
        tracker: RequestTracker,
        stats: EndpointStats,
        price: Price | None,
        on_parsed: Callable[[ModelRequest, object], None] = lambda request, parsed: None,
    ) -> None:
        self._inner = inner
        self._tracker = tracker
        self._stats = stats
        self._price = price
        self._on_parsed = on_parsed
        self._pending = tracker.pending

    async def complete(self, request: ModelRequest) -> Completion:
        """Return the stored completion, or a new one once it is committed.

        Raises:
            CallError, EndpointDisabled: as the wrapped client; the claim is released.
            UserError: the database cannot be written.
        """
        key = request.key
        if key in self._pending:
            return await self._wait_for_shared(request)
        self._pending[key] = None  # a future is created only when another caller waits
        try:
            stored = await self._tracker.claim_one(key)
        except BaseException as error:
            self._finish(key, error)
            raise
        if stored is not None:
            self._finish(key, stored)
            self._reuse(request, stored)
            if request.read is None:
                return stored
        completion = await self.send(request) if stored is None else stored
        await self._tracker.drain()
        return completion

    async def claim(self, requests: Sequence[ModelRequest]) -> ClaimedRequests:
        """Look up and claim a batch of requests; stored completions are parsed again and finished.

        Raises:
            EndpointDisabled, UserError: nothing was claimed.
        """
        unclaimed: dict[str, ModelRequest] = {}
        in_progress: list[ModelRequest] = []
        for request in requests:
            if request.key in self._pending:
                in_progress.append(request)
            else:
                self._pending[request.key] = None
                unclaimed[request.key] = request
        try:
            claimed = await self._tracker.claim(list(unclaimed)) if unclaimed else None
        except BaseException as error:
            for key in unclaimed:
                self._finish(key, error)
            raise
        if claimed is None:
            return ClaimedRequests([], in_progress, 0)
        for key in claimed.held_elsewhere:
            self._finish(key, asyncio.CancelledError())  # callers that share it look it up themselves
            in_progress.append(unclaimed[key])
        for key, completion in claimed.completed.items():
            self._finish(key, completion)
            self._reuse(unclaimed[key], completion)
        if claimed.completed:
            await self._tracker.wait_for_capacity()  # stored completions are not limited by anything else
        acquired = set(claimed.acquired)
        to_send = [
            request for key, request in unclaimed.items() if key in acquired
        ]  # in the order of arrival
        return ClaimedRequests(to_send, in_progress, len(claimed.completed))

    async def send(self, request: ModelRequest) -> Completion:
        """Send a claimed request; its completion is queued for its commit when this returns.

        Raises:
            CallError, EndpointDisabled: as the wrapped client; the claim is released.
            UserError: the database cannot be written.
        """
        try:
            completion = await self._inner.complete(request)
        except BaseException as error:
            self._tracker.release(request.key)
            self._finish(request.key, error)
            raise
        parsed, cost, parse_error = self._parse(request, completion)
        self._tracker.enqueue(request, completion, parsed, cost)
        if parse_error is not None:
            raise parse_error
        return completion

    def release(self, request: ModelRequest) -> None:
        """Release a request returned by `claim` that is not sent."""
        self._tracker.release(request.key)
        self._finish(request.key, asyncio.CancelledError())

    async def close(self) -> None:
        """Close the wrapped client."""
        await self._inner.close()

    def _parse(
        self, request: ModelRequest, completion: Completion
    ) -> tuple[object, float | None, Exception | None]:
        """Return what a new completion contains, its cost and the parse error, if any; it is paid for in any
        case.
        """
        stats = self._stats
        cost = None if self._price is None else self._price.cost(request, completion.usage)
        stats.made += 1
        stats.spent_usd += cost or 0.0
        try:
            parsed = request.read(completion, request.key) if request.read is not None else None
        except Exception as parse_error:
            return None, cost, parse_error
        stats.unscored += _is_unscored(parsed)
        self._on_parsed(request, parsed)
        return parsed, cost, None

    def _finish(self, key: str, outcome: Completion | BaseException) -> None:
        """Pass the outcome of a finished request to the callers that share it."""
        shared = self._pending.pop(key, None)
        if not isinstance(shared, asyncio.Future):
            return
        if isinstance(outcome, asyncio.CancelledError):
            shared.cancel()
        elif isinstance(outcome, BaseException):
            shared.set_exception(outcome)
            shared.exception()  # mark as retrieved: there may be no caller left that waits
        else:
            shared.set_result(outcome)

    async def _wait_for_shared(self, request: ModelRequest) -> Completion:
        """Wait for the completion of an identical request in progress."""
        shared = self._pending[request.key]
        if shared is None:
            shared = self._pending[request.key] = asyncio.get_running_loop().create_future()
        if isinstance(shared, Completion):
            completion = shared
        else:
            try:
                completion = await asyncio.shield(shared)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if not shared.cancelled() or (task is not None and task.cancelling()):
                    raise
                return await self.complete(request)  # the other caller was cancelled, not this one
        self._reuse(request, completion)
        await self._tracker.drain()
        return completion

    def _reuse(self, request: ModelRequest, completion: Completion) -> None:
        """Parse a stored completion again: for another pair of responses, or by a newer parser."""
        self._stats.reused += 1
        if request.read is not None:
            parsed = request.read(completion, request.key)
            self._stats.unscored += _is_unscored(parsed)
            self._tracker.enqueue_parsed(parsed)


def _is_unscored(parsed: object) -> bool:
    return isinstance(parsed, Judgment) and isinstance(parsed.outcome, Unscored)
