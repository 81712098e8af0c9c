"""Fixtures that run the command line in this process, in an empty working folder."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest

from harness.cli import main
from tests.errors import CODE
from tests.result_documents import check_printed


@dataclass(frozen=True)
class Done:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def codes(self) -> list[str]:
        """Codes of the errors on stderr, in order."""
        return CODE.findall(self.err)

    @property
    def data(self) -> Any:
        """What `--json` printed."""
        return orjson.loads(self.out)


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and an environment without keys, addresses and settings."""
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_BASE_URL")) or name.startswith("EMPATHY_"):
            monkeypatch.delenv(name)
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def empathy(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """`empathy WORDS…`: runs it and tells how it ended."""

    def run(*words: str | Path) -> Done:
        values = [str(word) for word in words]
        monkeypatch.setattr("sys.argv", ["empathy", *values])
        with pytest.raises(SystemExit) as ended:
            main(values)
        code = ended.value.code
        out, err = capsys.readouterr()
        if "--json" in values:
            check_printed(out)
        return Done(code if isinstance(code, int) else 0, out, err)

    return run


Answer = Callable[[str, str], tuple[int, bytes]]


@pytest.fixture
def provider() -> Iterator[Callable[[Answer], str]]:
    """A provider on loopback: `answer(key, question)` gives status and body; the address comes back."""
    servers: list[ThreadingHTTPServer] = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet: else each answer waits for an acknowledgement

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                names = ("Authorization", "x-api-key", "x-goog-api-key")
                key = next((self.headers[name] for name in names if self.headers[name]), "")
                status, content = answer(key.removeprefix("Bearer "), body)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256  # with fewer, a connection is refused silently and tried again after 1 s

        server = Server(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
