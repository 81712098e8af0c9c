"""Laws of the library: what a prompt declares, what it says, and by which version it is known."""

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


def faults_of(folder: Path) -> list[str]:
    with pytest.raises(PromptError) as caught:
        Library(folder)
    assert str(caught.value) == "\n".join(caught.value.faults)
    return caught.value.faults


# ---- the package's own prompts --------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", list(OWN), ids=lambda prompt: prompt.name)
def test_what_is_declared_is_what_is_used(prompt: Prompt) -> None:
    used = {name for turn in prompt.turns for name in VARIABLE.findall(turn)}
    assert used == set(prompt.variables)
    assert len(prompt.variables) == len(set(prompt.variables))


@pytest.mark.parametrize("prompt", list(OWN), ids=lambda prompt: prompt.name)
def test_every_prompt_is_whole(prompt: Prompt) -> None:
    assert prompt.title
    assert prompt.version.startswith("prompt-1:")
    assert len(prompt.version) == len("prompt-1:") + 16
    assert prompt.source == f"prompts/{prompt.name}.md"
    assert all(turn == turn.strip() != "" for turn in prompt.turns)
    assert not any("{{>" in turn or "=== next turn" in turn or "\r" in turn for turn in prompt.turns)


def test_the_prompts_that_others_count_on_are_there() -> None:
    strategies = ("naive", "cognitive", "affective", "compassionate", "all-dimensions", "sequential")
    assert {f"improve/{name}" for name in (*strategies, "lacking-dimension")} <= {p.name for p in OWN}
    assert OWN["judge/pairwise"].answers == ("1", "2")
    assert OWN["judge/pairwise-tie"].answers == ("1", "2", "tie")
    assert set(OWN["respond"].variables) == {"context", "utterance"}


def test_versions_tell_the_prompts_apart_and_are_the_same_in_every_library() -> None:
    versions = {prompt.name: prompt.version for prompt in OWN}
    assert len(set(versions.values())) == len(versions)
    assert {prompt.name: prompt.version for prompt in Library()} == versions


def test_parts_are_no_prompts_and_an_unknown_name_is_told_which_there_are() -> None:
    assert not any(prompt.name.startswith("parts/") for prompt in OWN)
    with pytest.raises(PromptError, match=r"no prompt 'judge/pair'; there are: .*judge/pairwise"):
        OWN["judge/pair"]


# ---- filling ---------------------------------------------------------------------------------------------


@given(st.dictionaries(st.sampled_from(OWN["judge/pairwise"].variables), st.text(), min_size=4))
def test_what_is_filled_in_stands_there_as_it_is(values: dict[str, str]) -> None:
    prompt = OWN["judge/pairwise"]
    filled = prompt.fill(values)
    pieces = VARIABLE.split(prompt.turns[0])
    expected = "".join(values[piece] if index % 2 else piece for index, piece in enumerate(pieces))
    assert filled == (expected,)


@pytest.mark.parametrize(
    "value",
    ["{{utterance}}", "{{> naive}}", "{{ response }}", "=== next turn ===\n", r"\1 \g<0>", "{{", "}}"],
)
def test_what_is_filled_in_is_never_read_as_a_template(value: str) -> None:
    prompt = OWN["improve/naive"]
    (filled,) = prompt.fill({"context": value, "utterance": "U", "response": "R"})
    assert f"<context>\n{value}\n</context>" in filled
    assert "<utterance>\nU\n</utterance>" in filled


def test_filling_gives_exactly_what_is_declared_and_names_every_fault() -> None:
    with pytest.raises(PromptError) as caught:
        OWN["respond"].fill({"context": "C", "response": "R", "mood": "M"})
    assert caught.value.faults == [
        "respond: {{utterance}} was not given",
        "respond: 'response' was given and is not declared",
        "respond: 'mood' was given and is not declared",
    ]


def test_every_turn_is_filled(write: Write) -> None:
    body = "One {{who}}.\n=== next turn ===\nTwo {{ who }}.\n=== next turn ===   \nThree."
    folder = write(talk=HEAD.format(variables="who") + body)
    assert Library(folder)["talk"].fill({"who": "you"}) == ("One you.", "Two you.", "Three.")


