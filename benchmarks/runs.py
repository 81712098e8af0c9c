"""Child processes of the benchmarks, and the counters of an emulator server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agents.clients.http import LIBRARY_VARIABLE


def child(**job: Any) -> dict[str, Any]:
    """Run one measured job in its own process (see `benchmarks.child`) and return its result.

    Raises:
        RuntimeError: the job failed; with the end of its error output.
    """
    process = start(**job)
    out, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(errors[-2000:])
    answer: dict[str, Any] = json.loads(out)
    return answer


def start(**job: Any) -> subprocess.Popen[str]:
    """Start a measured job without waiting for it; its `library` names an HTTP library."""
    environment = os.environ | ({LIBRARY_VARIABLE: job["library"]} if "library" in job else {})
    command = [sys.executable, "-m", "benchmarks.child", json.dumps(job)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def server_stats(url: str) -> dict[str, Any]:
    """Return the counters of an emulator server."""
    with urllib.request.urlopen(f"{url}/stats") as answer:
        stats: dict[str, Any] = json.load(answer)
    return stats


@contextmanager
def database() -> Iterator[str]:
    """Provide a new SQLite file, deleted afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        yield str(Path(folder) / "bench.sqlite")
