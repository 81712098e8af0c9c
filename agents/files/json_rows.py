"""Strict reader of JSON and JSON Lines files that records the line of every object.

In addition to Python's checks it rejects NaN, infinities, lone surrogates and repeated keys. A file is either
one array of objects or one object per line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Any

from agents.files.faults import Faults
from agents.files.text import decode_text

_BLANK = re.compile(r"[ \t\r\n]*")
_LINE_END = re.compile(r"\r\n|\r|\n")  # other line ends, such as U+2028, may occur in JSON strings
_TOO_DEEP = ("nested too deeply", "file.nested-too-deeply")


@dataclass(frozen=True, slots=True)
class JsonRow:
    """One object of a file.

    Attributes:
        line: line on which it begins, from 1.
        number: its position among the objects of the file, from 1.
        value: its keys and values.
        is_element: whether it is an element of an array (True) or a line (False).
    """

    line: int
    number: int
    value: dict[str, Any]
    is_element: bool


def read_rows(content: bytes, faults: Faults, *, noun: str = "row") -> list[JsonRow]:
    """Read every object of an array or of JSON Lines; add everything else to `faults`.

    Args:
        noun: word for an object in error messages, before its number.
    """
    text = decode_text(content, faults)
    if text is None:
        return []
    blank = _BLANK.match(text)
    start = blank.end() if blank else 0
    is_array = text.startswith("[", start)
    values = _elements(text, start, faults) if is_array else _lines(text)
    rows = []
    for number, (line, value) in enumerate(values, 1):
        entry = f"{noun} {number}" if is_array else ""
        problems = _problems(value)
        for what, code in problems:
            faults.add(line, what, entry=entry, code=code)
        if not problems:
            rows.append(JsonRow(line, number, value, is_array))
    return rows


def read_object(content: bytes, faults: Faults) -> dict[str, Any]:
    """Return the object of a JSON file; return {} and add the faults to `faults` if there is none."""
    text = decode_text(content, faults)
    if text is None:
        return {}
    value = _parse(text)
    problems = _problems(value)
    for what, code in problems:
        faults.add(value.line if isinstance(value, _Broken) else 0, what, code=code)
    return value if isinstance(value, dict) and not problems else {}


def json_type_name(value: Any) -> str:
    """Return the type of a JSON value for error messages: `null`, `a list`, `text`."""
    if value is None:
        return "null"
    kinds = {bool: "true or false", str: "text", int: "a number", float: "a number", list: "a list"}
    return kinds.get(type(value), "an object")


@dataclass(frozen=True, slots=True)
class _Constant:
    """NaN, Infinity or -Infinity, which Python's parser accepts and JSON does not have."""

    name: str


@dataclass(frozen=True, slots=True)
class _Broken:
    """Placeholder for a value that is not JSON; `line` counts from 1 within the parsed text."""

    what: str
    code: str
    line: int = 1


class _Object(dict[str, Any]):
    """JSON object that records its repeated keys."""

    repeated: tuple[str, ...] = ()


