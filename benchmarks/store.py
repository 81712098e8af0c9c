"""6. The store alone: judgments a second by the writer, into SQLite and into PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator

import uvloop

from agents.messages import Completion, Finish, TokenLogprobs, Usage
from benchmarks import work
from benchmarks.measures import Row
from benchmarks.runs import database
from results.store import Store

POSTGRES = "postgresql://postgres@127.0.0.1:5432/postgres"
JUDGMENTS = 20_000
IN_FLIGHT = 256


async def _write(named: str) -> tuple[float, float]:
    """(wall, CPU) seconds to claim and commit `JUDGMENTS` judgments, `IN_FLIGHT` at a time."""
    _, model = work.emulated_model("http://nowhere")
    plan = work.plan(JUDGMENTS // 2, model, salt=f"{time.time()} ")  # new ones each time
    judge = plan.judges[0]
    answer = Completion(
        "1", Finish.STOP, Usage(350, 1), (TokenLogprobs("1", -0.1, (("1", -0.1), ("2", -2.3))),)
    )
    calls = [judge.call(comparison) for comparison in plan.comparisons()]
    readings = [call.read(answer, call.key) if call.read else None for call in calls]
    async with await Store.open(named) as store:
        _, invocation = await store.begin("benchmark", {"at": time.time()}, command="", context={})
        writer = store.writer(invocation)
        cpu, wall = time.process_time(), time.perf_counter()
        for at in range(0, len(calls), IN_FLIGHT):
            batch = calls[at : at + IN_FLIGHT]
            await store.claim([call.key for call in batch], invocation)
            await asyncio.gather(
                *(
                    writer.put(call, answer, reading, 0.001)
                    for call, reading in zip(batch, readings[at:], strict=False)
                )
            )
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        await writer.close()
        await store.end(invocation)
    return wall, cpu


def store() -> Iterator[Row]:
    """Judgments a second, claimed and committed; CPU a judgment."""
    with database() as db:
        yield _row("SQLite", uvloop.run(_write(db)))
    named = os.environ.get("EMPATHY_BENCH_POSTGRES", POSTGRES)
    try:
        measured = uvloop.run(_write(named))
    except Exception as error:  # whatever the reason, the other measures stand
        yield Row("store: PostgreSQL", f"not measured: {type(error).__name__}: {str(error)[:60]}")
        return
    yield _row("PostgreSQL", measured)


def _row(name: str, measured: tuple[float, float]) -> Row:
    wall, cpu = measured
    return Row(
        f"store: {name}", f"{JUDGMENTS / wall:,.0f} judgments/s, {cpu / JUDGMENTS * 1e6:.0f} µs of CPU each"
    )
