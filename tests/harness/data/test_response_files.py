"""Files of responses: every format matches the same dialogues, and none matches a wrong one."""

from __future__ import annotations

import csv
import io
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import Fault, InputWarning
from agents.types import Dialogue
from harness.data.dataset import sample
from harness.data.response_files import ResponseTexts, read_answers
from tests.errors import user_error

DIALOGUES = sample().dialogues
TEXTS = [f"I hear you, {number}." for number in range(len(DIALOGUES))]
Write = Callable[[Sequence[Dialogue], Sequence[Any]], bytes]


def table(heading: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([heading, *rows])
    return text.getvalue().encode()


def lines(rows: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def project_jsonl(dialogues: Sequence[Dialogue], texts: Sequence[Any]) -> bytes:
    return lines([{"dialogue_id": d.id, "response": t} for d, t in zip(dialogues, texts, strict=True)])


def by_id(dialogues: Sequence[Dialogue], texts: Sequence[Any]) -> bytes:
    rows = [(d.id, t) for d, t in zip(dialogues, texts, strict=True)]
    return table(("dialogue_id", "response"), rows)


def papers(dialogues: Sequence[Dialogue], texts: Sequence[Any]) -> bytes:
    rows = [(d.situation, d.utterance, t) for d, t in zip(dialogues, texts, strict=True)]
    return table(("context", "speaker_uttr", "response"), rows)


def alpaca(dialogues: Sequence[Dialogue], texts: Sequence[Any]) -> bytes:
    rows = [
        {"instruction": f"{d.situation}\n{d.utterance}", "output": t, "generator": "theirs"}
        for d, t in zip(dialogues, texts, strict=True)
    ]
    return json.dumps(rows, indent=1).encode()


def fastchat(dialogues: Sequence[Dialogue], texts: Sequence[Any]) -> bytes:
    return lines(
        [
            {"question_id": d.id, "model_id": "theirs", "choices": [{"index": 0, "turns": [t]}]}
            for d, t in zip(dialogues, texts, strict=True)
        ]
    )


FORMS: dict[str, Write] = {
    "ours": project_jsonl,
    "by id": by_id,
    "the paper's": papers,
    "alpaca": alpaca,
    "fastchat": fastchat,
}


@pytest.fixture(params=FORMS)
def write(request: pytest.FixtureRequest) -> Write:
    return FORMS[request.param]


def read(content: bytes, name: str = "answers") -> ResponseTexts:
    return read_answers(content, name, DIALOGUES)


def faults_in(content: bytes, name: str = "answers") -> tuple[Fault, ...]:
    with user_error("responses.invalid") as error:
        read(content, name)
    return error.faults


@pytest.fixture(autouse=True)
def _no_warning() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        yield


def test_every_form_finds_the_same_dialogues(write: Write) -> None:
    assert read(write(DIALOGUES, TEXTS)).texts == {
        dialogue.key: text for dialogue, text in zip(DIALOGUES, TEXTS, strict=True)
    }


@given(order=st.permutations(range(12)), mark=st.booleans())
def test_the_order_of_rows_and_a_byte_order_mark_change_nothing(order: list[int], mark: bool) -> None:
    for each in FORMS.values():
        content = each([DIALOGUES[number] for number in order], [TEXTS[number] for number in order])
        texts = read((b"\xef\xbb\xbf" if mark else b"") + content).texts
        assert texts == {DIALOGUES[number].key: TEXTS[number] for number in range(12)}


@pytest.mark.parametrize("wrong", [None, 7, 1.5, True, ["a"], {"a": 1}, "", " \n"])
def test_an_invalid_response_is_reported_with_its_line(write: Write, wrong: Any) -> None:
    if write in (by_id, papers) and not isinstance(wrong, str):
        pytest.skip("a CSV holds text alone")
    faults = faults_in(write(DIALOGUES[:5], [*TEXTS[:3], wrong, TEXTS[4]]))
    assert len(faults) == 1
    assert ":" in faults[0].where


def test_a_second_response_to_a_dialogue_is_reported(write: Write) -> None:
    again = [*DIALOGUES[:4], DIALOGUES[1]]
    [fault] = faults_in(write(again, TEXTS[:5]))
    assert fault.code == "responses.duplicate-dialogue"


def test_an_unknown_dialogue_is_reported(write: Write) -> None:
    stranger = Dialogue("elsewhere", "Something else happened to me that day", "And I am glad of it, truly")
    [fault] = faults_in(write([*DIALOGUES[:2], stranger], TEXTS[:3]))
    assert fault.code == "responses.unknown-dialogue"


def test_another_encoding_is_one_fault(write: Write) -> None:
    assert len(faults_in(write(DIALOGUES, TEXTS).decode().encode("utf-16"))) == 1


SHIFTED: dict[str, Callable[[Dialogue, Dialogue], dict[str, Any]]] = {
    "instruction": lambda named, quoted: {
        "dialogue_id": named.id,
        "instruction": f"Respond. {quoted.situation} {quoted.utterance}",
        "output": "I see.",
    },
    "question": lambda named, quoted: {
        "question_id": named.id,
        "model_id": "m",
        "instruction": quoted.utterance,
        "choices": [{"turns": ["I see."]}],
    },
    "pair": lambda named, quoted: {
        "dialogue_id": named.id,
        "context": quoted.situation,
        "speaker_uttr": quoted.utterance,
        "response": "I see.",
    },
    "situation alone": lambda named, quoted: {
        "dialogue_id": named.id,
        "prompt": f"What would you say? {quoted.situation}",
        "response": "I see.",
    },
}


@pytest.mark.parametrize("form", SHIFTED)
@given(shift=st.integers(1, len(DIALOGUES) - 1))
def test_an_id_of_one_dialogue_and_the_words_of_another_are_a_fault(form: str, shift: int) -> None:
    made = SHIFTED[form]
    rows = [
        made(DIALOGUES[(number + shift) % len(DIALOGUES)], dialogue)
        for number, dialogue in enumerate(DIALOGUES)
    ]
    with user_error("responses.contradictory-dialogue") as error:
        read(lines(rows))
    assert f"{len(DIALOGUES) - 20} more" in error.faults[-1].what
    assert len(read(lines([made(dialogue, dialogue) for dialogue in DIALOGUES])).texts) == len(DIALOGUES)


WRITTEN = {
    "capitals": str.upper,
    "curly quotation marks": lambda text: text.replace("'", "’"),
    "other white space": lambda text: "  ".join(text.split()),
    "no marks": lambda text: "".join(mark if mark.isalnum() else " " for mark in text),
    "words for commas": lambda text: text.replace(",", "_comma_"),
}


@pytest.mark.parametrize("written", WRITTEN)
def test_differences_in_spacing_and_quotes_are_ignored(written: str) -> None:
    form = WRITTEN[written]
    twins = [
        Dialogue(str(number), form(dialogue.situation), form(dialogue.utterance))
        for number, dialogue in enumerate(DIALOGUES)
    ]
    assert list(read(papers(twins, TEXTS)).texts) == [dialogue.key for dialogue in DIALOGUES]
    shifted = [
        {"dialogue_id": dialogue.id, "instruction": f"{twin.situation} {twin.utterance}", "output": "I see."}
        for dialogue, twin in zip(DIALOGUES, [*twins[1:], twins[0]], strict=True)
    ]
    assert len(faults_in(lines(shifted))) == 21


def test_an_instruction_without_a_dialogue_is_matched_by_id() -> None:
    rows = [
        {"dialogue_id": dialogue.id, "instruction": "Be kind.", "output": "I see."} for dialogue in DIALOGUES
    ]
    assert len(read(lines(rows)).texts) == len(DIALOGUES)


def test_dialogues_with_the_same_text_are_matched_in_order() -> None:
    twins = [Dialogue(name, "I took care of a pet", "I took care of a pet") for name in ("one", "two")]
    content = papers(twins, ["first", "second"])
    assert list(read_answers(content, "x.csv", twins).texts.items()) == [
        (twins[0].key, "first"),
        (twins[1].key, "second"),
    ]


OTHER_FILES = {
    "sft.json": json.dumps([{"messages": [{"role": "user", "content": "x"}]}] * 400, indent=4),
    "dpo.json": json.dumps([{"conversations": [], "chosen": {}, "rejected": {}}] * 400, indent=2),
    "batch.jsonl": lines([{"custom_id": "r", "response": {"status_code": 200}}] * 400).decode(),
    "wrapped.json": json.dumps({"model_outputs": [{"output": "x"}]}),
    "win-rate.csv": "context,speaker_uttr,student,base,student_win,base_win\n" + "a,b,c,d,1,0\n" * 400,
    "no-place.csv": "response,rating\n" + "I see,1\n" * 400,
    "arena.jsonl": lines([{"uid": "u", "messages": []}] * 400).decode(),
}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_an_unsupported_file_type_is_one_fault(name: str) -> None:
    with user_error("responses.invalid") as error:
        read(OTHER_FILES[name].encode(), name)
    assert len(error.faults) == 1
    assert "dialogue_id" in error.fault.remedy


def test_additional_turns_and_choices_are_reported() -> None:
    rows = [
        {
            "question_id": dialogue.id,
            "model_id": "m",
            "choices": [{"turns": ["a", "b", "c"]}, {"turns": ["d"]}],
        }
        for dialogue in DIALOGUES[:3]
    ]
    with pytest.warns(InputWarning, match="6 later turns and 3 further choices"):
        assert set(read_answers(lines(rows), "f", DIALOGUES).texts.values()) == {"a"}


@pytest.mark.parametrize("text", ["nan", "None", "null", "N/A", "<NA>", "...", " NaN ", "-", "…"])
def test_a_placeholder_response_is_reported(write: Write, text: str) -> None:
    with pytest.warns(InputWarning, match="1 responses are placeholders"):
        read_answers(write(DIALOGUES[:2], ["I see.", text]), "f", DIALOGUES)


def test_an_unclosed_quotation_mark_hides_no_row() -> None:
    rows = papers(DIALOGUES[:8], TEXTS[:8]).decode().splitlines()
    rows[3] = rows[3].replace("I hear", '"I hear')
    assert faults_in("\n".join(rows).encode())
    rows[5] += '"'
    assert faults_in("\n".join(rows).encode())


def test_responses_that_start_with_their_prompt_are_reported(write: Write) -> None:
    texts = [
        f"Context: {dialogue.situation} \nSpeaker Utterance: {dialogue.utterance} \nOh no."
        for dialogue in DIALOGUES[:3]
    ]
    with pytest.warns(InputWarning, match="3 responses contain their whole dialogue"):
        read_answers(write(DIALOGUES[:4], [*texts, "Oh no."]), "f", DIALOGUES)
