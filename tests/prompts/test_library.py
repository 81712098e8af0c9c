"""Prompt library: variables, texts and versions of prompts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts import Library, Prompt, PromptError
from prompts.library import VARIABLE

Write = Callable[..., Path]
OWN = Library()
HEAD = "---\ntitle: T\nvariables: {variables}\n---\n"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes files of a user's folder, `name=text`, and gives the folder."""

    def files(**texts: str | bytes) -> Path:
        for name, text in texts.items():
            path = tmp_path / f"{name.replace('__', '/')}.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path

    return files


def load_faults(folder: Path) -> list[tuple[str, str, str]]:
    """Load a folder with faults; return (code, where relative to the folder, found) of each."""
    with pytest.raises(PromptError) as caught:
        Library(folder)
    assert str(caught.value) == "\n".join(map(str, caught.value.faults))
    return [
        (fault.code, fault.where.removeprefix(f"{folder}/"), fault.found) for fault in caught.value.faults
    ]


# ---- the package's own prompts --------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", list(OWN), ids=lambda prompt: prompt.name)
def test_declared_variables_are_used_variables(prompt: Prompt) -> None:
    used = {name for turn in prompt.turns for name in VARIABLE.findall(turn)}
    assert used == set(prompt.variables)
    assert len(prompt.variables) == len(set(prompt.variables))


@pytest.mark.parametrize("prompt", list(OWN), ids=lambda prompt: prompt.name)
def test_every_prompt_is_complete(prompt: Prompt) -> None:
    assert prompt.title
    assert prompt.version.startswith("prompt-1:")
    assert len(prompt.version) == len("prompt-1:") + 16
    assert prompt.source == f"prompts/{prompt.name}.md"
    assert all(turn == turn.strip() != "" for turn in prompt.turns)
    assert not any("{{>" in turn or "=== next turn" in turn or "\r" in turn for turn in prompt.turns)


def test_required_prompts_exist() -> None:
    strategies = ("naive", "cognitive", "affective", "compassionate", "all-dimensions", "sequential")
    assert {f"improve/{name}" for name in (*strategies, "lacking-dimension")} <= {p.name for p in OWN}
    assert OWN["judge/pairwise"].answers == ("1", "2")
    assert OWN["judge/pairwise-tie"].answers == ("1", "2", "tie")
    assert set(OWN["respond"].variables) == {"context", "utterance"}


def test_versions_are_unique_and_the_same_in_every_library() -> None:
    versions = {prompt.name: prompt.version for prompt in OWN}
    assert len(set(versions.values())) == len(versions)
    assert {prompt.name: prompt.version for prompt in Library()} == versions


def test_parts_are_not_prompts() -> None:
    assert not any(prompt.name.startswith("parts/") for prompt in OWN)


def test_an_unknown_prompt_lists_the_known_ones() -> None:
    with pytest.raises(PromptError) as caught:
        OWN["judge/pair"]
    (fault,) = caught.value.faults
    assert (caught.value.code, fault.found) == ("prompt.unknown", "'judge/pair'")
    assert "judge/pairwise" in fault.remedy


# ---- filling ---------------------------------------------------------------------------------------------


@given(st.dictionaries(st.sampled_from(OWN["judge/pairwise"].variables), st.text(), min_size=4))
def test_values_are_inserted_unchanged(values: dict[str, str]) -> None:
    prompt = OWN["judge/pairwise"]
    filled = prompt.fill(values)
    pieces = VARIABLE.split(prompt.turns[0])
    expected = "".join(values[piece] if index % 2 else piece for index, piece in enumerate(pieces))
    assert filled == (expected,)


@pytest.mark.parametrize(
    "value",
    ["{{utterance}}", "{{> naive}}", "{{ response }}", "=== next turn ===\n", r"\1 \g<0>", "{{", "}}"],
)
def test_values_are_not_interpreted_as_templates(value: str) -> None:
    prompt = OWN["improve/naive"]
    (filled,) = prompt.fill({"context": value, "utterance": "U", "response": "R"})
    assert f"<context>\n{value}\n</context>" in filled
    assert "<utterance>\nU\n</utterance>" in filled


def test_missing_and_undeclared_values_are_all_reported() -> None:
    with pytest.raises(PromptError) as caught:
        OWN["respond"].fill({"context": "C", "response": "R", "mood": "M"})
    assert [(fault.code, fault.where, fault.found) for fault in caught.value.faults] == [
        ("prompt.missing-value", "respond", "'utterance'"),
        ("prompt.undeclared-value", "respond", "'response'"),
        ("prompt.undeclared-value", "respond", "'mood'"),
    ]


def test_every_turn_is_filled(write: Write) -> None:
    body = "One {{who}}.\n=== next turn ===\nTwo {{ who }}.\n=== next turn ===   \nThree."
    folder = write(talk=HEAD.format(variables="who") + body)
    assert Library(folder)["talk"].fill({"who": "you"}) == ("One you.", "Two you.", "Three.")


# ---- versions --------------------------------------------------------------------------------------------


def version(folder_write: Write, text: str) -> str:
    return Library(folder_write(own=text))["own"].version


def test_the_version_depends_on_the_prompt_text_only(write: Write) -> None:
    text = "---\ntitle: T\npaper: 7\nvariables: a, b\nanswers: 1, 2\n---\nSay {{a}} or {{b}}."
    first = version(write, text)
    for same in (
        text.replace("title: T", "title: Another"),
        text.replace("paper: 7", "paper: 8"),
        text.replace("\n", "\r\n"),
        text + "\n\n",
        "\ufeff" + text,
        text.replace("variables: a, b", "variables:   a ,b "),
    ):
        assert version(write, same) == first
    for other in (
        text.replace("Say", "Tell"),
        text.replace("Say ", "Say  "),
        text.replace("1, 2", "1, 2, tie"),
        text.replace(" or ", "\n=== next turn ===\n"),
        text.replace("Say", "say"),
    ):
        assert version(write, other) != first


