"""Registry of the JSON documents that commands print, and their JSON Schema.

Each document is a `TypedDict` beside the code that builds it. Its field `document` holds its name; the
command line adds `schema_version`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema
from typing_extensions import TypedDict

from harness.cli.documents import ErrorDocument
from results.render.format import SCHEMA_VERSION

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class DocumentType:
    """A kind of JSON document.

    Attributes:
        type: its `TypedDict`; the field `document` is a literal, the name.
        commands: the commands that print it.
    """

    type: type
    commands: tuple[str, ...]


DOCUMENTS: Mapping[str, DocumentType] = {
    "error": DocumentType(ErrorDocument, ("every command with --json",)),
}
"""Every document by its name."""


def document_adapter(names: tuple[str, ...] = tuple(DOCUMENTS)) -> TypeAdapter[Any]:
    """Return the adapter of a list with one of these documents; unknown keys are refused."""
    union = reduce(or_, (DOCUMENTS[name].type for name in names))
    document = Annotated[union, Field(discriminator="document")] if len(names) > 1 else union
    return TypeAdapter(tuple[document], config=ConfigDict(extra="forbid", strict=True))  # type: ignore[valid-type]


def result_schema(names: tuple[str, ...] = tuple(DOCUMENTS)) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of these documents; by default of all.

    Raises:
        KeyError: an unknown name.
    """
    schema = document_adapter(names).json_schema(schema_generator=_SchemaGenerator)
    definitions = schema["$defs"]
    for name in names:
        kind = DOCUMENTS[name]
        definition = definitions[kind.type.__name__]
        definition["properties"] = {
            "schema_version": {
                "const": SCHEMA_VERSION,
                "description": "Raised when a key changes its name or meaning.",
            },
            **definition["properties"],
        }
        definition["properties"]["document"]["description"] = "Kind of document."
        definition["required"] = ["schema_version", *definition["required"]]
        definition["description"] += f" Printed by: {', '.join(kind.commands)}."
    return {
        "$schema": DIALECT,
        "title": "Results of empathy",
        "description": "Shares are in [0, 1], differences in [-1, 1], money in US dollars, times in seconds.",
        **schema["prefixItems"][0],
        "$defs": definitions,
    }


class _SchemaGenerator(GenerateJsonSchema):
    """Generator that takes descriptions of fields from the section "Attributes" of docstrings."""

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> dict[str, Any]:
        """Return the schema of a `TypedDict` with its description and those of its fields."""
        made = super().typed_dict_schema(schema)
        kind = schema["cls"]
        made["description"] = " ".join((kind.__doc__ or "").partition("Attributes:")[0].split())
        for name, description in field_descriptions(kind).items():
            made["properties"][name] = {**made["properties"][name], "description": description}
        return made

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Leave out titles of fields, which only repeat their names."""
        return False


def field_descriptions(kind: type) -> dict[str, str]:
    """Return the description of each field of a `TypedDict`, from the section "Attributes" of its docstring
    and of those of its bases. One line can describe several fields: `low, high: ends of the interval`.
    """
    descriptions: dict[str, str] = {}
    for base in getattr(kind, "__orig_bases__", ()):
        if base is not TypedDict:
            descriptions |= field_descriptions(base)
    section = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2]
    names: list[str] = []
    for line in section.splitlines():
        head, colon, text = line.strip().partition(": ")
        if line.startswith("    ") and not line.startswith("     ") and colon:
            names = head.split(", ")
            descriptions |= dict.fromkeys(names, text)
        else:
            descriptions |= {name: f"{descriptions[name]} {line.strip()}" for name in names}
    return descriptions
