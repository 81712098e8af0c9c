"""Emulator server in a child process that ends with its parent, however the parent ends.

The child reads its configuration from standard input (so that an API key in it appears in no process list)
and then watches that pipe: when the pipe closes, the parent has ended. The child has its own process group,
so that an interrupt at the terminal reaches only the parent.
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
    """Emulator server running in a child process.

    Attributes:
        port: the bound port.
        url: `http://HOST:PORT`, without a trailing slash.
        pid: process id of the child.
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
        EmpathyError: the child did not start; its error is on standard error.
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
        yield _start(child, options)
    finally:
        _stop(child)


def _start(child: subprocess.Popen[bytes], options: EmulatorConfig) -> EmulatorProcess:
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
        raise EmpathyError("the emulator did not start; see its error on standard error")
    address = orjson.loads(line)
    return EmulatorProcess(address["port"], address["url"], child.pid)


def _stop(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(BrokenPipeError):
        if child.stdin is not None:
            child.stdin.close()  # the child stops when the pipe closes
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if child.stdout is not None:
        child.stdout.close()
