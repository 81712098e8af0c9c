"""Killed, interrupted and concurrent processes: no loss and hardly any repeated request."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.harness.conftest import GPT, KEY, Bench, Start

COMMAND = [sys.executable, "-c", "from harness.cli import main; main()"]
IN_FLIGHT = 16
MAX_UNCOMMITTED = 256
POLL_SECONDS = 0.005
CALLS = 2 * 64  # both orders of the written sample's dialogues


@dataclass
class Work:
    """Runner of `empathy judge` processes against one emulator."""

    root: str
    folder: Path
    children: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self, db: str = "empathy.sqlite", *more: str) -> asyncio.subprocess.Process:
        """Start a process that judges the whole sample."""
        asked = ["judge", "dataset:gpt-4", "dataset:human", "--data", "sample", "--split", "all"]
        options = ["--judge", GPT, "--db", str(self.folder / db), "--json", "--quiet", "--yes"]
        options += ["--max-in-flight", str(IN_FLIGHT), *more]
        environment = {**os.environ, "OPENAI_BASE_URL": self.root + "/v1", "OPENAI_API_KEY": KEY}
        child = await asyncio.create_subprocess_exec(
            *COMMAND,
            *asked,
            *options,
            cwd=self.folder,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self.children.append(child)
        return child

    async def run(self, db: str = "empathy.sqlite", *more: str) -> dict[str, Any]:
        """Run a process to its end; return the contest results and the number of requests."""
        return await finished(await self.start(db, *more))

    async def stats(self) -> dict[str, Any]:
        """Return the emulator's counters."""
        return await Bench(None, self.root).stats()  # type: ignore[arg-type]  # needs no database

    async def until(self, count: int, what: str = "answered_keys") -> dict[str, Any]:
        """Wait until the emulator has counted this many requests, or every process has ended."""
        while (stats := await self.stats())[what] < count:
            assert any(child.returncode is None for child in self.children), "all ended before that"
            await asyncio.sleep(POLL_SECONDS)
        return stats

    def rows(self, db: str, query: str) -> list[Any]:
        """Return the rows of a query and check the integrity of the database file."""
        with closing(sqlite3.connect(self.folder / db)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return connection.execute(query).fetchall()


async def finished(child: asyncio.subprocess.Process) -> dict[str, Any]:
    out, err = await child.communicate()
    assert child.returncode == 0, err.decode()
    output: dict[str, Any] = orjson.loads(out)
    return output


def result(output: dict[str, Any]) -> dict[str, Any]:
    """Return the results without this process's counts."""
    return {**output, "invocation": {}}


def requests_made(output: dict[str, Any]) -> int:
    return sum(judge["requests"]["made"] for judge in output["invocation"].values())


@pytest.fixture
async def work(emulator: Start, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Work]]]:
    """Return a function that starts an emulator and a process runner: `await work(latency_ms=20)`."""
    begun: list[Work] = []

    async def begin(**options: Any) -> Work:
        begun.append(Work((await emulator(**options)).url, tmp_path))
        return begun[-1]

    yield begin
    for runner in begun:
        for child in runner.children:
            if child.returncode is None:
                child.kill()
            await child.communicate()


Begin = Callable[..., Awaitable[Work]]


async def _killed_and_gone_on(env: Work, kills: list[int], *more: str) -> None:
    """Kill a command repeatedly, let it finish, and compare it with an undisturbed one."""
    most = int(more[more.index("--samples") + 1]) * CALLS if more else CALLS
    for n_requests in kills:
        child = await env.start("killed.sqlite", *more)
        await env.until(n_requests)
        child.kill()
        await child.communicate()
    disturbed = await env.run("killed.sqlite", *more)
    stats = await env.stats()
    assert stats["unique_keys"] == stats["answered_keys"] == most
    assert stats["repeats"] <= len(kills) * (IN_FLIGHT + MAX_UNCOMMITTED)
    assert stats["answered_again"] <= stats["repeats"]
    assert env.rows("killed.sqlite", "SELECT count(*), count(DISTINCT key) FROM completion") == [(most, most)]
    assert env.rows("killed.sqlite", "SELECT count(*) FROM judgment") == [(most,)]
    assert env.rows("killed.sqlite", "SELECT count(*) FROM claim") == [(0,)]
    undisturbed = await env.run("alone.sqlite", *more)
    assert requests_made(undisturbed) == most
    assert result(disturbed) == result(undisturbed)


