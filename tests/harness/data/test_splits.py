"""Splits: the paper's test split, no overlap, detection of leaks, nested subsets."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.seeded_order import seeded_order, seeded_subset
from agents.types import Dialogue, Rating, Split
from harness.data.dataset import RESPONDERS, Dataset, load, sample
from harness.data.splits import (
    DEVELOPMENT_SHARE,
    SplitOverlap,
    check_no_leak,
    dialogues_in_split,
    is_test,
    overlap,
)
from tests.errors import user_error

RATINGS = st.lists(st.tuples(*[st.integers(1, 3)] * 5), max_size=40)


def dataset_of(ratings: list[tuple[int, ...]]) -> Dataset:
    """Return a dataset with these ratings of its five responders."""
    dialogues = tuple(
        Dialogue(f"id-{number}", f"situation {number}", "Oh.") for number in range(len(ratings))
    )
    record_data = tuple(
        Rating(dialogue.id, name, value, "", "")
        for dialogue, ratings_of_dialogue in zip(dialogues, ratings, strict=True)
        for name, value in zip(RESPONDERS, ratings_of_dialogue, strict=True)
    )
    return Dataset("", "", dialogues, {name: {} for name in RESPONDERS}, record_data)


def numbered(count: int) -> list[Dialogue]:
    return [Dialogue(f"id-{number}", f"situation {number}", "Oh.") for number in range(count)]


def ids(dialogues: list[Dialogue]) -> list[str]:
    return [dialogue.id for dialogue in dialogues]


# -- overlap of test and train ---------------------------------------------------------------------------


def test_near_identical_dialogues_and_shared_workers_are_counted() -> None:
    utterance = "i hate when someone does not take the hint"
    train = [
        Dialogue("hit:1_conv:2", "talking", utterance),
        Dialogue("hit:3_conv:6", "my cat died", "I miss her."),
    ]
    test = [
        Dialogue("hit:9_conv:18", "talking", utterance.replace("does not", "doesnt")),
        Dialogue("hit:3_conv:7", "a new job", "I start on Monday!"),
        Dialogue("other", "a new house", "We move on Monday!"),
    ]
    shared = overlap(train, test)
    assert shared.near_identical == (("hit:9_conv:18", "hit:1_conv:2"),)
    assert shared.same_workers == 1
    assert overlap([], test) == overlap(train, []) == SplitOverlap((), 0)


def test_the_real_splits_share_one_near_identical_dialogue_and_the_workers_of_37(real_dataset: Path) -> None:
    dataset = load(str(real_dataset))
    train, test = dialogues_in_split(dataset, Split.TRAIN), dialogues_in_split(dataset, Split.TEST)
    shared = overlap(train, test)
    assert len(shared.near_identical) == 1
    assert shared.same_workers == 37
    tasks = Counter(dialogue.id.partition("_")[0] for dialogue in train)  # counted independently
    assert sum(dialogue.id.partition("_")[0] in tasks for dialogue in test) == 37


def test_the_size_of_the_test_split_is_250(real_dataset: Path) -> None:
    """Count the paper's "remaining dialogues", and the test dialogues that pass its DPO filter."""
    rated = load(str(real_dataset)).rated.values()
    llms = [name for name in RESPONDERS if name != "human"]
    trains_nothing = {name: sum(ratings[name] != 3 for ratings in rated) for name in llms}
    assert (min(trains_nothing.values()), max(trains_nothing.values())) == (705, 919)
    assert sum(all(ratings[name] != 3 for name in llms) for ratings in rated) == 88
    test = [ratings for ratings in rated if is_test(ratings)]
    assert len(test) == 250
    assert sum(ratings["human"] < 3 and any(ratings[name] == 3 for name in llms) for ratings in test) == 162


# -- laws ----------------------------------------------------------------------------------------------


@given(RATINGS)
def test_test_and_train_are_a_partition_in_the_datasets_order(ratings: list[tuple[int, ...]]) -> None:
    dataset = dataset_of(ratings)
    every = ids(dialogues_in_split(dataset, Split.ALL))
    test, train = (set(ids(dialogues_in_split(dataset, split))) for split in (Split.TEST, Split.TRAIN))
    assert every == ids(list(dataset.dialogues))
    assert test | train == set(every)
    assert not test & train
    for split in (Split.TEST, Split.TRAIN):
        chosen = ids(dialogues_in_split(dataset, split))
        assert chosen == sorted(chosen, key=every.index)
    assert test == {f"id-{number}" for number, values in enumerate(ratings) if Counter(values)[3] < 2}


