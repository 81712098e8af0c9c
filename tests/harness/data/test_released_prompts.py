"""Download of the released prompts over HTTP on loopback: all files are written, or none."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.data.download import ROOT
from harness.data.released_prompts import fetch
from prompts import released
from tests.errors import user_error


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def served(released_prompts: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve invented scripts and return their address."""
    monkeypatch.setenv("no_proxy", "*")
    handler = functools.partial(_Quiet, directory=str(released_prompts))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_every_script_is_downloaded_once(served: str, tmp_path: Path) -> None:
    to = tmp_path / "to"
    assert fetch(to, root=served) == len(released.FILES)
    assert files_below(to) == set(released.FILES)
    assert set(released.load(to)) == set(released.PROMPTS)
    (to / released.INITIAL).write_text("changed")
    assert fetch(to, root=served) == 1
    assert fetch(to, root="http://127.0.0.1:9/none") == 0


@pytest.mark.parametrize("name", [released.GPT4O_JUDGE, released.SEQUENTIAL])
def test_an_unexpected_file_writes_nothing(
    served: str, released_prompts: Path, tmp_path: Path, name: str
) -> None:
    (released_prompts / name).write_text("another")
    for source in (None, released_prompts):
        with user_error("prompt.not-published-file"):
            fetch(tmp_path / "to", source, root=served)
        assert not (tmp_path / "to").exists()


def test_a_connection_failure_suggests_a_local_file(released_prompts: Path, tmp_path: Path) -> None:
    with user_error("file.download-failed") as error:
        fetch(tmp_path / "to", root="http://127.0.0.1:9/none")
    assert "empathy prompts fetch --from DIR" in error.fault.remedy


def test_every_missing_file_is_reported(released_prompts: Path, tmp_path: Path) -> None:
    with user_error("prompt.not-published-file") as error:
        fetch(tmp_path / "to", tmp_path / "nowhere")
    assert len(error.faults) == len(released.FILES)


def test_they_come_from_the_commit_of_the_dataset() -> None:
    assert f"{released.REPOSITORY}/{released.COMMIT}" in ROOT
    assert released.COMMIT.startswith("0f404ba")
