"""Formatting of JSON values as TOML, for settings that users paste into a file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def toml_value(value: Any) -> str:
    """Format a value as TOML on one line; omit nulls in tables and arrays, since TOML has no null.

    >>> toml_value({"thinkingConfig": {"thinkingBudget": 0}, "stream": False})
    '{ thinkingConfig = { thinkingBudget = 0 }, stream = false }'
    """
    if isinstance(value, Mapping):
        pairs = [f"{_key(key)} = {toml_value(each)}" for key, each in value.items() if each is not None]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(each) for each in value if each is not None)}]"
    return _scalar(value)


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _scalar(key)


def _scalar(value: Any) -> str:
    """Format a string, number or boolean as JSON, and escape DEL, which TOML requires and JSON does not."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
