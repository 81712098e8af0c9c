"""Claims: every call is won exactly once, taken over from the dead, never from the living."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from results.db import claims
from results.db.claims import DEAD_AFTER_SECONDS, HEARTBEAT_SECONDS, place, process_started
from results.db.schema import ClaimRow, CompletionRow, InvocationRow
from results.db.store import Store
from tests.results.conftest import Open, answer, begin, count, disguise, question, rows

KEYS = [f"call-1:{at:040}" for at in range(40)]
ELSEWHERE = "another machine"


class Clock:
    """Our own clock, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that the heartbeats of other machines are watched by."""
    made = Clock()
    monkeypatch.setattr(claims, "time", SimpleNamespace(monotonic=made.monotonic))
    return made


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process of this machine that lives until it is killed."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield child
    child.kill()
    child.communicate()


# -- won exactly once --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
async def test_concurrent_claimers_win_every_key_exactly_once(opening: Open, seed: int) -> None:
    generator = random.Random(seed)
    claimers = []
    for _ in range(5):
        store = await opening()
        claimers.append((store, (await begin(store))[1]))

    async def claim_all(store: Store, invocation: str, order: list[str]) -> list[str]:
        won: list[str] = []
        for start in range(0, len(order), 7):
            batch = order[start : start + 7]
            claimed = await store.claim(batch, invocation)
            assert sorted([*claimed.acquired, *claimed.held_elsewhere]) == sorted(batch)
            won += claimed.acquired
        return won

    orders = [generator.sample(KEYS, len(KEYS)) for _ in claimers]
    won = await asyncio.gather(
        *(claim_all(*claimer, order) for claimer, order in zip(claimers, orders, strict=True))
    )
    assert Counter(key for keys in won for key in keys) == Counter(KEYS)
    held = {row.key: row.invocation_id for row in await rows(claimers[0][0], ClaimRow)}
    assert held == {key: claimer[1] for claimer, keys in zip(claimers, won, strict=True) for key in keys}


async def test_a_whole_run_by_several_asks_every_call_once(opening: Open) -> None:
    """Claims, answers and the end of claims interleave: nobody may win what was answered meanwhile."""
    calls = {question(at).key: question(at) for at in range(60)}
    asked: Counter[str] = Counter()

    async def work(seed: int) -> None:
        store = await opening()
        _, invocation = await begin(store)
        writer = store.writer(invocation)
        wanted = random.Random(seed).sample(sorted(calls), len(calls))
        while wanted:
            batch, wanted = wanted[:6], wanted[6:]
            claimed = await store.claim(batch, invocation)
            asked.update(claimed.acquired)
            await asyncio.gather(*(writer.save(calls[key], answer(), None, None) for key in claimed.acquired))
            wanted += claimed.held_elsewhere
        await writer.close()
        await store.finish_run(invocation)

    await asyncio.gather(*(work(seed) for seed in range(4)))
    assert asked == Counter(list(calls))
    store = await opening()
    assert await count(store, CompletionRow) == len(calls)
    assert await count(store, ClaimRow) == 0


async def test_what_is_answered_is_given_and_not_won(store: Store) -> None:
    _, invocation = await begin(store)
    writer = store.writer(invocation)
    known, unknown = question(1), question(2)
    await writer.save(known, answer("2"), None, None)
    claimed = await store.claim([known.key, unknown.key], invocation)
    assert (list(claimed.acquired), list(claimed.held_elsewhere)) == ([unknown.key], [])
    assert claimed.completed == {known.key: answer("2")}
    assert await store.completed_keys([known.key, unknown.key]) == {known.key}


async def test_claims_are_our_own_until_released_and_only_we_release_them(opening: Open) -> None:
    first_store, second_store = await opening(), await opening()
    (_, first_run), (_, second_run) = await begin(first_store), await begin(second_store)
    for _ in range(2):
        assert list((await first_store.claim(KEYS[:3], first_run)).acquired) == KEYS[:3]
    await second_store.release(KEYS[:3], second_run)
    assert list((await second_store.claim(KEYS[:3], second_run)).held_elsewhere) == KEYS[:3]
    await first_store.release(KEYS[:2], first_run)
    assert list((await second_store.claim(KEYS[:3], second_run)).acquired) == KEYS[:2]
    await first_store.finish_run(first_run)
    assert list((await second_store.claim(KEYS[:3], second_run)).acquired) == KEYS[:3]


# -- of this machine ---------------------------------------------------------------------------------


async def test_a_living_process_keeps_its_claims_however_long(
    opening: Open, process: subprocess.Popen[bytes], clock: Clock
) -> None:
    first_store, second_store = await opening(), await opening()
    (_, first_run), (_, second_run) = await begin(first_store), await begin(second_store)
    await first_store.claim(KEYS, first_run)
    await disguise(first_store, first_run, pid=process.pid, process_started=process_started(process.pid))
    for _ in range(3):
        clock.now += 10 * DEAD_AFTER_SECONDS
        assert list((await second_store.claim(KEYS, second_run)).held_elsewhere) == KEYS


@pytest.mark.parametrize("reaped", [True, False])
async def test_a_killed_process_loses_its_claims_at_once_and_to_one_taker(
    opening: Open, process: subprocess.Popen[bytes], reaped: bool
) -> None:
    dead = await opening()
    _, its = await begin(dead)
    await dead.claim(KEYS, its)
    await disguise(dead, its, pid=process.pid, process_started=process_started(process.pid))
    process.kill()
    if reaped:
        process.communicate()
    else:  # dead, and its parent has not asked yet: wait for the death, leave the remains
        await asyncio.to_thread(os.waitid, os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    takers = []
    for _ in range(3):
        store = await opening()
        takers.append((store, (await begin(store))[1]))
    claimed = await asyncio.gather(*(store.claim(KEYS, invocation) for store, invocation in takers))
    assert Counter(key for each in claimed for key in each.acquired) == Counter(KEYS)


async def test_a_later_process_with_the_same_pid_is_another(
    opening: Open, process: subprocess.Popen[bytes]
) -> None:
    started = process_started(process.pid)
    if not started:
        pytest.skip("this machine does not tell when a process began")
    first_store, second_store = await opening(), await opening()
    (_, first_run), (_, second_run) = await begin(first_store), await begin(second_store)
    await first_store.claim(KEYS, first_run)
    await disguise(first_store, first_run, pid=process.pid, process_started=str(int(started) - 1))
    assert list((await second_store.claim(KEYS, second_run)).acquired) == KEYS


async def test_claims_of_an_invocation_that_ended_or_is_unknown_are_free(opening: Open) -> None:
    first_store, second_store = await opening(), await opening()
    (_, first_run), (_, second_run) = await begin(first_store), await begin(second_store)
    await first_store.claim(KEYS[:2], first_run)
    await disguise(first_store, first_run, ended_at=1.0)
    await first_store.claim(KEYS[2:4], "nobody")
    assert list((await second_store.claim(KEYS[:4], second_run)).acquired) == KEYS[:4]


# -- of another machine ------------------------------------------------------------------------------


async def test_elsewhere_a_heart_that_stands_still_is_dead_after_a_while(opening: Open, clock: Clock) -> None:
    first_store, second_store = await opening(), await opening()
    (_, first_run), (_, second_run) = await begin(first_store), await begin(second_store)
    await first_store.claim(KEYS, first_run)
    await disguise(first_store, first_run, place=ELSEWHERE, heartbeat=7)
    for _ in range(2):  # first seen now, whatever its own clock says; then not yet long enough
        assert list((await second_store.claim(KEYS, second_run)).held_elsewhere) == KEYS
        clock.now += DEAD_AFTER_SECONDS
    clock.now += 0.1
    assert list((await second_store.claim(KEYS, second_run)).acquired) == KEYS


async def test_elsewhere_a_heart_that_beats_is_never_dead(opening: Open, clock: Clock) -> None:
    first_store, second_store = await opening(), await opening()
    (_, first_run), (_, second_run) = await begin(first_store), await begin(second_store)
    await first_store.claim(KEYS, first_run)
    for beat in range(8):
        await disguise(first_store, first_run, place=ELSEWHERE, heartbeat=beat)
        assert list((await second_store.claim(KEYS, second_run)).held_elsewhere) == KEYS
        clock.now += DEAD_AFTER_SECONDS


async def test_hearts_beat_while_a_process_works(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    beats = asyncio.Semaphore(0)
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        beats.release()
        await real(0 if seconds == HEARTBEAT_SECONDS else seconds)

    monkeypatch.setattr("results.db.store.asyncio.sleep", sleep)
    _, invocation = await begin(store)
    for _ in range(4):
        await beats.acquire()
    await store.finish_run(invocation)
    row = next(row for row in await rows(store, InvocationRow) if row.id == invocation)
    assert row.heartbeat >= 3
    assert row.ended_at is not None
    assert HEARTBEAT_SECONDS * 3 < DEAD_AFTER_SECONDS


def test_a_place_names_the_machine_its_boot_and_its_processes() -> None:
    assert place() == place()
    assert os.uname().nodename in place()
