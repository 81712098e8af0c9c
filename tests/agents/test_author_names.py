"""Tests of the names of authors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.author_names import AuthorKind, AuthorName

PIECES = [
    "dataset",
    "file",
    "student",
    "base",
    "base-cut",
    "control",
    "gpt-4o",
    "/",
    ":",
    "@",
    "",
    " ",
    "é",
    "\n",
]
NAMES = st.one_of(st.lists(st.sampled_from(PIECES), max_size=7).map("".join), st.text())


@given(NAMES)
def test_a_parsed_name_is_written_as_it_was(text: str) -> None:
    assert str(AuthorName.parse(text)) == text


@given(NAMES)
def test_the_kind_agrees_with_the_prefix(text: str) -> None:
    kind = AuthorName.parse(text).kind
    bare = text.partition("@")[0]
    assert (kind is AuthorKind.DATASET) == text.startswith("dataset:")
    assert (kind is AuthorKind.FILE) == text.startswith("file:")
    assert (kind is AuthorKind.STUDENT) == text.startswith("student:")
    assert (kind is AuthorKind.BASE) == (bare == "base" or bare.startswith("base:"))
    assert (kind is AuthorKind.TRUNCATED_BASE) == (bare == "base-cut" or bare.startswith("base-cut:"))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("dataset:a@b", AuthorName(AuthorKind.DATASET, "a@b")),
        ("file:a@b:c.csv", AuthorName(AuthorKind.FILE, "a@b:c.csv")),
        ("student:a:b@whole@x", AuthorName(AuthorKind.STUDENT, "a:b", "whole@x")),
        ("base", AuthorName(AuthorKind.BASE, None)),
        ("base:", AuthorName(AuthorKind.BASE, "")),
        ("base-cut@", AuthorName(AuthorKind.TRUNCATED_BASE, None, "")),
        ("control/length", AuthorName(AuthorKind.CONTROL, "control/length")),
        ("ollama/llama3:8b@set-1:ab", AuthorName(AuthorKind.MODEL, "ollama/llama3:8b", "set-1:ab")),
        ("imported", AuthorName(AuthorKind.OTHER, "imported")),
    ],
)
def test_names_are_parsed_into_kind_name_and_preset(text: str, name: AuthorName) -> None:
    assert AuthorName.parse(text) == name
