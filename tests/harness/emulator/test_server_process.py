"""Server in a child process: it starts, answers, and ends with its parent however the parent ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from agents.errors import EmpathyError
from harness.emulator.__main__ import main
from harness.emulator.config import EmulatorConfig
from harness.emulator.server_process import emulator_process

PARENT = """
import sys
from harness.emulator.config import EmulatorConfig
from harness.emulator.server_process import emulator_process
with emulator_process(EmulatorConfig(seed=4)) as process:
    print(process.port, flush=True)
    sys.stdin.read()
"""


def _closes(connection: socket.socket) -> bool:
    connection.settimeout(600.0)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_server_process_answers_and_ends_with_its_block() -> None:
    options = EmulatorConfig(seed=3, api_key="secret")
    with emulator_process(options) as process:
        with urllib.request.urlopen(process.url + "/healthz", timeout=600) as answer:
            assert json.load(answer)["definition"] == options.definition_hash
        if Path("/proc/self/cmdline").exists():
            assert b"secret" not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert os.getpgid(process.pid) != os.getpgid(0)
        connection = socket.create_connection(("127.0.0.1", process.port))
    with connection:
        assert _closes(connection)
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_the_minimal_server_runs_in_a_child_process() -> None:
    with emulator_process(EmulatorConfig(lean=True, latency_ms=0.0)) as process:
        body = b'{"model":"emulated-gpt-4o","messages":[]}'
        request = urllib.request.Request(process.url + "/v1/chat/completions", data=body)
        with urllib.request.urlopen(request, timeout=600) as answer:
            assert json.load(answer)["choices"][0]["message"]["content"] in ("1", "2")


def test_it_ends_with_a_killed_parent() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        with socket.create_connection(("127.0.0.1", port)) as connection:
            parent.send_signal(signal.SIGKILL)
            assert _closes(connection)


def test_a_child_that_cannot_start_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(EmpathyError, match="did not start"),
            emulator_process(EmulatorConfig(), port=port),
        ):
            raise AssertionError("never reached")


def test_invalid_options_exit_with_2_and_print_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--options-json", '{"hangs": 2, "foo": 1}']) == 2
    error = capsys.readouterr().err
    assert "[emulator.unknown-option]" in error
    assert "'foo'" in error
    assert main(["--lean", "--options-json", '{"hangs": 0.5}']) == 2
    assert "[option.conflict] emulator: hangs" in capsys.readouterr().err
