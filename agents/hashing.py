"""Content ids, which name everything that is stored.

A content id is `TAG:` and the first 40 hex digits (160 bits) of the SHA-256 of the tag, a zero byte and
the canonical JSON of the content: UTF-8, keys sorted, no white space, floats in their shortest form. The
tag states the kind of content and the version of its format, so that a change of format never looks like a
change of content.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import orjson

HEX_DIGITS = 40


def canonical(content: Any) -> bytes:
    """Return the canonical JSON of a value made of dicts, lists, strings, numbers, booleans and None."""
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


def content_id(tag: str, content: Any) -> str:
    """Return the content id of a JSON value, as `TAG:` and 40 hex digits."""
    return hash_bytes(tag, canonical(content))


def hash_bytes(tag: str, content: bytes) -> str:
    """Return the content id of bytes that are already canonical, such as a request body or a file."""
    digest = sha256(tag.encode() + b"\x00" + content).hexdigest()
    return f"{tag}:{digest[:HEX_DIGITS]}"
