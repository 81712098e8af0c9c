"""Lines of the keys of a TOML file, and a reader of its tables that collects all faults.

`tomllib` gives values without lines, so a small scanner finds them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

from agents.errors import Fault, UserError
from agents.files.faults import first_faults
from agents.files.text import read_text
from agents.files.toml import parse_toml

KeyPath = tuple[str | int, ...]
_HEADER = re.compile(r"^\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""^\s*((?:"[^"]*"|'[^']*'|[\w-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[\w-]+))*)\s*=(.*)$""")
_STRINGS = re.compile(r'"(?:\\.|[^"\\])*"|\'[^\']*\'')
_TYPES = {str: "text in quotation marks", int: "a whole number", float: "a number", bool: "true or false"}
Value = TypeVar("Value", str, int, float, bool)


def read_toml(path: Path | Traversable, source: str) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """Return a TOML file's values and the line of each key (from 1).

    Raises:
        UserError: if the file cannot be read or is not valid TOML.
    """
    text = read_text(path, "the study", source=source)
    return parse_toml(text, source), key_lines(text)


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line of every table and key by its path; tables of an array are numbered from 0.

    >>> key_lines('a = 1\\n[[b]]\\nc = 2\\n')
    {('a',): 1, ('b', 0): 2, ('b', 0, 'c'): 3}
    """
    line_numbers: dict[KeyPath, int] = {}
    table: KeyPath = ()
    count: dict[KeyPath, int] = {}
    depth, within = 0, ""  # open brackets of a value, and the delimiter of a multi-line text
    for number, line in enumerate(text.split("\n"), 1):  # the only line end in TOML
        rest = line
        if within:
            if within not in line:
                continue
            rest, within = line.split(within, 1)[1], ""
        elif depth == 0:
            header, key = _HEADER.match(line), _KEY.match(line)
            if header and not key:
                table = _parts(header[2])
                if header[1] == "[[":
                    count[table] = count.get(table, -1) + 1
                    table = (*table, count[table])
                elif table[:1] and (table[:1] in count):
                    table = (table[0], count[table[:1]], *table[1:])
                line_numbers.setdefault(table, number)
                continue
            if key is None:
                continue
            line_numbers.setdefault((*table, *_parts(key[1])), number)
            rest = key[2]
        for delimiter in ('"""', "'''"):
            if rest.count(delimiter) % 2:
                within = delimiter
        if not within:
            bare = _STRINGS.sub("", rest).split("#")[0]
            depth = max(0, depth + bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}"))
    return line_numbers


def _parts(dotted: str) -> KeyPath:
    """Split a dotted key: `a."b/c".d` → ("a", "b/c", "d")."""
    parts = re.findall(r"\"([^\"]*)\"|'([^']*)'|([\w-]+)", dotted)
    return tuple(next(part for part in groups if part) for groups in parts if any(groups))


class FaultCollector:
    """Collector of the faults of one file, sorted by line."""

    def __init__(self, source: str, lines: Mapping[KeyPath, int]) -> None:
        self._source = source
        self._lines = lines
        self._faults: list[tuple[int, Fault]] = []

    def add(self, path: KeyPath, what: str, found: str = "", remedy: str = "", *, code: str) -> None:
        """Add a fault at the line of a key, or at that of the nearest table around it."""
        line = next(
            (self._lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self._lines), 0
        )
        name = ".".join(str(part) for part in path if isinstance(part, str))
        where = ":".join(part for part in (self._source, str(line) if line else "") if part)
        self._faults.append((line, Fault(what, f"{where}: {name}" if name else where, found, remedy, code)))

    def take(self, error: UserError, path: KeyPath) -> None:
        """Add the faults of an error in the value at `path`."""
        for fault in error.faults or (error.fault,):
            key = fault.where.rpartition(" ")[2]
            place = (*path, key) if (*path, key) in self._lines else path
            self.add(place, fault.what, fault.found, fault.remedy, code=fault.code)

    def raise_if_any(self, what: str, remedy: str = "", *, code: str) -> None:
        """Raise all faults in one error.

        Raises:
            UserError: if there are any.
        """
        if self._faults:
            faults = [fault for _, fault in sorted(self._faults, key=lambda entry: entry[0])]
            raise UserError(what, code=code, where=self._source, remedy=remedy, faults=first_faults(faults))


