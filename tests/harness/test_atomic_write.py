"""Files are written whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from harness.atomic_write import atomic_write


@pytest.mark.parametrize("content", ["läuft 🙂\n", b"\x00\xff", ""])
def test_what_is_written_is_read_and_nothing_else_stays(tmp_path: Path, content: str | bytes) -> None:
    place = tmp_path / "a" / "b" / "page.html"
    for _ in range(2):  # a new file, and over an old one
        atomic_write(place, content)
        assert place.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert [path.name for path in place.parent.iterdir()] == ["page.html"]


def test_a_file_is_as_open_to_others_as_any_new_one(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        atomic_write(tmp_path / "page", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "page").stat().st_mode) == 0o640


def test_what_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    atomic_write(tmp_path / "page", "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.atomic_write.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        atomic_write(tmp_path / "page", "new")
    assert (tmp_path / "page").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["page"]
