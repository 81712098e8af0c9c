"""Suggestions for misspelled model names."""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_EDITS = 2
SHORT = 8  # a name of fewer characters may differ in one edit only
_VERSION = re.compile(r"\d+(?:\.\d+)*")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that `name` is probably a misspelling of, or "".

    Names that differ in version numbers are different models, not misspellings.

    >>> nearest("openai/gpt-4oo", ["openai/gpt-4o"]), nearest("openai/gpt-7", ["openai/gpt-6"])
    ('openai/gpt-4o', '')
    """
    distances = {each: distance for each in known if (distance := _distance(name, each)) is not None}
    return min(distances, key=lambda each: (distances[each], each), default="")


def _distance(name: str, known: str) -> int | None:
    """Return the edit distance of two names; None if they are equal or too different for a misspelling."""
    if name == known or _VERSION.sub("#", name) == _VERSION.sub("#", known):
        return None
    distance = edit_distance(name.casefold(), known.casefold())
    most = 1 if len(known.rpartition("/")[2]) < SHORT else MAX_EDITS
    if distance > most or (distance > 1 and _VERSION.findall(name) != _VERSION.findall(known)):
        return None
    return distance


def edit_distance(name: str, other: str) -> int:
    """Return the optimal string alignment distance: insertions, deletions, substitutions and swaps."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for row_number, letter in enumerate(name, 1):
        before, last, row = row, before, [row_number]
        for to, against in enumerate(other, 1):
            least = min(before[to] + 1, row[to - 1] + 1, before[to - 1] + (letter != against))
            if row_number > 1 and to > 1 and letter == other[to - 2] and name[row_number - 2] == against:
                least = min(least, last[to - 2] + 1)
            row.append(least)
    return row[-1]
