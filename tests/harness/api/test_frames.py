"""Win rate of a DataFrame: the same numbers as from the database, and every fault of a frame at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness
from tests.errors import user_error

FRAME = pandas.DataFrame(
    {
        "dialogue": ["x", "x", "y", "y"],
        "a_first": [True, False, True, False],
        "score_a": [1.0, 0.5, 0.0, None],
    }
)


@pytest.mark.parametrize("judge", ["control/longer", "control/ratings", "control/random"])
def test_stored_judgments_give_the_win_rate_of_their_run(tmp_path: Path, judge: str) -> None:
    with harness.open(tmp_path / "runs.sqlite", data="sample") as session:
        row = session.judge("dataset:gpt-4", "dataset:human", judges=[judge], split="all").win_rates.iloc[0]
        rate = harness.win_rate(session.judgments())
    assert (rate.rate, rate.low, rate.high, rate.n) == (row["win_rate"], row["low"], row["high"], row["n"])
    assert rate.consistency == row["consistency"]


@given(st.lists(st.sampled_from(["first", "second", "tie", None]), min_size=2, max_size=40), st.randoms())
def test_the_three_ways_to_write_a_score_agree(preferences: list[str | None], random: Any) -> None:
    count = len(preferences)
    order = [True, False] * count
    frame = pandas.DataFrame(
        {
            "dialogue": [index // 2 for index in range(count)],
            "a_first": order[:count],
            "preference": preferences,
        }
    )
    score = {"first": 1.0, "second": 0.0, "tie": 0.5, None: np.nan}
    a = [
        score[preference] if a_first else 1 - score[preference]
        for preference, a_first in zip(preferences, order, strict=False)
    ]
    author = {1.0: "a", 0.0: "b", 0.5: "tie"}
    scores = frame.drop(columns="preference").assign(score_a=a)
    authors = frame.drop(columns="preference").assign(preferred=[author.get(value) for value in a])
    shuffled = scores.assign(dialogue=scores["dialogue"].map(str))
    rates = [harness.win_rate(each) for each in (frame, scores, authors, shuffled)]
    for rate in rates[1:]:
        np.testing.assert_equal(
            (rate.rate, rate.low, rate.high, rate.n, rate.order_robust, dict(rate.unscored)),
            (
                rates[0].rate,
                rates[0].low,
                rates[0].high,
                rates[0].n,
                rates[0].order_robust,
                dict(rates[0].unscored),
            ),
        )


def test_dialogues_without_a_row_are_incomplete() -> None:
    rate = harness.win_rate(FRAME, dialogues=10)
    assert (rate.n, rate.incomplete) == (1, 9)
    assert dict(rate.unscored) == {"unscored": 1}


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (FRAME.drop(columns="dialogue"), "frame.missing-column"),
        (FRAME.drop(columns="a_first"), "frame.missing-column"),
        (FRAME.drop(columns="score_a"), "frame.missing-column"),
        (FRAME.assign(score_a=2.0), "frame.score"),
        (FRAME.assign(a_first="yes"), "frame.order"),
        (FRAME.assign(a_first=True), "frame.duplicate"),
        (FRAME.assign(sample=-1), "frame.sample"),
        (FRAME.assign(sample=0.5), "frame.sample"),
        (FRAME.assign(soft_a=1.5), "frame.soft"),
        (FRAME.assign(judge=["p", "q", "p", "q"]), "frame.several-contests"),
        (FRAME.drop(columns="score_a").assign(preferred="A"), "frame.score"),
    ],
)
def test_a_faulty_frame_is_named(frame: pandas.DataFrame, code: str) -> None:
    with user_error("frame.invalid") as error:
        harness.win_rate(frame)
    assert code in error.value.codes


def test_all_faults_of_a_frame_are_named_at_once() -> None:
    frame = FRAME.assign(score_a=2.0, sample=-1, soft_a=3.0)
    with user_error("frame.invalid") as error:
        harness.win_rate(frame)
    assert {"frame.score", "frame.sample", "frame.soft"} <= set(error.value.codes)
