"""A small process between us and the server: when we are gone, however, it takes the server down.

    python -m serve.watchdog COMMAND…

It holds the reading end of a pipe (its stdin) of which we hold the other; a killed process closes its pipes.
At the pipe's end it stops the server's whole process group (SIGTERM, then SIGKILL) and, as the adopter of
orphans, whatever the server started elsewhere. Where the keeper itself is killed, the kernel kills the server
(`PR_SET_PDEATHSIG`), whose own children end with it. Uses the standard library alone.
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
    """Run the command until it ends or our stdin does; its exit code, or 0 where it was stopped."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a terminal's Ctrl-C is our parent's to decide on
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: _prctl(PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509  (there is one thread)
    )
    while child.poll() is None and not stopped:
        with contextlib.suppress(InterruptedError):
            readable, _, _ = select.select([0], [], [], POLL_SECONDS)
            if readable and not os.read(0, 1):
                break
    ended_itself = child.poll() is not None
    _stop(child)
    return child.returncode if ended_itself else 0


def _stop(child: subprocess.Popen[bytes]) -> None:
    """The group, then every descendant that is left: first asked, then made to."""
    _signal_all(child.pid, signal.SIGTERM)
    until = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < until and (child.poll() is None or _descendants()):
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
    """Every process below this one; zombies are none."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, ValueError, IndexError):
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    parents[int(entry.name)] = int(parent)
    found: list[int] = []
    layer = {os.getpid()}
    while layer := {pid for pid, parent in parents.items() if parent in layer}:
        found += layer
    return found


def _reap(child: subprocess.Popen[bytes]) -> None:
    """Bury the orphans that were adopted; the child itself is its handle's to wait for."""
    if child.poll() is None:
        return
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _prctl(option: int, value: int) -> None:
    """Linux's prctl; elsewhere nothing (the pipe alone must do there)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
