"""Storage of runs, completions and judgments in one database.

`Store` is the only object that writes runs and their inputs; `Writer` commits completions in batches. It
does not depend on models, rate limits or statistics.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

import orjson
from sqlalchemy import ColumnElement, Connection, delete, func, or_, select, update

from agents.errors import Failure, UserError
from agents.hashing import canonical, content_id
from agents.types import Dialogue, Response, ResponseSet
from results.db.bulk import insert_if_absent
from results.db.claims import (
    HEARTBEAT_SECONDS,
    ClaimResult,
    LivenessObserver,
    claim,
    place,
    process_started,
    release,
)
from results.db.connection import Database, open_database
from results.db.mappers import dialogue_row, parser_order, response_row
from results.db.schema import (
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
    StudyRow,
    StudyRunRow,
    table,
)
from results.db.studies import add_run, study_name, study_spec
from results.db.writer import Writer

CHUNK = 500
NEVER_SENT = (
    Failure.NO_BUDGET.value,
    Failure.QUOTA_EXHAUSTED.value,
    Failure.RETIRED.value,
)  # failures without an HTTP status that this program decided itself: nothing was sent
Result = TypeVar("Result")

_runs, _invocations, _claims = table(RunRow), table(InvocationRow), table(ClaimRow)
_completions, _attempts = table(CompletionRow), table(AttemptRow)
_judgments, _contests = table(JudgmentRow), table(ContestRow)
_studies, _study_runs = table(StudyRow), table(StudyRunRow)


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """Number of requests (answered or not) and tokens of a model in a period."""

    requests: int
    tokens: int


class Store:
    """Open database of runs and completions. Use `async with await Store.open(...)`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._observer = LivenessObserver()
        self._hearts: dict[str, asyncio.Task[None]] = {}
        self._transaction: list[Callable[[Connection], object]] | None = None

    @classmethod
    async def open(cls, location: str, *, create: bool = True) -> Store:
        """Open (or create) the database at a path or URL.

        Raises:
            UserError: the database cannot be opened, is not ours, or has another schema version.
        """
        return cls(await open_database(location, create=create))

    async def __aenter__(self) -> Store:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection. Idempotent. Claims of an unfinished invocation expire from now on."""
        for task in self._hearts.values():
            task.cancel()
        await asyncio.gather(*self._hearts.values(), return_exceptions=True)
        self._hearts.clear()
        await self.database.close()

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run a function of a connection in a read-only transaction and return its result.

        >>> await store.read(lambda connection: connection.execute(select(runs.c.id)).scalars().all())
        """
        return await self.database.read(work)

    # -- runs ----------------------------------------------------------------------------------------

    async def start_run(
        self, kind: str, spec: Mapping[str, Any], *, command: str, context: Mapping[str, Any], study: str = ""
    ) -> tuple[str, str]:
        """Start or resume the run with this spec, of a study if one is named.

        Returns:
            The run's id and that of this invocation.
        """
        run_id = content_id("run-1", [kind, spec])
        now = round(time.time(), 3)
        run = {"id": run_id, "kind": kind, "spec": canonical(spec).decode(), "created_at": now}
        invocation = {
            "id": uuid4().hex,
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

        def work(connection: Connection) -> None:
            insert_if_absent(connection, _runs, [run])
            insert_if_absent(connection, _invocations, [invocation])
            if study:
                add_run(connection, study, run_id)

        await self.database.write(work)
        invocation_id = str(invocation["id"])
        self._hearts[invocation_id] = asyncio.get_running_loop().create_task(self._beat(invocation_id))
        return run_id, invocation_id

    async def finish_run(self, invocation_id: str) -> None:
        """Finish an invocation: release its claims and its reserved budget."""
        task = self._hearts.pop(invocation_id, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        def work(connection: Connection) -> None:
            connection.execute(delete(_claims).where(_claims.c.invocation_id == invocation_id))
            connection.execute(
                update(_invocations)
                .where(_invocations.c.id == invocation_id)
                .values(ended_at=round(time.time(), 3), reserved_usd=0.0)
            )

        await self.database.write(work)

    def writer(self, invocation_id: str) -> Writer:
        """Return the writer of an invocation's completions."""
        return Writer(self.database, invocation_id)

    async def _beat(self, invocation_id: str) -> None:
        columns = _invocations.c
        heartbeat = (
            update(_invocations).where(columns.id == invocation_id).values(heartbeat=columns.heartbeat + 1)
        )

        def work(connection: Connection) -> None:
            connection.execute(heartbeat)

        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            with contextlib.suppress(UserError):  # the writer reports the error
                await self.database.write(work)

    # -- requests ---------------------------------------------------------------------------------------

    async def claim(self, keys: Sequence[str], invocation_id: str) -> ClaimResult:
        """Claim request keys for an invocation; each ends up acquired, completed or held elsewhere."""
        return await self.database.write(
            lambda connection: claim(connection, keys, invocation_id, self._observer)
        )

    async def release(self, keys: Sequence[str], invocation_id: str) -> None:
        """Release claims of an invocation without sending the requests."""
        await self.database.write(lambda connection: release(connection, keys, invocation_id))

    async def completed_keys(self, keys: Sequence[str]) -> set[str]:
        """Return the keys that have a stored completion."""
        column = table(CompletionRow).c.key

        def work(connection: Connection) -> set[str]:
            completed: set[str] = set()
            for start in range(0, len(keys), CHUNK):
                chunk = keys[start : start + CHUNK]
                completed |= set(connection.execute(select(column).where(column.in_(chunk))).scalars())
            return completed

        return await self.read(work)

    async def usage_since(self, model: str, since: float, *, besides: str = "") -> ModelUsage:
        """Return the requests and tokens of a model since a time, over all runs in this database.

        Args:
            model: the model's id.
            since: seconds since 1970.
            besides: id of an invocation to leave out (a process counts its own requests itself).
        """
        completions, attempts = table(CompletionRow).c, table(AttemptRow).c
        tokens = func.coalesce(completions.input_tokens, 0) + func.coalesce(completions.output_tokens, 0)
        answered = select(func.count(), func.coalesce(func.sum(tokens), 0)).where(
            completions.model == model,
            completions.answered_at >= since,
            completions.invocation_id != besides,
        )
        failed = select(func.count()).where(
            attempts.model == model,
            attempts.failed_at >= since,
            attempts.invocation_id != besides,
            or_(attempts.status.is_not(None), attempts.failure.not_in(NEVER_SENT)),
        )

        def work(connection: Connection) -> ModelUsage:
            requests, used = connection.execute(answered).one()
            return ModelUsage(int(requests) + int(connection.execute(failed).scalar_one()), int(used))

        return await self.read(work)

    # -- budget ---------------------------------------------------------------------------------------

    async def reserve_budget(
        self, run_id: str, invocation_id: str, wanted_usd: float, budget_usd: float, *, study: str = ""
    ) -> float:
        """Reserve up to `wanted_usd` of the budget of a run, or of a study, and return the granted amount.

        The spending of all invocations counts, and so do the reservations of the others, including dead ones,
        whose reserved money may have been spent.
        """
        columns = _invocations.c

        def work(connection: Connection) -> float:
            _lock_budget(connection, run_id, study)
            query = select(columns.id, columns.spent_usd, columns.reserved_usd)
            rows = connection.execute(query.where(_in_budget(run_id, study))).all()
            taken = sum(row.spent_usd for row in rows)
            taken += sum(max(0.0, row.reserved_usd) for row in rows if row.id != invocation_id)
            granted = max(0.0, min(wanted_usd, budget_usd - taken))
            connection.execute(
                update(_invocations).where(columns.id == invocation_id).values(reserved_usd=granted)
            )
            return float(granted)

        return await self.database.write(work)

    async def is_budget_reserved(self, run_id: str, invocation_id: str, *, study: str = "") -> bool:
        """Return whether another living invocation of the run, or of the study, has reserved budget."""
        columns = _invocations.c
        query = select(columns.id).where(
            _in_budget(run_id, study), columns.id != invocation_id, columns.reserved_usd > 0
        )

        def work(connection: Connection) -> bool:
            others = set(connection.execute(query).scalars())
            return bool(others - self._observer.dead(connection, others)) if others else False

        return await self.read(work)

    async def spent_usd(self, run_id: str) -> float:
        """Return the spending of all invocations of a run in US dollars, as far as prices are known."""
        columns = _invocations.c
        spent = select(func.coalesce(func.sum(columns.spent_usd), 0.0)).where(columns.run_id == run_id)
        return await self.read(lambda connection: float(connection.execute(spent).scalar_one()))

    async def longest_output_tokens(self, run_id: str, model: str) -> int:
        """Return the output tokens of a model's longest completion in a run; 0 without completions."""
        runs = select(_invocations.c.id).where(_invocations.c.run_id == run_id)
        longest = select(func.coalesce(func.max(_completions.c.output_tokens), 0)).where(
            _completions.c.model == model, _completions.c.invocation_id.in_(runs)
        )
        return await self.read(lambda connection: int(connection.execute(longest).scalar_one()))

    async def unanswered_usd(self, run_id: str) -> dict[str, float]:
        """Return the maximum cost of a run's attempts without a completion, in US dollars by model."""
        runs = select(_invocations.c.id).where(_invocations.c.run_id == run_id)
        costs = (
            select(_attempts.c.model, func.sum(_attempts.c.cost_usd))
            .where(_attempts.c.invocation_id.in_(runs), _attempts.c.cost_usd.is_not(None))
            .group_by(_attempts.c.model)
        )
        return await self.read(
            lambda connection: {model: float(cost) for model, cost in connection.execute(costs).all()}
        )

    async def withdraw_contest(self, run_id: str, judge_id: str) -> None:
        """Delete a run's contests under a judge that has no stored judgment."""
        judged = select(_judgments.c.call_key).where(_judgments.c.judge_id == judge_id).exists()
        rows = delete(_contests).where(
            _contests.c.run_id == run_id, _contests.c.judge_id == judge_id, ~judged
        )
        await self._write(lambda connection: connection.execute(rows))

    # -- inputs of a run -------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Collect all saves inside the block into one transaction. Not reentrant."""
        self._transaction = []
        try:
            yield
            works = self._transaction
        finally:
            self._transaction = None
        await self.database.write(lambda connection: [work(connection) for work in works])

    async def _write(self, work: Callable[[Connection], object]) -> None:
        if self._transaction is None:
            await self.database.write(work)
        else:
            self._transaction.append(work)

    async def save_dialogues(self, dialogues: Iterable[Dialogue]) -> None:
        """Save dialogues; existing ones stay unchanged."""
        await self._insert(DialogueRow, [dialogue_row(dialogue) for dialogue in dialogues])

    async def save_responses(self, response_set: ResponseSet, responses: Iterable[Response]) -> None:
        """Save a response set and its responses; existing ones stay unchanged."""
        set_row = {
            "id": response_set.id,
            "author": response_set.author,
            "preset": response_set.preset,
            "made": response_set.made,
        }
        rows = [response_row(response) for response in responses]

        def work(connection: Connection) -> None:
            insert_if_absent(connection, table(ResponseSetRow), [set_row])
            insert_if_absent(connection, table(ResponseRow), rows)

        await self._write(work)

    async def save_prompt(self, version: str, name: str, text: str) -> None:
        """Save a prompt's text under its version."""
        await self._insert(PromptRow, [{"version": version, "name": name, "text": text}])

    async def save_judge(self, **columns: str) -> None:
        """Save a judge's description under its id (columns as in `JudgeRow`)."""
        await self._insert(JudgeRow, [columns])

    async def save_contests(self, run_id: str, contests: Sequence[tuple[str, str, str, int]]) -> None:
        """Save a run's contests as (judge id, set of A, set of B, samples)."""
        names = ("judge_id", "set_a", "set_b", "samples")
        rows = [{"run_id": run_id, **dict(zip(names, row, strict=True))} for row in contests]
        await self._insert(ContestRow, rows)

    async def save_run_dialogues(self, run_id: str, keys: Sequence[str]) -> None:
        """Save the dialogues of a run in their order."""
        rows = [
            {"run_id": run_id, "position": position, "dialogue": key} for position, key in enumerate(keys)
        ]
        await self._insert(RunDialogueRow, rows)

    async def _insert(self, row: Any, rows: list[dict[str, Any]]) -> None:
        await self._write(lambda connection: insert_if_absent(connection, table(row), rows))

    # -- stored values -------------------------------------------------------------------------------

    async def response_sets(self, author: str, preset: str) -> list[ResponseSet]:
        """Return the response sets of an author under a preset."""
        columns = table(ResponseSetRow).c
        query = (
            select(columns.id, columns.author, columns.preset, columns.made)
            .where(columns.author == author, columns.preset == preset)
            .order_by(columns.id)
        )
        return await self.read(lambda connection: [ResponseSet(*row) for row in connection.execute(query)])

    async def responses(self, set_id: str) -> list[Response]:
        """All responses of a set."""
        columns = table(ResponseRow).c
        wanted = (
            select(columns.dialogue, columns.author, columns.text, columns.set_id, columns.raw)
            .where(columns.set_id == set_id)
            .order_by(columns.dialogue, columns.id)
        )
        return await self.read(lambda connection: [Response(*row) for row in connection.execute(wanted)])

    async def spec_of(self, run_id: str) -> str:
        """Return the spec of a run or a study, as JSON.

        Raises:
            UserError: there is no such run.
        """
        if study := study_name(run_id):
            return await self.read(lambda connection: orjson.dumps(study_spec(connection, study)).decode())
        wanted = select(_runs.c.spec).where(_runs.c.id == run_id)
        spec = await self.read(lambda connection: connection.execute(wanted).scalar_one_or_none())
        if spec is None:
            raise UserError("run not found", code="run.not-found", where=self.database.shown, found=run_id)
        return str(spec)

    async def last_attempts(
        self, judge_ids: Sequence[str]
    ) -> dict[tuple[str, str, str, int], tuple[int, bool]]:
        """(judge, first, second, sample) → (number of the last attempt, whether any is scored)."""
        columns = table(JudgmentRow).c
        place_of = (columns.judge_id, columns.first, columns.second, columns.sample)
        wanted = (
            select(*place_of, columns.attempt, columns.parser, columns.preference.is_not(None))
            .where(columns.judge_id.in_(judge_ids))
            .order_by(columns.attempt)
        )

        def work(connection: Connection) -> dict[tuple[str, str, str, int], tuple[int, bool]]:
            newest: dict[tuple[tuple[str, str, str, int], int], tuple[tuple[str, int], bool]] = {}
            for row in connection.execute(wanted):
                reading = ((row[0], row[1], row[2], row[3]), int(row[4]))
                parser, scored = parser_order(row[5]), bool(row[6])
                if reading not in newest or parser >= newest[reading][0]:
                    newest[reading] = (parser, scored)
            last: dict[tuple[str, str, str, int], tuple[int, bool]] = {}
            for (judged, attempt), (_, scored) in newest.items():
                last[judged] = attempt, scored or (judged in last and last[judged][1])
            return last

        return await self.read(work)


def _in_budget(run_id: str, study: str) -> ColumnElement[bool]:
    """Return the condition of the invocations that share a budget: those of a run, or of a study's runs."""
    if not study:
        return _invocations.c.run_id == run_id
    return _invocations.c.run_id.in_(select(_study_runs.c.run_id).where(_study_runs.c.study == study))


def _lock_budget(connection: Connection, run_id: str, study: str) -> None:
    """Let one transaction at a time reserve budget of a run or a study, on PostgreSQL."""
    if study:
        connection.execute(select(_studies.c.name).where(_studies.c.name == study).with_for_update())
    else:
        connection.execute(select(_runs.c.id).where(_runs.c.id == run_id).with_for_update())


__all__ = ["ModelUsage", "Store"]
