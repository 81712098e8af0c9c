"""The client that looks at who answered."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date

import pytest

from agents.errors import CallError, Failure
from agents.messages import Completion
from agents.models.lifecycle import Lifecycle
from agents.models.spec import Model
from harness.engine.response_model_client import ResponseModelClient
from harness.engine.retry import RetryPolicy, StopEndpoint, decide
from tests.harness.engine.conftest import MODEL, Server, answer, question

ELSEWHERE = replace(MODEL, identity="http://gateway/v1")
RETIRED = Lifecycle(date(2020, 1, 1), "openai/next", "https://provider.example", date(2020, 1, 1), True)


def client(model: Model, *names: str, **how: object) -> ResponseModelClient:
    """A client whose answers come under these names, in order."""
    left = list(names)

    def named(_: object) -> Completion:
        return replace(answer(), model=left.pop(0))

    return ResponseModelClient(Server(0.0, otherwise=named), model, **how)  # type: ignore[arg-type]


async def ask(of: ResponseModelClient, times: int) -> list[str]:
    """The names that answered, or the kinds of failure."""
    told = []
    for at in range(times):
        try:
            told.append((await of.complete(question(at))).model)
        except CallError as error:
            told.append(error.failure.name)
    return told


async def test_another_model_at_the_providers_own_address_is_no_answer_and_charged() -> None:
    of = client(MODEL, "gpt-test", "gpt-test-2026-01-31", "", "other")
    assert await ask(of, 3) == ["gpt-test", "gpt-test-2026-01-31", ""]
    with pytest.raises(CallError) as error:
        await of.complete(question(3))
    assert (error.value.failure, error.value.charged, error.value.status) == (Failure.WRONG_MODEL, True, 200)
    assert "'other'" in str(error.value)
    assert "'gpt-test'" in str(error.value)
    assert of.answers == {"gpt-test": 1, "gpt-test-2026-01-31": 1, "": 1, "other": 1}


async def test_elsewhere_names_are_counted_and_nothing_is_refused() -> None:
    of = client(ELSEWHERE, "a", "b", "a")
    assert await ask(of, 3) == ["a", "b", "a"]
    assert of.answers == {"a": 2, "b": 1}


@pytest.mark.parametrize("model", [MODEL, ELSEWHERE])
async def test_one_model_may_be_required_wherever_it_is_asked(model: Model) -> None:
    names = ("gpt-test-2026-01-31", "gpt-test-2026-01-31", "gpt-test-2026-02-28")
    assert (await ask(client(model, *names, require_one=True), 3))[-1] == "WRONG_MODEL"
    assert (await ask(client(model, *names), 3))[-1] == names[-1]
    stored = client(model, *names, require_one=True, expected="gpt-test-2026-02-28")
    assert await ask(stored, 1) == ["WRONG_MODEL"]


async def test_a_retired_model_is_not_asked() -> None:
    of = client(replace(MODEL, lifecycle=RETIRED), "gpt-test")
    with pytest.raises(CallError, match=r"2020-01-01.*openai/next.*--allow-retired") as error:
        await of.complete(question(0))
    assert (error.value.failure, error.value.charged, of.answers) == (Failure.RETIRED, False, {})
    assert await ask(client(replace(MODEL, lifecycle=RETIRED), "gpt-test", allow_retired=True), 1) == [
        "gpt-test"
    ]


@pytest.mark.parametrize("status", [404, 410])
async def test_a_404_names_the_successor_and_the_near_name(status: int) -> None:
    server = Server(0.0, otherwise=lambda _: CallError(Failure.UNKNOWN_MODEL, "gone.", status=status))
    end = replace(RETIRED, confirmed=False)
    of = ResponseModelClient(server, replace(MODEL, lifecycle=end), hint="openai/gpt-tests")
    with pytest.raises(CallError, match=r"gone\..*openai/next.*openai/gpt-tests"):
        await of.complete(question(0))


async def test_what_a_header_says_is_told_once() -> None:
    told: list[str] = []
    server = Server(0.0, otherwise=lambda _: replace(answer(), notice="to be shut down on 2027-01-14"))
    of = ResponseModelClient(server, MODEL, warn=told.append)
    await asyncio.gather(*(of.complete(question(at)) for at in range(5)))
    assert len(told) == 1
    assert "2027-01-14" in told[0]


@pytest.mark.parametrize("failure", [Failure.WRONG_MODEL, Failure.RETIRED])
def test_either_stops_the_endpoint(failure: Failure) -> None:
    assert isinstance(decide(CallError(failure, ""), 1, 0.0, RetryPolicy(), 0.5), StopEndpoint)
