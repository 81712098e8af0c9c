"""Virtual time, and what stands around the engine there: a server, a store and its writer, in memory.

In virtual time an event loop's clock jumps to the next timer, so that hours pass in milliseconds.
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
                raise RuntimeError("deadlock: nothing is due and nobody will ever wake up")
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
    """Runs a coroutine in virtual time; asyncio-throttle's clock is the loop's."""

    def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        def now() -> float:
            return asyncio.get_running_loop().time()

        monkeypatch.setattr(asyncio_throttle.throttler, "time", SimpleNamespace(monotonic=now))
        with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
            return runner.run(coroutine)

    return run


USAGE = Usage(10, 1)
MODEL = Model("openai", "gpt-test", ApiProtocol.OPENAI_CHAT)


def question(
    at: int, *, most: int = 5, sample: int = 0, read: Any = None, model: Model = MODEL
) -> ModelRequest:
    """A call of its own for every number; its answer has at most `most` tokens."""
    return ModelRequest(model, (Message("user", f"question {at}"),), Sampling(most), sample, 0, read)


def answer(text: str = "1", usage: Usage = USAGE) -> Completion:
    """An answer."""
    return Completion(text, FinishReason.STOP, usage)


Outcome = Completion | BaseException


@dataclass
class Server:
    """A client that answers after `seconds`, or as it is told: `told[key]` are the first tries' outcomes."""

    seconds: float = 1.0
    told: dict[str, list[Outcome]] = field(default_factory=dict)
    otherwise: Callable[[ModelRequest], Outcome] = field(default=lambda call: answer())
    sent: list[tuple[str, float]] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    closed: int = 0

    async def complete(self, call: ModelRequest) -> Completion:
        self.sent.append((call.key, asyncio.get_running_loop().time()))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.in_flight -= 1
        script = self.told.get(call.key)
        outcome = script.pop(0) if script else self.otherwise(call)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def close(self) -> None:
        self.closed += 1

    @property
    def counts(self) -> Counter[str]:
        """How often each call was sent."""
        return Counter(key for key, _ in self.sent)

    def moments(self, call: ModelRequest) -> list[float]:
        """When a call was sent."""
        return [moment for key, moment in self.sent if key == call.key]


@dataclass
class Memory:
    """The store of all processes of a test; every look at it takes `seconds`."""

    seconds: float = 0.01
    answered: dict[str, Completion] = field(default_factory=dict)
    claims: dict[str, str] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    broken: Exception | None = None
    batches: list[int] = field(default_factory=list)
    used: ModelUsage = field(default_factory=lambda: ModelUsage(0, 0))
    looks: int = 0

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
        won = sorted(key for key in wanted if self.claims[key] == invocation)  # as a database gives them
        return ClaimResult(won, answered, [key for key in wanted if self.claims[key] != invocation])

    async def release(self, keys: Sequence[str], invocation: str) -> None:
        await asyncio.sleep(self.seconds)
        for key in keys:
            if self.claims.get(key) == invocation:
                del self.claims[key]

    async def usage_since(self, model: str, since: float, *, besides: str = "") -> ModelUsage:
        self.looks += 1
        await asyncio.sleep(self.seconds)
        return self.used


@dataclass
class Notes:
    """A writer that commits into a `Memory`; every commit takes `seconds`."""

    memory: Memory
    seconds: float = 0.05
    readings: list[object] = field(default_factory=list)
    costs: dict[str, float | None] = field(default_factory=dict)
    failures: list[tuple[str, CallError, int, float | None]] = field(default_factory=list)
    on_commit: Callable[[float, Sequence[str]], None] = field(default=lambda cost, keys: None)
    pending: int = 0

    async def save(
        self, call: ModelRequest, completion: Completion, reading: object, cost: float | None
    ) -> None:
        self.pending += 1
        await asyncio.sleep(self.seconds)
        self._committed(call, completion, reading, cost)

    def enqueue(
        self, call: ModelRequest, completion: Completion, reading: object, cost: float | None
    ) -> None:
        self.pending += 1
        loop = asyncio.get_running_loop()
        loop.call_later(self.seconds, self._committed, call, completion, reading, cost)

    async def save_parsed(self, reading: object) -> None:
        await asyncio.sleep(self.seconds)
        self.readings.append(reading)

    def enqueue_parsed(self, reading: object) -> None:
        self.pending += 1
        asyncio.get_running_loop().call_later(self.seconds, self._committed_reading, reading)

    async def committed(self) -> None:
        await asyncio.sleep(self.seconds)  # whatever was added before is over by then

    def _committed_reading(self, reading: object) -> None:
        self.pending -= 1
        self.readings.append(reading)

    def _committed(
        self, call: ModelRequest, completion: Completion, reading: object, cost: float | None
    ) -> None:
        self.pending -= 1
        self.memory.answered.setdefault(call.key, completion)
        self.memory.claims.pop(call.key, None)
        self.readings.append(reading)
        self.costs[call.key] = cost
        self.on_commit(cost or 0.0, [call.key])

    def save_failure(self, call: ModelRequest, error: CallError, tries: int, cost: float | None) -> None:
        self.failures.append((call.key, error, tries, cost))
        self.on_commit(cost or 0.0, [])
