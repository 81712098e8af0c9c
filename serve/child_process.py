"""Child process that ends with this process, however this process ends.

The child holds the reading end of a pipe, its standard input, which closes when this process ends; the child
watches it (`call_when_parent_ends`) and ends, too. Other programs are started by `serve/watchdog.py`, which
watches the pipe for them. The child runs in its own session, so that Ctrl-C at a terminal reaches only this
process. A configuration is its first line of input, so that a key in it appears in no process list.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

TERMINATION_SECONDS = 5.0
LOG_TAIL_BYTES = 64 * 1024


class ChildProcess:
    """Running child process; stop it, or use `with`.

    Args:
        command: program and arguments.
        first_line: first line of its standard input; "" for none.
        environment: environment variables; None for those of this process.
        log: file to which its standard error is appended; None for that of this process.
        is_output_logged: whether its standard output goes to the log, too; otherwise `read_line` returns it.
        grace_seconds: how long it may take to end after its standard input closed; None for any time.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        first_line: str = "",
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
        is_output_logged: bool = False,
        grace_seconds: float | None = TERMINATION_SECONDS,
    ) -> None:
        self.log = log
        self._grace_seconds = grace_seconds
        with contextlib.ExitStack() as stack:
            if log is not None:
                log.parent.mkdir(parents=True, exist_ok=True)
            errors = stack.enter_context(log.open("ab")) if log is not None else None
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=errors if is_output_logged else subprocess.PIPE,
                stderr=errors,
                env=environment,
                start_new_session=True,
            )
        if first_line:
            with contextlib.suppress(BrokenPipeError):  # it has ended: there will be no output
                os.write(self._input, first_line.encode() + b"\n")

    def __enter__(self) -> ChildProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Exit code; negative for a signal, None while it runs."""
        return self._process.poll()

    def read_line(self, timeout_seconds: float | None = None) -> bytes:
        """Return the next line of its standard output; empty at its end, or if it takes too long to begin."""
        output = self._process.stdout
        assert output is not None
        if timeout_seconds is not None:
            with selectors.DefaultSelector() as selector:
                selector.register(output, selectors.EVENT_READ)
                if not selector.select(timeout_seconds):
                    return b""
        return output.readline()

    def wait(self) -> int:
        """Wait until it has ended and return its exit code."""
        return self._process.wait()

    def stop(self) -> None:
        """Close its standard input; after the grace period, send SIGTERM, then SIGKILL. Idempotent."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        for seconds, number in ((self._grace_seconds, signal.SIGTERM), (TERMINATION_SECONDS, signal.SIGKILL)):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
                break
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def log_tail(self) -> str:
        """Return the end of its log."""
        return read_tail(self.log) if self.log is not None else ""

    @property
    def _input(self) -> int:
        assert self._process.stdin is not None
        return self._process.stdin.fileno()


def read_tail(log: Path) -> str:
    """Return the end of a log file; "" if there is none."""
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
        return file.read().decode(errors="replace").strip()


def read_first_line() -> bytes:
    """Return the first line of standard input, in the child; the rest is left to `call_when_parent_ends`."""
    line = b""
    while not line.endswith(b"\n") and (chunk := os.read(0, 65536)):
        line += chunk
    return line


def call_when_parent_ends(action: Callable[[], object]) -> None:
    """Call a function in another thread once standard input closes, in the child."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        action()

    threading.Thread(target=watch, daemon=True, name="watch-standard-input").start()
