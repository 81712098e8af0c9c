"""Check of JSON results against the published schema's types."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from math import isfinite
from typing import Any

import orjson
from pydantic import TypeAdapter

from harness.cli.result_documents import DOCUMENTS, document_adapter
from results.render.format import SCHEMA_VERSION

_adapter = cache(document_adapter)


def check_result(data: Mapping[str, Any], content: bytes) -> None:
    """Check that a result has a known type, the keys and values of that type, and only finite numbers.

    Args:
        data: what was written.
        content: the same as JSON.
    """
    document = orjson.loads(content)
    name = document.get("document")
    assert name in DOCUMENTS, f"a result of no known type: {sorted(document)}"
    assert document.pop("schema_version") == SCHEMA_VERSION
    adapter: TypeAdapter[Any] = _adapter((name,))
    adapter.validate_json(orjson.dumps([document]))
    assert not list(_infinite(data, name)), "a number that is not finite"


def check_printed(text: str) -> None:
    """Check that the output of a command with `--json` consists of results of known types."""
    decoder, place = json.JSONDecoder(), 0
    while place < len(text.rstrip()):
        document, end = decoder.raw_decode(text, place)
        check_result(document, orjson.dumps(document))
        place = end + len(text[end:]) - len(text[end:].lstrip())


def _infinite(value: Any, where: str) -> Any:
    """Yield the places of numbers that are NaN or infinite."""
    if isinstance(value, float) and not isfinite(value):
        yield where
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _infinite(inner, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _infinite(inner, f"{where}[]")
    elif is_dataclass(value):
        for field in fields(value):
            yield from _infinite(getattr(value, field.name), f"{where}.{field.name}")
