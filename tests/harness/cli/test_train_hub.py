"""To the Hub: asked first, private, every file of the folder, to a server that speaks the Hub's protocol."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import click
import pytest
from click.testing import CliRunner

from agents.errors import UserError
from harness.cli.hub_upload import check, confirm_upload
from tests.errors import error_codes

UPLOAD = """
from pathlib import Path
from harness.cli.hub_upload import upload
upload(Path("student"), "me/student", "model")
"""


def ask(repo: str, answer: str) -> Any:
    """Ask as a command would, and answer."""

    @click.command()
    def command() -> None:
        check(repo)
        click.echo(confirm_upload(Path("student"), repo, "model"))

    return CliRunner().invoke(command, input=answer)


class Hub:
    """The Hub's client, as far as it is asked before anything is sent."""

    class constants:  # noqa: N801  (as it is called there)
        HF_HUB_OFFLINE = False


def test_an_upload_needs_an_explicit_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.cli.hub_upload.import_module", lambda _: Hub)
    assert ask("me/student", "y\n").stdout.strip() == "True"
    refused = ask("me/student", "n\n")
    assert refused.stdout.strip() == "False"
    assert "as the private model me/student?" in refused.stderr
    assert ask("me/student", "").exit_code == 1  # nobody there to say yes


@pytest.mark.parametrize("repo", ["student", "a/b/c"])
def test_an_invalid_repository_name_is_refused_before_the_question(
    repo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.cli.hub_upload.import_module", lambda _: Hub)
    assert error_codes(ask(repo, "y\n")) == ["hub.invalid-name"]
    monkeypatch.setattr(Hub.constants, "HF_HUB_OFFLINE", True)
    assert error_codes(ask("me/student", "y\n")) == ["hub.offline"]


def test_a_missing_hub_client_names_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    error = ask("me/student", "y\n").exception
    assert isinstance(error, UserError)
    assert "pip install" in str(error)


class Taking(BaseHTTPRequestHandler):
    """Takes what is uploaded: creating a repository, the question how files come, the commit."""

    repos: ClassVar[list[dict[str, Any]]] = []
    files: ClassVar[dict[str, bytes]] = {}
    tokens: ClassVar[set[str]] = set()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.tokens.add(str(self.headers.get("Authorization")))
        path, here = self.path.partition("?")[0], f"http://{self.headers['Host']}/me/student"
        if path == "/api/repos/create":
            self.repos.append(json.loads(body))
            self._say({"url": here, "name": "me/student"})
        elif path == "/api/models/me/student/preupload/main":
            asked = [one["path"] for one in json.loads(body)["files"]]
            files = [{"path": each, "uploadMode": "regular", "shouldIgnore": False} for each in asked]
            self._say({"files": files})
        elif path == "/api/models/me/student/commit/main":
            for line in body.splitlines():
                values = json.loads(line)
                if values["key"] == "file":
                    self.files[values["value"]["path"]] = base64.b64decode(values["value"]["content"])
            self._say({"commitUrl": f"{here}/commit/1", "commitOid": "1", "success": True})
        else:
            self._say({"valid": True, "errors": [], "warnings": []})

    def _say(self, values: dict[str, Any]) -> None:
        body = json.dumps(values).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def hub() -> Iterator[str]:
    """The server's address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.train
def test_the_whole_folder_arrives_in_a_private_repository(hub: str, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    files = {
        "README.md": b"---\nlibrary_name: peft\n---\n# student\n",
        "checkpoint.json": b"{}",
        "adapter_model.safetensors": b"\x00weights",
    }
    (tmp_path / "student").mkdir()
    for name, content in files.items():
        (tmp_path / "student" / name).write_bytes(content)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))},
        "HF_ENDPOINT": hub,
        "HF_HOME": str(tmp_path / "home"),
        "HF_TOKEN": "hf_test",
        "PYTHONPATH": str(Path(__file__).resolve().parents[3]),
    }
    done = subprocess.run(
        [sys.executable, "-c", UPLOAD],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Uploaded: https://huggingface.co/me/student" in done.stderr
    (repo,) = Taking.repos
    assert (repo["name"], repo["organization"], repo["visibility"]) == ("student", "me", "private")
    assert Taking.files == files
    assert Taking.tokens == {"Bearer hf_test"}
    assert "hf_test" not in done.stderr + done.stdout
