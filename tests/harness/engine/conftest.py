"""Fakes of the engine tests: virtual time, a model server, a store and its writer, all in memory.

In virtual time the event loop's clock jumps to the next timer, so hours pass in milliseconds.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import asyncio_throttle.throttler
import pytest

from agents.clients.base import ModelRequest
from agents.errors import CallError
from agents.messages import Completion, FinishReason, Message, Sampling, Usage
from agents.models.spec import ApiProtocol, Model
from results.db.claims import ClaimResult
from results.db.store import ModelUsage


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("deadlock: no timer is due and no task can continue")
            self.now += timeout
        return ready


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


@pytest.fixture
def virtual(monkeypatch: pytest.MonkeyPatch) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Run a coroutine in virtual time; asyncio-throttle uses the loop's clock."""

    def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        def now() -> float:
            return asyncio.get_running_loop().time()

        monkeypatch.setattr(asyncio_throttle.throttler, "time", SimpleNamespace(monotonic=now))
        with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
            return runner.run(coroutine)

    return run


USAGE = Usage(10, 1)
MODEL = Model("openai", "gpt-test", ApiProtocol.OPENAI_CHAT)


def make_request(
    index: int, *, max_tokens: int = 5, sample: int = 0, read: Any = None, model: Model = MODEL
) -> ModelRequest:
    """Return a request that is distinct for every number, with an output limit of `max_tokens`."""
    return ModelRequest(model, (Message("user", f"question {index}"),), Sampling(max_tokens), sample, 0, read)


def answer(text: str = "1", usage: Usage = USAGE) -> Completion:
    """Return a completion."""
    return Completion(text, FinishReason.STOP, usage)


Outcome = Completion | BaseException


@dataclass
class Server:
    """Client that answers after `seconds`; `scripted[key]` holds the outcomes of first attempts."""

    seconds: float = 1.0
    scripted: dict[str, list[Outcome]] = field(default_factory=dict)
    otherwise: Callable[[ModelRequest], Outcome] = field(default=lambda request: answer())
    sent: list[tuple[str, float]] = field(default_factory=list)
    in_flight: int = 0
    max_in_flight_seen: int = 0
    closed: int = 0

    async def complete(self, request: ModelRequest) -> Completion:
        self.sent.append((request.key, asyncio.get_running_loop().time()))
        self.in_flight += 1
        self.max_in_flight_seen = max(self.max_in_flight_seen, self.in_flight)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.in_flight -= 1
        script = self.scripted.get(request.key)
        outcome = script.pop(0) if script else self.otherwise(request)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def close(self) -> None:
        self.closed += 1

    @property
    def counts(self) -> Counter[str]:
        """Return how often each request was sent."""
        return Counter(key for key, _ in self.sent)

    def moments(self, request: ModelRequest) -> list[float]:
        """Return when a request was sent."""
        return [moment for key, moment in self.sent if key == request.key]


@dataclass
class FakeStore:
    """Store shared by all processes of a test; every access takes `seconds`."""

    seconds: float = 0.01
    answered: dict[str, Completion] = field(default_factory=dict)
    claims: dict[str, str] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    broken: Exception | None = None
    batches: list[int] = field(default_factory=list)
    used: ModelUsage = field(default_factory=lambda: ModelUsage(0, 0))
    queries: int = 0

    async def claim(self, keys: Sequence[str], invocation: str) -> ClaimResult:
        await asyncio.sleep(self.seconds)
        if self.broken is not None:
            raise self.broken
        self.batches.append(len(keys))
        answered = {key: self.answered[key] for key in keys if key in self.answered}
        wanted = [key for key in keys if key not in answered]
        for key in wanted:
            if self.claims.get(key, "") in ("", *self.dead):
                self.claims[key] = invocation
        acquired = sorted(key for key in wanted if self.claims[key] == invocation)  # in the database's order
        return ClaimResult(acquired, answered, [key for key in wanted if self.claims[key] != invocation])

    async def release(self, keys: Sequence[str], invocation: str) -> None:
        await asyncio.sleep(self.seconds)
        for key in keys:
            if self.claims.get(key) == invocation:
                del self.claims[key]

    async def usage_since(self, model: str, since: float, *, besides: str = "") -> ModelUsage:
        self.queries += 1
        await asyncio.sleep(self.seconds)
        return self.used


@dataclass
class FakeWriter:
    """Writer that commits into a `FakeStore`; every commit takes `seconds`."""

    memory: FakeStore
    seconds: float = 0.05
    readings: list[object] = field(default_factory=list)
    costs: dict[str, float | None] = field(default_factory=dict)
    failures: list[tuple[str, CallError, int, float | None]] = field(default_factory=list)
    on_commit: Callable[[float, Sequence[str]], None] = field(default=lambda cost, keys: None)
    pending: int = 0

    def enqueue(
        self, request: ModelRequest, completion: Completion, parsed: object, cost: float | None
    ) -> None:
        self.pending += 1
        loop = asyncio.get_running_loop()
        loop.call_later(self.seconds, self._committed, request, completion, parsed, cost)

    def enqueue_parsed(self, parsed: object) -> None:
        self.pending += 1
        asyncio.get_running_loop().call_later(self.seconds, self._committed_reading, parsed)

    async def committed(self) -> None:
        await asyncio.sleep(self.seconds)  # everything queued before is committed by then

    def _committed_reading(self, parsed: object) -> None:
        self.pending -= 1
        self.readings.append(parsed)

    def _committed(
        self, request: ModelRequest, completion: Completion, parsed: object, cost: float | None
    ) -> None:
        self.pending -= 1
        self.memory.answered.setdefault(request.key, completion)
        self.memory.claims.pop(request.key, None)
        self.readings.append(parsed)
        self.costs[request.key] = cost
        self.on_commit(cost or 0.0, [request.key])

    def save_failure(
        self, request: ModelRequest, error: CallError, attempts: int, cost: float | None
    ) -> None:
        self.failures.append((request.key, error, attempts, cost))
        self.on_commit(cost or 0.0, [])