@given(RATINGS)
def test_development_lies_in_train_and_never_changes(ratings: list[tuple[int, ...]]) -> None:
    dataset = dataset_of(ratings)
    train, development = (dialogues_in_split(dataset, split) for split in (Split.TRAIN, Split.DEVELOPMENT))
    assert set(ids(development)) <= set(ids(train))
    assert len(development) == round(DEVELOPMENT_SHARE * len(train))
    assert development == dialogues_in_split(dataset_of(ratings), Split.DEVELOPMENT)


@given(st.permutations(range(12)), st.integers(0, 12), st.integers(0, 12), st.integers(0, 5))
def test_a_seeded_subset_is_nested_and_depends_on_no_order(
    order: list[int], size: int, other: int, seed: int
) -> None:
    dialogues = numbered(12)
    shuffled = [dialogues[number] for number in order]
    small, large = (seeded_subset(shuffled, n, seed) for n in sorted((size, other)))
    assert large[: len(small)] == small
    assert small == seeded_subset(dialogues, min(size, other), seed)
    assert len(large) == max(size, other)


@given(st.sets(st.integers(0, 19)), st.integers(0, 5))
def test_the_split_of_a_dialogue_depends_on_its_text_only(left_out: set[int], seed: int) -> None:
    dialogues = numbered(20)
    fewer = [dialogue for number, dialogue in enumerate(dialogues) if number not in left_out]
    ordered = seeded_order(dialogues, seed)
    assert seeded_order(fewer, seed) == [dialogue for dialogue in ordered if dialogue in fewer]


def test_seeds_give_different_orders_and_select_every_dialogue() -> None:
    dialogues = numbered(10)
    first = Counter(seeded_subset(dialogues, 1, seed)[0].id for seed in range(2000))
    assert len({tuple(ids(seeded_order(dialogues, seed))) for seed in range(20)}) == 20
    assert set(first) == set(ids(dialogues))
    assert all(140 <= count <= 260 for count in first.values())  # 200 expected, standard deviation 13


# -- leaks ---------------------------------------------------------------------------------------------


@given(st.integers(0, 9), st.sampled_from(["id", "words", "spaced", "shouted", "all"]))
def test_a_planted_leak_is_reported(number: int, kind: str) -> None:
    train, test = numbered(10), [replace(d, id=f"t-{d.id}", utterance="Else.") for d in numbered(5)]
    victim = train[number]
    planted = {
        "id": replace(test[0], id=victim.id),
        "words": replace(victim, id="planted"),
        "spaced": replace(victim, id="planted", situation=f" situation \n {number}\t"),
        "shouted": replace(victim, id="planted", utterance="OH."),
        "all": victim,
    }[kind]
    check_no_leak({"train": train, "test": test})
    with user_error("split.leak") as error:
        check_no_leak({"train": train, "test": [*test, planted]})
    assert {fault.where for fault in error.faults} == {planted.id}
    assert all("in train and in test" in fault.what for fault in error.faults)
    assert len(error.faults) == (2 if kind == "all" else 1)


def test_the_same_situation_with_another_utterance_is_not_a_leak() -> None:
    dialogue = Dialogue("a", "My exam.", "I passed!")
    check_no_leak({"train": [dialogue], "test": [replace(dialogue, id="b", utterance="I failed.")]})
    check_no_leak({"train": [dialogue, dialogue], "test": []})


# -- the files -----------------------------------------------------------------------------------------


def test_the_real_test_split_is_the_papers(real_dataset: Path) -> None:
    with real_dataset.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    good = {
        row["dialog_id"]: [value for name, value in row.items() if name.startswith("rating_")].count("3")
        for row in rows
    }
    dataset = load(str(real_dataset))
    test = dialogues_in_split(dataset, Split.TEST)
    assert ids(test) == [name for name, count in good.items() if count < 2]
    assert len(test) == 250
    assert Counter(dialogue.sentiment for dialogue in test) == {"negative": 170, "positive": 80}
    train, development = (dialogues_in_split(dataset, split) for split in (Split.TRAIN, Split.DEVELOPMENT))
    assert (len(train), len(development)) == (1750, 175)
    assert sum(dataset.rated[dialogue.id]["human"] == 3 for dialogue in train) == 950
    check_no_leak({"train": train, "test": test})
    with user_error("split.leak"):
        check_no_leak({"train": train, "development": development})


def test_the_samples_splits_do_not_leak() -> None:
    dataset = sample()
    check_no_leak({str(split): dialogues_in_split(dataset, split) for split in (Split.TRAIN, Split.TEST)})


@pytest.mark.parametrize(
    ("ratings", "test"), [((3, 3, 1, 1, 1), False), ((3, 2, 2, 2, 2), True), ((1, 1, 1, 1, 1), True)]
)
def test_fewer_than_two_good_ratings_make_a_test_dialogue(ratings: tuple[int, ...], test: bool) -> None:
    assert is_test(dict(zip(RESPONDERS, ratings, strict=True))) is test
