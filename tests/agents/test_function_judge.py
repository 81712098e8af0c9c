"""Identity and verdicts of judges that are Python functions."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from agents.errors import CallError, Failure
from agents.function_judge import FunctionJudge, FunctionJudgeClient
from agents.judge import Judge
from agents.types import Comparison, Dialogue, Preference, Response, Unscored, Verdict
from prompts import Library
from tests.errors import user_error

DIALOGUE = Dialogue("1", "My dog died.", "I lost my dog.", "negative", "sad")
FIRST, SECOND = (Response(DIALOGUE.key, name, f"{name} text", name) for name in ("a", "b"))


def constant(answer: Any, threshold: int = 0) -> Any:
    """Return a judge function that closes over its answer."""

    def judge(dialogue: Dialogue, first: str, second: str, *, over: int = threshold) -> Any:
        return answer

    return judge


def identity(function: Any) -> str:
    """Return the identity of a function's judge."""
    return FunctionJudge.from_function(function).model.identity


def outcome(function: Any) -> Any:
    """Return what a judge function says of the comparison."""
    made = FunctionJudge.from_function(function)
    judge, client = Judge(made.model, Library()["judge/pairwise"]), FunctionJudgeClient(made)
    call = judge.call(Comparison(DIALOGUE, FIRST, SECOND))

    async def complete() -> Any:
        completion = await client.complete(call)
        await client.close()
        return completion

    assert call.read is not None
    return call.read(asyncio.run(complete()), call.key).outcome


@pytest.mark.parametrize(
    ("answer", "preference"),
    [("first", Preference.FIRST), ("second", Preference.SECOND), ("tie", Preference.TIE)],
)
def test_an_answer_is_a_verdict(answer: str, preference: Preference) -> None:
    assert outcome(constant(answer)) == Verdict(preference)


def test_none_is_unscored() -> None:
    assert isinstance(outcome(constant(None)), Unscored)


def test_a_coroutine_function_is_awaited() -> None:
    async def judge(dialogue: Dialogue, first: str, second: str) -> str:
        await asyncio.sleep(0)
        return "second"

    assert outcome(judge) == Verdict(Preference.SECOND)


def test_the_function_gets_the_dialogue_and_the_texts() -> None:
    seen = []

    def judge(dialogue: Dialogue, first: str, second: str) -> str:
        seen.append((dialogue, first, second))
        return "tie"

    judge.version = "1"  # type: ignore[attr-defined]
    outcome(judge)
    assert seen == [(DIALOGUE, "a text", "b text")]


@pytest.mark.parametrize("answer", ["1", "First", 1, True, ""])
def test_another_answer_is_a_failed_attempt(answer: Any) -> None:
    with pytest.raises(CallError) as error:
        outcome(constant(answer))
    assert error.value.failure is Failure.FUNCTION


def test_identity_covers_source_defaults_closure_and_version() -> None:
    assert identity(constant("first")) == identity(constant("first"))
    assert identity(constant("first")) != identity(constant("second"))
    assert identity(constant("first")) != identity(constant("first", threshold=1))
    versioned = constant("first")
    versioned.version = "2"
    assert identity(versioned) != identity(constant("first"))
    other = lambda dialogue, first, second: "first"  # noqa: E731
    assert identity(other) != identity(constant("first"))


def test_a_function_without_source_is_identified_by_its_code() -> None:
    def made(answer: str) -> Any:
        names: dict[str, Any] = {}
        exec(f"def judge(dialogue, first, second):\n    return {answer!r}", names)
        return names["judge"]

    assert identity(made("first")) == identity(made("first"))
    assert identity(made("first")) != identity(made("second"))


def test_a_callable_without_name_or_version_is_refused() -> None:
    bound = partial(constant("first"))
    with user_error("judge.function-name"):
        identity(bound)
    bound.name = "bound"  # type: ignore[attr-defined]
    with user_error("judge.function-version"):
        identity(bound)
    bound.version = "1"  # type: ignore[attr-defined]
    assert identity(bound) == "function-1 1"
    with user_error("judge.function-version"):
        identity(constant(object()))
