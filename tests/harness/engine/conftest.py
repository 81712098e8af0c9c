"""Virtual time: an event loop whose clock jumps to the next timer, so that hours pass in milliseconds."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import asyncio_throttle.throttler
import pytest


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
