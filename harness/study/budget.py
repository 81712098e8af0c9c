"""Budget of a study whose runs go on in parallel.

The engine keeps a budget for each run. Here, each run reserves its maximum cost out of what the study has
left. If that is not enough, it waits until no other run holds a reservation and gets the rest. The sum of
reservations and spending therefore never exceeds the study's budget. The runs of a study are recorded before
they send requests, so that the spending of a killed process counts.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from harness.atomic_write import atomic_write

SpendingFunction = Callable[[str], Awaitable[float]]


class StudyBudget:
    """Budget of one study.

    Args:
        ceiling_usd: limit in US dollars; None for no limit, then every reservation is None.
        place: file with the ids of the study's runs.
        spent_of: function that returns the spending of a run so far, in US dollars.
    """

    def __init__(self, ceiling_usd: float | None, path: Path, spending_of: SpendingFunction) -> None:
        self.ceiling_usd = ceiling_usd
        self._path = path
        self._spending_of = spending_of
        self._runs: list[str] = json.loads(path.read_text()) if path.is_file() else []
        self._reserved: dict[str, float] = {}
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def reserve(self, run_id: str, maximum_usd: float | None) -> AsyncIterator[float | None]:
        """Reserve budget for a run while the block runs.

        Args:
            at_most_usd: maximum additional cost of the run; None if unknown.

        Yields:
            The total that the run may have spent at its end (its `budget_usd`); None for no limit.
        """
        if run_id not in self._runs:
            self._runs.append(run_id)
            atomic_write(self._path, json.dumps(self._runs) + "\n")
        if self.ceiling_usd is None:
            yield None
            return
        async with self._changed:
            while True:
                left = await self.left_usd()
                requested = left if maximum_usd is None else maximum_usd
                if requested <= left or not self._reserved:
                    break
                await self._changed.wait()
            reserved = max(0.0, min(requested, left))
            self._reserved[run_id] = reserved
        try:
            spent = await self._spending_of(run_id)
            yield spent + reserved
        finally:
            async with self._changed:
                del self._reserved[run_id]
                self._changed.notify_all()

    async def left_usd(self) -> float:
        """Return what is neither spent nor reserved, in US dollars.

        A run in progress counts with its reservation and with its spending since then, which errs on the safe
        side.
        """
        assert self.ceiling_usd is not None
        spent = sum([await self._spending_of(run) for run in self._runs])
        return self.ceiling_usd - spent - sum(self._reserved.values())
