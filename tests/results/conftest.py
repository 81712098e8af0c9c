"""A real SQLite file and a real PostgreSQL server: every test of the store runs on both."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.engine import URL, make_url

from agents.clients.base import ModelRequest
from agents.messages import Completion, FinishReason, Message, Sampling, Usage
from agents.models.spec import ApiProtocol, Model
from agents.types import Judgment, Preference, Unscored, UnscoredReason, Verdict
from results.db.schema import InvocationRow, table
from results.db.store import Store

SERVER = os.environ.get("EMPATHY_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
MODEL = Model("openai", "gpt-test", ApiProtocol.OPENAI_CHAT)

Open = Callable[[], Awaitable[Store]]
_no_server = ""  # why there is none, once it has been tried


async def administer(*statements: str) -> None:
    """Run statements on the test server, outside any test's database."""
    import asyncpg

    server = make_url(SERVER).set(drivername="postgresql")
    connection = await asyncpg.connect(server.render_as_string(hide_password=False), timeout=60)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _make_database(name: str) -> URL:
    """A new database on the test server, or a skip that says why there is none."""
    global _no_server  # noqa: PLW0603  (asked once, not once a test)
    if not _no_server:
        try:
            await administer(f'CREATE DATABASE "{name}"')
        except Exception as error:  # no driver, no server, no right to make one: all of them mean a skip
            _no_server = f"no PostgreSQL at {make_url(SERVER)!r} ({type(error).__name__}: {error})"
    if _no_server:
        pytest.skip(f"{_no_server}; name one with EMPATHY_TEST_POSTGRES")
    return make_url(SERVER).set(drivername="postgresql", database=name)


@pytest.fixture(params=["sqlite", "postgresql"])
async def named(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """What `--db` would be given for a database that is not there yet, on either backend."""
    if request.param == "sqlite":
        yield str(tmp_path / "empathy.sqlite")
        return
    name = f"empathy_test_{uuid4().hex[:12]}"
    url = await _make_database(name)
    yield url.render_as_string(hide_password=False)
    await administer(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
async def opening(named: str) -> AsyncIterator[Open]:
    """Opens the test's database once more, as another process would."""
    opened: list[Store] = []

    async def again() -> Store:
        opened.append(await Store.open(named))
        return opened[-1]

    yield again
    for store in opened:
        await store.close()


@pytest.fixture
async def store(opening: Open) -> Store:
    """The test's database, open."""
    return await opening()


def question(at: int, *, sample: int = 0, attempt: int = 0, read: Any = None) -> ModelRequest:
    """A call of its own for every number."""
    return ModelRequest(MODEL, (Message("user", f"question {at}"),), Sampling(5), sample, attempt, read)


def answer(text: str = "1", tokens: int | None = 10) -> Completion:
    """An answer that used `tokens` in and 2 out."""
    usage = Usage() if tokens is None else Usage(tokens, 2)
    return Completion(text, FinishReason.STOP, usage, model="gpt-test-0613", request_id="req-1")


def judgment(
    call: ModelRequest,
    outcome: Verdict | Unscored | None = None,
    *,
    first: str = "r1",
    second: str = "r2",
    dialogue: str = "d1",
    judge: str = "judge-1:j",
    parser: str = "verdict-1",
) -> Judgment:
    """A judgment read from the answer to a call; first is preferred where nothing else is said."""
    outcome = Verdict(Preference.FIRST) if outcome is None else outcome
    return Judgment(call.key, judge, dialogue, first, second, call.sample, call.attempt, parser, outcome)


def unscored(reason: UnscoredReason = UnscoredReason.UNREADABLE) -> Unscored:
    """No verdict."""
    return Unscored(reason)


async def count(store: Store, row: Any) -> int:
    """How many rows a table has."""
    wanted = select(func.count()).select_from(table(row))
    return int(await store.read(lambda connection: connection.execute(wanted).scalar_one()))


async def rows(store: Store, row: Any) -> list[Any]:
    """All rows of a table, in the order of its key."""
    of = table(row)
    wanted = select(of).order_by(*of.primary_key)
    return list(await store.read(lambda connection: connection.execute(wanted).all()))


async def begin(store: Store, kind: str = "judging", **spec: Any) -> tuple[str, str]:
    """An invocation of this process, as `Store.begin` gives it: (run, invocation)."""
    return await store.start_run(kind, spec or {"of": "the test"}, command="empathy judge", context={})


async def disguise(store: Store, invocation: str, **columns: Any) -> None:
    """Let an invocation look like another process: another place, another pid, another heartbeat."""
    of = table(InvocationRow)
    changed = update(of).where(of.c.id == invocation).values(**columns)
    await store.database.write(lambda connection: connection.execute(changed))
