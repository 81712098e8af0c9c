"""Word lists of the verdict parser, from `word_lists.toml` beside this module."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files


@cache
def _lists() -> dict[str, dict[str, str]]:
    return tomllib.loads(files("agents.verdicts").joinpath("word_lists.toml").read_text(encoding="utf-8"))


def words(table: str, name: str) -> frozenset[str]:
    """One list: `words("reasons", "doubts")`."""
    return frozenset(_lists()[table][name].split())
