"""Emulator server in a child process that ends with its parent, however the parent ends."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from agents.errors import EmpathyError
from harness.emulator.config import EmulatorConfig
from serve.child_process import ChildProcess

START_SECONDS = 60.0


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
    command = [sys.executable, "-m", "harness.emulator", "--options-json", "-"]
    command += ["--host", host, "--port", str(port)]
    with ChildProcess(command, first_line=options.to_json()) as child:
        line = child.read_line(START_SECONDS)
        if not line:
            raise EmpathyError("the emulator did not start; see its error on standard error")
        address = orjson.loads(line)
        yield EmulatorProcess(address["port"], address["url"], child.pid)
