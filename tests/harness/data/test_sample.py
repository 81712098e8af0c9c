"""Sample dataset: it has the real dataset's format and enough data for every method and split."""

from __future__ import annotations

import ast
import csv
from collections import Counter, defaultdict
from importlib import resources
from pathlib import Path

import pytest

RESPONDERS = ("human", "chatgpt_empathy", "llama_empathy", "gemini_empathy", "mixtral_empathy")
MODELS = RESPONDERS[1:]
COLUMNS = [
    "part_no",
    *(f"annotator_{responder}" for responder in RESPONDERS),
    *("dialog_id", "emotion", "sentiment", "plutchik", "situation", "speaker_uttr"),
    *(f"response_{responder}" for responder in RESPONDERS),
    *(f"rating_{responder}" for responder in RESPONDERS),
    *(f"empathy_propensity_{responder}" for responder in RESPONDERS),
    *(f"empathy_arr_{responder}" for responder in RESPONDERS),
]
TEXTS = ["situation", "speaker_uttr", *(f"response_{responder}" for responder in RESPONDERS)]
EMOTIONS = {
    *("afraid", "angry", "annoyed", "anticipating", "anxious", "apprehensive"),
    *("ashamed", "caring", "confident", "content", "devastated", "disappointed"),
    *("disgusted", "embarrassed", "excited", "faithful", "furious", "grateful"),
    *("guilty", "hopeful", "impressed", "jealous", "joyful", "lonely"),
    *("nostalgic", "prepared", "proud", "sad", "sentimental", "surprised"),
    *("terrified", "trusting"),
}
REVERSED_ITEMS = {2, 4, 7, 10, 11, 12, 14, 15}

Row = dict[str, str]


@pytest.fixture(scope="module")
def raw() -> bytes:
    return resources.files("harness.data.sample").joinpath("dialogues.csv").read_bytes()


@pytest.fixture(scope="module")
def rows(raw: bytes) -> list[Row]:
    return list(csv.DictReader(raw.decode("utf-8").splitlines(keepends=True), strict=True))


def threes(row: Row) -> int:
    return sum(row[f"rating_{responder}"] == "3" for responder in RESPONDERS)


def test_the_file_is_small_plain_utf8_with_newline_ends(raw: bytes) -> None:
    assert len(raw) < 200_000
    assert not raw.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in raw
    assert raw.endswith(b"\n")


def test_it_has_the_32_columns_in_the_real_order(raw: bytes) -> None:
    assert len(COLUMNS) == 32
    assert raw.decode("utf-8").split("\n", 1)[0] == ",".join(COLUMNS)


def test_every_row_is_complete_and_stripped(rows: list[Row]) -> None:
    for row in rows:
        assert list(row) == COLUMNS
        for column, value in row.items():
            assert value is not None, (row["dialog_id"], column)
            assert value.strip() == value != "", (row["dialog_id"], column)


def test_the_ids_are_unique_and_in_order(rows: list[Row]) -> None:
    assert [row["dialog_id"] for row in rows] == [f"sample:{n:03d}_conv:{n:03d}" for n in range(1, 65)]


def test_all_32_emotions_occur_twice_each_with_one_tone(rows: list[Row]) -> None:
    assert Counter(row["emotion"] for row in rows) == dict.fromkeys(EMOTIONS, 2)
    tones = {(row["emotion"], row["sentiment"], row["plutchik"]) for row in rows}
    assert len(tones) == 32


def test_no_text_occurs_twice_anywhere(rows: list[Row]) -> None:
    counts = Counter(row[column].casefold() for row in rows for column in TEXTS)
    assert [text for text, count in counts.items() if count > 1] == []
    for row in rows:
        assert len({row[f"response_{responder}"] for responder in RESPONDERS}) == 5


def test_responses_have_8_to_60_words(rows: list[Row]) -> None:
    for row in rows:
        for responder in RESPONDERS:
            assert 8 <= len(row[f"response_{responder}"].split()) <= 60, (row["dialog_id"], responder)


def test_ratings_are_one_to_three_and_all_three_occur_for_each_responder(rows: list[Row]) -> None:
    for responder in RESPONDERS:
        assert {row[f"rating_{responder}"] for row in rows} == {"1", "2", "3"}


def test_14_to_18_dialogues_make_the_test_split(rows: list[Row]) -> None:
    assert 14 <= sum(threes(row) < 2 for row in rows) <= 18


def test_training_has_both_good_and_poor_human_responses_for_each_model(rows: list[Row]) -> None:
    train = [row for row in rows if threes(row) >= 2]
    good = [row for row in train if row["rating_human"] == "3"]
    assert 0.4 <= len(good) / len(train) <= 0.6
    for model in MODELS:
        chosen = [row for row in train if row[f"rating_{model}"] == "3"]
        assert sum(row["rating_human"] == "3" for row in chosen) >= 8, model
        assert sum(row["rating_human"] != "3" for row in chosen) >= 8, model


def test_for_each_model_a_tenth_of_the_human_responses_are_the_longer(rows: list[Row]) -> None:
    """A length-controlled win rate needs at least this many dialogues on each side."""
    test = [row for row in rows if threes(row) < 2]
    for some in (rows, test):
        for model in MODELS:
            longer = sum(len(row["response_human"]) > len(row[f"response_{model}"]) for row in some)
            assert 0.1 <= longer / len(some) <= 0.9, model


def test_parts_are_tens_and_a_rater_has_one_responder_in_one_part(rows: list[Row]) -> None:
    assert [row["part_no"] for row in rows] == [str(n // 10) for n in range(len(rows))]
    places: dict[str, set[tuple[str, str]]] = defaultdict(set)
    answers: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in rows:
        for responder in RESPONDERS:
            rater = row[f"annotator_{responder}"]
            places[rater].add((row["part_no"], responder))
            answers[rater].add((row[f"empathy_propensity_{responder}"], row[f"empathy_arr_{responder}"]))
    assert len(places) == 35
    assert all(len(where) == 1 for where in places.values())
    assert all(len(responders) == 1 for responders in answers.values())


def test_propensity_is_the_sum_of_the_questionnaire(rows: list[Row]) -> None:
    for row in rows:
        for responder in RESPONDERS:
            items = ast.literal_eval(row[f"empathy_arr_{responder}"])
            assert len(items) == 16
            assert set(items) <= {-2, -1, 0, 1, 2}
            signed = [-item if n in REVERSED_ITEMS else item for n, item in enumerate(items, start=1)]
            assert int(row[f"empathy_propensity_{responder}"]) == 32 + sum(signed)


def test_the_sample_resembles_the_real_dataset_and_copies_no_text(
    rows: list[Row], real_dataset: Path
) -> None:
    with real_dataset.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        real = list(reader)
    assert reader.fieldnames == COLUMNS
    tones = {row["emotion"]: (row["sentiment"], row["plutchik"]) for row in real}
    assert all(tones[row["emotion"]] == (row["sentiment"], row["plutchik"]) for row in rows)
    real_texts = {row[column].strip().casefold() for row in real for column in TEXTS}
    assert [row[column] for row in rows for column in TEXTS if row[column].casefold() in real_texts] == []