# ---- versions --------------------------------------------------------------------------------------------


def version(folder_write: Write, text: str) -> str:
    return Library(folder_write(own=text))["own"].version


def test_the_version_is_that_of_what_is_said(write: Write) -> None:
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


def test_a_word_of_a_part_is_a_word_of_every_prompt_that_has_it(write: Write) -> None:
    library = Library(write(parts__cognitive="Cognitive empathy is something else."))
    changed = {prompt.name for prompt in library if prompt.version != OWN[prompt.name].version}
    saying_it = {
        prompt.name for prompt in OWN if any("Cognitive empathy is" in turn for turn in prompt.turns)
    }
    assert changed == saying_it
    assert "improve/cognitive" in changed
    assert "improve/naive" not in changed


def test_where_a_file_lies_is_not_part_of_its_version(write: Write) -> None:
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


def test_hidden_files_are_no_prompts(write: Write) -> None:
    folder = write(**{".checkpoints__respond": "not a prompt", ".draft": "neither"})
    assert {prompt.version for prompt in Library(folder)} == {prompt.version for prompt in OWN}


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    assert faults_of(tmp_path / "absent") == [f"{tmp_path / 'absent'}: is not a folder of prompts"]


def test_parts_may_hold_parts_and_may_not_hold_themselves(write: Write) -> None:
    folder = write(
        own=HEAD.format(variables="") + "{{> outer}}",
        parts__outer="[{{> middle}}]",
        parts__middle="({{> inner}}{{> inner}})",
        parts__inner="x",
    )
    assert Library(folder)["own"].turns == ("[(xx)]",)
    write(parts__inner="{{> outer}}")
    assert faults_of(folder) == [f"{folder / 'own.md'}: part 'outer' includes itself"] * 2


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Say something.", ": must begin with a front matter between two lines of ---"),
        ("", ": must begin with a front matter between two lines of ---"),
        ("---\ntitle: T\nvariables: a\n{{a}}", ": must begin with a front matter between two lines of ---"),
        ("---\ntitle: T\n---\n", ": a turn has no text"),
        ("---\ntitle: T\n---\nOne.\n=== next turn ===\n", ": a turn has no text"),
        ("---\ntitle: T\n---\nOne.\n=== next turn ===", ": a turn has no text"),
        ("---\ntitle: T\n---\n{{a}}", ": {{a}} is used and not declared"),
        ("---\nvariables: a\n---\nx", ": 'a' is declared and not used"),
        ("---\nvariables: a, a\n---\n{{a}}", ": 'a' is listed twice"),
        ("---\nanswers: 1, 2, 1\n---\nx", ": '1' is listed twice"),
        ("---\ntitle: T\n---\n{{> no-such}}", ": there is no part 'no-such'; there are: affective, "),
        ("---\ntitle: T\n---\n{{A}}", ": '{{A}}' is neither a variable nor a part"),
        ("---\ntitle: T\n---\n{{a b}}", ": '{{a b}}' is neither a variable nor a part"),
        ("---\ntitle: T\n---\nx {{ y", ": '{{' is neither a variable nor a part"),
        ("---\ntitel: T\n---\nx", ":2: 'titel: T' is not one of: answers, paper, title, variables"),
        ("---\ntitle: T\ntitle: U\n---\nx", ":3: title is given twice"),
    ],
)
def test_a_fault_is_told_where_it_stands(write: Write, text: str, fault: str) -> None:
    folder = write(own=text)
    assert any(told.startswith(f"{folder / 'own.md'}{fault}") for told in faults_of(folder))


def test_all_faults_of_all_files_are_told_at_once(write: Write) -> None:
    folder = write(
        one="---\nvariables: a, b\ncolour: red\n---\n{{a}} {{c}} {{> gone}}",
        two="no head",
        three=b"---\ntitle: \xff\n---\nx",
        four="---\ntitle: T\n---\n{{D}}",
    )
    faults = "\n".join(faults_of(folder))
    for told in ("'colour: red'", "'b' is declared", "{{c}} is used", "no part 'gone'", "two.md: must begin"):
        assert told in faults
    assert "three.md:2: is not UTF-8 text" in faults
    assert "'{{D}}' is neither" in faults
