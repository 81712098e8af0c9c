"""Model families: inferred from names and from recorded settings."""

from __future__ import annotations

import pytest

from agents.models.family import Lineage, family_matches, model_makers, self_preference_warning
from agents.types import ResponseSet


def of(author: str, preset: str = "default", made: str = "") -> ResponseSet:
    return ResponseSet(f"set-1:{author}", author, preset, made)


@pytest.mark.parametrize(
    ("name", "families"),
    [
        ("openai/gpt-4o", {"OpenAI"}),
        ("openai/o3-mini", {"OpenAI"}),
        ("openai/emulated-gpt-4o", {"OpenAI"}),
        ("google/gemini-2.0-flash", {"Google"}),
        ("anthropic/claude-sonnet-4-5", {"Anthropic"}),
        ("vllm/meta-llama/Llama-3.1-8B", {"Meta"}),
        ("base:mistralai/Mistral-7B-v0.3", {"Mistral"}),
        ("together/mixtral-8x7b", {"Mistral"}),
        ("together/deepseek-r1-distill-llama-70b", {"DeepSeek", "Meta"}),
        ("openai/llama-3", {"Meta"}),  # what is served, not who serves it
        ("ollama/my-own", set()),
        ("vllm/my-own", set()),
        ("control/ratings", set()),
        ("file:gpt-4.jsonl", set()),
        ("dataset:human", set()),
        ("dataset:llama-2-70b", {"Meta"}),
        ("taught by openai/gpt-4o", {"OpenAI"}),
    ],
)
def test_makers_are_inferred_from_names(name: str, families: set[str]) -> None:
    assert model_makers(name) == families


def test_matches_cover_authors_teachers_and_bases() -> None:
    sets = [of("student:mine"), of("dataset:human"), of("dataset:gpt-4"), of("openai/gpt-4o", "naive")]
    lineage = {"student:mine": Lineage(("openai/gpt-4o",), ("meta-llama/Llama-3.1-8B",))}
    same_family = family_matches("openai/gpt-4o", sets, lineage)
    assert [one.author for one in same_family] == ["student:mine", "dataset:gpt-4", "openai/gpt-4o@naive"]
    assert [one.why for one in same_family] == ["taught by openai/gpt-4o", "", ""]
    assert [one.why for one in family_matches("vllm/llama-3-70b", sets, lineage)] == [
        "on the base meta-llama/Llama-3.1-8B"
    ]
    assert family_matches("google/gemini-2.0-flash", sets, lineage) == ()
    assert family_matches("control/ratings", sets, lineage) == ()
    assert family_matches("openai/gpt-4o", sets[:1]) == ()  # no lineage is recorded


def test_the_protocol_does_not_imply_a_maker() -> None:
    made = '{"model":"vllm/base:mistralai/Mistral-7B-v0.3","protocol":"openai-completions"}'
    assert family_matches("openai/gpt-4o", [of("base:mistralai/Mistral-7B-v0.3", made=made)]) == ()


def test_the_flag_names_both_families_once() -> None:
    same_family = family_matches(
        "x/deepseek-llama", [of("dataset:llama-2-70b"), of("x/deepseek-v3"), of("x/deepseek-v3")]
    )
    note = self_preference_warning("x/deepseek-llama", same_family)
    assert note.startswith(
        "x/deepseek-llama is of the same family (DeepSeek and Meta) as dataset:llama-2-70b"
    )
    assert note.count("x/deepseek-v3") == 1
    assert self_preference_warning("x", ()) == ""
    many = self_preference_warning(
        "x/llama", family_matches("x/llama", [of(f"x/llama-{at}") for at in range(9)])
    )
    assert "x/llama-2, 6 more: it may" in many


def test_the_lineages_of_trainings_of_one_name_are_merged_without_duplicates() -> None:
    first, second = Lineage(("x/a",), ("b",)), Lineage(("x/c", "x/a"), ("b",))
    assert first + second == Lineage(("x/a", "x/c"), ("b",))
    assert [phrase for phrase, _ in (first + second).evidence()] == [
        "taught by x/a",
        "taught by x/c",
        "on the base b",
    ]
