"""Counts of the paper's Figures 3 and 4, checked against an independent computation from the CSV."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from agents.types import Split
from harness.data.dataset import LLMS, RESPONDERS, Dataset, load, read, sample
from harness.data.dataset_summary import (
    VALUES,
    DatasetSummary,
    describe,
    plot,
    render_dataset,
    training_ratings,
)
from harness.data.splits import dialogues_in_split

Rows = list[dict[str, str]]


@pytest.fixture(params=["sample", "real"])
def both(request: pytest.FixtureRequest) -> Iterator[tuple[Rows, DatasetSummary, Dataset]]:
    """Return a file's rows as the csv module reads them, its summary, and the dataset."""
    if request.param == "real":
        content = request.getfixturevalue("real_dataset").read_bytes()
    else:
        content = resources.files("harness.data.sample").joinpath("dialogues.csv").read_bytes()
    rows = list(csv.DictReader(content.decode("utf-8-sig").splitlines(keepends=True), strict=True))
    dataset = read(content, "")
    yield rows, describe(dataset), dataset


def test_figure_3_counts_ratings_by_responder(both: tuple[Rows, DatasetSummary, Dataset]) -> None:
    rows, described, _ = both
    counts = Counter((name, row[f"rating_{name}"]) for row in rows for name in RESPONDERS.values())
    assert described.ratings == {
        name: {value: counts[column, str(value)] for value in VALUES} for name, column in RESPONDERS.items()
    }
    assert {sum(counts.values()) for counts in described.ratings.values()} == {len(rows)}


def test_figure_4_counts_rating_pairs_of_people_and_each_llm(
    both: tuple[Rows, DatasetSummary, Dataset],
) -> None:
    rows, described, _ = both
    for llm in LLMS:
        counts = Counter((row["rating_human"], row[f"rating_{RESPONDERS[llm]}"]) for row in rows)
        assert described.pairs[llm] == {(a, b): counts[str(a), str(b)] for a in VALUES for b in VALUES}
        for value in VALUES:  # the pairs' margins are Figure 3
            assert (
                sum(described.pairs[llm][value, other] for other in VALUES)
                == (described.ratings["human"][value])
            )
            assert (
                sum(described.pairs[llm][other, value] for other in VALUES) == (described.ratings[llm][value])
            )


def test_sizes_sentiments_and_emotions(both: tuple[Rows, DatasetSummary, Dataset]) -> None:
    rows, described, _ = both
    assert described.dialogues == len(rows)
    assert described.sentiments == Counter(row["sentiment"] for row in rows)
    assert described.emotions == Counter(row["emotion"] for row in rows)
    assert list(described.emotions) == sorted(described.emotions)
    assert described.test == sum(
        sum(row[f"rating_{name}"] == "3" for name in RESPONDERS.values()) <= 1 for row in rows
    )


def test_training_responses_have_the_ratings_of_the_file(both: tuple[Rows, DatasetSummary, Dataset]) -> None:
    rows, described, dataset = both
    by_id = {row["dialog_id"]: row for row in rows}
    rated = training_ratings(dataset)
    assert len(rated) == described.dialogues - described.test
    for ratings in rated:
        row = by_id[ratings.dialogue]
        assert ratings.human == int(row["rating_human"])
        assert ratings.llms == {llm: int(row[f"rating_{RESPONDERS[llm]}"]) for llm in LLMS}
    some = dialogues_in_split(dataset, Split.TEST)[:3]
    assert [ratings.dialogue for ratings in training_ratings(dataset, some)] == [
        dialogue.id for dialogue in some
    ]


def test_the_real_figures(real_dataset: Path) -> None:
    described = describe(load(str(real_dataset)))
    assert (described.dialogues, described.test, len(described.emotions)) == (2000, 250, 32)
    assert described.sentiments == {"negative": 1119, "positive": 881}
    assert described.ratings["human"] == {1: 342, 2: 672, 3: 986}
    assert described.ratings["gpt-4"] == {1: 142, 2: 563, 3: 1295}
    assert described.pairs["gpt-4"][3, 3] == 639
    # section 3 of the paper: 3 is every responder's commonest rating, and LLMs have more of them than people
    assert all(described.ratings[name][3] > 1000 for name in LLMS)
    assert all(max(counts, key=lambda value: counts[value]) == 3 for counts in described.ratings.values())


def test_to_dict_has_the_same_values_with_text_keys() -> None:
    described = describe(sample())
    data = render_dataset(described, "x.csv").document
    assert data["train"] + data["test"] == data["dialogues"] == described.dialogues
    assert data["ratings"]["human"] == {str(k): v for k, v in described.ratings["human"].items()}
    assert data["pairs"]["gpt-4"]["1,3"] == described.pairs["gpt-4"][1, 3]


@pytest.mark.parametrize(("suffix", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_both_figures_are_rendered(tmp_path: Path, suffix: str, begins: bytes) -> None:
    plot(describe(sample()), tmp_path / f"figures.{suffix}")
    assert (tmp_path / f"figures.{suffix}").read_bytes().startswith(begins)