def _make_object(pairs: list[tuple[str, Any]]) -> _Object:
    result = _Object(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        result.repeated = tuple(name for name in result if names.count(name) > 1)
    return result


def _parse_number(text: str) -> float | _Constant:
    value = float(text)
    return value if abs(value) != float("inf") else _Constant(text[:40])


_DECODER = json.JSONDecoder(
    object_pairs_hook=_make_object, parse_constant=_Constant, parse_float=_parse_number
)


def _parse(text: str) -> Any:
    """Parse one JSON value; return `_Broken` if the text is not JSON."""
    try:
        return _DECODER.decode(text)
    except JSONDecodeError as error:
        return _Broken(f"not JSON: {error.msg}, at character {error.colno}", "file.not-json", error.lineno)
    except RecursionError:
        return _Broken(*_TOO_DEEP)
    except ValueError as error:  # an integer with thousands of digits
        return _Broken(f"not JSON: {error}", "file.not-json")


def _lines(text: str) -> Iterator[tuple[int, Any]]:
    """Yield the value of every line that is not blank; an object over several lines is one value."""
    lines = _LINE_END.split(text)
    first = next((number for number, line in enumerate(lines) if line.strip(" \t")), None)
    if first is not None and isinstance(_parse(lines[first]), _Broken):
        document = _parse(text)
        if not isinstance(document, _Broken):
            yield first + 1, document
            return
    for number, line in enumerate(lines, 1):
        if line.strip(" \t"):
            yield number, _parse(line)


def _elements(text: str, start: int, faults: Faults) -> Iterator[tuple[int, Any]]:
    """Yield the elements of an array with the lines on which they begin; stop at the first that is not JSON.

    Args:
        start: index of the opening bracket.
    """
    position, line, counted = _skip_blank(text, start + 1), 1, 0
    if text.startswith("]", position):
        _check_end(text, position + 1, faults)
        return
    while True:
        line, counted = line + _count_line_ends(text, counted, position), position
        try:
            value, position = _DECODER.raw_decode(text, position)
        except JSONDecodeError as error:
            what = f"not JSON: {error.msg}, at character {error.colno}; the rest of the file was not read"
            faults.add(1 + _count_line_ends(text, 0, error.pos), what, code="file.not-json")
            return
        except RecursionError:
            faults.add(line, _TOO_DEEP[0], code=_TOO_DEEP[1])
            return
        except ValueError as error:
            faults.add(line, f"not JSON: {error}", code="file.not-json")
            return
        yield line, value
        position = _skip_blank(text, position)
        if text.startswith(",", position):
            position = _skip_blank(text, position + 1)
            continue
        if text.startswith("]", position):
            _check_end(text, position + 1, faults)
        else:
            what = "not JSON: the array is not closed, or a comma is missing"
            excerpt = repr(text[position : position + 40])
            faults.add(1 + _count_line_ends(text, 0, position), what, excerpt, code="file.not-json")
        return


def _check_end(text: str, position: int, faults: Faults) -> None:
    """Add a fault if anything but white space follows the array."""
    position = _skip_blank(text, position)
    if position < len(text):
        line = 1 + _count_line_ends(text, 0, position)
        faults.add(line, "text follows the array", repr(text[position : position + 40]), code="file.not-json")


def _skip_blank(text: str, position: int) -> int:
    blank = _BLANK.match(text, position)
    return blank.end() if blank else position


def _count_line_ends(text: str, start: int, end: int) -> int:
    return sum(1 for _ in _LINE_END.finditer(text, start, end))


def _problems(value: Any) -> list[tuple[str, str]]:
    """Return (statement, code) of every reason why a parsed value is not accepted as an object."""
    if isinstance(value, _Broken):
        return [(value.what, value.code)]
    problems = list(dict.fromkeys(_json_violations(value)))
    if not problems and not isinstance(value, dict):
        return [(f"not a JSON object, but {json_type_name(value)}", "file.not-object")]
    return problems


def _json_violations(value: Any) -> Iterator[tuple[str, str]]:
    """Yield (statement, code) of everything in a value that Python's parser accepts and JSON does not."""
    if isinstance(value, _Constant):
        yield f"{value.name} is not JSON", "file.not-json"
    elif isinstance(value, str):
        if not _is_encodable(value):
            yield "a text contains half a character (a lone surrogate)", "file.lone-surrogate"
    elif isinstance(value, list):
        for element in value:
            yield from _json_violations(element)
    elif isinstance(value, _Object):
        for name in value.repeated:
            yield f"the key {name!r} is repeated", "file.duplicate-key"
        for name, member in value.items():
            yield from _json_violations(name)
            yield from _json_violations(member)


def _is_encodable(text: str) -> bool:
    """Return whether a text has no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
