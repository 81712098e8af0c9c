"""The known model name that another is a slip of the keyboard away from. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

MOST_EDITS = 2
SHORT = 8  # a name of fewer characters may differ in one edit only
_VERSION = re.compile(r"\d+(?:\.\d+)*")


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that `name` may be a slip of, or "" where none is near.

    Names that differ in their version numbers are other models, and no slip.

    >>> nearest("openai/gpt-4oo", ["openai/gpt-4o"]), nearest("openai/gpt-7", ["openai/gpt-6"])
    ('openai/gpt-4o', '')
    """
    found = {each: distance for each in known if (distance := _distance(name, each)) is not None}
    return min(found, key=lambda each: (found[each], each), default="")


def _distance(name: str, known: str) -> int | None:
    """Edits from one name to the other; None where they are the same, or too far apart for a slip."""
    if name == known or _VERSION.sub("#", name) == _VERSION.sub("#", known):
        return None
    distance = edit_distance(name.casefold(), known.casefold())
    most = 1 if len(known.rpartition("/")[2]) < SHORT else MOST_EDITS
    if distance > most or (distance > 1 and _VERSION.findall(name) != _VERSION.findall(known)):
        return None
    return distance


def edit_distance(one: str, other: str) -> int:
    """Characters inserted, left out, replaced or swapped with the next (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        before, last, row = row, before, [at]
        for to, against in enumerate(other, 1):
            least = min(before[to] + 1, row[to - 1] + 1, before[to - 1] + (letter != against))
            if at > 1 and to > 1 and letter == other[to - 2] and one[at - 2] == against:
                least = min(least, last[to - 2] + 1)
            row.append(least)
    return row[-1]
