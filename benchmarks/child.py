"""One measured run in its own process: `python -m benchmarks.child JSON` prints one line of JSON.

Wall and CPU seconds cover the work alone, on the same event loop for all variants: from when imports, plan
and an empty database are ready until the last response has arrived, or, for the engine, until it is stored.
The engine's time includes the run's description, every claim, every commit and the database thread.
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
from benchmarks import baseline, work
from harness import provenance
from harness.engine.limits import Limits
from harness.engine.prices import lookup_price
from harness.engine.retrying_client import RetryPolicy
from harness.engine.run import RequestSettings
from harness.workflows.judge import run_judging
from results.db.store import Store


async def measured(work: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """Await the work; return its result with wall and CPU seconds and the peak memory in MiB."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = await work
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**result, "wall": wall, "cpu": cpu, "peak_mib": peak}


async def send_with_client(model: Model, requests: Sequence[ModelRequest], in_flight: int) -> dict[str, Any]:
    """Send the requests with the plain HTTP client alone: no limits, no claims, nothing stored."""
    queue = iter(requests)
    async with open_session() as session:
        client = HttpClient(model, "", session)

        async def worker() -> None:
            for request in queue:
                await client.complete(request)

        await asyncio.gather(*(worker() for _ in range(in_flight)))
        await client.close()
    return {"answered": len(requests)}


def main() -> None:
    """Run what the JSON argument describes."""
    job = json.loads(sys.argv[1])
    registry, model = work.emulated_model(job["url"])
    plan = work.plan(job["pairs"], model, job.get("samples", 1))
    if job["what"] == "baseline":
        judge = plan.judges[0]
        bodies = [judge.call(comparison).body for comparison in plan.comparisons()]

        async def send() -> dict[str, Any]:
            return {"answered": await baseline.send_all(request_url(model), bodies, job["in_flight"])}

        print(json.dumps(uvloop.run(measured(send()))))
        return
    if job["what"] == "client":
        requests = [judge.call(comparison) for judge in plan.judges for comparison in plan.comparisons()]
        print(json.dumps(uvloop.run(measured(send_with_client(model, requests, job["in_flight"])))))
        return
    limits = Limits(
        requests_per_minute=job.get("rpm"),
        tokens_per_minute=job.get("tpm"),
        max_in_flight=job.get("in_flight"),
    )
    lookup_price(model, {})  # loads the price table, which is part of starting up
    provenance.run_context()  # looks up the code version, once per process
    settings = RequestSettings(
        limits=limits,
        quiet=True,
        timeout_seconds=job.get("timeout", 120.0),
        policy=RetryPolicy(**job.get("policy", {})),
    )

    async def judge_with_engine(store: Store) -> dict[str, Any]:
        endpoint = (await run_judging(store, registry, plan, settings)).endpoints[model.id]
        return {
            "answered": endpoint.made + endpoint.reused,
            "made": endpoint.made,
            "reused": endpoint.reused,
            "retried": endpoint.retried,
            "rate_limited": endpoint.rate_limited,
            "failed": endpoint.failed,
        }

    async def run_with_store() -> dict[str, Any]:
        async with await Store.open(job["db"]) as store:
            return await measured(judge_with_engine(store))

    print(json.dumps(uvloop.run(run_with_store())))


if __name__ == "__main__":
    main()
