"""Watchdog process between this program and a server; it stops the server when this program ends.

    python -m serve.watchdog COMMAND…

The watchdog holds the reading end of a pipe (its stdin), and the parent holds the other end, which closes
when the parent is killed. When the pipe closes, the watchdog stops the server's process group (SIGTERM, then
SIGKILL) and, as subreaper, every process that the server started in another group. If the watchdog itself is
killed, the kernel kills the server (`PR_SET_PDEATHSIG`), and the server's own children end with it. Uses only
the standard library.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
GRACE_SECONDS = 10.0
POLL_SECONDS = 0.1


def main(command: list[str]) -> int:
    """Run the command until it ends or stdin closes; return its exit code, or 0 if it was stopped."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the parent decides how to react to a terminal's Ctrl-C
    received: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: _prctl(PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509  (single-threaded)
    )
    while child.poll() is None and not received:
        with contextlib.suppress(InterruptedError):
            readable, _, _ = select.select([0], [], [], POLL_SECONDS)
            if readable and not os.read(0, 1):
                break
    exited = child.poll() is not None
    _stop(child)
    return child.returncode if exited else 0


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Stop the process group and all remaining descendants: SIGTERM, then SIGKILL after a grace period."""
    _signal_all(child.pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < deadline and (child.poll() is None or _descendants()):
        _reap(child)
        time.sleep(POLL_SECONDS)
    _signal_all(child.pid, signal.SIGKILL)
    while child.poll() is None or _descendants():
        _signal_all(child.pid, signal.SIGKILL)
        _reap(child)
        time.sleep(POLL_SECONDS)


def _signal_all(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
    for pid in _descendants():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _descendants() -> list[int]:
    """Return the ids of all processes below this one, without zombies."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, ValueError, IndexError):
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    parents[int(entry.name)] = int(parent)
    descendants: list[int] = []
    generation = {os.getpid()}
    while generation := {pid for pid, parent in parents.items() if parent in generation}:
        descendants += generation
    return descendants


def _reap(child: subprocess.Popen[bytes]) -> None:
    """Reap adopted processes that have ended; the child itself is reaped by its `Popen` object."""
    if child.poll() is None:
        return
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _prctl(option: int, value: int) -> None:
    """Call Linux's prctl; do nothing on other systems, where only the pipe is used."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
