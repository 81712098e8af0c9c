"""`empathy schema` prints JSON Schemas; docs/schema.json describes every result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from harness.cli.result_documents import DOCUMENTS, result_schema
from results.render.format import SCHEMA_VERSION


def test_the_command_prints_the_schema_of_all_results_or_of_one(empathy: Callable[..., Any]) -> None:
    assert empathy("schema", "result").data == result_schema()
    assert empathy("schema", "result", "error").data == result_schema(("error",))


def test_an_unknown_document_is_named(empathy: Callable[..., Any]) -> None:
    done = empathy("schema", "result", "nothing")
    assert (done.code, done.codes) == (2, ["schema.unknown-document"])


def test_every_field_has_a_description_and_no_object_accepts_unknown_keys() -> None:
    objects = {name: each for name, each in result_schema()["$defs"].items() if "properties" in each}
    assert [name for name, each in objects.items() if not each.get("description")] == []
    assert [name for name, each in objects.items() if each.get("additionalProperties") is not False] == []
    undescribed = [
        f"{name}.{key}"
        for name, each in objects.items()
        for key, field in each["properties"].items()
        if not field.get("description")
    ]
    assert undescribed == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_states_its_name_and_version(name: str) -> None:
    schema = result_schema((name,))
    properties = schema["$defs"][DOCUMENTS[name].type.__name__]["properties"]
    assert properties["document"]["const"] == name
    assert properties["schema_version"]["const"] == SCHEMA_VERSION
    assert orjson.loads(orjson.dumps(schema)) == schema
