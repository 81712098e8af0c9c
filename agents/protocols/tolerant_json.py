"""The JSON of an answer, read as tolerantly as a reader can without guessing.

The strict and fast parser comes first. What it refuses and some servers send is read by a second one: NaN and
Infinity, half a surrogate pair (half an emoji; it becomes U+FFFD), bytes that are no UTF-8, a byte order
mark.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
REPLACEMENT = "\ufffd"


def load_json(content: bytes) -> Any:
    """The value that `content` holds.

    Raises:
        ValueError: it is no JSON, or nested too deep.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        pass
    try:
        return _without_surrogates(json.loads(content.decode("utf-8-sig", "replace")))
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _LONE_SURROGATE.sub(REPLACEMENT, value)
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value
