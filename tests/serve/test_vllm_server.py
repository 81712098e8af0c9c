"""Life cycle of a server, with a small substitute for vLLM: start, requests, and stop with all children."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from serve import vllm_server as serving
from serve.vllm_server import LOOPBACK, VllmServer, check_port, free_port, require_vllm, running_server
from tests.errors import user_error

# Answers like vLLM and starts a grandchild in a session of its own, as some libraries do.
SUBSTITUTE = """
import json, os, subprocess, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
port, notes = int(sys.argv[1]), sys.argv[2]
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
open(notes, "w").write(json.dumps([os.getpid(), child.pid]))
loaded = {"base": {}}
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/health":
            return self.reply(200, {})
        if self.headers.get("Authorization") != "Bearer " + os.environ["VLLM_API_KEY"]:
            return self.reply(401, {"error": "Unauthorized"})
        self.reply(200, {"data": [{"id": name} for name in loaded]})
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = body["lora_name"]
        if "unload" in self.path:
            if name not in loaded:
                return self.reply(404, {"error": "not found"})
            del loaded[name]
        else:
            loaded[name] = body
        self.reply(200, {})
    def reply(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
    def log_message(self, *_): pass
print("Starting vLLM", flush=True)
HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def command(port: int, notes: Path) -> list[str]:
    return [sys.executable, "-c", SUBSTITUTE, str(port), str(notes)]


def have_ended(*pids: int, seconds: float = 300) -> bool:
    """Return whether these processes end within the time."""
    for pid in pids:
        try:
            watched = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        ended, _, _ = select.select([watched], [], [], seconds)
        os.close(watched)
        if not ended:
            return False
    return True


def free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) != 0


def test_a_server_runs_within_the_block_and_stops_with_its_children(tmp_path: Path) -> None:
    port = free_port()
    stages: list[str] = []
    with running_server(
        command(port, tmp_path / "n"), LOOPBACK, port, log=tmp_path / "log", on_progress=stages.append
    ) as server:
        pids = json.loads((tmp_path / "n").read_text())
        assert server.is_healthy()
        assert server.is_alive()
        assert server.is_managed
        assert list(server.models()) == ["base"]
        server.load("student:a", tmp_path)
        assert list(server.models()) == ["base", "student:a"]
        server.unload("student:a")
        with user_error("server.request-refused") as error:
            server.unload("student:a")
        assert error.fault.found.startswith("404")
        assert server.key not in str(server)
        assert server.key not in " ".join(Path(f"/proc/{pids[0]}/cmdline").read_text().split("\0"))
        with user_error("server.request-refused") as error:
            VllmServer(server.url, "another").models()
        assert "$EMPATHY_SERVE_KEY" in error.fault.remedy
    assert have_ended(*pids)
    assert free(port)
    assert stages[-1] == "the server is running"
    server.stop()  # stopping again has no effect


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_stops_when_its_parent_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    port = free_port()
    notes = tmp_path / "n"
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom serve.vllm_server import running_server\n"
        f"with running_server({command(port, notes)!r}, '127.0.0.1', {port}, "
        f"log=Path({str(tmp_path / 'log')!r})):\n"
        "    print('up', flush=True)\n    time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "up\n"
    pids = json.loads(notes.read_text())
    parent.send_signal(number)
    parent.wait(300)
    parent.stdout.close()
    assert have_ended(*pids)
    assert free(port)


def test_a_killed_watchdog_stops_the_server(tmp_path: Path) -> None:
    port = free_port()
    with running_server(command(port, tmp_path / "n"), LOOPBACK, port, log=tmp_path / "log") as server:
        child, grandchild = json.loads((tmp_path / "n").read_text())
        os.kill(server.pid, signal.SIGKILL)
        assert have_ended(child)
        assert not server.is_alive()
    os.kill(grandchild, signal.SIGKILL)  # only the substitute's grandchild survives its parent


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory.", "GPU memory is too small"),
        ("ValueError: something of vLLM", "the server exited"),
        (
            "WARNING 11-25 may cause OSError: [Errno 24]\n"
            "(Worker pid=7) ERROR 11-25 10:00:00 [a.py:3] safetensors._rust.SafetensorError: not whole\n"
            "INFO 11-25 10:00:00 ends\nRuntimeError: see above",
            "the weights file is damaged",
        ),
    ],
)
def test_a_server_that_exits_reports_cause_and_log(tmp_path: Path, output: str, cause: str) -> None:
    port = free_port()
    words = [sys.executable, "-c", f"raise SystemExit({output!r})"]
    with user_error("server.exited") as error:
        running_server(words, LOOPBACK, port, log=tmp_path / "log").__enter__()
    assert error.fault.what == cause
    assert output in error.fault.found
    first_line = error.fault.found.strip().splitlines()[0]  # the error that ended the server
    assert first_line == output or first_line.startswith("safetensors")
    assert error.fault.where == str(tmp_path / "log")


def test_the_log_of_a_healthy_server_is_removed(tmp_path: Path) -> None:
    port = free_port()
    with running_server(command(port, tmp_path / "n"), LOOPBACK, port) as server:
        assert server.log is not None
        assert server.log.is_file()
    assert not server.log.exists()
    with user_error("server.exited") as error:
        running_server([sys.executable, "-c", "raise SystemExit('no')"], LOOPBACK, port).__enter__()
    kept = Path(error.fault.where)
    assert "no" in kept.read_text()
    kept.unlink()


def test_a_server_that_does_not_start_in_time_is_stopped(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "import time; print('hm', flush=True); time.sleep(600)"]
    with user_error("server.start-timeout"):
        running_server(words, LOOPBACK, free_port(), log=tmp_path / "log", start_seconds=0.5).__enter__()


def test_a_port_in_use_is_refused() -> None:
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        with user_error("server.port-unavailable"):
            check_port(LOOPBACK, other.getsockname()[1])


def test_an_unreachable_server_and_missing_vllm_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    unreachable = VllmServer(f"http://{LOOPBACK}:{free_port()}")
    assert not unreachable.is_alive()
    with user_error("server.unreachable"):
        unreachable.models()
    monkeypatch.setattr(serving, "find_spec", lambda name: None)
    with user_error("backend.vllm-missing"):
        require_vllm()
