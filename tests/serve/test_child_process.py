"""Child process: input, output, log, and its end with its parent or by signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from serve.child_process import ChildProcess, read_tail

CHILD = """
import os, sys
from serve.child_process import call_when_parent_ends, read_first_line
import threading
ended = threading.Event()
print("got", read_first_line().decode(), end="", flush=True)
print("a warning", file=sys.stderr, flush=True)
call_when_parent_ends(ended.set)
ended.wait()
print("parent has ended", file=sys.stderr)
"""
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(600)
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_child_reads_its_line_and_ends_with_the_block(tmp_path: Path) -> None:
    with ChildProcess(
        python(CHILD), first_line="this", log=tmp_path / "new/log", grace_seconds=None
    ) as child:
        assert child.read_line(600.0) == b"got this\n"
        assert os.getsid(child.pid) != os.getsid(0)
        assert child.exit_code is None
    assert child.exit_code == 0
    assert child.log_tail() == "a warning\nparent has ended"
    child.stop()  # idempotent


def test_a_child_ends_with_a_killed_parent() -> None:
    parent = f"""
from serve.child_process import ChildProcess
child = ChildProcess({python(CHILD)!r}, first_line="this")
print(child.read_line(600.0), flush=True)
input()
"""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(python(parent), **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == b"b'got this\\n'\n"
        process.send_signal(signal.SIGKILL)
        assert b"parent has ended" in process.stderr.read()  # and no other process holds the pipe


def test_a_child_that_ignores_its_parent_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve.child_process.TERMINATION_SECONDS", 0.01)
    with ChildProcess(python(DEAF), grace_seconds=0.0) as child:
        assert child.read_line() == b"up\n"
    assert child.exit_code == -signal.SIGKILL


def test_output_can_go_to_the_log(tmp_path: Path) -> None:
    with ChildProcess(python("print('hello')"), log=tmp_path / "log", is_output_logged=True) as child:
        assert child.wait() == 0
    assert child.log_tail() == read_tail(tmp_path / "log") == "hello"
    assert read_tail(tmp_path / "none") == ""


def test_a_child_without_output_gives_an_empty_line() -> None:
    with ChildProcess(python("import sys; sys.stdin.read()")) as child:
        assert child.read_line(0.0) == b""
