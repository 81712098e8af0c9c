"""Content ids: one canonical form, and different ids for different contents."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.hashing import HEX_DIGITS, canonical, content_id, hash_bytes

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
)
contents = st.recursive(
    scalars | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(contents)
def test_canonical_json_reads_back_as_the_content(content: Any) -> None:
    assert json.loads(canonical(content)) == content
    assert canonical(json.loads(canonical(content))) == canonical(content)


@given(st.dictionaries(st.text(), scalars, min_size=2))
def test_the_order_of_keys_does_not_count(content: dict[str, Any]) -> None:
    turned = dict(reversed(content.items()))
    assert canonical(turned) == canonical(content)
    assert content_id("t-1", turned) == content_id("t-1", content)


@given(contents, contents)
def test_different_contents_have_different_ids(one: Any, other: Any) -> None:
    assert (content_id("t-1", one) == content_id("t-1", other)) == (canonical(one) == canonical(other))


@given(contents)
def test_the_tag_is_part_of_the_id(content: Any) -> None:
    one, other = content_id("call-1", content), content_id("call-2", content)
    assert one.partition(":")[2] != other.partition(":")[2]
    tag, _, digits = one.partition(":")
    assert tag == "call-1"
    assert len(digits) == HEX_DIGITS
    assert set(digits) <= set("0123456789abcdef")


def test_ids_have_the_documented_format() -> None:
    """A change of form is another tag: ids in databases out there must stay what they are."""
    assert (
        canonical({"b": [1, 1.0, 0.1], "a": "ü\n", "c": None})
        == '{"a":"ü\\n","b":[1,1.0,0.1],"c":null}'.encode()
    )
    expected = sha256(b'call-1\x00{"a":1}').hexdigest()[:40]
    assert content_id("call-1", {"a": 1}) == f"call-1:{expected}" == hash_bytes("call-1", b'{"a":1}')


def test_tag_and_content_are_separated() -> None:
    assert hash_bytes("ab", b"c").partition(":")[2] != hash_bytes("a", b"bc").partition(":")[2]


@pytest.mark.parametrize("content", [{1: "a"}, {"a": object()}, {"a": {1, 2}}, "\ud800"])
def test_values_without_a_canonical_form_are_refused(content: Any) -> None:
    with pytest.raises(TypeError):
        canonical(content)
