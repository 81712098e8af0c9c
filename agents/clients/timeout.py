"""One time limit for many tasks at once.

`asyncio.timeout` sets and cancels a timer for each; where a thousand calls a second have minutes each, one
timer that looks at the oldest does. As with `asyncio.timeout`, a task that is late is cancelled, and hears of
it as a `TimeoutError`; one that somebody else cancels at the same time is cancelled.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any


class SharedTimeout:
    """`with patience:` gives what the current task does within so many seconds; any number of tasks at once,
    of one event loop, each one at a time.

    Raises:
        TimeoutError: at the end of the block, where it took longer.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due: dict[asyncio.Task[Any], float] = {}  # the first that began is the first that is due
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        task = _current_task()
        loop = task.get_loop()
        due = self._due[task] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_at(due, self._look, loop)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task = _current_task()
        if task not in self._late:
            del self._due[task]
            return
        self._late.remove(task)
        if task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel whoever is late, and look again when the next one would be."""
        self._timer = None
        now = loop.time()
        for task, due in list(self._due.items()):
            if due > now:
                self._timer = loop.call_at(due, self._look, loop)
                return
            del self._due[task]
            self._late.add(task)
            task.cancel()


def _current_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("only a task can be late")
    return task
