"""The store: one database that remembers every run, answer and verdict.

Knows how things are kept and found; nothing of models, limits, or what a number means.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson
from sqlalchemy import case, delete, func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from agents.errors import UserError
from agents.identity import canonical, content_id
from agents.vocabulary import Dialogue, Response, ResponseSet
from results.claims import HEARTBEAT_SECONDS, Claimed, Observer, claim, place, process_started
from results.opening import READ_ONLY, database_url, open_engine, unusable
from results.rows import dialogue_row, response_row
from results.tables import (
    AttemptRow,
    ClaimRow,
    CompletionRow,
    ContestRow,
    DialogueRow,
    InvocationRow,
    JudgeRow,
    JudgmentRow,
    PromptRow,
    ResponseRow,
    ResponseSetRow,
    RunDialogueRow,
    RunRow,
    table,
)
from results.writer import Writer, insert_new

CHUNK = 500

_runs, _invocations, _claims = table(RunRow), table(InvocationRow), table(ClaimRow)


@dataclass(frozen=True, slots=True)
class Used:
    """What a model was asked within some time: requests (answered or not) and tokens."""

    requests: int
    tokens: int


class Store:
    """An open database. Use `async with await Store.open(...)`."""

    def __init__(self, engine: AsyncEngine, shown: str) -> None:
        self.engine = engine
        self.reading = engine.execution_options(**READ_ONLY)
        self.shown = shown
        self._observer = Observer()
        self._heart: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, named: str, *, create: bool = True) -> Store:
        """Open (or make) the database that `named` is the path or URL of.

        Raises:
            UserError: it cannot be opened, is not ours, or is of another version.
        """
        engine = await open_engine(named, create=create)
        return cls(engine, database_url(named).render_as_string(hide_password=True).split("///")[-1])

    async def __aenter__(self) -> Store:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection. Idempotent."""
        await self.engine.dispose()

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection to read with, in one transaction; it never waits for a writer."""
        try:
            async with self.reading.connect() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise unusable(error, self.shown) from error

    # -- runs ----------------------------------------------------------------------------------------

    async def begin(
        self, kind: str, spec: Mapping[str, Any], *, command: str, context: Mapping[str, Any]
    ) -> tuple[str, str]:
        """Begin (or go on with) the run of this spec: (run id, id of this invocation)."""
        run_id = content_id("run-1", [kind, spec])
        invocation_id = uuid4().hex
        now = round(time.time(), 3)
        async with self._writing() as connection:
            row = {"id": run_id, "kind": kind, "spec": canonical(spec).decode(), "created_at": now}
            await insert_new(connection, _runs, [row])
            invocation = {
                "id": invocation_id,
                "run_id": run_id,
                "command": command,
                "context": orjson.dumps(context, option=orjson.OPT_SORT_KEYS).decode(),
                "started_at": now,
                "place": place(),
                "pid": os.getpid(),
                "process_started": process_started(os.getpid()),
                "heartbeat": 0,
                "spent_usd": 0.0,
                "reserved_usd": 0.0,
            }
            await insert_new(connection, _invocations, [invocation])
        self._heart = asyncio.get_running_loop().create_task(self._beat(invocation_id))
        return run_id, invocation_id

    async def end(self, invocation_id: str) -> None:
        """This invocation is over: its claims are given up, and what it held of the budget is free."""
        if self._heart is not None:
            self._heart.cancel()
            await asyncio.gather(self._heart, return_exceptions=True)
            self._heart = None
        async with self._writing() as connection:
            await connection.execute(delete(_claims).where(_claims.c.invocation_id == invocation_id))
            await connection.execute(
                update(_invocations)
                .where(_invocations.c.id == invocation_id)
                .values(ended_at=round(time.time(), 3), reserved_usd=0.0)
            )

    def writer(self, invocation_id: str) -> Writer:
        """The writer of this invocation's answers."""
        return Writer(self.engine, invocation_id, shown=self.shown)

    async def _beat(self, invocation_id: str) -> None:
        columns = _invocations.c
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            with contextlib.suppress(SQLAlchemyError, OSError):  # the writer will say what is wrong
                async with self.engine.begin() as connection:
                    await connection.execute(
                        update(_invocations)
                        .where(columns.id == invocation_id)
                        .values(heartbeat=columns.heartbeat + 1)
                    )

    # -- calls ---------------------------------------------------------------------------------------

    async def claim(self, keys: Sequence[str], invocation_id: str) -> Claimed:
        """Claim calls: ours to ask, answered already, or held by another living process."""
        async with self._writing() as connection:
            return await claim(connection, keys, invocation_id, self._observer)

    async def release(self, keys: Sequence[str], invocation_id: str) -> None:
        """Give up claims: we shall not ask."""
        async with self._writing() as connection:
            for start in range(0, len(keys), CHUNK):
                await connection.execute(
                    delete(_claims).where(
                        _claims.c.key.in_(keys[start : start + CHUNK]),
                        _claims.c.invocation_id == invocation_id,
                    )
                )

    async def known(self, keys: Sequence[str]) -> set[str]:
        """Which of these calls are answered."""
        completions = table(CompletionRow)
        found: set[str] = set()
        async with self.read() as connection:
            for start in range(0, len(keys), CHUNK):
                chunk = keys[start : start + CHUNK]
                found |= set(
                    (
                        await connection.execute(
                            select(completions.c.key).where(completions.c.key.in_(chunk))
                        )
                    ).scalars()
                )
        return found

    async def used_since(self, model: str, since: float) -> Used:
        """What a model was asked since a moment, by every run in this database."""
        completions, attempts = table(CompletionRow).c, table(AttemptRow).c
        tokens = func.coalesce(completions.input_tokens, 0) + func.coalesce(completions.output_tokens, 0)
        async with self.read() as connection:
            answered = (
                await connection.execute(
                    select(func.count(), func.coalesce(func.sum(tokens), 0)).where(
                        completions.model == model, completions.answered_at >= since
                    )
                )
            ).one()
            failed = (
                await connection.execute(
                    select(func.count()).where(attempts.model == model, attempts.failed_at >= since)
                )
            ).scalar_one()
        return Used(int(answered[0]) + int(failed), int(answered[1]))

    # -- money ---------------------------------------------------------------------------------------

    async def hold(self, run_id: str, invocation_id: str, wanted_usd: float, budget_usd: float) -> float:
        """Hold up to `wanted_usd` of the run's budget for this invocation; how much is granted.

        What every invocation of the run has spent counts, and what the others hold (of the dead too: it
        may have been spent).
        """
        columns = _invocations.c
        async with self._writing() as connection:
            await connection.execute(select(_runs.c.id).where(_runs.c.id == run_id).with_for_update())
            rows = (
                await connection.execute(
                    select(columns.id, columns.spent_usd, columns.reserved_usd).where(
                        columns.run_id == run_id
                    )
                )
            ).all()
            taken = sum(row.spent_usd for row in rows)
            taken += sum(max(0.0, row.reserved_usd) for row in rows if row.id != invocation_id)
            granted = max(0.0, min(wanted_usd, budget_usd - taken))
            await connection.execute(
                update(_invocations).where(columns.id == invocation_id).values(reserved_usd=granted)
            )
        return float(granted)

    async def spent_usd(self, run_id: str) -> float:
        """What all invocations of a run have spent, where prices are known."""
        columns = _invocations.c
        async with self.read() as connection:
            spent = await connection.execute(
                select(func.coalesce(func.sum(columns.spent_usd), 0.0)).where(columns.run_id == run_id)
            )
            return float(spent.scalar_one())

    # -- what a run is about -------------------------------------------------------------------------

    async def put_dialogues(self, dialogues: Iterable[Dialogue]) -> None:
        """Keep dialogues; those that are there stay."""
        await self._insert(DialogueRow, [dialogue_row(dialogue) for dialogue in dialogues])

    async def put_responses(self, of: ResponseSet, responses: Iterable[Response]) -> None:
        """Keep a set of responses; those that are there stay."""
        described = {"id": of.id, "author": of.author, "preset": of.preset, "made": of.made}
        await self._insert(ResponseSetRow, [described])
        await self._insert(ResponseRow, [response_row(response) for response in responses])

    async def put_prompt(self, version: str, name: str, text: str) -> None:
        """Keep a prompt's text under its version."""
        await self._insert(PromptRow, [{"version": version, "name": name, "text": text}])

    async def put_judge(self, **columns: str) -> None:
        """Keep a judge's description under its id (columns as in `JudgeRow`)."""
        await self._insert(JudgeRow, [columns])

    async def put_contests(self, run_id: str, contests: Sequence[tuple[str, str, str, int]]) -> None:
        """Keep a run's contests: (judge, set of A, set of B, samples)."""
        names = ("judge_id", "set_a", "set_b", "samples")
        rows = [{"run_id": run_id, **dict(zip(names, row, strict=True))} for row in contests]
        await self._insert(ContestRow, rows)

    async def put_run_dialogues(self, run_id: str, keys: Sequence[str]) -> None:
        """Keep which dialogues a run is about, in their order."""
        rows = [{"run_id": run_id, "position": at, "dialogue": key} for at, key in enumerate(keys)]
        await self._insert(RunDialogueRow, rows)

    async def response_sets(self, author: str, preset: str) -> list[ResponseSet]:
        """The sets of responses of an author under a preset."""
        columns = table(ResponseSetRow).c
        async with self.read() as connection:
            rows = await connection.execute(
                select(columns.id, columns.author, columns.preset, columns.made)
                .where(columns.author == author, columns.preset == preset)
                .order_by(columns.id)
            )
            return [ResponseSet(*row) for row in rows]

    async def responses(self, set_id: str) -> list[Response]:
        """All responses of a set."""
        columns = table(ResponseRow).c
        async with self.read() as connection:
            rows = await connection.execute(
                select(columns.dialogue, columns.author, columns.text, columns.set_id, columns.raw)
                .where(columns.set_id == set_id)
                .order_by(columns.dialogue, columns.id)
            )
            return [Response(*row) for row in rows]

    # -- what a summary needs ------------------------------------------------------------------------

    async def spec_of(self, run_id: str) -> str:
        """A run's spec, as canonical JSON.

        Raises:
            UserError: there is no such run.
        """
        async with self.read() as connection:
            spec = (
                await connection.execute(select(_runs.c.spec).where(_runs.c.id == run_id))
            ).scalar_one_or_none()
        if spec is None:
            raise UserError("there is no such run in this database", where=self.shown, found=run_id)
        return str(spec)

    async def last_attempts(
        self, judge_ids: Sequence[str]
    ) -> dict[tuple[str, str, str, int], tuple[int, bool]]:
        """(judge, first, second, sample) → (number of the last attempt, whether any is scored)."""
        columns = table(JudgmentRow).c
        async with self.read() as connection:
            rows = await connection.execute(
                select(
                    columns.judge_id,
                    columns.first,
                    columns.second,
                    columns.sample,
                    func.max(columns.attempt),
                    func.max(case((columns.preference.is_not(None), 1), else_=0)),
                )
                .where(columns.judge_id.in_(judge_ids))
                .group_by(columns.judge_id, columns.first, columns.second, columns.sample)
            )
            return {tuple(row[:4]): (int(row[4]), bool(row[5])) for row in rows}

    # -- inside --------------------------------------------------------------------------------------

    async def _insert(self, row: Any, rows: list[dict[str, Any]]) -> None:
        async with self._writing() as connection:
            await insert_new(connection, table(row), rows)

    @contextlib.asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self.engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise unusable(error, self.shown) from error


__all__ = ["Store", "Used"]
