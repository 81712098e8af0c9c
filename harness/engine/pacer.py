"""asyncio-throttle without its drift.

It polls: each batch of requests goes out a poll late, and because it counts from the moment of going out,
the lateness adds up (2 % of a limit of 3,000 a minute, measured). Here a request that went out a little
late counts from when it was due, so that the schedule as a whole keeps the limit exactly. After a pause it
counts from its own moment: nothing is made up for that was never waited for.
"""

from __future__ import annotations

from collections import deque

from asyncio_throttle.throttler import Throttler

MAX_LATENESS_SECONDS = 0.05


class Pacer(Throttler):
    """`rate_limit` requests in every `period` seconds, to be acquired by one dispatcher."""

    def __init__(self, rate_limit: int, period: float) -> None:
        super().__init__(rate_limit, period)
        self._counted: deque[float] = deque()

    def set(self, rate_limit: int, period: float) -> None:
        """Change the pace from now on."""
        self.rate_limit, self.period = rate_limit, period
        self.retry_interval = max(0.001, min(0.05, period / 100))

    async def acquire(self) -> None:
        """Wait until the next request may go out."""
        await super().acquire()  # type: ignore[no-untyped-call]  # it carries no types
        moment = self._task_logs[-1]
        if len(self._counted) >= self.rate_limit:
            due = self._counted[-self.rate_limit] + self.period
            if 0 < moment - due <= min(MAX_LATENESS_SECONDS, self.period / 4):
                moment = self._task_logs[-1] = due
        self._counted.append(moment)
        while len(self._counted) > self.rate_limit:
            self._counted.popleft()