@pytest.mark.parametrize("seed", [3])
async def test_killed_run_resumes_to_the_same_result(work: Begin, seed: int) -> None:
    n_requests = random.Random(seed).randrange(10, CALLS - 10)
    await _killed_and_gone_on(await work(latency_ms=40.0), [n_requests])


@pytest.mark.slow
async def test_twenty_kills_in_one_run(work: Begin) -> None:
    samples = 16
    kills = sorted(random.Random(7).sample(range(10, samples * CALLS - 50), 20))
    await _killed_and_gone_on(await work(latency_ms=30.0), kills, "--samples", str(samples))


async def test_concurrent_processes_send_each_request_once(work: Begin) -> None:
    env = await work(latency_ms=20.0)
    first, second = [await finished(child) for child in [await env.start(), await env.start()]]
    stats = await env.stats()
    assert stats["requests"] == stats["unique_keys"] == CALLS
    assert stats["answered_again"] == 0
    assert requests_made(first) + requests_made(second) == CALLS
    assert result(first) == result(second)
    for table in ("completion", "judgment"):
        assert env.rows("empathy.sqlite", f"SELECT count(*) FROM {table}") == [(CALLS,)]
    assert env.rows("empathy.sqlite", "SELECT count(*) FROM run") == [(1,)]
    assert env.rows("empathy.sqlite", "SELECT count(*) FROM invocation WHERE ended_at IS NULL") == [(0,)]


async def test_other_process_takes_over_from_a_killed_one(work: Begin) -> None:
    env = await work(latency_ms=40.0)
    doomed, other = await env.start(), await env.start()
    await env.until(30)
    doomed.kill()
    output = await finished(other)
    stats = await env.stats()
    assert stats["answered_keys"] == CALLS
    assert stats["repeats"] <= IN_FLIGHT + MAX_UNCOMMITTED
    assert output["contests"][0]["unscored"] == {}
    assert env.rows("empathy.sqlite", "SELECT count(*) FROM judgment") == [(CALLS,)]


async def test_interrupt_keeps_requests_in_flight(work: Begin) -> None:
    env = await work(latency_ms=60.0)
    child = await env.start()
    await env.until(20)
    child.send_signal(signal.SIGINT)
    out, err = await child.communicate()
    assert child.returncode == 130
    assert b"same command" in err
    assert b"Traceback" not in err
    output = orjson.loads(out)
    assert output["interrupted"] is True
    stats = await env.stats()
    assert stats["abandoned"] == 0
    ((stored,),) = env.rows("empathy.sqlite", "SELECT count(*) FROM completion")
    assert stored == requests_made(output) == stats["answered_keys"] < CALLS
    assert env.rows("empathy.sqlite", "SELECT count(*) FROM claim") == [(0,)]
    rest = await env.run()
    assert requests_made(rest) == CALLS - stored
    assert (await env.stats())["repeats"] == 0


async def test_second_interrupt_stops_immediately(work: Begin) -> None:
    env = await work(hangs=1.0)
    child = await env.start()
    await env.until(IN_FLIGHT, "in_flight")
    child.send_signal(signal.SIGINT)
    while not any(b'"stopped"' in log.read_bytes() for log in (env.folder / "runs").glob("*.jsonl")):
        assert child.returncode is None
        await asyncio.sleep(POLL_SECONDS)
    child.send_signal(signal.SIGINT)
    _, err = await child.communicate()
    assert child.returncode == 130
    assert b"Traceback" not in err
    assert env.rows("empathy.sqlite", "SELECT count(*) FROM claim") == [(0,)]
    failures = env.rows("empathy.sqlite", "SELECT failure, count(*), count(cost_usd) FROM attempt")
    assert failures == [("interrupted", IN_FLIGHT, IN_FLIGHT)]  # they may have been charged for


async def test_locked_database_is_waited_for(work: Begin) -> None:
    """Completions wait in memory, up to the limit, until the database is unlocked."""
    env = await work(latency_ms=20.0)
    child = await env.start()
    await env.until(10)
    with closing(sqlite3.connect(env.folder / "empathy.sqlite", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        await env.until(min(CALLS, IN_FLIGHT + 20))
        connection.execute("ROLLBACK")
    output = await finished(child)
    assert requests_made(output) == CALLS
    assert (await env.stats())["repeats"] == 0
