"""Bytes of a text file as text: UTF-8, with or without a byte order mark, and nothing else.

Every file that the project reads passes through `decode`. UTF-16 and UTF-32 (what Windows tools call
"Unicode") are one fault, not one for each line.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE

SAVE_AS_UTF8 = "Save it as UTF-8."
LINE_END = re.compile(rb"\r\n|\r|\n")
_MARKS = (
    (BOM_UTF32_LE, "UTF-32"),  # before UTF-16, whose mark it begins with
    (BOM_UTF32_BE, "UTF-32"),
    (BOM_UTF16_LE, "UTF-16"),
    (BOM_UTF16_BE, "UTF-16"),
)
_SAMPLE_BYTES = 4096
_NUL_SHARE = 0.4  # of every second byte: Latin text in UTF-16 has nearly all of them


class NotTextError(ValueError):
    """Bytes that are not UTF-8 text.

    Attributes:
        faults: (line from 1, what stands there), in order; one alone where no line can be read.
        is_whole: whether no line of it can be read, as in UTF-16.
        text: the text with a replacement character for each byte that is none; "" where `is_whole`.
    """

    def __init__(self, faults: list[tuple[int, str]], *, is_whole: bool, text: str = "") -> None:
        super().__init__(f"not UTF-8 text: {faults[0][1]} on line {faults[0][0]}")
        self.faults = faults
        self.is_whole = is_whole
        self.text = text


def decode(content: bytes) -> str:
    """The text of a file's bytes, without a byte order mark.

    Raises:
        NotTextError: they are not UTF-8, or hold a NUL.
    """
    encoding = _other_encoding(content)
    if encoding:
        raise NotTextError([(1, encoding)], is_whole=True)
    content = content.removeprefix(BOM_UTF8)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        if b"\0" in content:  # a picture, an archive, a spreadsheet
            raise NotTextError(_faults(content)[:1], is_whole=True) from error
        text = content.decode(errors="replace")
    else:
        if "\0" not in text:
            return text
    raise NotTextError(_faults(content), is_whole=False, text=text.replace("\0", "\N{REPLACEMENT CHARACTER}"))


def _other_encoding(content: bytes) -> str:
    """UTF-16 or UTF-32 by its mark, UTF-16 by its NULs where it has none; "" for anything else."""
    for mark, name in _MARKS:
        if content.startswith(mark):
            return name
    sample = content[:_SAMPLE_BYTES]
    for first in (0, 1):
        half = sample[first::2]
        if len(half) > 1 and half.count(0) >= _NUL_SHARE * len(half):
            return "UTF-16 without a byte order mark, or no text at all"
    return ""


def _faults(content: bytes) -> list[tuple[int, str]]:
    """Every line that is not UTF-8 or holds a NUL, with its first such byte."""
    found = []
    for number, line in enumerate(LINE_END.split(content), 1):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            found.append((number, f"byte 0x{line[error.start]:02x}"))
        else:
            if b"\0" in line:
                found.append((number, "byte 0x00"))
    return found
