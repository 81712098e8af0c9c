"""Strict decoding of text files as UTF-8, with or without a byte order mark.

Every text file that the project reads is decoded by `decode`. UTF-16 and UTF-32 (called "Unicode" by Windows
tools) are reported as one fault of the file rather than one per line.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE

SAVE_AS_UTF8 = "Save the file as UTF-8."
LINE_END = re.compile(rb"\r\n|\r|\n")
_MARKS = (
    (BOM_UTF32_LE, "UTF-32"),  # checked before UTF-16, because it begins with the mark of UTF-16
    (BOM_UTF32_BE, "UTF-32"),
    (BOM_UTF16_LE, "UTF-16"),
    (BOM_UTF16_BE, "UTF-16"),
)
_SAMPLE_BYTES = 4096
_NUL_SHARE = 0.4  # share of zeros among every second byte; near 1 for Latin text in UTF-16


class NotTextError(ValueError):
    """Bytes that are not UTF-8 text.

    Attributes:
        code: stable identifier of the kind of mistake.
        faults: (line from 1, invalid byte or encoding), in order; a single one if `is_whole`.
        is_whole: whether no line can be decoded, as in UTF-16.
        text: the text with a replacement character for each invalid byte; "" if `is_whole`.
    """

    code = "file.not-utf8"

    def __init__(self, faults: list[tuple[int, str]], *, is_whole: bool, text: str = "") -> None:
        super().__init__(f"not UTF-8 text: {faults[0][1]} on line {faults[0][0]}")
        self.faults = faults
        self.is_whole = is_whole
        self.text = text


def decode(content: bytes) -> str:
    """Decode the bytes of a text file, without a byte order mark.

    Raises:
        NotTextError: the bytes are not UTF-8 or contain a NUL.
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
    """Detect UTF-16 and UTF-32 by their marks, or UTF-16 by its NUL bytes; "" for anything else."""
    for mark, name in _MARKS:
        if content.startswith(mark):
            return name
    sample = content[:_SAMPLE_BYTES]
    for first in (0, 1):
        half = sample[first::2]
        if len(half) > 1 and half.count(0) >= _NUL_SHARE * len(half):
            return "UTF-16 without a byte order mark, or a binary file"
    return ""


def _faults(content: bytes) -> list[tuple[int, str]]:
    """Return every line that is not UTF-8 or contains a NUL, with its first such byte."""
    faults = []
    for number, line in enumerate(LINE_END.split(content), 1):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            faults.append((number, f"byte 0x{line[error.start]:02x}"))
        else:
            if b"\0" in line:
                faults.append((number, "byte 0x00"))
    return faults
