"""Processes that are killed, interrupted, or work side by side: nothing lost, next to nothing asked twice."""

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
    """`empathy judge` as real processes against one emulator, on one database or several."""

    root: str
    folder: Path
    children: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self, db: str = "empathy.sqlite", *more: str) -> asyncio.subprocess.Process:
        """A process that judges the whole sample."""
        asked = ["judge", "dataset:gpt-4", "dataset:human", "--data", "sample", "--split", "all"]
        how = ["--judge", GPT, "--db", str(self.folder / db), "--json", "--quiet", "--yes"]
        how += ["--max-in-flight", str(IN_FLIGHT), *more]
        environment = {**os.environ, "OPENAI_BASE_URL": self.root + "/v1", "OPENAI_API_KEY": KEY}
        child = await asyncio.create_subprocess_exec(
            *COMMAND,
            *asked,
            *how,
            cwd=self.folder,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self.children.append(child)
        return child

    async def run(self, db: str = "empathy.sqlite", *more: str) -> dict[str, Any]:
        """Judge to the end; what it says of the contest, and the calls that it made."""
        return await finished(await self.start(db, *more))

    async def stats(self) -> dict[str, Any]:
        """The emulator's books."""
        return await Bench(None, self.root).stats()  # type: ignore[arg-type]  # no database is needed for that

    async def until(self, count: int, what: str = "answered_keys") -> dict[str, Any]:
        """Wait until the emulator has counted so many, or every child has ended."""
        while (stats := await self.stats())[what] < count:
            assert any(child.returncode is None for child in self.children), "all ended before that"
            await asyncio.sleep(POLL_SECONDS)
        return stats

    def rows(self, db: str, query: str) -> list[Any]:
        """What a query finds in a database, opened anew; the file is whole."""
        with closing(sqlite3.connect(self.folder / db)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return connection.execute(query).fetchall()


async def finished(child: asyncio.subprocess.Process) -> dict[str, Any]:
    out, err = await child.communicate()
    assert child.returncode == 0, err.decode()
    told: dict[str, Any] = orjson.loads(out)
    return told


def result(told: dict[str, Any]) -> dict[str, Any]:
    """All but what this very process did."""
    judges = [{name: judge[name] for name in judge if name != "requests"} for judge in told["judges"]]
    return {**told, "judges": judges}


def made(told: dict[str, Any]) -> int:
    return int(told["judges"][0]["requests"]["made"])


@pytest.fixture
async def work(emulator: Start, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Work]]]:
    """Starts an emulator and lets processes work against it: `await work(latency_ms=20)`."""
    begun: list[Work] = []

    async def begin(**options: Any) -> Work:
        begun.append(Work((await emulator(**options)).url, tmp_path))
        return begun[-1]

    yield begin
    for each in begun:
        for child in each.children:
            if child.returncode is None:
                child.kill()
            await child.communicate()


Begin = Callable[..., Awaitable[Work]]


async def _killed_and_gone_on(house: Work, kills: list[int], *more: str) -> None:
    """Kill the same command again and again, let it end, and compare it with one that was left alone."""
    most = int(more[more.index("--samples") + 1]) * CALLS if more else CALLS
    for at in kills:
        child = await house.start("killed.sqlite", *more)
        await house.until(at)
        child.kill()
        await child.communicate()
    disturbed = await house.run("killed.sqlite", *more)
    stats = await house.stats()
    assert stats["unique_keys"] == stats["answered_keys"] == most
    assert stats["repeats"] <= len(kills) * (IN_FLIGHT + MAX_UNCOMMITTED)
    assert stats["answered_again"] <= stats["repeats"]
    assert house.rows("killed.sqlite", "SELECT count(*), count(DISTINCT key) FROM completion") == [
        (most, most)
    ]
    assert house.rows("killed.sqlite", "SELECT count(*) FROM judgment") == [(most,)]
    assert house.rows("killed.sqlite", "SELECT count(*) FROM claim") == [(0,)]
    undisturbed = await house.run("alone.sqlite", *more)
    assert made(undisturbed) == most
    assert result(disturbed) == result(undisturbed)


