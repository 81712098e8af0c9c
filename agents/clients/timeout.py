"""Time limit shared by many tasks, with a single timer.

`asyncio.timeout` sets and cancels a timer for every request, which is expensive at a thousand requests per
second. A single timer for the oldest task is enough. As with `asyncio.timeout`, a task over the limit is
cancelled and gets a `TimeoutError`; if something else cancels it at the same time, it stays cancelled.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any


class SharedTimeout:
    """Context manager that limits the duration of a block in the current task.

    Any number of tasks of one event loop can use it at the same time; a task must not nest it.

    Args:
        seconds: the limit.

    Raises:
        TimeoutError: at the end of a block that took longer.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due: dict[asyncio.Task[Any], float] = {}  # in the order of starting and thus of expiring
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        task = _current_task()
        loop = task.get_loop()
        due = self._due[task] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_at(due, self._expire, loop)

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

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel all tasks over the limit, and set the timer for the next one."""
        self._timer = None
        now = loop.time()
        for task, due in list(self._due.items()):
            if due > now:
                self._timer = loop.call_at(due, self._expire, loop)
                return
            del self._due[task]
            self._late.add(task)
            task.cancel()


def _current_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("the time limit applies to tasks only")
    return task
