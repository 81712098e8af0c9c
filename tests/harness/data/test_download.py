"""Download over HTTP on loopback: only a file with the expected hash is written."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from importlib import resources
from pathlib import Path

import pytest

from harness.data import download
from harness.data.download import COMMIT, REPOSITORY, URL, fetch
from tests.errors import user_error

SAMPLE = resources.files("harness.data.sample").joinpath("dialogues.csv").read_bytes()
Serve = Callable[[bytes], str]


@pytest.fixture(autouse=True)
def expected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Expect the sample's hash instead of the published file's, without a proxy."""
    monkeypatch.setattr(download, "REAL_SHA256", sha256(SAMPLE).hexdigest())
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve these bytes, headers included, to every client; yield the address."""
    servers: list[socketserver.TCPServer] = []

    def start(answer: bytes) -> str:
        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while self.rfile.readline().strip():
                    pass
                self.wfile.write(answer)

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}/dataset.csv"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def ok(content: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(content), content)


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_right_file_is_put_in_place(serve: Serve, tmp_path: Path) -> None:
    values: list[int] = []
    to = tmp_path / "new" / "data.csv"
    assert fetch(to, url=serve(ok(SAMPLE)), progress=values.append) == 64
    assert to.read_bytes() == SAMPLE
    assert files_below(tmp_path) == ["new/data.csv"]
    assert values == sorted(values)
    assert values[-1] == len(SAMPLE)
    assert to.stat().st_mode & 0o777 == 0o644


def test_an_older_file_is_replaced(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("older")
    fetch(tmp_path / "data.csv", url=serve(ok(SAMPLE)))
    assert (tmp_path / "data.csv").read_bytes() == SAMPLE


def test_an_existing_file_is_not_downloaded_again(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes(SAMPLE)
    assert fetch(tmp_path / "data.csv", url="http://nobody.invalid/") == 64


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
WRONG = {
    "one byte more": (ok(SAMPLE + b"\n"), "dataset.not-published"),
    "cut": (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + SAMPLE[:5000], "dataset.not-published"),
    "nothing": (ok(b""), "dataset.not-published"),
    "a page": (ok(b"<html>Log in to the network</html>"), "dataset.not-published"),
    "cut within a chunk": (CHUNKED + b"fffff\r\n" + SAMPLE[:100], "file.download-failed"),
    "404": (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "file.download-failed"),
    "503": (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "file.download-failed"),
    "no HTTP": (b"220 mail.example.org ESMTP\r\n\r\n", "file.download-failed"),
    "no answer": (b"", "file.download-failed"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_an_unexpected_download_writes_nothing(serve: Serve, tmp_path: Path, kind: str) -> None:
    answer, code = WRONG[kind]
    kept = tmp_path / "kept.csv"
    kept.write_text("as it was")
    for to in (tmp_path / "new" / "data.csv", kept):
        with user_error(code) as error:
            fetch(to, url=serve(answer))
        assert kind not in ("404", "503") or kind in error.fault.found
    assert files_below(tmp_path) == ["kept.csv"]
    assert kept.read_text() == "as it was"
    assert not (tmp_path / "new").exists()


def test_a_hash_mismatch_reports_both_hashes(serve: Serve, tmp_path: Path) -> None:
    other = SAMPLE.replace(b"\n", b"\r\n")
    with user_error("dataset.not-published") as error:
        fetch(tmp_path / "data.csv", url=serve(ok(other)))
    assert sha256(other).hexdigest() in error.fault.found
    assert sha256(SAMPLE).hexdigest() in error.fault.remedy
    assert "--data FILE" in error.fault.remedy


def test_an_oversized_download_is_aborted(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "MAX_BYTES", 100_000)
    values: list[int] = []
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2_000_000
    with user_error("dataset.not-published"):
        fetch(tmp_path / "data.csv", url=serve(endless), progress=values.append)
    assert values[-1] < 300_000


def test_a_connection_failure_suggests_a_local_file(tmp_path: Path) -> None:
    with socket.socket() as taken:  # no server listens on this port
        taken.bind(("127.0.0.1", 0))
        with user_error("file.download-failed") as error:
            fetch(tmp_path / "data.csv", url=f"http://127.0.0.1:{taken.getsockname()[1]}/dataset.csv")
    assert "refused" in error.fault.found
    assert "empathy data fetch --from FILE" in error.fault.remedy
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("url", ["nonsense", "http://", "http://127.0.0.1:x/", "http://127.0.0.1/ a b"])
def test_an_invalid_address_is_refused(tmp_path: Path, url: str) -> None:
    with user_error("file.download-failed"):
        fetch(tmp_path / "data.csv", url=url)


# -- from a file ---------------------------------------------------------------------------------------


def test_a_local_file_is_installed(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(SAMPLE)
    assert fetch(tmp_path / "data.csv", tmp_path / "mine.csv", url="nonsense") == 64
    assert (tmp_path / "data.csv").read_bytes() == SAMPLE


@pytest.mark.parametrize("content", [b"", b"a,b\n", SAMPLE[:-1], SAMPLE[: len(SAMPLE) // 2]])
def test_another_local_file_writes_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mine.csv").write_bytes(content)
    with user_error("dataset.not-published"):
        fetch(tmp_path / "data.csv", tmp_path / "mine.csv")
    assert files_below(tmp_path) == ["mine.csv"]


@pytest.mark.parametrize("source", ["none.csv", "."])
def test_an_unreadable_local_file_is_refused(tmp_path: Path, source: str) -> None:
    with user_error("file.unreadable"):
        fetch(tmp_path / "data.csv", tmp_path / source)


@pytest.mark.parametrize("place", ["folder", "file/below.csv"])
def test_an_unwritable_folder_is_left_unchanged(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "mine.csv").write_bytes(SAMPLE)
    with user_error("file.not-writable"):
        fetch(tmp_path / place, tmp_path / "mine.csv")
    assert files_below(tmp_path) == ["file", "mine.csv"]


def test_the_published_file(real_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = "d43fe180f0aab2ae4973ddcf1cc5420a219804ca0c9b7d302fb5e3b73b2d296b"
    monkeypatch.setattr(download, "REAL_SHA256", digest)
    assert fetch(tmp_path / "data.csv", real_dataset) == 2000
    assert sha256((tmp_path / "data.csv").read_bytes()).hexdigest() == digest


def test_it_comes_from_one_commit_of_the_papers_repository() -> None:
    assert URL.startswith(f"https://raw.githubusercontent.com/{REPOSITORY}/{COMMIT}/")
    assert URL.endswith("/datasets/dataset.csv")
    assert len(COMMIT) == 40
