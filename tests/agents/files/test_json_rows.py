"""Tests of the JSON reader: valid rows are read, and values that only Python accepts are faults."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.files.faults import Faults
from agents.files.json_rows import JsonRow, read_object, read_rows

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(TEXTS, VALUES, max_size=4), max_size=5)


def read(content: bytes) -> tuple[list[JsonRow], list[tuple[str, str]]]:
    faults = Faults("f")
    rows = read_rows(content, faults, noun="answer")
    return rows, [(fault.where, fault.code) for fault in faults.all]


@given(objects=OBJECTS, end=st.sampled_from(["\n", "\r\n", "\n\n", "\r"]), plain=st.booleans())
def test_any_json_lines_are_read(objects: list[dict[str, Any]], end: str, plain: bool) -> None:
    content = end.join(json.dumps(each, ensure_ascii=plain) for each in objects).encode()
    rows, faults = read(content)
    assert not faults
    assert [row.value for row in rows] == objects
    assert [row.line for row in rows] == [
        1 + index * (2 if end == "\n\n" else 1) for index in range(len(objects))
    ]


@given(objects=OBJECTS, indent=st.sampled_from([None, 0, 1, 4]), mark=st.booleans())
def test_an_array_is_read_with_the_line_of_each_element(
    objects: list[dict[str, Any]], indent: int | None, mark: bool
) -> None:
    text = json.dumps(objects, indent=indent)
    rows, faults = read(text.encode("utf-8-sig" if mark else "utf-8"))
    assert not faults
    assert [row.value for row in rows] == objects
    assert [row.number for row in rows] == list(range(1, len(objects) + 1))
    lines = text.split("\n")
    assert all(indent is None or lines[row.line - 1].lstrip().startswith("{") for row in rows)


WRONG = {
    '{"a": NaN}': "file.not-json",
    '{"a": [-Infinity]}': "file.not-json",
    '{"a": 1e999}': "file.not-json",
    '{"a": 1, "a": 2}': "file.duplicate-key",
    '{"x": {"b": 1, "b": 1}}': "file.duplicate-key",
    '{"a": "\\ud83d"}': "file.lone-surrogate",
    '{"\\udc00": 1}': "file.lone-surrogate",
    "[1]": "file.not-object",
    "null": "file.not-object",
    '"text"': "file.not-object",
}


@pytest.mark.parametrize(("wrong", "code"), WRONG.items())
def test_values_that_only_python_accepts_are_faults(wrong: str, code: str) -> None:
    good = '{"fine": 1}'
    rows, faults = read(f"{good}\n{wrong}\n{good}".encode())
    assert faults == [("f:2", code)]
    assert [row.line for row in rows] == [1, 3]
    rows, faults = read(f"[{good},\n{wrong},\n{good}]".encode())
    assert faults == [("f:2, answer 2", code)]
    assert [row.number for row in rows] == [1, 3]


@pytest.mark.parametrize(
    "wrong", ["{", "nothing", '{"a" 1}', "[" * 100_000, '{"a": ' + "1" * 5000 + "}", '{"a": "\x01"}']
)
def test_every_line_that_is_not_json_is_a_fault(wrong: str) -> None:
    rows, faults = read(f'{{"fine": 1}}\n{wrong}\n\n{wrong}'.encode())
    assert [where for where, _ in faults] == ["f:2", "f:4"]
    assert len(rows) == 1


@pytest.mark.parametrize("cut", ["[", '[{"a": 1}', '[{"a": 1},', '[{"a": 1} {"a": 2}]', '[{"a": 1}] x', "[}"])
def test_a_broken_array_is_one_fault(cut: str) -> None:
    assert [code for _, code in read(cut.encode())[1]] == ["file.not-json"]


def test_an_object_may_span_several_lines() -> None:
    rows, faults = read(b'\n{\n "a": 1,\n "b": 2\n}\n')
    assert not faults
    assert [(row.line, row.value) for row in rows] == [(2, {"a": 1, "b": 2})]


def test_a_response_of_several_megabytes_is_read() -> None:
    rows, _ = read(json.dumps({"response": "word " * 1_000_000}).encode())
    assert len(rows[0].value["response"]) == 5_000_000


@pytest.mark.parametrize(("wrong", "code"), WRONG.items())
def test_a_file_with_a_single_object(wrong: str, code: str) -> None:
    faults = Faults("f")
    assert read_object(wrong.encode(), faults) == {}
    assert [fault.code for fault in faults.all] == [code]
    faults = Faults("f")
    assert read_object(b'\xef\xbb\xbf{"a": [1]}', faults) == {"a": [1]}
    assert not faults
