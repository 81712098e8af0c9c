"""The measures of the engine; each gives rows of (what, value, goal, met)."""

from __future__ import annotations

import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any, NamedTuple

from benchmarks.runs import child, database, seen, start
from harness.emulator.config import EmulatorConfig
from harness.emulator.server_process import emulator_process

PAIRS = 1000
CALLS = 2 * PAIRS


class Row(NamedTuple):
    """One line of the table; `met` is None where there is no goal."""

    what: str
    value: str
    goal: str = ""
    met: bool | None = None


def throughput() -> Iterator[Row]:
    """1. Our whole path against a plain aiohttp loop on the same work, alternating, medians of three."""
    for spread, sigma in (("300 ms", 0.0), ("lognormal, median 300 ms, sigma 0.5", 0.5)):
        with emulator_process(EmulatorConfig(latency_ms=300, latency_sigma=sigma, lean=True)) as server:
            for in_flight, wall_goal in ((64, 1.03), (256, 1.03), (1024, 1.10)):
                floors, ours = [], []
                for _ in range(3):
                    asked = {"url": server.url, "pairs": PAIRS, "in_flight": in_flight}
                    floors.append(child(what="floor", **asked))
                    with database() as db:
                        ours.append(child(what="ours", db=db, **asked))
                wall, cpu = (
                    median(run[unit] for run in ours) / median(run[unit] for run in floors)
                    for unit in ("wall", "cpu")
                )
                name = f"throughput, {spread}, {in_flight} in flight"
                rate = CALLS / median(run["wall"] for run in ours)
                yield Row(
                    f"{name}: wall / floor",
                    f"{wall:.3f}  ({rate:,.0f}/s)",
                    f"≤ {wall_goal}",
                    wall <= wall_goal,
                )
                each = median(run["cpu"] for run in ours) / CALLS * 1e6
                yield Row(f"{name}: CPU / floor", f"{cpu:.2f}  ({each:.0f} µs a call)", "≤ 1.4", cpu <= 1.4)


def client() -> Iterator[Row]:
    """The plain HTTP client alone (a request sent, its answer read) against the same loop."""
    with emulator_process(EmulatorConfig(latency_ms=300, lean=True)) as server:
        asked = {"url": server.url, "pairs": PAIRS, "in_flight": 256}
        pairs = [(child(what="floor", **asked), child(what="client", **asked)) for _ in range(3)]
    cpu = median(ours["cpu"] for _, ours in pairs) / median(floor["cpu"] for floor, _ in pairs)
    each = median(ours["cpu"] for _, ours in pairs) / CALLS * 1e6
    yield Row("HTTP client alone, 256 in flight: CPU / floor", f"{cpu:.2f}  ({each:.0f} µs a call)")


