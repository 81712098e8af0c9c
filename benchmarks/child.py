"""One measured run in a process of its own: `python -m benchmarks.child JSON` prints one line of JSON.

Wall and CPU seconds are of the work alone, on the same event loop for both: from when the imports are done
and the plan and an empty database are there, until the last answer is there; of ours, until it is stored:
the run's description, every claim and every commit count, and the database's thread does.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Coroutine, Sequence
from typing import Any

import uvloop

from agents.clients.base import ModelRequest
from agents.clients.http import HttpClient, open_session
from agents.models.spec import Model
from agents.protocols import request_url
from benchmarks import floor, work
from harness import provenance
from harness.engine.budget import lookup_price
from harness.engine.limits import Limits
from harness.engine.retry import RetryPolicy
from harness.engine.run import RequestSettings
from harness.workflows.judge import run_judging
from results.db.store import Store


async def measured(work: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """Do it; what it told, with wall and CPU seconds and the peak of memory in MiB."""
    cpu, wall = time.process_time(), time.perf_counter()
    told = await work
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**told, "wall": wall, "cpu": cpu, "peak_mib": peak}


async def by_client(model: Model, calls: Sequence[ModelRequest], in_flight: int) -> dict[str, Any]:
    """Ask these calls by the plain HTTP client alone: no limits, nothing claimed, nothing stored."""
    waiting = iter(calls)
    async with open_session() as session:
        client = HttpClient(model, "", session)

        async def worker() -> None:
            for call in waiting:
                await client.complete(call)

        await asyncio.gather(*(worker() for _ in range(in_flight)))
        await client.close()
    return {"answered": len(calls)}


def main() -> None:
    """Run what the argument says."""
    told = json.loads(sys.argv[1])
    registry, model = work.emulated_model(told["url"])
    plan = work.plan(told["pairs"], model, told.get("samples", 1))
    if told["what"] == "floor":
        judge = plan.judges[0]
        bodies = [judge.call(comparison).body for comparison in plan.comparisons()]

        async def ask() -> dict[str, Any]:
            return {"answered": await floor.ask_all(request_url(model), bodies, told["in_flight"])}

        print(json.dumps(uvloop.run(measured(ask()))))
        return
    if told["what"] == "client":
        calls = [judge.call(comparison) for judge in plan.judges for comparison in plan.comparisons()]
        print(json.dumps(uvloop.run(measured(by_client(model, calls, told["in_flight"])))))
        return
    limits = Limits(
        requests_per_minute=told.get("rpm"),
        tokens_per_minute=told.get("tpm"),
        max_in_flight=told.get("in_flight"),
    )
    lookup_price(model, {})  # loads the table of prices: part of starting up, like the imports
    provenance.context()  # and what code this is, looked up once in a process
    settings = RequestSettings(
        limits=limits,
        quiet=True,
        timeout_seconds=told.get("timeout", 120.0),
        policy=RetryPolicy(**told.get("policy", {})),
    )

    async def judge_them(store: Store) -> dict[str, Any]:
        endpoint = (await run_judging(store, registry, plan, settings)).endpoints[model.id]
        return {
            "answered": endpoint.made + endpoint.reused,
            "made": endpoint.made,
            "reused": endpoint.reused,
            "retried": endpoint.retried,
            "rate_limited": endpoint.rate_limited,
            "failed": endpoint.failed,
        }

    async def with_a_store() -> dict[str, Any]:
        async with await Store.open(told["db"]) as store:
            return await measured(judge_them(store))

    print(json.dumps(uvloop.run(with_a_store())))


if __name__ == "__main__":
    main()
