"""One loop, several runs of calls: each believes that the signals are its own, and each is told.

A run of calls takes SIGINT for itself while it lasts, to stop cleanly. Side by side on one loop the last
would take it from the others. On this loop every task that asked for a signal is told of it.
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
    """An event loop whose signals go to everybody who asked for them."""

    def __init__(self) -> None:
        super().__init__()
        self._asked: dict[int, dict[Any, Callable[[], Any]]] = {}

    def add_signal_handler(  # type: ignore[override,unused-ignore]  # the same but for typed arguments
        self, sig: int, callback: Any, *args: Any
    ) -> None:
        """Tell the present task of this signal too."""
        told = self._asked.setdefault(sig, {})
        told[asyncio.current_task(self)] = lambda: callback(*args)
        super().add_signal_handler(sig, self._tell, sig)

    def remove_signal_handler(self, sig: int) -> bool:
        """The present task wants to hear no more of it."""
        told = self._asked.get(sig, {})
        was = told.pop(asyncio.current_task(self), None) is not None
        if not told:
            return bool(super().remove_signal_handler(sig))
        return was

    def _tell(self, sig: int) -> None:
        for callback in list(self._asked.get(sig, {}).values()):
            callback()


def run_with_shared_signals(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine on such a loop."""
    with contextlib.ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner(loop_factory=SharedSignalLoop))
        return runner.run(main)
