"""Writer of a run's answers, which commits many answers in one transaction.

It commits when no other answer is expected, when `MOST_SECONDS` have passed since the first pending answer,
or when `MOST_WAITING` answers are pending. A caller that saves an answer may wait for its commit, or continue
and limit `pending` itself. An answer, the values parsed from it, its cost and the end of its claim are stored
in one transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, update

from agents.clients.base import ModelRequest
from agents.errors import CallError
from agents.generation import Generation
from agents.messages import Completion
from agents.types import Judgment, Response
from results.db.bulk import insert_if_absent, run_many
from results.db.connection import Database
from results.db.mappers import (
    completion_row,
    generation_row,
    judgment_row,
    response_row,
    storable,
)
from results.db.schema import (
    AttemptRow,
    ClaimRow,
    CompletionRow,
    GenerationRow,
    InvocationRow,
    JudgmentRow,
    ResponseRow,
    table,
)

MOST_SECONDS = 0.1
MOST_WAITING = 256

_completions, _judgments, _responses = table(CompletionRow), table(JudgmentRow), table(ResponseRow)
_generations = table(GenerationRow)
_attempts, _claims, _invocations = table(AttemptRow), table(ClaimRow), table(InvocationRow)
_SPEND = (
    update(_invocations)
    .where(_invocations.c.id == bindparam("of"))
    .values(
        spent_usd=_invocations.c.spent_usd + bindparam("cost"),
        reserved_usd=_invocations.c.reserved_usd - bindparam("cost"),
    )
)
_UNCLAIM = delete(_claims).where(_claims.c.key == bindparam("of"))


@dataclass(slots=True)
class _Batch:
    completions: list[dict[str, Any]] = field(default_factory=list)
    judgments: list[dict[str, Any]] = field(default_factory=list)
    responses: list[dict[str, Any]] = field(default_factory=list)
    generations: list[dict[str, Any]] = field(default_factory=list)
    attempts: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[asyncio.Future[None]] = field(default_factory=list)
    added: int = 0
    cost_usd: float = 0.0

    def add_parsed(self, parsed: object) -> None:
        """Add the rows of a value that was parsed from a completion."""
        if isinstance(parsed, Judgment):
            self.judgments.append(judgment_row(parsed))
        elif isinstance(parsed, Response):
            self.responses.append(response_row(parsed))
        elif isinstance(parsed, Generation):
            self.generations.append(generation_row(parsed))
            self.add_parsed(parsed.response)
        elif isinstance(parsed, tuple):
            for part in parsed:
                self.add_parsed(part)
        elif parsed is not None:
            raise TypeError(f"cannot store a {type(parsed).__name__}")

    @property
    def is_empty(self) -> bool:
        read = self.judgments or self.responses or self.generations
        return not (self.completions or read or self.attempts)


class Writer:
    """Background writer that collects completions and commits them in batches.

    Args:
        idle: returns whether no request is in flight, so that waiting for more gains nothing.
        on_commit: called after each commit with its cost in US dollars and the keys of its completions.

    Attributes:
        pending: number of completions (and parsed values) that wait for their commit.
        commits: number of committed batches.
        busy_seconds: total duration of all commits.
    """

    def __init__(
        self,
        database: Database,
        invocation_id: str,
        *,
        idle: Callable[[], bool] = lambda: True,
        on_commit: Callable[[float, Sequence[str]], None] = lambda *_: None,
    ) -> None:
        self._database = database
        self._invocation_id = invocation_id
        self._idle = idle
        self._on_commit = on_commit
        self._batch = _Batch()
        self._due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._error: Exception | None = None
        self.pending = 0
        self.commits = 0
        self.busy_seconds = 0.0

    def watch(self, idle: Callable[[], bool], on_commit: Callable[[float, Sequence[str]], None]) -> None:
        """Set `idle` and `on_commit`, which are often created after the writer."""
        self._idle, self._on_commit = idle, on_commit

    def save(
        self, call: ModelRequest, completion: Completion, parsed: object, cost_usd: float | None
    ) -> asyncio.Future[None]:
        """Commit a completion and what was parsed from it; the future is done when both are stored."""
        self.enqueue(call, completion, parsed, cost_usd)
        return self.committed()

    def save_parsed(self, parsed: object) -> asyncio.Future[None]:
        """Commit what was parsed from a stored completion; does nothing if it is stored already."""
        self.enqueue_parsed(parsed)
        return self.committed()

    def enqueue(
        self, call: ModelRequest, completion: Completion, parsed: object, cost_usd: float | None
    ) -> None:
        """Add a completion to the current batch without waiting; see `committed`.

        Raises:
            Exception: an earlier commit failed; the writer accepts nothing more.
        """
        batch = self._batch
        batch.completions.append(
            completion_row(
                call.key, call.model.id, completion, cost_usd, self._invocation_id, round(time.time(), 3)
            )
        )
        batch.cost_usd += cost_usd or 0.0
        self._count_item(parsed)

    def enqueue_parsed(self, parsed: object) -> None:
        """Add a parsed value to the current batch without waiting."""
        self._count_item(parsed)

    def committed(self) -> asyncio.Future[None]:
        """Return a future that is done when everything added so far is stored.

        Raises:
            Exception: an earlier commit failed.
        """
        if self._error is not None:
            raise self._error
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._batch.waiting.append(future)
        self._start()
        if self._idle():
            self._due.set()
        return future

    def save_failure(self, call: ModelRequest, error: CallError, tries: int, cost_usd: float | None) -> None:
        """Add a failed attempt; it is committed with the next batch."""
        self._batch.attempts.append(
            {
                "key": call.key,
                "invocation_id": self._invocation_id,
                "model": call.model.id,
                "failure": error.failure.value,
                "status": error.status,
                "message": storable(str(error)[:500]),
                "tries": tries,
                "cost_usd": cost_usd,
                "failed_at": round(time.time(), 3),
            }
        )
        self._batch.cost_usd += cost_usd or 0.0
        self._start()

    async def close(self) -> None:
        """Commit what is left."""
        if self._task is not None:
            self._due.set()
            await asyncio.gather(self._task, return_exceptions=True)
        if not self._batch.is_empty and self._error is None:
            await self._commit()

    def _count_item(self, parsed: object) -> None:
        """Count one more item in the current batch."""
        batch = self._batch
        if parsed is not None:
            batch.add_parsed(parsed)
        if self._error is not None:
            raise self._error
        batch.added += 1
        self.pending += 1
        if self._task is None:
            self._start()
        if batch.added >= MOST_WAITING or self._idle():
            self._due.set()

    def _start(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while (self._batch.waiting or not self._batch.is_empty) and self._error is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(MOST_SECONDS):
                    await self._due.wait()
            self._due.clear()
            await self._commit()
            if self._batch.added >= MOST_WAITING or self._idle():
                self._due.set()
        self._task = None

    async def _commit(self) -> None:
        batch, self._batch = self._batch, _Batch()
        began = time.perf_counter()
        try:
            await self._database.write(lambda connection: _write(connection, batch, self._invocation_id))
        except Exception as error:  # every waiting future must fail with it
            self._error = error
            self.pending = 0
            for future in (*batch.waiting, *self._batch.waiting):
                if not future.done():
                    future.set_exception(self._error)
            return
        self.pending -= batch.added
        self.commits += 1
        self.busy_seconds += time.perf_counter() - began
        self._on_commit(batch.cost_usd, [row["key"] for row in batch.completions])
        for future in batch.waiting:
            if not future.done():
                future.set_result(None)


def _write(connection: Connection, batch: _Batch, invocation_id: str) -> None:
    insert_if_absent(connection, _completions, batch.completions)
    insert_if_absent(connection, _judgments, batch.judgments)
    insert_if_absent(connection, _responses, batch.responses)
    insert_if_absent(connection, _generations, batch.generations)
    if batch.attempts:
        connection.execute(insert(_attempts), batch.attempts)
    if batch.completions:
        run_many(connection, _UNCLAIM, [{"of": row["key"]} for row in batch.completions])
    if batch.cost_usd:
        run_many(connection, _SPEND, [{"of": invocation_id, "cost": batch.cost_usd}])
