"""Name suggestions: typing errors are recognised; other versions and models are not suggested."""

from __future__ import annotations

import pytest

from agents.models.name_suggestions import edit_distance, nearest
from agents.models.registry import Registry

KNOWN = Registry(None, {})._names()


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_name_has_no_near_one(name: str) -> None:
    assert Registry(None, {}).hint(name) == ""


@pytest.mark.parametrize("name", ["openai/gpt-4o", "openai/gpt-6-luna", "anthropic/claude-sonnet-5-5"])
def test_every_single_misspelling_is_recognised(name: str) -> None:
    provider, _, bare = name.partition("/")
    slips = {bare[:at] + bare[at] + bare[at:] for at in range(len(bare))}  # a letter twice
    slips |= {bare[:at] + bare[at + 1 :] for at in range(len(bare)) if not bare[at].isdigit()}  # one left out
    slips |= {bare[:at] + bare[at + 1] + bare[at] + bare[at + 2 :] for at in range(len(bare) - 1)}  # swapped
    for slip in slips - {bare}:
        suggestion = Registry(None, {}).hint(f"{provider}/{slip}")
        assert suggestion == name or suggestion in KNOWN or any(each.isdigit() for each in slip), slip


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("openai/gpt-4oo", "openai/gpt-4o"),
        ("openai/gpt4o", "openai/gpt-4o"),
        ("openai/gtp-4o", "openai/gpt-4o"),
        ("google/gemini-3.8-flsh", "google/gemini-3.8-flash"),
        ("anthropic/claude-sonet-5-5", "anthropic/claude-sonnet-5-5"),
        ("openai/gpt-7", ""),  # a version that is not known yet
        ("openai/gpt-6.3-sol", ""),
        ("google/gemini-3.9-flash", ""),
        ("anthropic/claude-opus-5-5", ""),  # another model
        ("openai/my-own-model", ""),
    ],
)
def test_the_nearest_name_is_suggested(name: str, suggestion: str) -> None:
    assert Registry(None, {}).hint(name) == suggestion


def test_edit_distance() -> None:
    assert [edit_distance("abc", other) for other in ("abc", "ab", "acb", "xbc", "abcd", "", "xyz")] == [
        *(0, 1, 1, 1, 1, 3, 3)
    ]
    assert edit_distance("ab", "ba") == edit_distance("ba", "ab") == 1
    assert nearest("x", []) == ""
