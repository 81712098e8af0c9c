"""One measured run in a process of its own: `python -m benchmarks.child JSON` prints one line of JSON.

Wall and CPU seconds are of the work alone, after imports and after the plan is made.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from agents.wire import url_of
from benchmarks import floor, work
from harness.engine.limits import Limits
from harness.engine.money import price_of
from harness.engine.retry import RetryPolicy
from harness.runs.judging import judge_all
from harness.runs.running import Settings
from results.store import Store


def measured(
    main: Callable[[], Coroutine[Any, Any, dict[str, Any]]], run: Callable[..., dict[str, Any]] = uvloop.run
) -> dict[str, Any]:
    """Run it; what it told, with wall and CPU seconds and the peak of memory in MiB."""
    cpu, wall = time.process_time(), time.perf_counter()
    told = run(main())
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**told, "wall": wall, "cpu": cpu, "peak_mib": peak}


def main() -> None:
    """Run what the argument says."""
    told = json.loads(sys.argv[1])
    registry, model = work.emulated_model(told["url"])
    plan = work.plan(told["pairs"], model, told.get("samples", 1))
    if told["what"] == "floor":
        judge = plan.judges[0]
        bodies = [judge.call(comparison).body for comparison in plan.comparisons()]

        async def ask() -> dict[str, Any]:
            return {"answered": await floor.ask_all(url_of(model), bodies, told["in_flight"])}

        print(json.dumps(measured(ask, asyncio.run)))
        return
    limits = Limits(
        requests_per_minute=told.get("rpm"),
        tokens_per_minute=told.get("tpm"),
        max_in_flight=told.get("in_flight"),
    )
    price_of(model, {})  # loads the table of prices: part of starting up, like the imports
    settings = Settings(
        limits=limits,
        quiet=True,
        timeout_seconds=told.get("timeout", 120.0),
        policy=RetryPolicy(**told.get("policy", {})),
    )

    async def judge_them() -> dict[str, Any]:
        async with await Store.open(told["db"]) as store:
            report = await judge_all(store, registry, plan, settings)
        lane = report.lanes[model.id]
        return {
            "answered": lane.made + lane.reused,
            "made": lane.made,
            "reused": lane.reused,
            "retried": lane.retried,
            "rate_limited": lane.rate_limited,
            "failed": lane.failed,
        }

    print(json.dumps(measured(judge_them)))


if __name__ == "__main__":
    main()
