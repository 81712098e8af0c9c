"""Leaderboards in which one author won everything: open interval ends and positive widths."""

from __future__ import annotations

import csv
import io

import numpy as np
import orjson
import pytest

from agents.types import ResponseSet
from results.analysis.leaderboard import ContestScore, JudgeRanking, Leaderboard
from results.render.leaderboard import (
    alpaca_eval_csv,
    leaderboard_csv,
    leaderboard_markdown,
    ranking_table,
    render_leaderboard,
)
from results.statistics import strengths
from results.statistics.intervals import standard_error


def ranking(scores: list[float]) -> JudgeRanking:
    """Return a ranking of two authors, the first with these scores."""
    n = len(scores)
    zeros, result = np.zeros(n, dtype=int), np.array(scores)
    authors = tuple(ResponseSet(f"set-1:{name}", name, "default", "") for name in ("best", "other"))
    wins, error = int((result > 0.5).sum()), standard_error(result)
    return JudgeRanking(
        judge="a judge",
        judge_id="judge-1:x",
        authors=authors,
        names=("best", "other"),
        strengths=strengths(zeros, zeros + 1, result, np.arange(n), 2, seed=0),
        rates=np.array([result.mean(), 1 - result.mean()]),
        order_robust=np.array([[result.mean()] * 2, [1 - result.mean()] * 2]),
        scores=(
            ContestScore(authors[0].id, authors[1].id, wins, n - wins, 0, float(result.mean()), error),
            ContestScore(authors[1].id, authors[0].id, n - wins, wins, 0, 1 - float(result.mean()), error),
        ),
        same_family=frozenset(),
        emulated=False,
    )


def board(scores: list[float]) -> Leaderboard:
    return Leaderboard("test", (ranking(scores),), 0)


def test_unbounded_interval_ends_are_null() -> None:
    won = board([1.0] * 250)
    best, other = orjson.loads(orjson.dumps(render_leaderboard(won).document))["rankings"][0]["authors"]
    assert (best["high"], other["low"]) == (None, None)
    assert best["low"] - other["high"] == pytest.approx(731.1, abs=0.1)
    assert -other["gap"]["high"] == pytest.approx(731.1, abs=0.1)
    assert best["reference"] == "best"
    assert 0.98 < best["preferred"]["low"] < best["preferred"]["high"] == 1.0
    markdown = leaderboard_markdown(won)
    assert "1366 and up" in markdown
    assert "634 and down" in markdown
    first = next(csv.DictReader(io.StringIO(leaderboard_csv(won))))
    assert (first["high"], first["rank_low"], first["rank_high"]) == ("", "1", "1")
    assert render_leaderboard(won).tables


@pytest.mark.parametrize("scores", [[1.0] * 5, [0.5] * 250, [1.0], [1.0, 0.0] * 20])
def test_uninformative_scores_leave_both_ranks_open(scores: list[float]) -> None:
    rows = ranking_table(ranking(scores)).records()
    assert {(row["rank_low"], row["rank_high"]) for row in rows} == {(1, 2)}
    assert [row["rank"] for row in rows] == ([1, 1] if np.mean(scores) == 0.5 else [1, 2])
    assert all(row["low"] is None or row["high"] is None or row["low"] < row["high"] for row in rows)


@pytest.mark.parametrize("scores", [[1.0], [1.0] * 250, [0.5] * 9, [1.0, 0.0] * 20])
def test_alpaca_standard_error_is_positive(scores: list[float]) -> None:
    (row,) = csv.DictReader(io.StringIO(alpaca_eval_csv(ranking(scores), "other", {})))
    assert float(row["standard_error"]) > 0
