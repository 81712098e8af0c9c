"""Anthropic's messages API through the real SDK: completions, formats, refusals and error objects."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anthropic
import pytest

from harness.emulator.server import EmulatorServer

Start = Callable[..., Awaitable[EmulatorServer]]
MODEL = "emulated-claude-sonnet-4-5"
SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string", "enum": ["1", "2"]}},
    "required": ["answer"],
    "additionalProperties": False,
}


@pytest.fixture
async def sdk(start: Start) -> AsyncIterator[Callable[..., Awaitable[anthropic.AsyncAnthropic]]]:
    clients: list[anthropic.AsyncAnthropic] = []

    async def connect(key: str = "any", **options: Any) -> anthropic.AsyncAnthropic:
        running = await start(**options)
        http = anthropic.DefaultAioHttpClient()
        clients.append(
            anthropic.AsyncAnthropic(api_key=key, base_url=running.url, max_retries=0, http_client=http)
        )
        return clients[-1]

    yield connect
    for client in clients:
        await client.close()


@pytest.fixture
def asked(prompt: Callable[..., str]) -> Callable[..., dict[str, Any]]:
    def body(name: str = "judge/pairwise", **further: Any) -> dict[str, Any]:
        messages = [{"role": "user", "content": prompt(name)}]
        return {"model": MODEL, "max_tokens": 200, "messages": messages, **further}

    return body


async def test_a_verdict_and_a_text(sdk: Any, asked: Any) -> None:
    client = await sdk()
    answer = await client.messages.create(**asked(system="You are a judge."))
    assert (answer.content[0].text in ("1", "2"), answer.stop_reason, answer.model) == (
        True,
        "end_turn",
        MODEL,
    )
    assert answer.usage.output_tokens == 1
    assert answer.usage.input_tokens > 100
    assert answer.id.startswith("msg_")
    assert answer._request_id.startswith("req_")
    cut = await client.messages.create(**asked("respond", max_tokens=3))
    assert (cut.stop_reason, cut.usage.output_tokens) == ("max_tokens", 3)
    stopped = await client.messages.create(**asked("respond", stop_sequences=["."]))
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", ".")


async def test_a_conversation_in_blocks_is_parsed(sdk: Any, asked: Any) -> None:
    client = await sdk()
    body = asked("improve/cognitive")
    body["messages"] = [
        {"role": "user", "content": [{"type": "text", "text": body["messages"][0]["content"]}]},
        {"role": "assistant", "content": "Oh, the poor dog."},
        {
            "role": "user",
            "content": "Generate a new improved response, specifically along the affective dimension.",
        },
    ]
    answer = await client.messages.create(**body)
    assert answer.content[0].text.startswith("Oh, the poor dog. ")


async def test_json_by_a_schema(sdk: Any, asked: Any) -> None:
    client = await sdk()
    config = {"format": {"type": "json_schema", "schema": SCHEMA}}
    answer = await client.messages.create(**asked(output_config=config))
    assert json.loads(answer.content[0].text)["answer"] in ("1", "2")
    config["format"]["schema"] = {
        key: value for key, value in SCHEMA.items() if key != "additionalProperties"
    }
    with pytest.raises(anthropic.BadRequestError, match="additionalProperties"):
        await client.messages.create(**asked(output_config=config))


async def test_a_refusal_has_its_stop_reason_and_no_text(sdk: Any, asked: Any) -> None:
    answer = await (await sdk(refusals=1.0)).messages.create(**asked())
    assert (answer.stop_reason, answer.content) == ("refusal", [])


def _error(raised: anthropic.APIStatusError) -> Any:
    assert isinstance(raised.body, dict)
    return raised.body["error"]


async def test_errors_have_anthropics_form(sdk: Any, asked: Any) -> None:
    with pytest.raises(anthropic.AuthenticationError) as wrong_key:
        await (await sdk(key="wrong", api_key="right")).messages.create(**asked())
    assert _error(wrong_key.value)["type"] == "authentication_error"
    client = await sdk(requests_per_minute=1.0)
    with pytest.raises(anthropic.NotFoundError) as unknown:
        await client.messages.create(**asked(model="claude-x"))
    assert _error(unknown.value) == {"type": "not_found_error", "message": "model: claude-x"}
    with pytest.raises(anthropic.RateLimitError) as limited:
        for _ in range(4):
            await client.messages.create(**asked())
    assert 0 < int(limited.value.response.headers["retry-after"]) <= 60
    assert limited.value.response.headers["anthropic-ratelimit-requests-limit"] == "1"
    assert limited.value.response.headers["anthropic-ratelimit-requests-reset"].endswith("Z")
    listed = [model.id async for model in client.models.list()]
    assert listed == [MODEL]


async def test_newer_models_think_and_take_no_temperature(sdk: Any, asked: Any) -> None:
    client = await sdk()
    newer = asked(model="emulated-claude-opus-5-5")
    with pytest.raises(anthropic.BadRequestError) as refused:
        await client.messages.create(**newer, extra_body={"temperature": 0})
    assert _error(refused.value)["message"] == "`temperature` is deprecated for this model."
    answer = await client.messages.create(**{**newer, "max_tokens": 1000})
    assert (answer.model, answer.content[0].text in ("1", "2")) == ("emulated-claude-opus-5-5", True)
    assert answer.usage.output_tokens > 20


async def test_an_overloaded_server_sends_529(sdk: Any, asked: Any) -> None:
    client = await sdk(errors_500=1.0)
    seen = set()
    for number in range(30):
        with pytest.raises(anthropic.InternalServerError) as error:
            await client.messages.create(**asked(max_tokens=number + 1))
        seen.add(error.value.status_code)
    assert seen == {500, 502, 529}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"temperature": 0, "top_p": 0.9}, "cannot both be specified"),
    ({"temperature": 1.5}, "temperature"),
    ({"seed": 5}, "seed: Extra inputs are not permitted"),
    ({"max_tokens": None}, "max_tokens: Field required"),
    ({"max_tokens": 10**6}, "maximum allowed number of output tokens"),
    ({"model": None}, "model: Field required"),
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "system", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": " "}]}, "non-empty"),
    ({"messages": [{"role": "user"}]}, "Field required"),
    ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "text blocks only"),
    ({"stream": True}, "does not stream"),
    ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "disabled only"),
    ({"output_config": {"format": {"type": "xml"}}}, "json_schema"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG, ids=[message for _, message in WRONG])
async def test_invalid_requests_are_rejected(
    start: Start, ask: Any, asked: Any, wrong: dict[str, Any], message: str
) -> None:
    running = await start()
    url = running.url + "/v1/messages"
    status, error, _ = await ask(url, {**asked(), **wrong}, anthropic_version="2023-06-01")
    assert (status, error["type"], error["error"]["type"]) == (400, "error", "invalid_request_error")
    assert message in error["error"]["message"]
    status, error, _ = await ask(url, asked())
    assert (status, error["error"]["message"]) == (400, "anthropic-version: header is required")
