"""Match of answering and requested model names: a table, and properties of generated names."""

from __future__ import annotations

import itertools

import pytest

from agents.models.registry import Registry
from agents.models.response_model import UNNAMED, NameMatch, answering_model_note, is_at_provider, match
from agents.models.spec import ApiProtocol, Model

EXACT, SNAPSHOT, LISTED, UNNAMED_, OTHER = (
    NameMatch.EXACT,
    NameMatch.SNAPSHOT,
    NameMatch.LISTED,
    NameMatch.UNNAMED,
    NameMatch.OTHER,
)

TABLE = [
    # the same name, with a path, in other letters
    ("openai", "gpt-4o", "gpt-4o", EXACT),
    ("openai", "gpt-4o", " GPT-4o ", EXACT),
    ("openai", "gpt-4o", "openai/gpt-4o", EXACT),
    ("openai", "openai/gpt-4o", "gpt-4o", EXACT),
    ("google", "gemini-2.0-flash", "models/gemini-2.0-flash", EXACT),
    ("google", "models/gemini-2.0-flash", "gemini-2.0-flash", EXACT),
    ("google", "gemini-2.0-flash", "publishers/google/models/gemini-2.0-flash", EXACT),
    ("vllm", "meta-llama/Llama-3.1-8B", "meta-llama/llama-3.1-8b", EXACT),
    ("openai", "ft:gpt-4o-2024-08-06:us::abc", "ft:gpt-4o-2024-08-06:us::abc", EXACT),
    # a snapshot of an alias
    ("openai", "gpt-4o", "gpt-4o-2024-08-06", SNAPSHOT),
    ("openai", "gpt-4o", "openai/gpt-4o-2024-11-20", SNAPSHOT),
    ("openai", "gpt-4", "gpt-4-0613", SNAPSHOT),
    ("openai", "gpt-3.5-turbo", "gpt-3.5-turbo-0125", SNAPSHOT),
    ("openai", "o3", "o3-2025-04-16", SNAPSHOT),
    ("openai", "gpt-6-luna", "gpt-6-luna-2026-09-22", SNAPSHOT),
    ("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929", SNAPSHOT),
    ("anthropic", "claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022", SNAPSHOT),
    ("anthropic", "claude-3-5-haiku-latest", "claude-3-5-haiku", SNAPSHOT),
    ("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5@20250929", SNAPSHOT),
    ("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929-v1:0", SNAPSHOT),
    ("google", "gemini-2.0-flash", "gemini-2.0-flash-001", SNAPSHOT),
    ("google", "gemini-2.5-pro", "models/gemini-2.5-pro-preview", SNAPSHOT),
    ("google", "gemini-2.5-pro", "gemini-2.5-pro-preview-06-05", SNAPSHOT),
    ("google", "gemini-2.5-flash", "gemini-2.5-flash-preview-09-2025", SNAPSHOT),
    ("google", "gemini-2.0-flash", "gemini-2.0-flash-exp", SNAPSHOT),
    ("elsewhere", "openai/gpt-4o", "gpt-4o-2024-08-06", SNAPSHOT),
    # nobody said who it was
    ("openai", "gpt-4o", "", UNNAMED_),
    ("openai", "gpt-4o", "  ", UNNAMED_),
    # another model
    ("openai", "gpt-4o", "gpt-4o-mini", OTHER),
    ("openai", "gpt-4o", "gpt-4o-mini-2024-07-18", OTHER),
    ("openai", "gpt-4o-mini", "gpt-4o", OTHER),
    ("openai", "gpt-4", "gpt-4-turbo", OTHER),
    ("openai", "gpt-4", "gpt-4-1106-preview", OTHER),
    ("openai", "gpt-4", "gpt-4o", OTHER),
    ("openai", "gpt-4", "gpt-4.1", OTHER),
    ("openai", "o1", "o1-preview", OTHER),
    ("openai", "gpt-4o", "gpt-4o-2024-13-06", OTHER),
    ("openai", "gpt-4o", "gpt-4o-001", OTHER),
    ("openai", "gpt-4o", "ft:gpt-4o-2024-08-06:us::abc", OTHER),
    ("openai", "gpt-4o", "judge-x-2026-08-06", OTHER),
    ("openai", "gpt-4o", "fallback-model-small-v0", OTHER),
    ("openai", "gpt-4o-2024-08-06", "gpt-4o-2024-11-20", OTHER),  # a snapshot was asked, another answered
    ("openai", "gpt-4o-2024-08-06", "gpt-4o", OTHER),  # and an alias may be any of them
    ("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-6", OTHER),
    ("anthropic", "claude-sonnet-4", "claude-sonnet-4-5-20250929", OTHER),
    ("anthropic", "claude-3-5-sonnet-20240620", "claude-3-5-sonnet-20241022", OTHER),
    ("anthropic", "claude-3-5-sonnet-latest", "claude-3-5-haiku-20241022", OTHER),
    ("google", "gemini-2.5-pro", "gemini-3.8-flash", OTHER),
    ("google", "gemini-2.5-flash", "gemini-3.5-flash-lite", OTHER),
    ("google", "gemini-2.0-flash", "gemini-2.0-flash-lite", OTHER),
    ("google", "gemini-2.0-flash", "gemini-2.0-flash-lite-001", OTHER),
    ("google", "gemini-2.5-pro-preview-05-06", "gemini-2.5-pro", OTHER),  # rerouted to what followed it
    ("google", "gemini-2.0-flash-001", "gemini-2.0-flash-002", OTHER),
    ("vllm", "base", "student", OTHER),
]


