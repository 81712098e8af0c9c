"""`python -m benchmarks [NAME…]`: run all benchmarks (or the named ones) and print one table."""

from __future__ import annotations

import platform
import sys
import time

from rich.console import Console
from rich.table import Table

from benchmarks import measures
from benchmarks.store import store

BENCHMARKS = {
    "throughput": measures.throughput,
    "client": measures.client,
    "limits": measures.limits,
    "faults": measures.faults,
    "kills": measures.kills,
    "memory": measures.memory,
    "store": store,
}


def main() -> None:
    """Run the benchmarks and print the results."""
    names = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"benchmarks: unknown: {', '.join(unknown)}. Choose from: {', '.join(BENCHMARKS)}.")
    began = time.monotonic()
    table = Table("measure", "value", "goal", "", title=f"{time.strftime('%Y-%m-%d')}, {platform.platform()}")
    for name in names:
        for row in BENCHMARKS[name]():
            print(f"{row.name}: {row.value}  {row.goal}", file=sys.stderr, flush=True)
            table.add_row(row.name, row.value, row.goal, {True: "met", False: "NOT MET", None: ""}[row.met])
    Console(width=150).print(table)
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
