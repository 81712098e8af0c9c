"""One ceiling for a whole study, whose runs of calls go on side by side.

The engine keeps a ceiling for each run. Here a run is granted what it could cost at most, out of what the
study has left; where that is not enough it waits until no other run holds anything, and gets what there is.
So the sum of what is granted and what is spent never passes the ceiling. Which runs belong to the study is
written down before they ask, so that what a killed process spent counts.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from harness.atomic_write import atomic_write

SpentOf = Callable[[str], Awaitable[float]]


class StudyBudget:
    """The study's money.

    Args:
        ceiling_usd: None for none: every grant is then None, no ceiling.
        place: the file that names the study's runs.
        spent_of: what a run has spent so far, by its id.
    """

    def __init__(self, ceiling_usd: float | None, place: Path, spent_of: SpentOf) -> None:
        self.ceiling_usd = ceiling_usd
        self._place = place
        self._spent_of = spent_of
        self._runs: list[str] = json.loads(place.read_text()) if place.is_file() else []
        self._granted: dict[str, float] = {}
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def reserve(self, run_id: str, at_most_usd: float | None) -> AsyncIterator[float | None]:
        """What this run may have spent in all at the end (its `Settings.budget_usd`); None: anything.

        Args:
            at_most_usd: what it could still cost; None where that is not known.
        """
        if run_id not in self._runs:
            self._runs.append(run_id)
            atomic_write(self._place, json.dumps(self._runs) + "\n")
        if self.ceiling_usd is None:
            yield None
            return
        async with self._changed:
            while True:
                left = await self.left_usd()
                wanted = left if at_most_usd is None else at_most_usd
                if wanted <= left or not self._granted:
                    break
                await self._changed.wait()
            granted = max(0.0, min(wanted, left))
            self._granted[run_id] = granted
        try:
            spent = await self._spent_of(run_id)
            yield spent + granted
        finally:
            async with self._changed:
                del self._granted[run_id]
                self._changed.notify_all()

    async def left_usd(self) -> float:
        """What is neither spent nor granted.

        A run that is going on counts with what it was granted, and with what it spent since a second time:
        the error is on the safe side.
        """
        assert self.ceiling_usd is not None
        spent = sum([await self._spent_of(run) for run in self._runs])
        return self.ceiling_usd - spent - sum(self._granted.values())
