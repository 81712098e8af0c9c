"""Benchmarks of the engine; each yields rows of (name, value, goal, met)."""

from __future__ import annotations

import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from statistics import median
from typing import Any, NamedTuple

from benchmarks.runs import child, database, server_stats, start
from harness.emulator.config import EmulatorConfig
from harness.emulator.server_process import emulator_process

PAIRS = 1000
REQUESTS = 2 * PAIRS
CPU_GOALS = {"aiohttp": 1.8, "pyreqwest": 1.3}
"""CPU time of the engine relative to the baseline, by HTTP library."""


class BenchmarkRow(NamedTuple):
    """One row of the table; `met` is None if there is no goal."""

    name: str
    value: str
    goal: str = ""
    met: bool | None = None


def throughput() -> Iterator[BenchmarkRow]:
    """1. The engine against a plain aiohttp loop on the same work, alternating; medians of three runs."""
    for spread, sigma in (("300 ms", 0.0), ("lognormal, median 300 ms, sigma 0.5", 0.5)):
        with emulator_process(EmulatorConfig(latency_ms=300, latency_sigma=sigma, lean=True)) as server:
            for in_flight, wall_goal in ((64, 1.03), (256, 1.03), (1024, 1.10)):
                baseline: list[dict[str, Any]] = []
                engine: dict[str, list[dict[str, Any]]] = {library: [] for library in _libraries()}
                for _ in range(3):
                    job = {"url": server.url, "pairs": PAIRS, "in_flight": in_flight}
                    baseline.append(child(what="baseline", **job))
                    for library, runs in engine.items():
                        with database() as db:
                            runs.append(child(what="engine", db=db, library=library, **job))
                for library, runs in engine.items():
                    name = f"throughput by {library}, {spread}, {in_flight} in flight"
                    wall, cpu = (_ratio(runs, baseline, unit) for unit in ("wall", "cpu"))
                    rate = REQUESTS / median(run["wall"] for run in runs)
                    yield BenchmarkRow(
                        f"{name}: wall / baseline",
                        f"{wall:.3f}  ({rate:,.0f}/s)",
                        f"≤ {wall_goal}",
                        wall <= wall_goal,
                    )
                    goal = CPU_GOALS[library]
                    yield BenchmarkRow(
                        f"{name}: CPU / baseline",
                        f"{cpu:.2f}  ({_cpu_each(runs):.0f} µs per request)",
                        f"≤ {goal}",
                        cpu <= goal,
                    )


def client() -> Iterator[BenchmarkRow]:
    """Compare the plain HTTP client alone (send a request, read its response) with the same loop."""
    with emulator_process(EmulatorConfig(latency_ms=300, lean=True)) as server:
        job = {"url": server.url, "pairs": PAIRS, "in_flight": 256}
        baseline: list[dict[str, Any]] = []
        alone: dict[str, list[dict[str, Any]]] = {library: [] for library in _libraries()}
        for _ in range(3):
            baseline.append(child(what="baseline", **job))
            for library, runs in alone.items():
                runs.append(child(what="client", library=library, **job))
    for library, runs in alone.items():
        yield BenchmarkRow(
            f"HTTP client alone by {library}, 256 in flight: CPU / baseline",
            f"{_ratio(runs, baseline, 'cpu'):.2f}  ({_cpu_each(runs):.0f} µs per request)",
        )


def _libraries() -> list[str]:
    """Return the HTTP libraries that are installed."""
    return [library for library in CPU_GOALS if find_spec(library) is not None]


def _ratio(runs: list[dict[str, Any]], baseline: list[dict[str, Any]], unit: str) -> float:
    """Return the ratio of two medians."""
    return float(median(run[unit] for run in runs) / median(run[unit] for run in baseline))


def _cpu_each(runs: list[dict[str, Any]]) -> float:
    """Return the median CPU time of one request in microseconds."""
    return float(median(run["cpu"] for run in runs)) / REQUESTS * 1e6


