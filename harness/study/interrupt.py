"""Event loop that delivers SIGINT and SIGTERM to every registered run.

A run of requests registers a signal handler to stop cleanly. On a normal event loop, the last run would
replace the handlers of the others.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

try:
    from uvloop import Loop as _Loop
except ImportError:  # Windows
    _Loop = asyncio.SelectorEventLoop  # type: ignore[assignment,misc,unused-ignore]

Result = TypeVar("Result")


class SharedSignalLoop(_Loop):  # type: ignore[misc,unused-ignore]  # untyped where uvloop carries no types
    """Event loop that calls every registered handler of a signal."""

    def __init__(self) -> None:
        super().__init__()
        self._handlers: dict[int, dict[Any, Callable[[], Any]]] = {}

    def add_signal_handler(  # type: ignore[override,unused-ignore]  # the same but for typed arguments
        self, sig: int, callback: Any, *args: Any
    ) -> None:
        """Register a handler for the current task, beside those of other tasks."""
        handlers = self._handlers.setdefault(sig, {})
        handlers[asyncio.current_task(self)] = lambda: callback(*args)
        super().add_signal_handler(sig, self._call_handlers, sig)

    def remove_signal_handler(self, sig: int) -> bool:
        """Remove the handler of the current task."""
        handlers = self._handlers.get(sig, {})
        existed = handlers.pop(asyncio.current_task(self), None) is not None
        if not handlers:
            return bool(super().remove_signal_handler(sig))
        return existed

    def _call_handlers(self, sig: int) -> None:
        for callback in list(self._handlers.get(sig, {}).values()):
            callback()


def run_with_shared_signals(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine on a `SharedSignalLoop`."""
    with contextlib.ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner(loop_factory=SharedSignalLoop))
        return runner.run(main)
