"""6. The store alone: judgments a second by the writer, into SQLite and into PostgreSQL, and its share."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator

import uvloop

from agents.messages import Completion, FinishReason, TokenLogprobs, Usage
from benchmarks import work
from benchmarks.measures import PAIRS, Row
from benchmarks.runs import child, database
from harness.emulator.config import EmulatorConfig
from harness.emulator.server_process import emulator_process
from results.db.store import Store

POSTGRES = "postgresql://postgres@127.0.0.1:5432/postgres"
JUDGMENTS = 20_000
IN_FLIGHT = 256


async def _write(named: str) -> tuple[float, float]:
    """(wall, CPU) seconds to claim and commit `JUDGMENTS` judgments, `IN_FLIGHT` at a time."""
    _, model = work.emulated_model("http://nowhere")
    plan = work.plan(JUDGMENTS // 2, model, salt=f"{time.time()} ")  # new ones each time
    judge = plan.judges[0]
    answer = Completion(
        "1", FinishReason.STOP, Usage(350, 1), (TokenLogprobs("1", -0.1, (("1", -0.1), ("2", -2.3))),)
    )
    calls = [judge.call(comparison) for comparison in plan.comparisons()]
    readings = [call.read(answer, call.key) if call.read else None for call in calls]
    async with await Store.open(named) as store:
        _, invocation = await store.start_run("benchmark", {"at": time.time()}, command="", context={})
        writer = store.writer(invocation)
        cpu, wall = time.process_time(), time.perf_counter()
        for at in range(0, len(calls), IN_FLIGHT):
            batch = calls[at : at + IN_FLIGHT]
            await store.claim([call.key for call in batch], invocation)
            await asyncio.gather(
                *(
                    writer.save(call, answer, reading, 0.001)
                    for call, reading in zip(batch, readings[at:], strict=False)
                )
            )
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        await writer.close()
        await store.finish_run(invocation)
    return wall, cpu


def store() -> Iterator[Row]:
    """Judgments a second, claimed and committed; CPU a judgment, and its share of all a judgment takes."""
    with emulator_process(EmulatorConfig(latency_ms=0, lean=True)) as server, database() as db:
        whole = child(what="ours", url=server.url, pairs=PAIRS, in_flight=IN_FLIGHT, db=db)
    each = whole["cpu"] / (2 * PAIRS)
    with database() as db:
        yield _row("SQLite", uvloop.run(_write(db)), each)
    named = os.environ.get("EMPATHY_BENCH_POSTGRES", POSTGRES)
    try:
        wall_and_cpu = uvloop.run(_write(named))
    except Exception as error:  # whatever the reason, the other measures stand
        yield Row("store: PostgreSQL", f"not measured: {type(error).__name__}: {str(error)[:60]}")
        return
    yield _row("PostgreSQL", wall_and_cpu, each)


def _row(name: str, wall_and_cpu: tuple[float, float], whole: float) -> Row:
    """`whole`: CPU seconds of a judgment in all, by HTTP and into SQLite."""
    wall, cpu = wall_and_cpu
    own, rate = cpu / JUDGMENTS, JUDGMENTS / wall
    return Row(
        f"store: {name}",
        f"{rate:,.0f} judgments/s, {own * 1e6:.0f} µs of CPU each, {own / whole:.0%} of a judgment's",
    )