def limits() -> Iterator[BenchmarkRow]:
    """2. Share of the server's limits that is used, and the number of 429 responses."""
    rpm, tpm, pairs = 3000.0, 1_200_000.0, 750
    requests = 2 * pairs

    def tokens(counted: dict[str, Any]) -> float:
        """Return the minimum time in seconds for the used tokens."""
        return 60.0 * float(counted["input_tokens"] + counted["output_tokens"]) / tpm

    cases: list[tuple[str, dict[str, Any], dict[str, Any], Callable[[dict[str, Any]], float]]] = [
        (
            "3,000 requests per minute, configured",
            {"requests_per_minute": rpm},
            {"rpm": rpm},
            lambda _: 60 * requests / rpm,
        ),
        ("the same, learned from headers", {"requests_per_minute": rpm}, {}, lambda _: 60 * requests / rpm),
        ("1.2 million tokens per minute", {"tokens_per_minute": tpm}, {"tpm": tpm}, tokens),
        (
            "both",
            {"requests_per_minute": rpm, "tokens_per_minute": tpm},
            {"rpm": rpm, "tpm": tpm},
            lambda counted: max(60 * requests / rpm, tokens(counted)),
        ),
        (
            "3,000, lowered to 1,500 half-way",
            {"requests_per_minute": rpm, "lower_to_rpm": rpm / 2, "lower_after_requests": requests // 2},
            {"rpm": rpm},
            lambda _: 60 * (requests / 2 / rpm + requests / rpm),
        ),
    ]
    for name, server_options, options, ideal in cases:
        with emulator_process(EmulatorConfig(latency_ms=300, **server_options)) as server, database() as db:
            done = child(what="engine", url=server.url, pairs=pairs, db=db, **options)
            counted = server_stats(server.url)
        used = ideal(counted) / done["wall"]
        refused = counted["by_status"].get("429", 0)
        yield BenchmarkRow(f"limit, {name}: share used", f"{used:.3f}", "≥ 0.98", used >= 0.98)
        yield BenchmarkRow(f"limit, {name}: 429 responses", f"{refused}", "≤ 5", refused <= 5)


def faults() -> Iterator[BenchmarkRow]:
    """3. Faults: every judgment is stored exactly once; their cost in time."""
    timeout, in_flight = 6.0, 256
    walls, stored = [], []
    cases: list[dict[str, Any]] = [
        {},
        {"errors_500": 0.02, "resets": 0.01, "malformed": 0.01, "hangs": 0.001},
    ]
    for fault_options in cases:
        with emulator_process(EmulatorConfig(latency_ms=300, **fault_options)) as server, database() as db:
            done = child(
                what="engine", url=server.url, pairs=PAIRS, in_flight=in_flight, db=db, timeout=timeout
            )
            walls.append(done["wall"])
            stored.append(_judgments(db))
    allowed = 1.3 * walls[0] + timeout
    yield BenchmarkRow(
        "faults: judgments stored exactly once",
        f"{stored[1][0]:,} of {REQUESTS:,}",
        f"{REQUESTS:,}",
        stored[1] == (REQUESTS, REQUESTS),
    )
    yield BenchmarkRow(
        "faults: wall time",
        f"{walls[1]:.1f} s; without {walls[0]:.1f} s",
        f"≤ {allowed:.1f} s",
        walls[1] <= allowed,
    )


def kills(times: int = 20) -> Iterator[BenchmarkRow]:
    """4. Run of 2,000 judgments with kill -9 at random moments, then continued to the end."""
    in_flight, batch, rng = 64, 256, random.Random(4)
    with (
        emulator_process(EmulatorConfig(latency_ms=300)) as server,
        database() as reference_db,
        database() as db,
    ):
        options = {"what": "engine", "url": server.url, "pairs": PAIRS, "in_flight": in_flight}
        child(db=reference_db, **options)
        undisturbed, before = _verdicts(reference_db), server_stats(server.url)["requests"]
        killed = 0
        while killed < times:
            process = start(db=db, **options)
            aim = server_stats(server.url)["requests"] + rng.randint(20, REQUESTS // times)
            while process.poll() is None and server_stats(server.url)["requests"] < aim:
                time.sleep(0.02)
            if process.poll() is not None:
                break  # the run has finished
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += 1
        child(db=db, **options)
        job = server_stats(server.url)["requests"] - before
        same = _verdicts(db) == undisturbed
    repeats, bound = job - REQUESTS, killed * (in_flight + batch)
    yield BenchmarkRow(
        f"kills: final table after {killed} kill -9", "identical" if same else "DIFFERENT", "identical", same
    )
    yield BenchmarkRow(
        "kills: repeated requests",
        f"{repeats:,}  ({repeats / max(1, killed):.1f} per kill)",
        f"≤ {bound:,}",
        repeats <= bound,
    )


def memory() -> Iterator[BenchmarkRow]:
    """5. Peak memory against the number of judgments (server without latency, same dialogues)."""
    peaks: list[float] = []
    with emulator_process(EmulatorConfig(latency_ms=0, lean=True)) as server:
        for samples in (1, 10, 100):
            with database() as db:
                done = child(
                    what="engine", url=server.url, pairs=PAIRS, samples=samples, in_flight=256, db=db
                )
            peaks.append(done["peak_mib"])
            count, seconds = REQUESTS * samples, done["wall"]
            options = f"{done['peak_mib']:.0f} MiB  ({count / seconds:,.0f}/s)"
            yield BenchmarkRow(f"memory: peak at {count:,} judgments", options)
    grown = max(peaks) / min(peaks)
    yield BenchmarkRow("memory: highest / lowest of the three peaks", f"{grown:.3f}", "≤ 1.15", grown <= 1.15)


def _judgments(db: str) -> tuple[int, int]:
    """Return the number of judgments and of distinct requests among them."""
    with sqlite3.connect(db) as connection:
        counts: tuple[int, int] = connection.execute(
            "SELECT count(*), count(DISTINCT call_key) FROM judgment WHERE unscored IS NULL"
        ).fetchone()
    return counts


def _verdicts(db: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(db) as connection:
        return connection.execute(
            "SELECT call_key, first, second, preference, p_first, unscored FROM judgment ORDER BY 1, 2, 3"
        ).fetchall()
