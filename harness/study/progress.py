"""Progress of a run of requests, counted in the database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from sqlalchemy import func, select

from agents.errors import UserError
from results.db.schema import CompletionRow, InvocationRow, table
from results.db.store import Store

POLL_SECONDS = 5.0
SILENT_POLLS = 4  # polls without a message while there are no answers, as while a server starts
Tell = Callable[[str, str], None]  # called with the name of a stage and its progress


@contextlib.asynccontextmanager
async def report_progress(
    store: Store, run_id: str, stage: str, tell: Tell, calls: int | None = None
) -> AsyncIterator[None]:
    """Report the number of answers of a run every few seconds while the block runs.

    Args:
        stage: name of the stage, passed to `tell`.
        tell: called with the name of the stage and its progress.
        calls: expected number of requests, if known.
    """

    async def poll() -> None:
        expected = f" of about {calls:,}" if calls else ""
        silent_polls = 0
        while True:
            await asyncio.sleep(POLL_SECONDS)
            with contextlib.suppress(UserError):  # the process that writes reports the problem
                count = await count_answers(store, run_id)
                silent_polls = 0 if count else silent_polls + 1
                if count or silent_polls % SILENT_POLLS == 0:
                    tell(stage, f"{count:,}{expected} answers" if count else "no answers yet")

    polling = asyncio.create_task(poll())
    try:
        yield
    finally:
        polling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await polling


async def count_answers(store: Store, run_id: str) -> int:
    """Return the number of answers that invocations of this run received."""
    completion, invocation = table(CompletionRow).c, table(InvocationRow).c
    query = (
        select(func.count())
        .select_from(table(CompletionRow))
        .join(table(InvocationRow), invocation.id == completion.invocation_id)
        .where(invocation.run_id == run_id)
    )
    return await store.read(lambda connection: int(connection.execute(query).scalar_one()))
