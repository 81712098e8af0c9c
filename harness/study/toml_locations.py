"""Where each key of a TOML file stands, and reading its tables with every mistake kept.

`tomllib` gives values and no places; a small scan finds them, so that an error can name its line. Knows
nothing of studies.
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

Path_ = tuple[str | int, ...]
_HEADER = re.compile(r"^\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""^\s*((?:"[^"]*"|'[^']*'|[\w-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[\w-]+))*)\s*=(.*)$""")
_STRINGS = re.compile(r'"(?:\\.|[^"\\])*"|\'[^\']*\'')
_TYPES = {str: "text in quotation marks", int: "a whole number", float: "a number", bool: "true or false"}
Value = TypeVar("Value", str, int, float, bool)


def read_toml(path: Path | Traversable, source: str) -> tuple[dict[str, Any], dict[Path_, int]]:
    """A TOML file's values, and the line of each of its keys (from 1).

    Raises:
        UserError: it cannot be read, or is no TOML.
    """
    text = read_text(path, "the study", source=source)
    return parse_toml(text, source), lines_of(text)


def lines_of(text: str) -> dict[Path_, int]:
    """The line of every table and key, by its path; the tables of an array are counted from 0.

    >>> lines_of('a = 1\\n[[b]]\\nc = 2\\n')
    {('a',): 1, ('b', 0): 2, ('b', 0, 'c'): 3}
    """
    found: dict[Path_, int] = {}
    table: Path_ = ()
    count: dict[Path_, int] = {}
    depth, within = 0, ""  # open brackets of a value, and the delimiter of a text of several lines
    for number, line in enumerate(text.split("\n"), 1):  # TOML ends lines with nothing else
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
                found.setdefault(table, number)
                continue
            if key is None:
                continue
            found.setdefault((*table, *_parts(key[1])), number)
            rest = key[2]
        for delimiter in ('"""', "'''"):
            if rest.count(delimiter) % 2:
                within = delimiter
        if not within:
            bare = _STRINGS.sub("", rest).split("#")[0]
            depth = max(0, depth + bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}"))
    return found


def _parts(dotted: str) -> Path_:
    """`a."b/c".d` → ("a", "b/c", "d")."""
    parts = re.findall(r"\"([^\"]*)\"|'([^']*)'|([\w-]+)", dotted)
    return tuple(next(part for part in groups if part) for groups in parts if any(groups))


class FaultCollector:
    """Every fault of one file, with its line, told in the file's order."""

    def __init__(self, source: str, lines: Mapping[Path_, int]) -> None:
        self._source = source
        self._lines = lines
        self._found: list[tuple[int, Fault]] = []

    def add(self, path: Path_, what: str, found: str = "", remedy: str = "", *, code: str) -> None:
        """Add a fault at the line of a key, or at that of the nearest table around it."""
        line = next(
            (self._lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self._lines), 0
        )
        name = ".".join(str(part) for part in path if isinstance(part, str))
        where = ":".join(part for part in (self._source, str(line) if line else "") if part)
        self._found.append((line, Fault(what, f"{where}: {name}" if name else where, found, remedy, code)))

    def take(self, error: UserError, path: Path_) -> None:
        """The mistakes that somebody else found in the value at `path`."""
        for fault in error.faults or (error.fault,):
            key = fault.where.rpartition(" ")[2]
            at = (*path, key) if (*path, key) in self._lines else path
            self.add(at, fault.what, fault.found, fault.remedy, code=fault.code)

    def raise_if_any(self, what: str, remedy: str = "", *, code: str) -> None:
        """Raise all faults in one error.

        Raises:
            UserError: if there are any.
        """
        if self._found:
            faults = [fault for _, fault in sorted(self._found, key=lambda one: one[0])]
            raise UserError(what, code=code, where=self._source, remedy=remedy, faults=first_faults(faults))


class TomlTable:
    """One table of the file; what is asked of it is checked, and what nobody asked for is a mistake."""

    def __init__(self, values: Any, path: Path_, mistakes: FaultCollector) -> None:
        self.path = path
        self.mistakes = mistakes
        self._asked: list[str] = []
        self._values: dict[str, Any] = {}
        if isinstance(values, dict):
            self._values = values
        else:
            remedy = f"Write [{'.'.join(map(str, path))}]."
            mistakes.add(path, "must be a table", repr(values), remedy, code="study.wrong-type")

    def __contains__(self, key: str) -> bool:
        self._asked.append(key)
        return key in self._values

    def take(self, key: str) -> Any:
        """The value as it stands; None where there is none."""
        self._asked.append(key)
        return self._values.get(key)

    def value(self, key: str, default: Value, *, of: Iterable[str] = (), least: float | None = None) -> Value:
        """A value of the default's type; one of `of`, and not below `least`, where these are given."""
        found = self.take(key)
        if found is None:
            return default
        wanted = type(default)
        if wanted is float and type(found) is int:
            found = float(found)
        if type(found) is not wanted:
            self.wrong(key, f"must be {_TYPES[wanted]}", found, code="study.wrong-type")
            return default
        choices = list(of)
        if choices and found not in choices:
            self.wrong(key, "unknown value", found, _near(str(found), choices), code="study.unknown-value")
        elif least is not None and not float(found) >= least:
            self.wrong(key, f"must be {least:g} or more", found, code="study.out-of-range")
        else:
            return found
        return default

    def texts(self, key: str, default: tuple[str, ...] = (), *, of: Iterable[str] = ()) -> tuple[str, ...]:
        """A list of texts, each once; with `of` also the word "all", for all of them."""
        found, choices = self.take(key), list(of)
        if found is None:
            return default
        if choices and found == "all":
            return tuple(choices)
        if not isinstance(found, list) or not all(isinstance(one, str) and one.strip() for one in found):
            remedy = 'Write a list such as ["…"].'
            self.wrong(key, "must be a list of texts", found, remedy, code="study.wrong-type")
            return default
        for one in found:
            if choices and one not in choices:
                self.wrong(key, "unknown value", one, _near(one, choices), code="study.unknown-value")
        return tuple(dict.fromkeys(found))

    def table(self, key: str) -> TomlTable:
        """A table within; an empty one where there is none."""
        found = self.take(key)
        return TomlTable({} if found is None else found, (*self.path, key), self.mistakes)

    def tables(self, key: str) -> list[TomlTable]:
        """An array of tables."""
        found = self.take(key)
        if found is not None and not isinstance(found, list):
            remedy = f"Write [[{key}]]."
            self.wrong(key, "must be an array of tables", found, remedy, code="study.wrong-type")
            return []
        return [TomlTable(one, (*self.path, key, at), self.mistakes) for at, one in enumerate(found or ())]

    def rest(self) -> dict[str, Any]:
        """What nobody has asked for yet; asked for with this."""
        left = {key: value for key, value in self._values.items() if key not in self._asked}
        self._asked += left
        return left

    def done(self) -> None:
        """Nobody will ask for more: what is left is unknown."""
        known = list(dict.fromkeys(self._asked))
        for key in self.rest():
            path = (*self.path, key)
            self.mistakes.add(path, "unknown key", repr(key), _near(key, known), code="study.unknown-key")

    def wrong(self, key: str, what: str, found: Any = None, remedy: str = "", *, code: str) -> None:
        """Add a fault at a key of this table."""
        self.mistakes.add((*self.path, key), what, "" if found is None else repr(found), remedy, code=code)


def _near(word: str, known: list[str]) -> str:
    near = get_close_matches(word, known, 1)
    return f"Did you mean {near[0]}?" if near else f"Choose one of: {', '.join(known)}."
