"""Model identity faults in every protocol: other answering models, retirement and shutdown dates."""

from __future__ import annotations

from typing import Any

import pytest

from harness.emulator.config import EmulatorConfig
from tests.errors import user_error
from tests.harness.emulator.conftest import Ask, Start

ASKED = {
    "/v1/chat/completions": ("emulated-gpt-4o", "model"),
    "/v1/messages": ("emulated-claude-sonnet-4-5", "model"),
    "/v1beta/models/emulated-gemini-2.0-flash:generateContent": ("emulated-gemini-2.0-flash", "modelVersion"),
    "/v1/completions": ("emulated-llama-3.1-8b", "model"),
}


def body(path: str, model: str, number: int = 0) -> dict[str, Any]:
    """Return a distinct request for every number, in the format of the path's protocol."""
    if "generateContent" in path:
        return {"contents": [{"role": "user", "parts": [{"text": f"Hello {number}"}]}]}
    if path.endswith("/v1/completions"):
        return {"model": model, "prompt": f"Hello {number}", "max_tokens": 5}
    return {"model": model, "max_tokens": 5, "messages": [{"role": "user", "content": f"Hello {number}"}]}


async def names(ask: Ask, url: str, path: str, times: int) -> list[str]:
    """Return the answering model names of this many requests."""
    model, key = ASKED[path]
    responses = []
    for number in range(times):
        status, content, _ = await ask(url + path, body(path, model, number), anthropic_version="2023-06-01")
        assert status == 200, content
        responses.append(content[key])
    return responses


@pytest.mark.parametrize("path", ASKED)
async def test_another_model_answers_from_a_given_request_on(start: Start, ask: Ask, path: str) -> None:
    running = await start(other_model="successor", other_model_after=3)
    asked = ASKED[path][0]
    assert await names(ask, running.url, path, 4) == [asked, asked, "successor", "successor"]


@pytest.mark.parametrize("path", ASKED)
async def test_a_dated_snapshot_answers(start: Start, ask: Ask, path: str) -> None:
    running = await start(snapshot_suffix="-2024-08-06")
    assert await names(ask, running.url, path, 1) == [f"{ASKED[path][0]}-2024-08-06"]


@pytest.mark.parametrize("path", ASKED)
async def test_a_retired_model_is_a_404(start: Start, ask: Ask, path: str) -> None:
    asked = ASKED[path][0]
    running = await start(retired=f"emulated-o4-mini,{asked}")
    status, content, _ = await ask(running.url + path, body(path, asked), anthropic_version="2023-06-01")
    assert status == 404
    assert "retired" in str(content)


@pytest.mark.parametrize("path", ASKED)
async def test_headers_state_a_shutdown_date(start: Start, ask: Ask, path: str) -> None:
    responses = []
    for options in ({}, {"sunset": "2027-01-14"}):
        running = await start(**options)
        _, _, headers = await ask(
            running.url + path, body(path, ASKED[path][0]), anthropic_version="2023-06-01"
        )
        responses.append((headers.get("Sunset"), headers.get("Deprecation")))
    assert responses == [(None, None), ("Thu, 14 Jan 2027 00:00:00 GMT", "true")]


async def test_the_model_list_states_shutdown_dates(start: Start, ask: Ask) -> None:
    for stated in (None, "2027-01-14"):
        running = await start(**({} if stated is None else {"shutdown_date": stated}))
        _, content, _ = await ask(running.url + "/v1/models")
        assert {model["shutdown_date"] for model in content["data"]} == {stated}


def test_none_of_them_changes_the_definition_hash() -> None:
    faults = EmulatorConfig(
        other_model="x",
        other_model_after=2,
        snapshot_suffix="-001",
        retired="y",
        shutdown_date="2027-01-14",
        sunset="2027-01-14",
    )
    assert faults.definition_hash == EmulatorConfig().definition_hash


@pytest.mark.parametrize(
    ("code", "options"),
    [
        ("option.missing", {"other_model": "x"}),
        ("option.missing", {"other_model_after": 2}),
        ("option.out-of-range", {"other_model": "x", "other_model_after": 0}),
        ("option.invalid-value", {"shutdown_date": "soon"}),
        ("option.invalid-value", {"sunset": "14.1.2027"}),
        ("option.wrong-type", {"retired": 3}),
        ("option.conflict", {"lean": True, "snapshot_suffix": "-001"}),
    ],
)
def test_invalid_options_are_rejected(code: str, options: dict[str, Any]) -> None:
    with user_error(code):
        EmulatorConfig(**options)
