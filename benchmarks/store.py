"""6. The database alone: judgments per second through the writer, into SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator

import uvloop

from agents.messages import Completion, FinishReason, TokenLogprobs, Usage
from benchmarks import work
from benchmarks.measures import PAIRS, BenchmarkRow
from benchmarks.runs import child, database
from harness.emulator.config import EmulatorConfig
from harness.emulator.server_process import emulator_process
from results.db.store import Store

POSTGRES = "postgresql://postgres@127.0.0.1:5432/postgres"
JUDGMENTS = 20_000
IN_FLIGHT = 256


async def _write(url: str) -> tuple[float, float]:
    """Return the wall and CPU seconds to claim and commit `JUDGMENTS` judgments, `IN_FLIGHT` at a time."""
    _, model = work.emulated_model("http://nowhere")
    plan = work.plan(JUDGMENTS // 2, model, salt=f"{time.time()} ")  # new ones each time
    judge = plan.judges[0]
    answer = Completion(
        "1", FinishReason.STOP, Usage(350, 1), (TokenLogprobs("1", -0.1, (("1", -0.1), ("2", -2.3))),)
    )
    requests = [judge.call(comparison) for comparison in plan.comparisons()]
    parsed = [request.read(answer, request.key) if request.read else None for request in requests]
    async with await Store.open(url) as store:
        _, invocation = await store.start_run("benchmark", {"at": time.time()}, command="", context={})
        writer = store.writer(invocation)
        cpu, wall = time.process_time(), time.perf_counter()
        for start in range(0, len(requests), IN_FLIGHT):
            batch = requests[start : start + IN_FLIGHT]
            await store.claim([request.key for request in batch], invocation)
            await asyncio.gather(
                *(
                    writer.save(request, answer, parsed_verdict, 0.001)
                    for request, parsed_verdict in zip(batch, parsed[start:], strict=False)
                )
            )
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        await writer.close()
        await store.finish_run(invocation)
    return wall, cpu


def store() -> Iterator[BenchmarkRow]:
    """Judgments per second, claimed and committed; CPU time per judgment and its share of the whole."""
    with emulator_process(EmulatorConfig(latency_ms=0, lean=True)) as server, database() as db:
        total = child(what="engine", url=server.url, pairs=PAIRS, in_flight=IN_FLIGHT, db=db)
    cpu_per_judgment = total["cpu"] / (2 * PAIRS)
    with database() as db:
        yield _row("SQLite", uvloop.run(_write(db)), cpu_per_judgment)
    url = os.environ.get("EMPATHY_BENCH_POSTGRES", POSTGRES)
    try:
        wall_and_cpu = uvloop.run(_write(url))
    except Exception as error:  # the other benchmarks are still valid
        yield BenchmarkRow("store: PostgreSQL", f"not measured: {type(error).__name__}: {str(error)[:60]}")
        return
    yield _row("PostgreSQL", wall_and_cpu, cpu_per_judgment)


def _row(name: str, wall_and_cpu: tuple[float, float], total: float) -> BenchmarkRow:
    """Return one row; `total` is the CPU time of a judgment in seconds, including HTTP and SQLite."""
    wall, cpu = wall_and_cpu
    own, rate = cpu / JUDGMENTS, JUDGMENTS / wall
    return BenchmarkRow(
        f"store: {name}",
        f"{rate:,.0f} judgments/s, {own * 1e6:.0f} µs of CPU each, {own / total:.0%} of a judgment's",
    )
