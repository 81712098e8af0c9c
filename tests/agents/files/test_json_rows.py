"""The JSON reader: what JSON allows is read, what Python alone allows is told, each with its line."""

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
    return rows, [(fault.where, fault.what) for fault in faults.all]


@given(objects=OBJECTS, end=st.sampled_from(["\n", "\r\n", "\n\n", "\r"]), plain=st.booleans())
def test_json_lines_are_read_whatever_their_texts_hold(
    objects: list[dict[str, Any]], end: str, plain: bool
) -> None:
    content = end.join(json.dumps(each, ensure_ascii=plain) for each in objects).encode()
    rows, faults = read(content)
    assert not faults
    assert [row.value for row in rows] == objects
    assert [row.line for row in rows] == [1 + at * (2 if end == "\n\n" else 1) for at in range(len(objects))]


@given(objects=OBJECTS, indent=st.sampled_from([None, 0, 1, 4]), mark=st.booleans())
def test_an_array_is_read_and_each_element_told_by_its_line(
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
    '{"a": NaN}': "NaN is not JSON",
    '{"a": [-Infinity]}': "-Infinity is not JSON",
    '{"a": 1e999}': "1e999 is not JSON",
    '{"a": 1, "a": 2}': "the key 'a' is given more than once",
    '{"x": {"b": 1, "b": 1}}': "the key 'b' is given more than once",
    '{"a": "\\ud83d"}': "holds half a character (a lone surrogate)",
    '{"\\udc00": 1}': "holds half a character (a lone surrogate)",
    "[1]": "is no JSON object, but a list",
    "null": "is no JSON object, but null",
    '"text"': "is no JSON object, but text",
}


@pytest.mark.parametrize(("wrong", "what"), WRONG.items())
def test_what_python_takes_and_json_does_not_have_is_told(wrong: str, what: str) -> None:
    good = '{"fine": 1}'
    rows, faults = read(f"{good}\n{wrong}\n{good}".encode())
    assert faults == [("f:2", what)]
    assert [row.line for row in rows] == [1, 3]
    rows, faults = read(f"[{good},\n{wrong},\n{good}]".encode())
    assert faults == [("f:2, answer 2", what)]
    assert [row.number for row in rows] == [1, 3]


@pytest.mark.parametrize(
    "wrong", ["{", "nothing", '{"a" 1}', "[" * 100_000, '{"a": ' + "1" * 5000 + "}", '{"a": "\x01"}']
)
def test_every_line_that_is_no_json_is_told(wrong: str) -> None:
    rows, faults = read(f'{{"fine": 1}}\n{wrong}\n\n{wrong}'.encode())
    assert [where for where, _ in faults] == ["f:2", "f:4"]
    assert len(rows) == 1


@pytest.mark.parametrize("cut", ["[", '[{"a": 1}', '[{"a": 1},', '[{"a": 1} {"a": 2}]', '[{"a": 1}] x', "[}"])
def test_a_broken_array_is_told(cut: str) -> None:
    assert len(read(cut.encode())[1]) == 1


def test_one_object_over_several_lines_is_one() -> None:
    rows, faults = read(b'\n{\n "a": 1,\n "b": 2\n}\n')
    assert not faults
    assert [(row.line, row.value) for row in rows] == [(2, {"a": 1, "b": 2})]


def test_a_response_of_many_megabytes_is_read() -> None:
    rows, _ = read(json.dumps({"response": "word " * 1_000_000}).encode())
    assert len(rows[0].value["response"]) == 5_000_000


@pytest.mark.parametrize(("wrong", "what"), WRONG.items())
def test_a_file_that_is_one_object(wrong: str, what: str) -> None:
    faults = Faults("f")
    assert read_object(wrong.encode(), faults) == {}
    assert [fault.what for fault in faults.all] == [what]
    faults = Faults("f")
    assert read_object(b'\xef\xbb\xbf{"a": [1]}', faults) == {"a": [1]}
    assert not faults
