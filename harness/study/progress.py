"""How far a run of calls is, for those who wait: counted in the database, now and then."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from sqlalchemy import func, select

from agents.errors import UserError
from results.db.schema import CompletionRow, InvocationRow, table
from results.db.store import Store

SECONDS = 5.0
QUIET = 4  # so many looks pass in silence while there is nothing to count: a server is starting
Tell = Callable[[str, str], None]  # a stage's name, and how far it is


@contextlib.asynccontextmanager
async def report_progress(
    store: Store, run_id: str, stage: str, tell: Tell, calls: int | None = None
) -> AsyncIterator[None]:
    """While the block runs, tell every few seconds how many answers the run has, now and then that it
    has none.

    Args:
        calls: how many it will have, where that is known.
    """

    async def watch() -> None:
        of = f" of about {calls:,}" if calls else ""
        waited = 0
        while True:
            await asyncio.sleep(SECONDS)
            with contextlib.suppress(UserError):  # whoever writes will say what is wrong
                got = await answers(store, run_id)
                waited = 0 if got else waited + 1
                if got or waited % QUIET == 0:
                    tell(stage, f"{got:,}{of} answers" if got else "no answers yet")

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


async def answers(store: Store, run_id: str) -> int:
    """Answers that invocations of this run were given."""
    completion, invocation = table(CompletionRow).c, table(InvocationRow).c
    wanted = (
        select(func.count())
        .select_from(table(CompletionRow))
        .join(table(InvocationRow), invocation.id == completion.invocation_id)
        .where(invocation.run_id == run_id)
    )
    return await store.read(lambda connection: int(connection.execute(wanted).scalar_one()))