class TomlTable:
    """Table of the file; it validates the values that are read and reports keys that are not."""

    def __init__(self, values: Any, path: KeyPath, mistakes: FaultCollector) -> None:
        self.path = path
        self.mistakes = mistakes
        self._read_keys: list[str] = []
        self._values: dict[str, Any] = {}
        if isinstance(values, dict):
            self._values = values
        else:
            remedy = f"Write [{'.'.join(map(str, path))}]."
            mistakes.add(path, "must be a table", repr(values), remedy, code="study.wrong-type")

    def __contains__(self, key: str) -> bool:
        self._read_keys.append(key)
        return key in self._values

    def accept_old_key(self, key: str, old_key: str) -> None:
        """Read the value of a renamed key under its old name if the new one is missing."""
        if key not in self._values and old_key in self._values:
            self._values[key] = self._values.pop(old_key)

    def take(self, key: str) -> Any:
        """Return a value of any type; None if the key is missing."""
        self._read_keys.append(key)
        return self._values.get(key)

    def value(
        self, key: str, default: Value, *, choices: Iterable[str] = (), least: float | None = None
    ) -> Value:
        """Return a value with the type of the default; one of `of`, and at least `least`, if these are
        given.
        """
        value = self.take(key)
        if value is None:
            return default
        expected = type(default)
        if expected is float and type(value) is int:
            value = float(value)
        if type(value) is not expected:
            self.wrong(key, f"must be {_TYPES[expected]}", value, code="study.wrong-type")
            return default
        options = list(choices)
        if options and value not in options:
            self.wrong(key, "unknown value", value, _suggest(str(value), options), code="study.unknown-value")
        elif least is not None and not float(value) >= least:
            self.wrong(key, f"must be {least:g} or more", value, code="study.out-of-range")
        else:
            return value
        return default

    def texts(
        self, key: str, default: tuple[str, ...] = (), *, choices: Iterable[str] = ()
    ) -> tuple[str, ...]:
        """Return a list of texts without duplicates; with `of`, the word "all" stands for all of them."""
        values, options = self.take(key), list(choices)
        if values is None:
            return default
        if options and values == "all":
            return tuple(options)
        if not isinstance(values, list) or not all(isinstance(text, str) and text.strip() for text in values):
            remedy = 'Write a list such as ["…"].'
            self.wrong(key, "must be a list of texts", values, remedy, code="study.wrong-type")
            return default
        for text in values:
            if options and text not in options:
                self.wrong(key, "unknown value", text, _suggest(text, options), code="study.unknown-value")
        return tuple(dict.fromkeys(values))

    def table(self, key: str) -> TomlTable:
        """Return a nested table; an empty one if the key is missing."""
        values = self.take(key)
        return TomlTable({} if values is None else values, (*self.path, key), self.mistakes)

    def tables(self, key: str) -> list[TomlTable]:
        """Return an array of tables."""
        values = self.take(key)
        if values is not None and not isinstance(values, list):
            remedy = f"Write [[{key}]]."
            self.wrong(key, "must be an array of tables", values, remedy, code="study.wrong-type")
            return []
        return [
            TomlTable(table, (*self.path, key, index), self.mistakes)
            for index, table in enumerate(values or ())
        ]

    def rest(self) -> dict[str, Any]:
        """Return all values that were not read yet, and mark them as read."""
        left = {key: value for key, value in self._values.items() if key not in self._read_keys}
        self._read_keys += left
        return left

    def done(self) -> None:
        """Report every key that was not read as unknown."""
        known = list(dict.fromkeys(self._read_keys))
        for key in self.rest():
            path = (*self.path, key)
            self.mistakes.add(path, "unknown key", repr(key), _suggest(key, known), code="study.unknown-key")

    def wrong(self, key: str, what: str, found: Any = None, remedy: str = "", *, code: str) -> None:
        """Add a fault at a key of this table."""
        self.mistakes.add((*self.path, key), what, "" if found is None else repr(found), remedy, code=code)


def _suggest(word: str, known: list[str]) -> str:
    near = get_close_matches(word, known, 1)
    return f"Did you mean {near[0]}?" if near else f"Choose one of: {', '.join(known)}."