def limits() -> Iterator[Row]:
    """2. Use of limits that the server enforces, and how many 429s it took."""
    rpm, tpm, pairs = 3000.0, 1_200_000.0, 750
    calls = 2 * pairs

    def tokens(counted: dict[str, Any]) -> float:
        """The least seconds for the tokens that were used."""
        return 60.0 * float(counted["input_tokens"] + counted["output_tokens"]) / tpm

    cases: list[tuple[str, dict[str, Any], dict[str, Any], Callable[[dict[str, Any]], float]]] = [
        (
            "3,000 requests a minute, known",
            {"requests_per_minute": rpm},
            {"rpm": rpm},
            lambda _: 60 * calls / rpm,
        ),
        ("the same, learned from headers", {"requests_per_minute": rpm}, {}, lambda _: 60 * calls / rpm),
        ("1.2 million tokens a minute", {"tokens_per_minute": tpm}, {"tpm": tpm}, tokens),
        (
            "both",
            {"requests_per_minute": rpm, "tokens_per_minute": tpm},
            {"rpm": rpm, "tpm": tpm},
            lambda counted: max(60 * calls / rpm, tokens(counted)),
        ),
        (
            "3,000, lowered to 1,500 half-way",
            {"requests_per_minute": rpm, "lower_to_rpm": rpm / 2, "lower_after_requests": calls // 2},
            {"rpm": rpm},
            lambda _: 60 * (calls / 2 / rpm + calls / rpm),
        ),
    ]
    for name, served, told, ideal in cases:
        with emulator_process(EmulatorConfig(latency_ms=300, **served)) as server, database() as db:
            done = child(what="ours", url=server.url, pairs=pairs, db=db, **told)
            counted = seen(server.url)
        used = ideal(counted) / done["wall"]
        refused = counted["by_status"].get("429", 0)
        yield Row(f"limit, {name}: share used", f"{used:.3f}", "≥ 0.98", used >= 0.98)
        yield Row(f"limit, {name}: answers of 429", f"{refused}", "≤ 5", refused <= 5)


def faults() -> Iterator[Row]:
    """3. Faults: every judgment arrives, none twice; the price in time."""
    timeout, in_flight = 6.0, 256
    walls, stored = [], []
    cases: list[dict[str, Any]] = [
        {},
        {"errors_500": 0.02, "resets": 0.01, "malformed": 0.01, "hangs": 0.001},
    ]
    for broken in cases:
        with emulator_process(EmulatorConfig(latency_ms=300, **broken)) as server, database() as db:
            done = child(
                what="ours", url=server.url, pairs=PAIRS, in_flight=in_flight, db=db, timeout=timeout
            )
            walls.append(done["wall"])
            stored.append(_judgments(db))
    allowed = 1.3 * walls[0] + timeout
    yield Row(
        "faults: judgments stored, each once",
        f"{stored[1][0]:,} of {CALLS:,}",
        f"{CALLS:,}",
        stored[1] == (CALLS, CALLS),
    )
    yield Row(
        "faults: wall",
        f"{walls[1]:.1f} s; without {walls[0]:.1f} s",
        f"≤ {allowed:.1f} s",
        walls[1] <= allowed,
    )


def kills(times: int = 20) -> Iterator[Row]:
    """4. kill -9 at random moments of one run of 2,000 judgments, then the same again to the end."""
    in_flight, batch, rng = 64, 256, random.Random(4)
    with emulator_process(EmulatorConfig(latency_ms=300)) as server, database() as whole, database() as db:
        told = {"what": "ours", "url": server.url, "pairs": PAIRS, "in_flight": in_flight}
        child(db=whole, **told)
        undisturbed, before = _verdicts(whole), seen(server.url)["requests"]
        killed = 0
        while killed < times:
            process = start(db=db, **told)
            aim = seen(server.url)["requests"] + rng.randint(20, CALLS // times)
            while process.poll() is None and seen(server.url)["requests"] < aim:
                time.sleep(0.02)
            if process.poll() is not None:
                break  # it had finished
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += 1
        child(db=db, **told)
        asked = seen(server.url)["requests"] - before
        same = _verdicts(db) == undisturbed
    repeats, bound = asked - CALLS, killed * (in_flight + batch)
    yield Row(
        f"kills: final table after {killed} kill -9", "identical" if same else "DIFFERENT", "identical", same
    )
    yield Row(
        "kills: calls made again",
        f"{repeats:,}  ({repeats / max(1, killed):.1f} a kill)",
        f"≤ {bound:,}",
        repeats <= bound,
    )


def memory() -> Iterator[Row]:
    """5. Peak memory against the number of judgments (a server without latency, the same dialogues)."""
    peaks: list[float] = []
    with emulator_process(EmulatorConfig(latency_ms=0, lean=True)) as server:
        for samples in (1, 10, 100):
            with database() as db:
                done = child(what="ours", url=server.url, pairs=PAIRS, samples=samples, in_flight=256, db=db)
            peaks.append(done["peak_mib"])
            count, seconds = CALLS * samples, done["wall"]
            told = f"{done['peak_mib']:.0f} MiB  ({count / seconds:,.0f}/s)"
            yield Row(f"memory: peak at {count:,} judgments", told)
    grown = max(peaks) / min(peaks)
    yield Row("memory: highest / lowest of the three peaks", f"{grown:.3f}", "≤ 1.15", grown <= 1.15)


def _judgments(db: str) -> tuple[int, int]:
    """How many judgments there are, and of how many calls."""
    with sqlite3.connect(db) as connection:
        found: tuple[int, int] = connection.execute(
            "SELECT count(*), count(DISTINCT call_key) FROM judgment WHERE unscored IS NULL"
        ).fetchone()
    return found


def _verdicts(db: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(db) as connection:
        return connection.execute(
            "SELECT call_key, first, second, preference, p_first, unscored FROM judgment ORDER BY 1, 2, 3"
        ).fetchall()
