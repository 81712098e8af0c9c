"""Word lists of the verdict parser, loaded from `word_lists.toml`."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files


@cache
def _lists() -> dict[str, dict[str, str]]:
    return tomllib.loads(files("agents.verdicts").joinpath("word_lists.toml").read_text(encoding="utf-8"))


def words(table: str, name: str) -> frozenset[str]:
    """Return a word list by table and name, such as `words("reasons", "doubts")`."""
    return frozenset(_lists()[table][name].split())
