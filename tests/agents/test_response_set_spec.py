"""Provenance of response sets: read, written back bit by bit, compared."""

from __future__ import annotations

import lzma
import sqlite3
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from agents.hashing import canonical
from agents.response_set_spec import ResponseSetSpec

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "v1"
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text()
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


@given(st.text() | JSON.map(lambda value: canonical(value).decode()))
def test_every_text_is_written_back_unchanged(text: str) -> None:
    spec = ResponseSetSpec.from_made(text)
    assert spec.to_made() == text
    assert spec.is_recorded == bool(spec.settings)
    assert isinstance(spec.kind + spec.model + spec.improved_set + spec.truncation, str)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_settings_are_read_back(settings: dict[str, object]) -> None:
    spec = ResponseSetSpec.from_settings(settings)
    assert ResponseSetSpec.from_made(spec.to_made()).to_made() == spec.to_made()
    assert spec.differences(spec) == {}


def test_sets_of_an_early_release_keep_their_provenance_and_id() -> None:
    connection = sqlite3.connect(":memory:")
    connection.executescript(lzma.decompress((FIXTURES / "results.sql.xz").read_bytes()).decode())
    rows = connection.execute("SELECT id, author, preset, made FROM response_set").fetchall()
    connection.close()
    assert rows
    recorded = 0
    for set_id, author, preset, made in rows:
        spec = ResponseSetSpec.from_made(made)
        assert spec.to_made() == made
        if spec.is_recorded:
            recorded += 1
            assert spec.response_set(author, preset).id == set_id
            assert ResponseSetSpec.from_settings(spec.settings).to_made() == made
    assert recorded


def test_what_is_recorded_has_names() -> None:
    settings = {
        "kind": "improved",
        "base": "set-1:x",
        "model": "openai/gpt-4o",
        "cut": "whole",
        "sampling": {"temperature": 0.5},
        "prompts": {"improve/naive": "p-1"},
    }
    spec = ResponseSetSpec.from_settings(settings)
    assert (spec.kind, spec.improved_set, spec.model, spec.truncation) == (
        "improved",
        "set-1:x",
        "openai/gpt-4o",
        "whole",
    )
    assert spec.sampling == {"temperature": 0.5}
    assert spec.prompts == {"improve/naive": "p-1"}
    plain = ResponseSetSpec.from_made("from a file, file-1:x")
    assert (plain.kind, plain.improved_set, plain.model, plain.is_recorded) == ("direct", "", "", False)


def test_differences_leave_out_the_hash_of_other_settings() -> None:
    first = ResponseSetSpec.from_settings({"identity": "x", "sampling": {"seed": 1}, "same": 0})
    second = ResponseSetSpec.from_settings({"identity": "y", "sampling": {"seed": 2}, "same": 0})
    assert first.differences(second) == {"sampling seed": (1, 2)}
    only = ResponseSetSpec.from_settings({"identity": "y", "sampling": {"seed": 1}, "same": 0})
    assert first.differences(only) == {"identity": ("x", "y")}
