"""The one reader of JSON and of JSON lines: objects, each with the line it begins on.

Stricter than Python's: NaN and infinities, half a character (a lone surrogate) and a key given twice are
faults. A file is one array of objects, or one object a line.
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
_LINE_END = re.compile(r"\r\n|\r|\n")  # no other: JSON strings may hold U+2028 and the like
_MOST_DEPTH = "is nested too deeply"


@dataclass(frozen=True, slots=True)
class JsonRow:
    """One object of a file.

    Attributes:
        line: where it begins, from 1.
        number: which one of the file it is, from 1.
        value: its keys and values.
        is_element: whether it is an element of an array, and not a line.
    """

    line: int
    number: int
    value: dict[str, Any]
    is_element: bool


def read_rows(content: bytes, faults: Faults, *, noun: str = "row") -> list[JsonRow]:
    """Every object of an array or of JSON lines; what is no such object is added to `faults`.

    Args:
        noun: the word for an object in error messages, before its number.
    """
    text = decode_text(content, faults)
    if text is None:
        return []
    whole = _BLANK.match(text)
    begins = whole.end() if whole else 0
    is_array = text.startswith("[", begins)
    found = _elements(text, begins, faults) if is_array else _lines(text)
    rows = []
    for number, (line, value) in enumerate(found, 1):
        entry = f"{noun} {number}" if is_array else ""
        flaws = [value.what] if isinstance(value, _Broken) else list(dict.fromkeys(_flaws(value)))
        if not flaws and not isinstance(value, dict):
            flaws = [f"is no JSON object, but {json_type_name(value)}"]
        for flaw in flaws:
            faults.add(line, flaw, entry=entry)
        if not flaws:
            rows.append(JsonRow(line, number, value, is_array))
    return rows


def read_object(content: bytes, faults: Faults) -> dict[str, Any]:
    """The one object that a JSON file is; {} where it is none, with what is wrong added to `faults`."""
    text = decode_text(content, faults)
    if text is None:
        return {}
    value = _parsed(text)
    if isinstance(value, _Broken):
        faults.add(value.line, value.what)
        return {}
    flaws = list(dict.fromkeys(_flaws(value)))
    if not flaws and not isinstance(value, dict):
        flaws = [f"is no JSON object, but {json_type_name(value)}"]
    for flaw in flaws:
        faults.add(0, flaw)
    return value if isinstance(value, dict) and not flaws else {}


def json_type_name(value: Any) -> str:
    """What a JSON value is, in JSON's words: `null`, `a list`, `text`."""
    if value is None:
        return "null"
    kinds = {bool: "true or false", str: "text", int: "a number", float: "a number", list: "a list"}
    return kinds.get(type(value), "an object")


@dataclass(frozen=True, slots=True)
class _Constant:
    """NaN, Infinity or -Infinity, which Python's reader takes and JSON does not have."""

    name: str


@dataclass(frozen=True, slots=True)
class _Broken:
    """What stands in the place of a value that is no JSON; `line` within the text that was parsed."""

    what: str
    line: int = 1


class _Object(dict[str, Any]):
    """An object that remembers which keys were given more than once."""

    repeated: tuple[str, ...] = ()


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    made = _Object(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        made.repeated = tuple(name for name in made if names.count(name) > 1)
    return made


def _number(text: str) -> float | _Constant:
    value = float(text)
    return value if abs(value) != float("inf") else _Constant(text[:40])


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_Constant, parse_float=_number)


def _parsed(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except JSONDecodeError as error:
        return _Broken(f"is not JSON: {error.msg}, at character {error.colno}", error.lineno)
    except RecursionError:
        return _Broken(_MOST_DEPTH)
    except ValueError as error:  # a whole number of thousands of digits
        return _Broken(f"is not JSON: {error}")


def _lines(text: str) -> Iterator[tuple[int, Any]]:
    """Every line that is not blank; a file that is one object over several lines is one."""
    lines = _LINE_END.split(text)
    first = next((number for number, line in enumerate(lines) if line.strip(" \t")), None)
    if first is not None and isinstance(_parsed(lines[first]), _Broken):
        whole = _parsed(text)
        if not isinstance(whole, _Broken):
            yield first + 1, whole
            return
    for number, line in enumerate(lines, 1):
        if line.strip(" \t"):
            yield number, _parsed(line)


def _elements(text: str, at: int, faults: Faults) -> Iterator[tuple[int, Any]]:
    """The elements of an array, each with the line it begins on; reading ends where it is no JSON."""
    at, line, counted = _skip(text, at + 1), 1, 0
    if text.startswith("]", at):
        _check_end(text, at + 1, faults)
        return
    while True:
        line, counted = line + _line_ends(text, counted, at), at
        try:
            value, at = _DECODER.raw_decode(text, at)
        except JSONDecodeError as error:
            what = f"is not JSON: {error.msg}, at character {error.colno}; nothing after it was read"
            faults.add(1 + _line_ends(text, 0, error.pos), what)
            return
        except RecursionError:
            faults.add(line, _MOST_DEPTH)
            return
        except ValueError as error:
            faults.add(line, f"is not JSON: {error}")
            return
        yield line, value
        at = _skip(text, at)
        if text.startswith(",", at):
            at = _skip(text, at + 1)
            continue
        if text.startswith("]", at):
            _check_end(text, at + 1, faults)
        else:
            end = 1 + _line_ends(text, 0, at)
            faults.add(
                end, "is not JSON: the array has no end, or a comma is missing", repr(text[at : at + 40])
            )
        return


def _check_end(text: str, at: int, faults: Faults) -> None:
    at = _skip(text, at)
    if at < len(text):
        faults.add(1 + _line_ends(text, 0, at), "something follows the array", repr(text[at : at + 40]))


def _skip(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at


def _line_ends(text: str, start: int, end: int) -> int:
    return sum(1 for _ in _LINE_END.finditer(text, start, end))


def _flaws(value: Any) -> Iterator[str]:
    """What Python's reader took and JSON does not allow, anywhere in a value."""
    if isinstance(value, _Constant):
        yield f"{value.name} is not JSON"
    elif isinstance(value, str):
        if not _is_whole(value):
            yield "holds half a character (a lone surrogate)"
    elif isinstance(value, list):
        for each in value:
            yield from _flaws(each)
    elif isinstance(value, _Object):
        for name in value.repeated:
            yield f"the key {name!r} is given more than once"
        for name, each in value.items():
            yield from _flaws(name)
            yield from _flaws(each)


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
