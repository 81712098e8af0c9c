"""Reading of the dataset: texts are kept exactly; all faults are reported at once with their lines."""

from __future__ import annotations

import csv
import io
import os
import string
import threading
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import InputWarning, UserError
from agents.files.faults import MAX_FAULTS
from harness.data.dataset import (
    COLUMNS,
    DEFAULT_FOLDER,
    ENVIRONMENT,
    LLMS,
    RESPONDERS,
    Dataset,
    load,
    locate,
    read,
    sample,
    without_comma_words,
)
from tests.errors import user_error

Row = dict[str, str]
SOURCE = "some.csv"


def row_of(number: int, **changes: str) -> Row:
    """Return the fields of a valid row, with changes."""
    row = {name: f"{name} of {number}" for name in COLUMNS}
    row |= {f"rating_{name}": str(1 + (number + index) % 3) for index, name in enumerate(RESPONDERS.values())}
    return row | {"dialog_id": f"id-{number}", "part_no": str(number // 10)} | changes


def written(rows: Sequence[Mapping[str, str]], columns: Sequence[str] = COLUMNS, **form: Any) -> str:
    """Return the rows as CSV text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=form.pop("lineterminator", "\n"), **form)
    writer.writerow(columns)
    writer.writerows([[row.get(name, "more") for name in columns] for row in rows])
    return text.getvalue()


def faults_in(content: bytes | str) -> list[tuple[int, str]]:
    """Return the line and the code of each fault; line 0 stands for the whole file."""
    with pytest.raises(UserError) as caught:
        read(content.encode() if isinstance(content, str) else content, SOURCE)
    error = caught.value
    assert error.fault.where == SOURCE
    faults = []
    for fault in error.faults:
        name, _, line = fault.where.partition(":")
        assert name in (SOURCE, "")
        assert str(fault) in str(error)
        faults.append((int(line or 0), fault.code))
    return faults


# -- laws ----------------------------------------------------------------------------------------------


TEXT = st.text(st.sampled_from(string.ascii_letters + " \t\n\r,;\"'“…é\U0001f642"), min_size=1).filter(
    lambda text: text.strip() != ""
)


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=4), st.sampled_from(["\n", "\r\n"]))
def test_written_datasets_are_read_exactly(texts: list[tuple[str, str, str]], ends: str) -> None:
    names = ("situation", "speaker_uttr", "response_human")
    rows = [row_of(number, **dict(zip(names, fields, strict=True))) for number, fields in enumerate(texts)]
    content = written(rows, lineterminator=ends, quoting=csv.QUOTE_ALL).encode()
    dataset = read(content, SOURCE)
    assert [(d.situation, d.utterance, dataset.texts["human"][d.id]) for d in dataset.dialogues] == texts
    assert dataset.sha256 == sha256(content).hexdigest()
    assert not dataset.is_real


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=12),
    st.lists(st.sampled_from(["rating", "text", "cells"]), min_size=1, max_size=12),
)
def test_every_fault_has_the_first_line_of_its_row(breaks: list[int], kinds: list[str]) -> None:
    lines, text, line = [], written([]), 2
    for number, (newlines, kind) in enumerate(zip(breaks, kinds, strict=False)):
        changes = {"situation": "a" + "\n" * newlines + "b"}
        if kind == "rating":
            changes["rating_human"] = "4"
        elif kind == "text":
            changes["speaker_uttr"] = " \t "
        row = written([row_of(number, **changes)]).split("\n", 1)[1]
        text += row.removesuffix("\n") + (",one more\n" if kind == "cells" else "\n")
        lines.append(line)
        line += 1 + newlines
    assert [where for where, _ in faults_in(text)] == lines


def test_columns_may_have_any_order_with_extra_columns_and_a_byte_order_mark() -> None:
    rows = [row_of(number) for number in range(4)]
    plain = read(written(rows).encode(), SOURCE)
    columns = ["", *reversed(COLUMNS), "plutchik", "another, with a comma"]
    for content in (
        written(rows, columns).encode(),
        written(rows).encode("utf-8-sig"),
        written(rows, lineterminator="\r\n").encode(),
        written(rows).rstrip("\n").encode(),
        written(rows).replace("\n", "\n\n").encode(),
    ):
        other = read(content, SOURCE)
        assert (other.dialogues, other.texts, other.ratings) == (plain.dialogues, plain.texts, plain.ratings)


# -- content -------------------------------------------------------------------------------------------


def test_a_row_becomes_a_dialogue_five_responses_and_five_ratings() -> None:
    dataset = read(written([row_of(7, emotion="proud", sentiment="positive")]).encode(), SOURCE)
    [dialogue] = dataset.dialogues
    assert (dialogue.id, dialogue.emotion, dialogue.sentiment) == ("id-7", "proud", "positive")
    assert (dialogue.situation, dialogue.utterance) == ("situation of 7", "speaker_uttr of 7")
    assert {name: texts["id-7"] for name, texts in dataset.texts.items()} == {
        name: f"response_{column} of 7" for name, column in RESPONDERS.items()
    }
    assert dataset.rated == {"id-7": {r.responder: r.value for r in dataset.ratings}}
    assert [rating.rater for rating in dataset.ratings] == [
        f"annotator_{column} of 7" for column in RESPONDERS.values()
    ]


def test_a_responder_is_an_author_known_by_the_files_content() -> None:
    first, second = (read(written([row_of(number)]).encode(), SOURCE) for number in range(2))
    response_set, responses = first.responses("gpt-4")
    assert (response_set.author, response_set.preset) == ("dataset:gpt-4", "default")
    assert [(r.dialogue, r.text) for r in responses] == [
        (first.dialogues[0].key, "response_chatgpt_empathy of 0")
    ]
    assert len({response_set.id, second.responses("gpt-4")[0].id, first.responses("human")[0].id}) == 3
    with user_error("dataset.unknown-responder", found="'dataset:gpt-5'") as error:
        first.responses("gpt-5")
    assert "dataset:human, dataset:gpt-4, dataset:llama-2-70b" in error.fault.remedy


def as_the_csv_module_reads(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def check_against(dataset: Dataset, rows: list[Row]) -> None:
    assert [d.id for d in dataset.dialogues] == [row["dialog_id"] for row in rows]
    for dialogue, row in zip(dataset.dialogues, rows, strict=True):
        assert (dialogue.situation, dialogue.utterance) == (row["situation"], row["speaker_uttr"])
        assert (dialogue.emotion, dialogue.sentiment) == (row["emotion"], row["sentiment"])
        for name, column in RESPONDERS.items():
            assert dataset.texts[name][dialogue.id] == row[f"response_{column}"]
            assert dataset.rated[dialogue.id][name] == int(row[f"rating_{column}"])


def test_the_written_sample_is_read() -> None:
    dataset = sample()
    assert (len(dataset.dialogues), len(dataset.ratings)) == (64, 320)
    with resources.as_file(resources.files("harness.data.sample").joinpath("dialogues.csv")) as path:
        check_against(dataset, as_the_csv_module_reads(path))


def test_the_real_dataset_is_read(real_dataset: Path) -> None:
    dataset = load(str(real_dataset))
    assert dataset.is_real
    assert (len(dataset.dialogues), len(dataset.ratings)) == (2000, 10_000)
    assert len({rating.rater for rating in dataset.ratings}) == 1000
    check_against(dataset, as_the_csv_module_reads(real_dataset))
    texts = [text for responses in dataset.texts.values() for text in responses.values()]
    assert any(text != text.strip() for text in texts), "white space at the ends is kept"
    assert any("  " in text for text in texts), "and within"


# -- bad input -----------------------------------------------------------------------------------------


def test_an_empty_file_is_refused() -> None:
    with user_error("dataset.empty", found="0 bytes"):
        read(b"", SOURCE)


@pytest.mark.parametrize("content", [b"hello\n", b"a,b\n1,2\n"])
def test_an_unknown_header_is_refused(content: bytes) -> None:
    with user_error("file.missing-columns") as error:
        read(content, SOURCE)
    assert "part_no, dialog_id, emotion" in str(error.value)


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf", b"\n\n", b",,,\n"])
def test_a_blank_file_is_empty(content: bytes) -> None:
    assert faults_in(content) == [(0, "file.empty")]


def test_a_header_without_rows_is_refused() -> None:
    assert faults_in(written([])) == [(0, "dataset.empty")]


def test_missing_columns_are_reported_with_all_other_faults() -> None:
    columns = [name for name in COLUMNS if name not in ("emotion", "rating_human")]
    text = written([row_of(0), row_of(1, rating_llama_empathy="0")], columns)
    assert faults_in(text) == [(1, "file.missing-columns"), (3, "dataset.invalid-rating")]
    with user_error("file.missing-columns") as error:
        read(text.encode(), SOURCE)
    assert "emotion, rating_human" in str(error.value)


def test_a_duplicate_column_is_refused() -> None:
    assert faults_in(written([row_of(0)], [*COLUMNS, "situation"])) == [(1, "file.duplicate-columns")]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_another_delimiter_is_one_fault(delimiter: str) -> None:
    text = written([row_of(number, situation="with, a comma") for number in range(3)], delimiter=delimiter)
    assert faults_in(text) == [(1, "file.wrong-delimiter")]
    with user_error("file.wrong-delimiter") as error:
        read(text.encode(), SOURCE)
    assert repr(delimiter) in str(error.value)


@pytest.mark.parametrize("value", ["0", "4", "", " ", "three", "2.5", "-1", "nan", "²"])
def test_a_rating_outside_one_to_three(value: str) -> None:
    text = written([row_of(0), row_of(1, rating_human=value, rating_mixtral_empathy=value)])
    assert faults_in(text) == [
        (3, "dataset.invalid-rating"),
        (3, "dataset.invalid-rating"),
    ]


def test_duplicate_ids_are_reported_beside_other_faults() -> None:
    rows = [
        row_of(0, dialog_id="a", situation="two\nlines", rating_human="9"),
        row_of(1, dialog_id="b"),
        row_of(2, dialog_id=" a "),
        row_of(3, dialog_id="a"),
    ]
    assert faults_in(written(rows)) == [
        (2, "dataset.invalid-rating"),
        (5, "dataset.duplicate-id"),
        (6, "dataset.duplicate-id"),
    ]
    with user_error("dataset.duplicate-id", found="a, as on line 2"):
        read(written(rows).encode(), SOURCE)


@pytest.mark.parametrize("name", ["dialog_id", "situation", "speaker_uttr", "response_gemini_empathy"])
@pytest.mark.parametrize("empty", ["", "  ", "\n", "\u00a0"])
def test_empty_text(name: str, empty: str) -> None:
    assert faults_in(written([row_of(0), row_of(1, **{name: empty})])) == [(3, "dataset.empty-cell")]


def test_every_line_of_another_encoding_beside_the_other_faults() -> None:
    rows = [
        row_of(0, situation="one\ntwo“"),
        row_of(1, rating_human="7"),
        row_of(2),
        row_of(3, situation="café"),
    ]
    faults = faults_in(written(rows).encode("cp1252"))
    assert faults == [
        (3, "file.not-utf8"),
        (4, "dataset.invalid-rating"),
        (6, "file.not-utf8"),
    ]
    with user_error("file.not-utf8") as error:
        read(written(rows).encode("cp1252"), SOURCE)
    assert "0x93" in str(error.value)


@pytest.mark.parametrize("content", [written([row_of(0)]).encode("utf-16"), b"PK\3\4\0\0 \xff\n\xff\n"])
def test_a_file_of_another_kind_is_one_fault(content: bytes) -> None:
    assert faults_in(content) == [(1, "file.not-utf8")]


def test_a_file_truncated_in_quotes_reports_the_first_line_of_the_row() -> None:
    rows = [
        row_of(0, situation="one\ntwo"),
        row_of(1, rating_human="5"),
        row_of(2, situation="a\nb\nc, " * 9),
    ]
    text = written(rows)
    cut = text[: text.index("c, a")]
    faults = faults_in(cut)
    assert faults == [(4, "dataset.invalid-rating"), (5, "file.unclosed-quote")]


def test_a_file_truncated_outside_quotes_is_refused() -> None:
    text = written([row_of(number) for number in range(3)])
    cut = text[: text.rindex("response_human of 2")]
    assert faults_in(cut) == [(4, "file.wrong-cell-count")]


def test_an_unclosed_quote_in_a_long_file_is_refused() -> None:
    text = written([row_of(number) for number in range(600)]).replace("situation of 3", '"situation of 3', 1)
    assert len(text) > 1.5 * csv.field_size_limit()
    assert [line for line, _ in faults_in(text)] == [5]


def test_the_real_file_truncated_within_a_row_is_refused(real_dataset: Path) -> None:
    content = real_dataset.read_bytes()
    for number in (1000, len(content) // 3, len(content) - 1000, len(content) - 3):
        if content[:number].endswith(b"\n"):
            continue
        with user_error("dataset.invalid"):
            read(content[:number], SOURCE)


def test_very_many_faults_are_counted() -> None:
    faults = faults_in(written([row_of(number, rating_human="8") for number in range(MAX_FAULTS + 7)]))
    assert faults[-2:] == [(MAX_FAULTS + 1, "dataset.invalid-rating"), (0, "")]


# -- location ------------------------------------------------------------------------------------------


def test_an_option_precedes_the_environment_and_the_default_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("given.csv", "environment.csv", str(DEFAULT_FOLDER)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(written([row_of(0, dialog_id=name)]))
    environ = {ENVIRONMENT: "environment.csv"}
    assert [
        load(*arguments).dialogues[0].id
        for arguments in (("given.csv", environ), (None, environ), (None, {}))
    ] == [
        "given.csv",
        "environment.csv",
        str(DEFAULT_FOLDER),
    ]
    assert load("sample", environ) == load(None, {ENVIRONMENT: "sample"}) == sample()


def test_a_missing_dataset_names_the_download_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with user_error("dataset.not-found", where="") as error:
        locate(None, {})
    assert "empathy data fetch" in error.fault.remedy
    with user_error("dataset.not-found", where=ENVIRONMENT, found="none.csv"):
        locate(None, {ENVIRONMENT: "none.csv"})
    for path in ("none.csv", str(tmp_path), "x" * 5000):
        with user_error("dataset.not-found", where="--data", found=path):
            locate(path, {})


def test_llms_are_all_responders_except_humans() -> None:
    assert sorted([*LLMS, "human"]) == sorted(RESPONDERS)


def test_a_dataset_can_be_read_from_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = written([row_of(number) for number in range(3)]).encode()
    writer = threading.Thread(target=pipe.write_bytes, args=(content,), daemon=True)
    writer.start()
    assert len(load(str(pipe)).dialogues) == 3
    writer.join()


def test_encoded_commas_are_reported_and_can_be_decoded() -> None:
    content = written([row_of(0, situation="I waited_comma_ long_comma_ alone."), row_of(1)]).encode()
    with pytest.warns(InputWarning, match="1 texts contain _comma_"):
        read(content, SOURCE)
    text, count = without_comma_words(content, SOURCE)
    assert count == 2
    assert read(text.encode(), SOURCE).dialogues[0].situation == "I waited, long, alone."
