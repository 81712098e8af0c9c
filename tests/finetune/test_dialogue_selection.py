"""Dialogue selection: properties for any ratings, and the real dataset counted independently."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.types import Fidelity, Method
from finetune.dialogue_selection import (
    COMBINED,
    HUMAN,
    IMPROVED,
    INITIAL,
    LLMS,
    LOW_RATED,
    RatedDialogue,
    over_llm,
    partition,
    select_dialogues,
    sft_count,
)
from tests.errors import user_error

COLUMNS = dict(zip(LLMS, ("chatgpt", "llama", "gemini", "mixtral"), strict=True))
METHODS = [(Method.DIRECT, llm) for llm in (*LLMS, COMBINED)] + [
    (Method.OVER_HUMAN, ""),
    (Method.OVER_LLM, ""),
    (LOW_RATED, ""),
]
ratings = st.integers(1, 3)
rated_lists = st.lists(st.tuples(ratings, ratings, ratings, ratings, ratings), max_size=40).map(
    lambda rows: [
        RatedDialogue(f"d{number}", row[0], dict(zip(LLMS, row[1:], strict=True)))
        for number, row in enumerate(rows)
    ]
)


@given(rated_lists, st.sampled_from(METHODS), st.sampled_from(Fidelity), st.integers(0, 3))
def test_properties_of_every_method(
    rated: list[RatedDialogue], choice: tuple[str, str], fidelity: Fidelity, seed: int
) -> None:
    method, llm = choice
    selection = select_dialogues(method, rated, fidelity, llm=llm, seed=seed)
    ids = {rating.dialogue for rating in rated}
    assert {entry.dialogue for entry in (*selection.sft, *selection.dpo)} <= ids
    assert all(entry.chosen != entry.rejected for entry in selection.dpo)
    assert all(len(set(entry.responses)) == len(entry.responses) for entry in selection.sft)
    assert all(len(entry.responses) == (1 if method == LOW_RATED else 2) for entry in selection.sft)
    assert not {entry.dialogue for entry in selection.sft} & {entry.dialogue for entry in selection.dpo}
    repeats = len(LLMS) if llm == COMBINED else 1
    assert (
        max(Counter(entry.dialogue for entry in (*selection.sft, *selection.dpo)).values(), default=0)
        <= repeats
    )
    assert select_dialogues(method, rated, fidelity, llm=llm, seed=seed) == selection


@given(rated_lists)
def test_over_human_and_over_llm_use_every_dialogue(rated: list[RatedDialogue]) -> None:
    for method in (Method.OVER_HUMAN, Method.OVER_LLM):
        selection = select_dialogues(method, rated)
        assert sorted(e.dialogue for e in (*selection.sft, *selection.dpo)) == sorted(
            rating.dialogue for rating in rated
        )


@given(rated_lists)
def test_ours_selects_the_same_dialogues_as_paper(rated: list[RatedDialogue]) -> None:
    for method, llm in METHODS:
        assert select_dialogues(method, rated, Fidelity.OURS, llm=llm) == select_dialogues(
            method, rated, llm=llm
        )


@given(rated_lists)
def test_released_direct_pairs_include_those_of_the_paper(rated: list[RatedDialogue]) -> None:
    for llm in LLMS:
        paper = select_dialogues(Method.DIRECT, rated, llm=llm)
        released = select_dialogues(Method.DIRECT, rated, Fidelity.RELEASED, llm=llm)
        assert set(paper.dpo) <= set(released.dpo)
        assert paper.sft == released.sft


@given(st.integers(0, 5000))
def test_sft_count_keeps_the_ratio_of_the_paper(size: int) -> None:
    share = sft_count(size)
    assert 0 <= share <= size
    assert abs(share - size * 950 / 1750) <= 0.5 or size <= 2
    if size >= 2:
        assert 1 <= share <= size - 1


def test_partition_does_not_depend_on_the_order_of_dialogues() -> None:
    ids = [f"d{number}" for number in range(100)]
    sft, dpo = partition(ids)
    assert (set(sft), set(dpo)) == tuple(map(set, partition(ids[::-1])))
    assert partition(ids, seed=1) != partition(ids, seed=2)


@pytest.mark.parametrize("size", [2, 35, 64, 1750])
def test_released_partition_draws_like_pandas(size: int) -> None:
    frame = pd.DataFrame({"id": [f"d{number}" for number in range(size)]})
    drawn = frame.sample(n=sft_count(size), random_state=42)
    sft, dpo = partition(list(frame["id"]), Fidelity.RELEASED)
    assert list(sft) == list(drawn["id"])
    assert list(dpo) == list(frame.drop(drawn.index)["id"])


def test_over_llm_roles_by_fidelity() -> None:
    ids = ["a", "b", "c"]
    for fidelity, original in (
        (Fidelity.PAPER, INITIAL),
        (Fidelity.OURS, INITIAL),
        (Fidelity.RELEASED, HUMAN),
    ):
        selection = over_llm(ids, fidelity)
        assert {entry.responses for entry in selection.sft} == {(original, IMPROVED)}
        assert {(entry.chosen, entry.rejected) for entry in selection.dpo} == {(IMPROVED, original)}


def test_all_invalid_ratings_are_reported_at_once() -> None:
    rated = [RatedDialogue("a", 4, dict.fromkeys(LLMS, 3)), RatedDialogue("a", 3, {"gpt-4": 3})]
    with user_error("dataset.invalid-ratings") as error:
        select_dialogues(Method.DIRECT, rated)
    codes = [fault.code for fault in error.faults]
    assert sorted(codes) == ["dataset.duplicate-id"] + ["dataset.invalid-rating"] * 4  # a 4, three missing
    with user_error("training-set.unknown-method"):
        select_dialogues("over-both", [])
    with user_error("training-set.unknown-llm"):
        select_dialogues(Method.DIRECT, [], llm="gpt-5")


@pytest.fixture(scope="module")
def train(real_dataset: Path) -> pd.DataFrame:
    """The 1,750 training dialogues, selected with pandas."""
    frame = pd.read_csv(real_dataset)
    rating_columns = [column for column in frame.columns if column.startswith("rating_")]
    return frame[(frame[rating_columns] == 3).sum(axis=1) >= 2].reset_index(drop=True)


@pytest.fixture(scope="module")
def rated(train: pd.DataFrame) -> list[RatedDialogue]:
    return [
        RatedDialogue(
            row["dialog_id"],
            int(row["rating_human"]),
            {llm: int(row[f"rating_{column}_empathy"]) for llm, column in COLUMNS.items()},
        )
        for _, row in train.iterrows()
    ]


def test_selection_sizes_of_the_real_dataset(train: pd.DataFrame, rated: list[RatedDialogue]) -> None:
    assert len(rated) == 1750
    tables = {
        llm: pd.crosstab(train["rating_human"], train[f"rating_{c}_empathy"]) for llm, c in COLUMNS.items()
    }
    paper = {llm: (int(t.loc[3, 3]), int(t.loc[[1, 2], 3].sum())) for llm, t in tables.items()}
    released = {llm: (int(t.loc[3, 3]), int(t.loc[2].sum() + t.loc[1, 3])) for llm, t in tables.items()}
    for fidelity, expected in ((Fidelity.PAPER, paper), (Fidelity.RELEASED, released)):
        for llm in LLMS:
            selection = select_dialogues(Method.DIRECT, rated, fidelity, llm=llm)
            assert (len(selection.sft), len(selection.dpo)) == expected[llm]
        selection = select_dialogues(Method.DIRECT, rated, fidelity)
        assert (len(selection.sft), len(selection.dpo)) == tuple(
            map(sum, zip(*expected.values(), strict=True))
        )
    for fidelity in Fidelity:
        for method in (Method.OVER_HUMAN, Method.OVER_LLM):
            selection = select_dialogues(method, rated, fidelity)
            assert (len(selection.sft), len(selection.dpo)) == (950, 800)
    selection = select_dialogues(LOW_RATED, rated)
    assert (
        (len(selection.sft), len(selection.dpo)) == (int((train["rating_human"] != 3).sum()), 0) == (800, 0)
    )


def test_released_partition_of_the_real_dataset_equals_the_published_one(
    train: pd.DataFrame, rated: list[RatedDialogue]
) -> None:
    drawn = train.sample(n=950, random_state=42)
    selection = select_dialogues(Method.OVER_LLM, rated, Fidelity.RELEASED)
    assert [entry.dialogue for entry in selection.sft] == list(drawn["dialog_id"])
    assert [entry.dialogue for entry in selection.dpo] == list(train.drop(drawn.index)["dialog_id"])


def test_selected_dialogues_of_the_real_dataset(train: pd.DataFrame, rated: list[RatedDialogue]) -> None:
    low = set(train[train["rating_human"].isin([1, 2])]["dialog_id"])
    assert {entry.dialogue for entry in select_dialogues(Method.OVER_HUMAN, rated).dpo} == low
    good = train[(train["rating_human"] == 3) & (train["rating_mixtral_empathy"] == 3)]["dialog_id"]
    selection = select_dialogues(Method.DIRECT, rated, llm="mixtral-8x7b")
    assert [entry.dialogue for entry in selection.sft] == list(good)
