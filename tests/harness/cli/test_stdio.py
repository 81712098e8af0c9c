"""What is printed arrives whole, with a buffer or without one."""

from __future__ import annotations

import io
import os
import shlex
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from harness.cli.stdio import full_write_stream

TEXT = "é" * 300_000 + "\n"  # more than a pipe holds: it is taken in parts


def test_a_long_text_arrives_whole_where_python_has_no_buffer() -> None:
    read, write = os.pipe()
    bare: Any = io.FileIO(write, "w", closefd=False)
    raw = io.TextIOWrapper(bare, encoding="utf-8", write_through=True)
    stream = full_write_stream(raw)
    assert isinstance(stream.buffer, io.BufferedWriter)
    got: list[bytes] = []

    def take() -> None:
        while part := os.read(read, 1 << 16):
            got.append(part)

    reader = threading.Thread(target=take)
    reader.start()
    stream.write(TEXT)
    stream.buffer.write(TEXT.encode())
    stream.flush()
    os.close(write)
    reader.join()
    os.close(read)
    assert b"".join(got).decode() == TEXT * 2


def test_a_stream_with_a_buffer_stays_what_it_is_and_shows_what_it_can() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    assert full_write_stream(stream) is stream
    stream.write("½")
    stream.flush()
    assert stream.buffer.getvalue() == rb"\xbd"  # type: ignore[attr-defined]  # BytesIO
    assert full_write_stream(io.StringIO()).write("½") == 1


COMMANDS = (("prompts", "list", "--json"), ("--help",), ("data", "describe", "--data", "sample", "--json"))


def empathy(words: tuple[str, ...], more: str, cwd: Path, **environment: str) -> tuple[int, bytes, bytes]:
    """`empathy WORDS MORE` in a shell, as a user writes redirections."""
    command = shlex.join([sys.executable, "-c", "from harness.cli import main; main()", *words])
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{command} {more}"],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), **environment},
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize("reader", ["true", "head -c 10 > /dev/null"])
def test_a_reader_that_leaves_ends_nothing(
    words: tuple[str, ...], reader: str, unbuffered: str, tmp_path: Path
) -> None:
    assert empathy(words, f"| {reader}", tmp_path, PYTHONUNBUFFERED=unbuffered) == (0, b"", b"")


def test_a_reader_that_leaves_does_not_change_how_a_command_ends(tmp_path: Path) -> None:
    code, _, _ = empathy(("report", "last"), "2>&1 | true", tmp_path)
    assert code == 2


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_no_fault_and_no_file_takes_its_place(closed: str, tmp_path: Path) -> None:
    judge = ("judge", "dataset:gpt-4", "dataset:human", "--judge", "control/longer", "--data", "sample")
    code, out, err = empathy((*judge, "--db", "x.sqlite"), closed, tmp_path)
    assert (code, err) == (0, b"")
    assert (b"control/longer" in out) == (">&-" not in closed.replace("2>&-", ""))
    with sqlite3.connect(tmp_path / "x.sqlite") as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
    connection.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
@pytest.mark.parametrize("words", COMMANDS)
def test_a_full_disk_under_the_result_is_an_error_in_one_line(words: tuple[str, ...], tmp_path: Path) -> None:
    code, _, err = empathy(words, "> /dev/full", tmp_path)
    assert code == 2
    assert err.count(b"\n") == 1
    assert err.startswith(b"empathy: error [terminal.not-writable]: standard output")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_messages_that_cannot_be_written_are_dropped(tmp_path: Path) -> None:
    assert empathy(("report", "last"), "2> /dev/full", tmp_path) == (2, b"", b"")


def test_an_error_shows_what_was_found_and_obeys_nothing(tmp_path: Path) -> None:
    code, _, err = empathy(("report", "\x1b[31m\u202e[/INST]:two:"), "", tmp_path, PYTHONUTF8="1")
    assert code == 2
    assert b"\x1b" not in err
    code, _, err = empathy(("judge", "--no-such\x1b[31m"), "", tmp_path, PYTHONUTF8="1")
    assert code == 2
    assert b"\x1b" not in err
    assert rb"\x1b[31m" in err
