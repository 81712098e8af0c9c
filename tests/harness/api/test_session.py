"""Sessions of the Python API, in scripts, in a running event loop and in asynchronous code."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.api.async_session import AsyncSession
from harness.api.session import Session
from tests.errors import user_error

PAIR = ("dataset:gpt-4", "dataset:human")
SMALL: dict[str, Any] = {"split": "all", "limit": 9}


def longer(dialogue: Any, first: str, second: str) -> str | None:
    """Prefer the longer response."""
    return None if len(first) == len(second) else "first" if len(first) > len(second) else "second"


async def contrarian(dialogue: Any, first: str, second: str) -> str:
    """Prefer the shorter response."""
    return "first" if len(first) < len(second) else "second"


@pytest.fixture
def session(tmp_path: Path) -> Any:
    with harness.open(tmp_path / "runs.sqlite", data="sample") as opened:
        yield opened


def test_every_name_exists_and_is_documented() -> None:
    for name in harness.__all__:
        assert getattr(harness, name).__doc__
    with pytest.raises(AttributeError, match="nonsense"):
        _ = harness.nonsense


def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    code = "import sys, harness; print('harness.api' in sys.modules, 'pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_both_sessions_have_the_same_methods() -> None:
    def methods(kind: type) -> set[str]:
        return {name for name, value in vars(kind).items() if callable(value) and not name.startswith("_")}

    assert methods(Session) == methods(AsyncSession)
    for name in methods(Session) - {"close"}:
        assert inspect.signature(getattr(Session, name)) == inspect.signature(getattr(AsyncSession, name))
        assert getattr(Session, name).__doc__ == getattr(AsyncSession, name).__doc__


def test_mistakes_are_user_errors(tmp_path: Path, session: Session) -> None:
    with user_error("database.not-found"):
        session.runs()
    with user_error("study.not-found", found="'no-such-study'"):
        session.plan_study("no-such-study", folder=tmp_path)
    with pytest.raises(TypeError, match="rmp"):
        session.judge(*PAIR, judges=["control/longer"], rmp=5)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="rmp"):
        session.plan_study("tiny", folder=tmp_path, rmp=5)  # type: ignore[call-arg]
    assert not any(tmp_path.iterdir())


def test_judged_then_read_back(session: Session) -> None:
    result = session.judge(*PAIR, judges=["control/random"], **SMALL)
    judgments, again = session.judgments(), session.win_rates()
    assert len(judgments) == 18
    assert judgments.groupby("dialogue")["a_first"].sum().eq(1).all()
    assert judgments["score_a"].isin([0.0, 0.5, 1.0]).eq(judgments["unscored"].eq("")).all()
    assert again["win_rate"].tolist() == result.win_rates["win_rate"].tolist()
    assert len(session.runs()) == 1
    assert session.report().lstrip().lower().startswith("<!doctype html>")
    assert result.document["run"] == result.run
    assert "random" in result._repr_html_()
    assert "random" in str(result)


def test_a_running_event_loop_is_no_obstacle(tmp_path: Path) -> None:
    async def cell() -> float:
        with harness.open(tmp_path / "runs.sqlite", data="sample") as session:
            result = session.judge(*PAIR, judges=["control/longer"], **SMALL)
        return float(result.win_rates["win_rate"][0])

    assert 0 <= asyncio.run(cell()) <= 1


async def test_the_asynchronous_session_gives_the_same(tmp_path: Path) -> None:
    async with harness.open_async(tmp_path / "runs.sqlite", data="sample") as session:
        first = await session.judge(*PAIR, judges=["control/longer"], **SMALL)
        second = await session.judge(*PAIR, judges=["control/longer"], **SMALL)
    assert first.run == second.run
    assert first.win_rates["win_rate"].equals(second.win_rates["win_rate"])


@pytest.mark.parametrize("function", [longer, contrarian])
def test_a_function_is_a_judge_whose_verdicts_are_kept(
    session: Session, function: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def counting(dialogue: Any, first: str, second: str) -> Any:
        calls.append(dialogue.id)
        return function(dialogue, first, second)

    counting.name, counting.version = function.__name__, "1"  # type: ignore[attr-defined]
    first = session.judge(*PAIR, judges=[counting], **SMALL)
    assert len(calls) == 18
    again = session.judge(*PAIR, judges=[counting], **SMALL)
    assert len(calls) == 18
    assert again.win_rates["win_rate"].equals(first.win_rates["win_rate"])
    assert first.win_rates["judge"].tolist() == [f"function/{function.__name__}"]
    counting.version = "2"  # type: ignore[attr-defined]
    session.judge(*PAIR, judges=[counting], **SMALL)
    assert len(calls) == 36


def test_a_function_agrees_with_the_control_judge_of_its_rule(session: Session) -> None:
    def longer_in_words(dialogue: Any, first: str, second: str) -> str:
        a, b = len(first.split()), len(second.split())
        return "tie" if a == b else "first" if a > b else "second"

    rates = session.judge(*PAIR, judges=["control/longer", longer_in_words], **SMALL).win_rates
    assert rates["win_rate"].nunique() == 1
    assert rates["low"].nunique() == 1


def test_what_a_function_does_wrong_is_asked_again(session: Session) -> None:
    outcomes = iter(["first"] * 3 + ["neither", ZeroDivisionError()] + ["second"] * 100)

    def careless(dialogue: Any, first: str, second: str) -> Any:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    careless.version = "1"  # type: ignore[attr-defined]
    first = session.judge(*PAIR, judges=[careless], **SMALL)
    assert first.win_rates["n"][0] < 9
    again = session.judge(*PAIR, judges=[careless], **SMALL)
    assert again.win_rates["n"][0] == 9


def test_a_function_may_abstain_as_often_as_it_likes(session: Session) -> None:
    def abstaining(dialogue: Any, first: str, second: str) -> str | None:
        return None

    (contest,) = session.judge(*PAIR, judges=[abstaining], split="all").document["contests"]
    assert sum(contest["unscored"].values()) == contest["expected_judgments"] > 100
    assert contest["not_judged"] == 0


def test_two_different_functions_of_one_name_are_refused(session: Session) -> None:
    def other(dialogue: Any, first: str, second: str) -> str:
        return "first"

    other.name = "longer"  # type: ignore[attr-defined]
    with user_error("judge.function-name", found="'longer'"):
        session.judge(*PAIR, judges=[longer, other], **SMALL)


def test_compare_and_rank(session: Session) -> None:
    for a in ("dataset:gpt-4", "dataset:llama-2-70b"):
        session.judge(a, "dataset:human", judges=["control/longer"], **SMALL)
    compared = session.compare(
        "dataset:gpt-4",
        "dataset:llama-2-70b",
        opponent="dataset:human",
        split="all",
        judges=["control/longer"],
    )
    assert compared.conclusion
    assert len(compared.tables[0]) == 1
    board = session.leaderboard(split="all")
    assert len(board.document["rankings"][0]["authors"]) == 3
    assert session.compare_all(opponent="dataset:human", split="all").document
