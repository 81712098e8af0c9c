"""Judgment tables: accepted input, swapping authors, selecting dialogues."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from results.statistics import JudgmentTable

MakeContest = Callable[..., JudgmentTable]


def test_swapping_twice_is_the_identity(contest: MakeContest) -> None:
    columns = contest(30, samples=2, ties=0.1, unscored=0.1)
    twice = columns.swap_authors().swap_authors()
    np.testing.assert_array_equal(twice.outcome, columns.outcome)
    np.testing.assert_array_equal(twice.a_first, columns.a_first)


def test_swapping_exchanges_the_authors(contest: MakeContest) -> None:
    columns = contest(30, unscored=0.1, soft=True)
    swapped = columns.swap_authors()
    np.testing.assert_array_equal(swapped.outcome, 1 - columns.outcome)
    np.testing.assert_array_equal(swapped.soft, 1 - columns.soft)
    np.testing.assert_array_equal(swapped.a_first, ~columns.a_first)
    np.testing.assert_array_equal(swapped.reason, columns.reason)


def test_selected_dialogues_keep_their_rows_and_get_new_codes(contest: MakeContest) -> None:
    columns = contest(10, samples=2)
    keep = np.arange(10) % 3 == 0
    part = columns.select_dialogues(keep)
    assert part.n_dialogues == 4
    assert set(part.dialogue.tolist()) == {0, 1, 2, 3}
    np.testing.assert_array_equal(part.outcome, columns.outcome[keep[columns.dialogue]])


def test_limit_samples(contest: MakeContest) -> None:
    columns = contest(10, samples=3).limit_samples(2)
    assert sorted(set(columns.sample.tolist())) == [0, 1]
    assert len(columns) == 40


def test_from_frame_equals_from_columns(contest: MakeContest) -> None:
    columns = contest(10, samples=2, unscored=0.2)
    names = ("dialogue", "a_first", "sample", "outcome", "reason")
    frame = pd.DataFrame({name: getattr(columns, name) for name in names})
    again = JudgmentTable.from_frame(frame, n_dialogues=10)
    for name in names:
        np.testing.assert_array_equal(getattr(again, name), getattr(columns, name))


def test_from_frame_requires_its_columns() -> None:
    with pytest.raises(ValueError, match="no column a_first"):
        JudgmentTable.from_frame(pd.DataFrame({"dialogue": [0], "outcome": [1.0]}))


def test_columns_are_read_only(contest: MakeContest) -> None:
    columns = contest(5)
    with pytest.raises(ValueError, match="read-only"):
        columns.outcome[0] = 0.5


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"a_first": [True]}, "a_first has"),
        ({"dialogue": [0, 5]}, "dialogue codes 0 … 5 for 2 dialogues"),
        ({"outcome": [1.0, 0.7]}, "neither 0, ½, 1 nor nan"),
        ({"soft": [0.5, 1.5]}, "soft goes from 0.5 to 1.5"),
        ({"outside": [-0.1, 0.0]}, "outside goes from"),
        ({"outcome": [1.0, np.nan]}, "an unscored one has none"),
        ({"reason": ["", "refused"]}, "a scored row has a reason"),
        ({"dialogue": [0, 0], "a_first": [True, True]}, "1 rows repeat"),
        ({"sample": [0, -1]}, "a sample is -1"),
    ],
)
def test_invalid_judgments(change: dict[str, Any], says: str) -> None:
    good: dict[str, Any] = {
        "dialogue": [0, 1],
        "n_dialogues": 2,
        "a_first": [True, True],
        "sample": [0, 0],
        "outcome": [1.0, 0.0],
        "soft": [np.nan, np.nan],
        "outside": [np.nan, np.nan],
        "reason": ["", ""],
    }
    with pytest.raises(ValueError, match=says):
        JudgmentTable(**(good | change))


def test_a_table_without_rows() -> None:
    columns = JudgmentTable.from_columns([], [], [], n_dialogues=3)
    assert len(columns) == 0
    assert columns.n_dialogues == 3
