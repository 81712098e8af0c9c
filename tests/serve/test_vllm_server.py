"""The server's life, by a small stand-in: up, found, and gone with all of its children, whatever ends us."""

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

from agents.errors import UserError
from serve import vllm_server as serving
from serve.vllm_server import LOOPBACK, VllmServer, check_port, free_port, require_vllm, running_server

# Answers as vLLM does; starts a grandchild in a session of its own, as some libraries do.
STAND_IN = """
import json, os, subprocess, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
port, notes = int(sys.argv[1]), sys.argv[2]
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
open(notes, "w").write(json.dumps([os.getpid(), child.pid]))
loaded = {"base": {}}
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/health":
            return self.say(200, {})
        if self.headers.get("Authorization") != "Bearer " + os.environ["VLLM_API_KEY"]:
            return self.say(401, {"error": "Unauthorized"})
        self.say(200, {"data": [{"id": name} for name in loaded]})
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = body["lora_name"]
        if "unload" in self.path:
            if name not in loaded:
                return self.say(404, {"error": "not found"})
            del loaded[name]
        else:
            loaded[name] = body
        self.say(200, {})
    def say(self, status, body):
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
    return [sys.executable, "-c", STAND_IN, str(port), str(notes)]


def gone(*pids: int, seconds: float = 300) -> bool:
    """Whether these processes end."""
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


def test_a_server_is_up_within_the_block_and_gone_with_its_children_after_it(tmp_path: Path) -> None:
    port, told = free_port(), []
    with running_server(
        command(port, tmp_path / "n"), LOOPBACK, port, log=tmp_path / "log", on_progress=told.append
    ) as server:
        pids = json.loads((tmp_path / "n").read_text())
        assert server.is_healthy()
        assert server.is_alive()
        assert server.ours
        assert list(server.models()) == ["base"]
        server.load("student:a", tmp_path)
        assert list(server.models()) == ["base", "student:a"]
        server.unload("student:a")
        with pytest.raises(UserError, match="404"):
            server.unload("student:a")
        assert server.key not in str(server)
        assert server.key not in " ".join(Path(f"/proc/{pids[0]}/cmdline").read_text().split("\0"))
        with pytest.raises(UserError, match="key"):
            VllmServer(server.url, "another").models()
    assert gone(*pids)
    assert free(port)
    assert told[-1] == "the server is up"
    server.stop()  # a second time: nothing


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_whatever_ends_us_ends_it(tmp_path: Path, number: signal.Signals) -> None:
    port = free_port()
    notes = tmp_path / "n"
    ours = (
        "import sys, time\nfrom pathlib import Path\nfrom serve.vllm_server import started\n"
        f"with started({command(port, notes)!r}, '127.0.0.1', {port}, log=Path({str(tmp_path / 'log')!r})):\n"
        "    print('up', flush=True)\n    time.sleep(600)\n"
    )
    us = subprocess.Popen([sys.executable, "-c", ours], stdout=subprocess.PIPE, text=True)
    assert us.stdout is not None
    assert us.stdout.readline() == "up\n"
    pids = json.loads(notes.read_text())
    us.send_signal(number)
    us.wait(300)
    us.stdout.close()
    assert gone(*pids)
    assert free(port)


def test_a_killed_keeper_takes_the_server_with_it(tmp_path: Path) -> None:
    port = free_port()
    with running_server(command(port, tmp_path / "n"), LOOPBACK, port, log=tmp_path / "log") as server:
        child, grandchild = json.loads((tmp_path / "n").read_text())
        os.kill(server.pid, signal.SIGKILL)
        assert gone(child)
        assert not server.is_alive()
    os.kill(grandchild, signal.SIGKILL)  # the stand-in's own, that vLLM's would not outlive


@pytest.mark.parametrize(
    ("says", "meaning"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory.", "memory is too small"),
        ("ValueError: something of vLLM", "something of vLLM"),
        (
            "WARNING 11-25 may cause OSError: [Errno 24]\n"
            "(Worker pid=7) ERROR 11-25 10:00:00 [a.py:3] safetensors._rust.SafetensorError: not whole\n"
            "INFO 11-25 10:00:00 ends\nRuntimeError: see above",
            "weights' file is broken",
        ),
    ],
)
def test_a_server_that_dies_shows_its_log(tmp_path: Path, says: str, meaning: str) -> None:
    port = free_port()
    words = [sys.executable, "-c", f"raise SystemExit({says!r})"]
    with pytest.raises(UserError, match=meaning) as error:
        running_server(words, LOOPBACK, port, log=tmp_path / "log").__enter__()
    assert says in str(error.value)
    (_, cause, *_) = str(error.value).splitlines()  # first what it died of
    assert cause == says or cause.startswith("safetensors")
    assert str(tmp_path / "log") in str(error.value)


def test_the_log_of_a_server_that_was_well_goes_with_it(tmp_path: Path) -> None:
    port = free_port()
    with running_server(command(port, tmp_path / "n"), LOOPBACK, port) as server:
        assert server.log is not None
        assert server.log.is_file()
    assert not server.log.exists()
    with pytest.raises(UserError) as error:
        running_server([sys.executable, "-c", "raise SystemExit('no')"], LOOPBACK, port).__enter__()
    kept = Path(str(error.value).partition(":")[0])
    assert "no" in kept.read_text()
    kept.unlink()


def test_a_server_that_never_comes_up_is_stopped(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "import time; print('hm', flush=True); time.sleep(600)"]
    with pytest.raises(UserError, match="in time"):
        running_server(words, LOOPBACK, free_port(), log=tmp_path / "log", start_seconds=0.5).__enter__()


def test_a_port_in_use() -> None:
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        with pytest.raises(UserError, match="--port"):
            check_port(LOOPBACK, other.getsockname()[1])


def test_a_dead_server_and_no_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = VllmServer(f"http://{LOOPBACK}:{free_port()}")
    assert not nobody.is_alive()
    with pytest.raises(UserError, match="does not answer"):
        nobody.models()
    monkeypatch.setattr(serving, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install"):
        require_vllm()
