"""Text reader: UTF-8 is read exactly, and other bytes are reported with their line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts.text_files import NotTextError, decode

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
OTHERS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")


@given(text=TEXTS.filter(lambda text: not text.startswith("\ufeff")), mark=st.booleans())
def test_utf8_is_read_exactly_with_or_without_a_byte_order_mark(text: str, mark: bool) -> None:
    assert decode(text.encode("utf-8-sig" if mark else "utf-8")) == text


@given(text=st.text(st.characters(codec="latin-1", exclude_characters="\0"), min_size=8))
@pytest.mark.parametrize("encoding", OTHERS)
def test_another_encoding_is_one_fault(encoding: str, text: str) -> None:
    with pytest.raises(NotTextError) as caught:
        decode((text + "\n" + text).encode(encoding))
    assert caught.value.is_whole
    [(line, found)] = caught.value.faults
    assert line == 1
    assert "UTF-" in found


@given(lines=st.lists(st.sampled_from(["good", "caf\xe9", "plain"]), min_size=1, max_size=30))
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_line_that_is_not_utf8_is_reported(end: bytes, lines: list[str]) -> None:
    content = end.join(line.encode("latin-1") for line in lines)
    wrong = [number for number, line in enumerate(lines, 1) if not line.isascii()]
    if not wrong:
        assert decode(content) == content.decode()
        return
    with pytest.raises(NotTextError) as caught:
        decode(content)
    assert [line for line, _ in caught.value.faults] == wrong
    assert not caught.value.is_whole
    assert len(caught.value.text) == len(content)


def test_a_nul_byte_is_rejected() -> None:
    with pytest.raises(NotTextError) as caught:
        decode(b"one line\nanother l\0ine\n")
    assert caught.value.faults == [(2, "byte 0x00")]


def test_a_binary_file_is_one_fault() -> None:
    with pytest.raises(NotTextError) as caught:
        decode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xfe\n\xff\n")
    assert len(caught.value.faults) == 1
