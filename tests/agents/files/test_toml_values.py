"""TOML values are written validly and read back unchanged."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from agents.errors import Adaptation
from agents.files.toml_values import toml_value

texts = some.text(some.characters(exclude_categories=["Cs"]), max_size=8)
values = some.recursive(
    some.booleans() | some.integers(-(2**53), 2**53) | texts,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_a_value_is_read_back(value: Any) -> None:
    assert tomllib.loads(f"it = {toml_value(value)}") == {"it": value}


def test_null_is_left_out() -> None:
    assert tomllib.loads(f"it = {toml_value({'a': None, 'b': [None, 1]})}") == {"it": {"b": [1]}}


@pytest.mark.parametrize(
    "settings",
    [
        (("extra", '{"stream":false,"thinkingConfig":{"thinkingBudget":0}}'),),
        (("extra", ""), ("thinking", True), ("verdict_tokens", 4096)),
        (("token_limit", "max_completion_tokens"),),
    ],
)
def test_an_adaptation_is_a_valid_toml_line(settings: tuple[tuple[str, Any], ...]) -> None:
    lines = str(Adaptation("x", settings))
    read = tomllib.loads("it = { " + lines + " }")["it"]
    assert set(read) == {name for name, _ in settings}
    for name, value in settings:
        assert isinstance(read[name], dict) if name == "extra" else read[name] == value
