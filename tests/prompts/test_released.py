"""Released prompts: exactly the texts of the published scripts."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts import Library, Prompt, PromptError, released
from tests.released_scripts import STRATEGIES, said_by, write_scripts

VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    ["{{context}}", "{context}", "Response 2: x\n", " trailing \n ", "</response_1>", "\\n"]
)
IMPROVE = ("context", "utterance", "response")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("scripts")
    hashes = write_scripts(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(released, "FILES", hashes)
        library = Library(released_folder=folder)
        assert set(released.PROMPTS) <= {prompt.name for prompt in library}
    return library


def filled(prompt: Prompt, *values: str) -> list[tuple[str, str]]:
    turns = prompt.fill(dict(zip(prompt.variables, values, strict=True)))
    system = [("system", prompt.system)] if prompt.system else []
    return [*system, *(("user", turn) for turn in turns)]


@given(values=st.tuples(*[VALUES] * 4))
def test_a_judge_is_asked_exactly_as_the_script_asks(library: Library, values: tuple[str, ...]) -> None:
    names = ("context", "speaker_utterance", "response_1", "response_2")
    expected_turns = said_by(released.GPT4O_JUDGE, **dict(zip(names, values, strict=True)))
    messages = [(message["role"], message["content"]) for message in expected_turns]
    assert filled(library["released/judge/gpt-4o"], *values) == messages
    for name, script in (
        ("gemini", released.GEMINI_JUDGE),
        ("gemini-batch", released.GEMINI_BATCH_JUDGE),
    ):
        text = said_by(script, **dict(zip(names, values, strict=True)))
        assert filled(library[f"released/judge/{name}"], *values) == [("user", text)]


@given(values=st.tuples(VALUES, VALUES))
def test_a_base_is_asked_exactly_as_the_script_asks(library: Library, values: tuple[str, str]) -> None:
    for name, script in (
        ("llama-base", released.LLAMA_BASE),
        ("mistral-base", released.MISTRAL_BASE),
        ("llama-student", released.LLAMA_STUDENT),
        ("mistral-student", released.MISTRAL_STUDENT),
    ):
        text = said_by(script, context=[values[0]], speaker_utterance=[values[1]])
        assert filled(library[f"released/respond/{name}"], *values) == [("user", text)]
    row = {"situation": values[0], "speaker_uttr": values[1]}
    [message] = said_by(released.INITIAL, row=row)
    assert filled(library["released/respond/teacher"], *values) == [("user", message["content"])]


@given(values=st.tuples(VALUES, VALUES, VALUES))
def test_a_teacher_is_asked_exactly_as_the_scripts_ask(
    library: Library, values: tuple[str, str, str]
) -> None:
    row = dict(zip(("situation", "speaker_uttr", "response_human"), values, strict=True))
    for strategy, [message] in zip(STRATEGIES, said_by(released.IMPROVEMENTS, row=row), strict=False):
        prompt = library[f"released/improve/{strategy}"]
        assert prompt.variables == IMPROVE
        assert filled(prompt, *values) == [("user", message["content"])]
    chain = said_by(released.SEQUENTIAL, context=values[0], speaker_utterance=values[1], response=values[2])
    expected_turns = [(message["role"], message["content"]) for message in chain if message["role"] == "user"]
    assert filled(library["released/improve/sequential"], *values) == expected_turns
    assert filled(library["released/improve/cognitive"], *values) == expected_turns[:1]


def test_versions_differ_and_say_that_nothing_is_trimmed(library: Library) -> None:
    prompts = [library[name] for name in released.PROMPTS]
    assert all(prompt.is_exact for prompt in prompts)
    assert len({prompt.version for prompt in prompts}) == len(prompts)
    assert library["released/respond/llama-base"].turns[0].endswith("Response: ")


def test_missing_files_are_reported_with_a_remedy(tmp_path: Path) -> None:
    library = Library(released_folder=tmp_path)
    assert not {prompt.name for prompt in library} & set(released.PROMPTS)
    with pytest.raises(PromptError) as caught:
        library["released/judge/gpt-4o"]
    assert caught.value.code == "prompt.released-missing"
    assert "empathy prompts fetch" in caught.value.faults[0].remedy
    assert len(caught.value.faults) == 1 + len(released.FILES)


@pytest.mark.parametrize("name", sorted(released.FILES))
def test_a_changed_file_is_rejected(released_prompts: Path, name: str) -> None:
    path = released_prompts / name
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(PromptError) as caught:
        Library(released_folder=released_prompts)["released/judge/gpt-4o"]
    _, fault = caught.value.faults
    assert (fault.code, fault.where) == ("prompt.not-published-file", str(path))


@pytest.mark.parametrize(
    "text",
    [
        'prompt = "a" + name',
        'prompt = f"{context!r}"',
        'prompt = f"{context:>4}"',
        'prompt = f"{other[i]}"',
        'prompt = f"{len(context)}"',
        'prompt = "a {{context}}"',
    ],
)
def test_a_prompt_with_other_expressions_is_rejected(text: str) -> None:
    with pytest.raises(PromptError) as caught:
        released.extract_conversations(text)
    (fault,) = caught.value.faults
    assert (fault.code, fault.where) == ("prompt.invalid-script", "line 1")


def test_other_lists_and_names_are_not_prompts() -> None:
    text = 'a = ["x"]\nb = [{"id": 1}]\nc = [{"role": role, "content": "x"}]\nanswer = "y"\nprompt = call()'
    assert released.extract_conversations(text) == []


def test_a_script_is_not_executed() -> None:
    [messages] = released.extract_conversations('raise SystemExit\nprompt = f"Context: {context} "')
    assert messages == (("user", "Context: {{context}} ", ("context",)),)


def test_every_prompt_refers_to_a_hashed_file() -> None:
    assert all(len(digest) == 64 for digest in released.FILES.values())
    assert {location.file for location in released.PROMPTS.values()} == set(released.FILES)


def test_the_published_files() -> None:
    """Check hashes and prompts of the published files, if they have been fetched."""
    folder = Path(os.environ.get(released.ENVIRONMENT, Path(__file__).parents[2] / released.DEFAULT_FOLDER))
    if not folder.is_dir():
        pytest.skip("the released prompts are missing; run: empathy prompts fetch")
    prompts = released.load(folder)
    assert set(prompts) == set(released.PROMPTS)
    for name, expected in released.FILES.items():
        assert sha256((folder / name).read_bytes()).hexdigest() == expected
    same = [
        prompts[f"released/respond/{name}"] for name in ("mistral-base", "llama-student", "mistral-student")
    ]
    assert len({prompt.version for prompt in same}) == 1
    assert prompts["released/judge/gpt-4o"].system
    chain, first = prompts["released/improve/sequential"], prompts["released/improve/cognitive"]
    assert (chain.turns[0], len(chain.turns)) == (first.turns[0], 3)
