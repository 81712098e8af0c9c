"""Typed access to a request's JSON, and the JSON schemas that the emulator can fill.

The caller states how its provider words an error (`RejectionFactory`). `RejectedError` is raised at the first
mistake, as the providers do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from harness.emulator.types import RejectedError

RejectionFactory = Callable[[str, str, str], RejectedError]


@dataclass(frozen=True, slots=True)
class RequestFields:
    """One JSON object of a request; None and a missing key are equivalent.

    Attributes:
        content: the object.
        reject: (message, parameter, error code) → the provider's own rejection.
        where: the path of the object within the request, with a trailing dot, or "".
    """

    content: dict[str, Any]
    reject: RejectionFactory
    where: str = ""

    def reject_unknown(self, known: Collection[str], message: str) -> None:
        """Reject keys that the provider does not know; `message` contains `{}` for the key's path."""
        for key in self.content:
            if key not in known:
                raise self.reject(message.format(self.where + key), self.where + key, "unknown_parameter")

    def text(self, key: str) -> str | None:
        """Return a string."""
        value = self.content.get(key)
        if value is not None and not isinstance(value, str):
            raise self._type(key, "a string", value)
        return value

    def boolean(self, key: str) -> bool:
        """Return a boolean; false if missing."""
        value = self.content.get(key)
        if value is not None and not isinstance(value, bool):
            raise self._type(key, "a boolean", value)
        return bool(value)

    def integer(self, key: str, low: int, high: int | None = None) -> int | None:
        """Return an integer in [low, high]."""
        value = self.content.get(key)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._type(key, "an integer", value)
        self._range(key, value, low, high)
        return int(value)

    def number(self, key: str, low: float, high: float) -> float | None:
        """Return a number in [low, high]."""
        value = self.content.get(key)
        if value is None:
            return None
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self._type(key, "a number", value)
        self._range(key, value, low, high)
        return float(value)

    def strings(self, key: str, max_items: int, *, or_single: bool = False) -> tuple[str, ...]:
        """Return at most `max_items` non-empty strings; also a single string if `or_single`."""
        value = self.content.get(key)
        if value is None:
            return ()
        if or_single and isinstance(value, str):
            value = [value]
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._type(key, "an array of strings", value)
        if len(value) > max_items:
            raise self.reject(
                f"Invalid '{self.where}{key}': array too long, at most {max_items}.",
                self.where + key,
                "array_above_max_length",
            )
        return tuple(item for item in value if item)

    def object(self, key: str) -> RequestFields | None:
        """Return a JSON object."""
        value = self.content.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self._type(key, "an object", value)
        return RequestFields(value, self.reject, f"{self.where}{key}.")

    def objects(self, key: str) -> list[RequestFields]:
        """Return a non-empty list of JSON objects."""
        value = self.content.get(key)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self._type(key, "an array of objects", value)
        if not value:
            raise self.reject(
                f"Invalid '{self.where}{key}': must not be empty.", self.where + key, "empty_array"
            )
        return [
            RequestFields(item, self.reject, f"{self.where}{key}[{index}].")
            for index, item in enumerate(value)
        ]

    def _type(self, key: str, expected: str, value: Any) -> RejectedError:
        if value is None:
            return self.reject(
                f"Missing required parameter: '{self.where}{key}'.",
                self.where + key,
                "missing_required_parameter",
            )
        type_names = {
            dict: "object",
            list: "array",
            str: "string",
            bool: "boolean",
            int: "integer",
            float: "number",
        }
        actual = type_names.get(type(value))
        return self.reject(
            f"Invalid type for '{self.where}{key}': expected {expected}, but got {actual} instead.",
            self.where + key,
            "invalid_type",
        )

    def _range(self, key: str, value: float, low: float, high: float | None) -> None:
        if value < low or (high is not None and value > high):
            side, bound = (">=", low) if value < low else ("<=", high)
            raise self.reject(
                f"Invalid '{self.where}{key}': expected a value {side} {bound:g}, but got {value} instead.",
                self.where + key,
                "integer_below_min_value" if value < low else "integer_above_max_value",
            )


def parse_schema_fields(schema: RequestFields, *, strict: bool) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the properties of a JSON schema, in order: (name, allowed values or () for free text).

    The emulator fills objects whose properties are strings or string enumerations, and rejects any other
    schema. With `strict`, additionalProperties must be false and every property required, as in OpenAI's
    strict mode.
    """
    content, reject = schema.content, schema.reject
    kind = str(content.get("type", "")).lower()
    properties = content.get("properties")
    if kind != "object" or not isinstance(properties, dict) or not properties:
        raise reject(
            "the emulator fills only schemas of type object with properties", schema.where, "invalid_schema"
        )
    if strict and content.get("additionalProperties") is not False:
        raise reject(
            "Invalid schema: In context=(), 'additionalProperties' is required to be supplied and to be "
            "false.",
            schema.where,
            "invalid_schema",
        )
    if strict and sorted(content.get("required") or ()) != sorted(properties):
        raise reject(
            "Invalid schema: In context=(), 'required' is required to be supplied and to be an array "
            "including every key in properties.",
            schema.where,
            "invalid_schema",
        )
    properties_read = []
    for name, expected in properties.items():
        if not isinstance(expected, dict) or str(expected.get("type", "string")).lower() != "string":
            raise reject(f"the emulator fills only strings, not {name!r}", schema.where, "invalid_schema")
        values = expected.get("enum") or ([expected["const"]] if "const" in expected else [])
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise reject(f"the enumeration of {name!r} must hold strings", schema.where, "invalid_schema")
        properties_read.append((name, tuple(values)))
    return tuple(properties_read)