def test_changing_a_part_changes_every_prompt_that_includes_it(write: Write) -> None:
    library = Library(write(parts__cognitive="Cognitive empathy is something else."))
    changed = {prompt.name for prompt in library if prompt.version != OWN[prompt.name].version}
    including = {
        prompt.name for prompt in OWN if any("Cognitive empathy is" in turn for turn in prompt.turns)
    }
    assert changed == including
    assert "improve/cognitive" in changed
    assert "improve/naive" not in changed


def test_the_version_does_not_depend_on_the_path(write: Write) -> None:
    text = HEAD.format(variables="a") + "{{a}}"
    library = Library(write(one=text, deep__er__two=text))
    assert library["one"].version == library["deep/er/two"].version
    assert replace(library["one"], name="", source="") == replace(library["deep/er/two"], name="", source="")


# ---- a user's folder ------------------------------------------------------------------------------------


def test_a_users_folder_overrides_by_name_and_adds(write: Write) -> None:
    folder = write(
        respond=HEAD.format(variables="context, utterance") + "Answer {{context}} {{utterance}}",
        judge__brief=HEAD.format(variables="context") + "{{> note}} {{context}}",
        parts__note="Judge.",
    )
    library = Library(folder)
    assert library["respond"].turns == ("Answer {{context}} {{utterance}}",)
    assert library["respond"].source == str(folder / "respond.md")
    assert library["judge/brief"].turns == ("Judge. {{context}}",)
    assert library["judge/pairwise"] == OWN["judge/pairwise"]
    assert {prompt.name for prompt in library} == {prompt.name for prompt in OWN} | {"judge/brief"}


def test_hidden_files_are_skipped(write: Write) -> None:
    folder = write(**{".checkpoints__respond": "not a prompt", ".draft": "neither"})
    assert {prompt.version for prompt in Library(folder)} == {prompt.version for prompt in OWN}


def test_a_missing_folder_is_rejected(tmp_path: Path) -> None:
    folder = tmp_path / "absent"
    assert load_faults(folder) == [("prompt.no-folder", str(folder), "")]


def test_parts_may_include_other_parts_but_not_themselves(write: Write) -> None:
    folder = write(
        own=HEAD.format(variables="") + "{{> outer}}",
        parts__outer="[{{> middle}}]",
        parts__middle="({{> inner}}{{> inner}})",
        parts__inner="x",
    )
    assert Library(folder)["own"].turns == ("[(xx)]",)
    write(parts__inner="{{> outer}}")
    assert load_faults(folder) == [("prompt.recursive-part", "own.md", "'outer'")] * 2


@pytest.mark.parametrize(
    ("text", "code", "where", "found"),
    [
        ("Say something.", "prompt.no-front-matter", "own.md", ""),
        ("", "prompt.no-front-matter", "own.md", ""),
        ("---\ntitle: T\nvariables: a\n{{a}}", "prompt.no-front-matter", "own.md", ""),
        ("---\ntitle: T\n---\n", "prompt.empty-turn", "own.md", ""),
        ("---\ntitle: T\n---\nOne.\n=== next turn ===\n", "prompt.empty-turn", "own.md", ""),
        ("---\ntitle: T\n---\nOne.\n=== next turn ===", "prompt.empty-turn", "own.md", ""),
        ("---\ntitle: T\n---\n{{a}}", "prompt.undeclared-variable", "own.md", "{{a}}"),
        ("---\nvariables: a\n---\nx", "prompt.unused-variable", "own.md", "'a'"),
        ("---\nvariables: a, a\n---\n{{a}}", "prompt.duplicate-entry", "own.md", "'a'"),
        ("---\nanswers: 1, 2, 1\n---\nx", "prompt.duplicate-entry", "own.md", "'1'"),
        ("---\ntitle: T\n---\n{{> no-such}}", "prompt.unknown-part", "own.md", "'no-such'"),
        ("---\ntitle: T\n---\n{{A}}", "prompt.invalid-braces", "own.md", "'{{A}}'"),
        ("---\ntitle: T\n---\n{{a b}}", "prompt.invalid-braces", "own.md", "'{{a b}}'"),
        ("---\ntitle: T\n---\nx {{ y", "prompt.invalid-braces", "own.md", "'{{'"),
        ("---\ntitel: T\n---\nx", "prompt.unknown-field", "own.md:2", "'titel: T'"),
        ("---\ntitle: T\ntitle: U\n---\nx", "prompt.duplicate-field", "own.md:3", "'title'"),
    ],
)
def test_a_fault_names_its_place(write: Write, text: str, code: str, where: str, found: str) -> None:
    assert (code, where, found) in load_faults(write(own=text))


def test_all_faults_of_all_files_are_reported_together(write: Write) -> None:
    folder = write(
        one="---\nvariables: a, b\ncolour: red\n---\n{{a}} {{c}} {{> gone}}",
        two="no head",
        three=b"---\ntitle: \xff\n---\nx",
        four="---\ntitle: T\n---\n{{D}}",
    )
    assert {
        ("prompt.unknown-field", "one.md:3", "'colour: red'"),
        ("prompt.unused-variable", "one.md", "'b'"),
        ("prompt.undeclared-variable", "one.md", "{{c}}"),
        ("prompt.unknown-part", "one.md", "'gone'"),
        ("prompt.no-front-matter", "two.md", ""),
        ("file.not-utf8", "three.md:2", "byte 0xff"),
        ("prompt.invalid-braces", "four.md", "'{{D}}'"),
    } <= set(load_faults(folder))