@pytest.mark.parametrize(("provider", "asked", "answered", "expected"), TABLE)
def test_answering_names_are_matched_with_the_requested_name(
    provider: str, asked: str, answered: str, expected: NameMatch
) -> None:
    assert match(provider, asked, answered) is expected


@pytest.mark.parametrize(
    ("listed", "answered", "expected"),
    [
        (("gpt-5.6-sol",), "gpt-5.6-sol", LISTED),
        (("gpt-5.6-sol",), "openai/GPT-5.6-Sol", LISTED),
        (("gemini-*",), "gemini-3.8-flash", LISTED),
        (("gpt-5.6-sol",), "gpt-5.6-terra", OTHER),
        ((), "gpt-5.6-sol", OTHER),
    ],
)
def test_aliases_of_a_model_are_listed(listed: tuple[str, ...], answered: str, expected: NameMatch) -> None:
    assert match("openai", "gpt-5.6", answered, listed) is expected


NAMES = (
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-4",
    "gpt-4.1",
    "gpt-4-turbo",
    "o3",
    "o3-mini",
    "gpt-6-luna",
    "gpt-6.1-sol",
)


@pytest.mark.parametrize(("asked", "other"), list(itertools.permutations(NAMES, 2)))
def test_different_models_never_match_whatever_date_or_path(asked: str, other: str) -> None:
    for date, path in itertools.product(("", "-2024-08-06", "-0613"), ("", "openai/", "models/")):
        assert match("openai", asked, f"{path}{other}{date}") is OTHER
        assert match("openai", other, f"{path}{other}{date}") in (EXACT, SNAPSHOT)


def test_enforced_at_the_providers_own_address_and_at_the_emulator_that_stands_in_for_it() -> None:
    own, gateway = Registry(None, {}), Registry(None, {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"})
    model = own.model("openai/gpt-4o")
    assert is_at_provider(model)
    assert is_at_provider(own.emulated(model, "http://127.0.0.1:1", "emulator-1:abc"))
    assert not is_at_provider(gateway.model("openai/gpt-4o"))
    assert not is_at_provider(own.model("control/first"))
    assert not is_at_provider(Model("vllm", "base", ApiProtocol.OPENAI_COMPLETIONS, identity="weights-1:abc"))


@pytest.mark.parametrize("answers", [{}, {"gpt-4o": 5}, {"": 5}, {"openai/GPT-4o": 5}])
def test_no_note_if_only_the_requested_model_answered(answers: dict[str, int]) -> None:
    assert answering_model_note("openai/gpt-4o", "gpt-4o", answers) == ""


def test_other_names_are_listed_with_their_counts() -> None:
    one = answering_model_note("openai/gpt-4o", "gpt-4o", {"gpt-4o-2024-08-06": 1})
    assert "gpt-4o-2024-08-06 (1 answer)" in one
    assert "--snapshot" not in one
    several = answering_model_note("openai/gpt-4o", "gpt-4o", {"a": 10, "b": 1_200, "": 3}, left_out=7)
    assert several.index("b (1,200 answers)") < several.index("a (10 answers)") < several.index(UNNAMED)
    assert "3 models" in several
    assert "--snapshot" in several
    assert "7 answers of other models" in several


def test_a_servers_name_is_printed_without_control_characters_keys_or_end() -> None:
    nasty = "\x1b[31mred\n" + "x" * 500
    note = answering_model_note("openai/gpt-4o", "gpt-4o", {nasty: 3, "sk-test-0123456789abcdef": 2})
    assert "\x1b" not in note
    assert "\n" not in note
    assert "0123456789abcdef" not in note
    assert len(note) < 500
    many = answering_model_note("openai/gpt-4o", "gpt-4o", {f"m-{at}": 1 for at in range(5_000)})
    assert "5000 models" in many.replace(",", "")
    assert len(many) < 1_000
