"""What Python code meets at the edges; the notebook's test goes through the middle."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import harness
from agents.errors import UserError
from tests.errors import user_error


def test_everything_that_is_offered_is_there_and_says_what_it_is() -> None:
    for name in harness.__all__:
        assert getattr(harness, name).__doc__
    with pytest.raises(AttributeError, match="nonsense"):
        _ = harness.nonsense


def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    code = "import sys, harness; print('harness.api' in sys.modules, 'pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


async def test_mistakes_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        await harness.open_store(str(tmp_path / "none.sqlite"))
    with user_error("study.not-found", found="'no-such-study'"):
        await harness.plan_study("no-such-study", folder=tmp_path)
    with pytest.raises(TypeError, match="rmp"):
        await harness.plan_study("tiny", folder=tmp_path, rmp=5)
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240  (nothing else runs on this loop)


async def test_what_was_not_scored_is_no_number(tmp_path: Path) -> None:
    """Judged, then read back: every order of every dialogue once, scores of the three kinds or a reason."""
    db = str(tmp_path / "here.sqlite")
    rates = await harness.judge(
        "dataset:gpt-4", "dataset:human", ["control/random"], db=db, data="sample", split="all", limit=9
    )
    async with await harness.open_store(db) as store:
        judgments = await store.judgments()
        again = await store.win_rates()
        runs = await store.runs()
        page = await store.report()
    assert len(judgments) == 18
    assert judgments.groupby("dialogue")["a_first"].sum().eq(1).all()
    assert judgments["score_a"].isin([0.0, 0.5, 1.0]).eq(judgments["unscored"].eq("")).all()
    assert again.drop(columns="cost_usd").equals(rates.drop(columns="cost_usd"))
    assert len(runs) == 1
    assert page.lstrip().lower().startswith("<!doctype html>")