@pytest.mark.parametrize("seed", [3])
async def test_a_killed_run_goes_on_and_ends_as_if_nothing_had_been(work: Begin, seed: int) -> None:
    at = random.Random(seed).randrange(10, CALLS - 10)
    await _killed_and_gone_on(await work(latency_ms=40.0), [at])


@pytest.mark.slow
async def test_twenty_kills_in_one_run(work: Begin) -> None:
    samples = 16
    kills = sorted(random.Random(7).sample(range(10, samples * CALLS - 50), 20))
    await _killed_and_gone_on(await work(latency_ms=30.0), kills, "--samples", str(samples))


async def test_two_at_once_make_every_call_once(work: Begin) -> None:
    house = await work(latency_ms=20.0)
    first, second = [await finished(child) for child in [await house.start(), await house.start()]]
    stats = await house.stats()
    assert stats["requests"] == stats["unique_keys"] == CALLS
    assert stats["answered_again"] == 0
    assert made(first) + made(second) == CALLS
    assert result(first) == result(second)
    for table in ("completion", "judgment"):
        assert house.rows("empathy.sqlite", f"SELECT count(*) FROM {table}") == [(CALLS,)]
    assert house.rows("empathy.sqlite", "SELECT count(*) FROM run") == [(1,)]
    assert house.rows("empathy.sqlite", "SELECT count(*) FROM invocation WHERE ended_at IS NULL") == [(0,)]


async def test_of_two_one_is_killed_and_the_other_takes_over(work: Begin) -> None:
    house = await work(latency_ms=40.0)
    doomed, other = await house.start(), await house.start()
    await house.until(30)
    doomed.kill()
    told = await finished(other)
    stats = await house.stats()
    assert stats["answered_keys"] == CALLS
    assert stats["repeats"] <= IN_FLIGHT + MAX_UNCOMMITTED
    assert told["judges"][0]["unscored"] == {}
    assert house.rows("empathy.sqlite", "SELECT count(*) FROM judgment") == [(CALLS,)]


async def test_an_interrupt_keeps_what_is_in_flight_and_says_how_to_go_on(work: Begin) -> None:
    house = await work(latency_ms=60.0)
    child = await house.start()
    await house.until(20)
    child.send_signal(signal.SIGINT)
    out, err = await child.communicate()
    assert child.returncode == 130
    assert b"Go on with the same command" in err
    assert b"Traceback" not in err
    told = orjson.loads(out)
    assert told["interrupted"] is True
    stats = await house.stats()
    assert stats["abandoned"] == 0
    ((stored,),) = house.rows("empathy.sqlite", "SELECT count(*) FROM completion")
    assert stored == made(told) == stats["answered_keys"] < CALLS
    assert house.rows("empathy.sqlite", "SELECT count(*) FROM claim") == [(0,)]
    rest = await house.run()
    assert made(rest) == CALLS - stored
    assert (await house.stats())["repeats"] == 0


async def test_a_second_interrupt_stops_at_once(work: Begin) -> None:
    house = await work(hangs=1.0)
    child = await house.start()
    await house.until(IN_FLIGHT, "in_flight")
    child.send_signal(signal.SIGINT)
    while not any(b'"stopped"' in log.read_bytes() for log in (house.folder / "runs").glob("*.jsonl")):
        assert child.returncode is None
        await asyncio.sleep(POLL_SECONDS)
    child.send_signal(signal.SIGINT)
    _, err = await child.communicate()
    assert child.returncode == 130
    assert b"Traceback" not in err
    assert house.rows("empathy.sqlite", "SELECT count(*) FROM claim") == [(0,)]
    failures = house.rows("empathy.sqlite", "SELECT failure, count(*), count(cost_usd) FROM attempt")
    assert failures == [("interrupted", IN_FLIGHT, IN_FLIGHT)]  # they may have been charged for


async def test_a_database_that_somebody_holds_is_waited_for(work: Begin) -> None:
    """Answers wait in memory, within their bound, and are stored when it is free again."""
    house = await work(latency_ms=20.0)
    child = await house.start()
    await house.until(10)
    with closing(sqlite3.connect(house.folder / "empathy.sqlite", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        await house.until(min(CALLS, IN_FLIGHT + 20))
        connection.execute("ROLLBACK")
    told = await finished(child)
    assert made(told) == CALLS
    assert (await house.stats())["repeats"] == 0
