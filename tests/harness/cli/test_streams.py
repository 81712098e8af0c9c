"""What is printed arrives whole, with a buffer or without one."""

from __future__ import annotations

import io
import os
import threading
from typing import Any

from harness.cli.streams import whole

TEXT = "é" * 300_000 + "\n"  # more than a pipe holds: it is taken in parts


def test_a_long_text_arrives_whole_where_python_has_no_buffer() -> None:
    read, write = os.pipe()
    bare: Any = io.FileIO(write, "w", closefd=False)
    raw = io.TextIOWrapper(bare, encoding="utf-8", write_through=True)
    stream = whole(raw)
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
    assert whole(stream) is stream
    stream.write("½")
    stream.flush()
    assert stream.buffer.getvalue() == b"?"  # type: ignore[attr-defined]  # BytesIO
    assert whole(io.StringIO()).write("½") == 1
