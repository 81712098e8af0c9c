"""A server in a child process: started, found, stopped; it dies with its parent, however the parent dies.

The child reads its options from its standard input (a key in them is so in no list of processes) and then
watches that pipe: its end is the parent's end. It has its own process group, so that an interrupt at the
terminal reaches the parent alone.
"""

from __future__ import annotations

import contextlib
import selectors
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from agents.errors import EmpathyError
from harness.emulator.config import EmulatorConfig

START_SECONDS = 60.0
STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class EmulatorProcess:
    """A server in a child process.

    Attributes:
        port: the bound port.
        url: `http://HOST:PORT`, without a trailing slash.
        pid: the child's process id.
    """

    port: int
    url: str
    pid: int


@contextlib.contextmanager
def emulator_process(
    options: EmulatorConfig, host: str = "127.0.0.1", port: int = 0
) -> Iterator[EmulatorProcess]:
    """Run the emulator in a child process while the block runs.

    Raises:
        EmpathyError: the child did not start; its own words are on standard error.
    """
    child = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "harness.emulator",
            "--options-json",
            "-",
            "--host",
            host,
            "--port",
            str(port),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        process_group=0,
    )
    try:
        yield _started(child, options)
    finally:
        _stop(child)


def _started(child: subprocess.Popen[bytes], options: EmulatorConfig) -> EmulatorProcess:
    assert child.stdin is not None
    assert child.stdout is not None
    line = b""
    with contextlib.suppress(BrokenPipeError):
        child.stdin.write(options.to_json().encode() + b"\n")
        child.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            if selector.select(START_SECONDS):
                line = child.stdout.readline()
    if not line:
        raise EmpathyError("the emulator did not start; what it said is on standard error")
    told = orjson.loads(line)
    return EmulatorProcess(told["port"], told["url"], child.pid)


def _stop(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(BrokenPipeError):
        if child.stdin is not None:
            child.stdin.close()  # its end of the pipe: the child stops by itself
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if child.stdout is not None:
        child.stdout.close()
