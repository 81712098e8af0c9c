"""Starting servers and measured children, and reading what a server saw."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def child(**told: Any) -> dict[str, Any]:
    """One measured run in a process of its own (see `benchmarks.child`).

    Raises:
        RuntimeError: it failed; with its last words.
    """
    process = start(**told)
    out, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(errors[-2000:])
    answer: dict[str, Any] = json.loads(out)
    return answer


def start(**told: Any) -> subprocess.Popen[str]:
    """The same, not waited for."""
    command = [sys.executable, "-m", "benchmarks.child", json.dumps(told)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def seen(url: str) -> dict[str, Any]:
    """What the emulator has counted."""
    with urllib.request.urlopen(f"{url}/stats") as answer:
        counted: dict[str, Any] = json.load(answer)
    return counted


@contextmanager
def database() -> Iterator[str]:
    """A new SQLite file, gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        yield str(Path(folder) / "bench.sqlite")
