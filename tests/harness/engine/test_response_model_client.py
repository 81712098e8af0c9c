"""Response-model client: the answering model is compared with the requested one."""

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
from harness.engine.retrying_client import RetryPolicy, StopEndpoint, decide
from tests.harness.engine.conftest import MODEL, Server, answer, make_request

ELSEWHERE = replace(MODEL, identity="http://gateway/v1")
RETIRED = Lifecycle(date(2020, 1, 1), "openai/next", "https://provider.example", date(2020, 1, 1), True)


def client(model: Model, *names: str, **options: object) -> ResponseModelClient:
    """Return a client whose completions carry these model names, in order."""
    left = list(names)

    def named(_: object) -> Completion:
        return replace(answer(), model=left.pop(0))

    return ResponseModelClient(Server(0.0, otherwise=named), model, **options)  # type: ignore[arg-type]


async def ask(client_for: ResponseModelClient, times: int) -> list[str]:
    """Return the answering names, or the kinds of failure."""
    warnings = []
    for index in range(times):
        try:
            warnings.append((await client_for.complete(make_request(index))).model)
        except CallError as error:
            warnings.append(error.failure.name)
    return warnings


async def test_another_model_at_the_provider_is_an_error_and_charged() -> None:
    client_for = client(MODEL, "gpt-test", "gpt-test-2026-01-31", "", "other")
    assert await ask(client_for, 3) == ["gpt-test", "gpt-test-2026-01-31", ""]
    with pytest.raises(CallError) as error:
        await client_for.complete(make_request(3))
    assert (error.value.failure, error.value.charged, error.value.status) == (Failure.WRONG_MODEL, True, 200)
    assert "'other'" in str(error.value)
    assert "'gpt-test'" in str(error.value)
    assert client_for.answers == {"gpt-test": 1, "gpt-test-2026-01-31": 1, "": 1, "other": 1}


async def test_at_other_addresses_names_are_only_counted() -> None:
    client_for = client(ELSEWHERE, "a", "b", "a")
    assert await ask(client_for, 3) == ["a", "b", "a"]
    assert client_for.answers == {"a": 2, "b": 1}


@pytest.mark.parametrize("model", [MODEL, ELSEWHERE])
async def test_one_model_can_be_required_at_any_address(model: Model) -> None:
    names = ("gpt-test-2026-01-31", "gpt-test-2026-01-31", "gpt-test-2026-02-28")
    assert (await ask(client(model, *names, require_one=True), 3))[-1] == "WRONG_MODEL"
    assert (await ask(client(model, *names), 3))[-1] == names[-1]
    stored = client(model, *names, require_one=True, expected="gpt-test-2026-02-28")
    assert await ask(stored, 1) == ["WRONG_MODEL"]


async def test_a_retired_model_is_not_used() -> None:
    client_for = client(replace(MODEL, lifecycle=RETIRED), "gpt-test")
    with pytest.raises(CallError, match=r"2020-01-01.*openai/next.*--allow-retired") as error:
        await client_for.complete(make_request(0))
    assert (error.value.failure, error.value.charged, client_for.answers) == (Failure.RETIRED, False, {})
    assert await ask(client(replace(MODEL, lifecycle=RETIRED), "gpt-test", allow_retired=True), 1) == [
        "gpt-test"
    ]


@pytest.mark.parametrize("status", [404, 410])
async def test_a_404_names_the_successor_and_a_similar_name(status: int) -> None:
    server = Server(0.0, otherwise=lambda _: CallError(Failure.UNKNOWN_MODEL, "gone.", status=status))
    end = replace(RETIRED, confirmed=False)
    client_for = ResponseModelClient(server, replace(MODEL, lifecycle=end), hint="openai/gpt-tests")
    with pytest.raises(CallError, match=r"gone\..*openai/next.*openai/gpt-tests"):
        await client_for.complete(make_request(0))


async def test_a_deprecation_header_is_reported_once() -> None:
    warnings: list[str] = []
    server = Server(0.0, otherwise=lambda _: replace(answer(), notice="to be shut down on 2027-01-14"))
    client_for = ResponseModelClient(server, MODEL, warn=warnings.append)
    await asyncio.gather(*(client_for.complete(make_request(index)) for index in range(5)))
    assert len(warnings) == 1
    assert "2027-01-14" in warnings[0]


@pytest.mark.parametrize("failure", [Failure.WRONG_MODEL, Failure.RETIRED])
def test_both_errors_stop_the_endpoint(failure: Failure) -> None:
    assert isinstance(decide(CallError(failure, ""), 1, 0.0, RetryPolicy(), 0.5), StopEndpoint)
