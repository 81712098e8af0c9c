"""What every protocol's reader needs: fields of a JSON object by type, and JSON schemas for an answer.

A reader is told how its provider words a mistake (`RejectionFactory`) and raises `RejectedError` at the first one, as
the providers do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from harness.emulator.types import RejectedError

RejectionFactory = Callable[[str, str, str], RejectedError]


@dataclass(frozen=True, slots=True)
class RequestFields:
    """One JSON object of a request, read by type; None and a missing key are the same.

    Attributes:
        content: the object.
        reject: (what is wrong, parameter, short code) → the provider's own rejection.
        where: the path of the object within the request, with a final dot, or "".
    """

    content: dict[str, Any]
    reject: RejectionFactory
    where: str = ""

    def only(self, known: Collection[str], word: str) -> None:
        """Reject keys that the provider does not know; `word` holds `{}` for the key's path."""
        for key in self.content:
            if key not in known:
                raise self.reject(word.format(self.where + key), self.where + key, "unknown_parameter")

    def text(self, key: str) -> str | None:
        """A string."""
        value = self.content.get(key)
        if value is not None and not isinstance(value, str):
            raise self._type(key, "a string", value)
        return value

    def flag(self, key: str) -> bool:
        """true or false; false where it is missing."""
        value = self.content.get(key)
        if value is not None and not isinstance(value, bool):
            raise self._type(key, "a boolean", value)
        return bool(value)

    def whole(self, key: str, low: int, high: int | None = None) -> int | None:
        """A whole number in [low, high]."""
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
        """A number in [low, high]."""
        value = self.content.get(key)
        if value is None:
            return None
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self._type(key, "a number", value)
        self._range(key, value, low, high)
        return float(value)

    def texts(self, key: str, most: int, *, or_one: bool = False) -> tuple[str, ...]:
        """A list of at most `most` strings that are not empty, or one string where `or_one`."""
        value = self.content.get(key)
        if value is None:
            return ()
        if or_one and isinstance(value, str):
            value = [value]
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self._type(key, "an array of strings", value)
        if len(value) > most:
            raise self.reject(
                f"Invalid '{self.where}{key}': array too long, at most {most}.",
                self.where + key,
                "array_above_max_length",
            )
        return tuple(each for each in value if each)

    def object(self, key: str) -> RequestFields | None:
        """A JSON object."""
        value = self.content.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self._type(key, "an object", value)
        return RequestFields(value, self.reject, f"{self.where}{key}.")

    def objects(self, key: str) -> list[RequestFields]:
        """A list, not empty, of JSON objects."""
        value = self.content.get(key)
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self._type(key, "an array of objects", value)
        if not value:
            raise self.reject(
                f"Invalid '{self.where}{key}': must not be empty.", self.where + key, "empty_array"
            )
        return [
            RequestFields(each, self.reject, f"{self.where}{key}[{index}].")
            for index, each in enumerate(value)
        ]

    def _type(self, key: str, wanted: str, value: Any) -> RejectedError:
        if value is None:
            return self.reject(
                f"Missing required parameter: '{self.where}{key}'.",
                self.where + key,
                "missing_required_parameter",
            )
        found = {
            dict: "object",
            list: "array",
            str: "string",
            bool: "boolean",
            int: "integer",
            float: "number",
        }
        got = found.get(type(value))
        return self.reject(
            f"Invalid type for '{self.where}{key}': expected {wanted}, but got {got} instead.",
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
    """The properties that a JSON schema asks for, in order: (name, allowed values or () for free text).

    The emulator fills objects whose properties are strings, some of them perhaps of an enumeration; it
    refuses any other schema. `strict`: additionalProperties must be false and every property required, as
    OpenAI's strict mode has it.
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
    read = []
    for name, wanted in properties.items():
        if not isinstance(wanted, dict) or str(wanted.get("type", "string")).lower() != "string":
            raise reject(f"the emulator fills only strings, not {name!r}", schema.where, "invalid_schema")
        values = wanted.get("enum") or ([wanted["const"]] if "const" in wanted else [])
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise reject(f"the enumeration of {name!r} must hold strings", schema.where, "invalid_schema")
        read.append((name, tuple(values)))
    return tuple(read)
