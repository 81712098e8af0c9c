"""OpenAI's APIs through the real SDK: completions, log-probabilities, formats and error objects."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import openai
import pytest

from harness.emulator.server import EmulatorServer

Chat = Callable[..., dict[str, Any]]
Start = Callable[..., Awaitable[EmulatorServer]]
SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string", "enum": ["1", "2"]}},
    "required": ["answer"],
    "additionalProperties": False,
}
STRICT = {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": SCHEMA}}


@pytest.fixture
async def sdk(start: Start) -> AsyncIterator[Callable[..., Awaitable[openai.AsyncOpenAI]]]:
    clients: list[openai.AsyncOpenAI] = []

    async def connect(key: str = "any", **options: Any) -> openai.AsyncOpenAI:
        running = await start(**options)
        http = openai.DefaultAioHttpClient()
        clients.append(
            openai.AsyncOpenAI(api_key=key, base_url=running.url + "/v1", max_retries=0, http_client=http)
        )
        return clients[-1]

    yield connect
    for client in clients:
        await client.close()


async def test_a_verdict_with_log_probabilities(sdk: Any, chat: Chat) -> None:
    client = await sdk()
    answer = await client.chat.completions.create(**chat(logprobs=True, top_logprobs=5))
    choice = answer.choices[0]
    assert (choice.message.content in ("1", "2"), choice.finish_reason, answer.model) == (
        True,
        "stop",
        "emulated-gpt-4o",
    )
    (token,) = choice.logprobs.content
    assert token.token == choice.message.content
    assert len(token.top_logprobs) == 5
    assert token.token == token.top_logprobs[0].token or token.logprob < token.top_logprobs[0].logprob
    assert bytes(token.bytes).decode() == token.token
    assert answer.usage.completion_tokens == 1
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 1
    assert answer.usage.prompt_tokens > 100
    assert answer.id.startswith("chatcmpl-")


async def test_texts_limits_and_several_choices(sdk: Any, chat: Chat) -> None:
    client = await sdk()
    answer = await client.chat.completions.create(**chat("improve/affective", n=3, seed=4))
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert all(choice.message.content.startswith("That happens.") for choice in answer.choices)
    cut = await client.chat.completions.create(**chat("respond", max_tokens=4))
    assert (cut.choices[0].finish_reason, cut.usage.completion_tokens) == ("length", 4)


async def test_a_thinking_model_has_its_own_parameters(sdk: Any, chat: Chat) -> None:
    client = await sdk()
    body = chat(model="emulated-o4-mini", response_format=STRICT)
    del body["temperature"]
    with pytest.raises(openai.BadRequestError) as error:
        await client.chat.completions.create(**body)
    assert (error.value.param, error.value.code) == ("max_tokens", "unsupported_parameter")
    body["max_completion_tokens"] = body.pop("max_tokens") * 10
    answer = await client.chat.completions.create(**body)
    assert json.loads(answer.choices[0].message.content)["answer"] in ("1", "2")
    thought = answer.usage.completion_tokens_details.reasoning_tokens
    assert 0 < thought < answer.usage.completion_tokens
    with pytest.raises(openai.BadRequestError) as error:
        await client.chat.completions.create(**body, temperature=0)
    assert (error.value.param, error.value.code) == ("temperature", "unsupported_value")
    with pytest.raises(openai.BadRequestError):
        await client.chat.completions.create(**body, logprobs=True)


async def test_completions_of_a_base_model(sdk: Any, prompt: Callable[..., str]) -> None:
    client = await sdk()
    text = prompt("respond") + "\n\nResponse:"
    asked = {"model": "emulated-llama-3.1-8b", "prompt": text}
    answer = await client.completions.create(**asked, max_tokens=130, logprobs=2)
    choice = answer.choices[0]
    assert choice.text.startswith(" ")
    assert "".join(choice.logprobs.tokens) == choice.text
    assert (
        len(choice.logprobs.token_logprobs)
        == len(choice.logprobs.top_logprobs)
        == answer.usage.completion_tokens
    )
    offsets = choice.logprobs.text_offset
    assert [choice.text[offset : offset + 3] for offset in offsets[:5]] == [
        choice.text[offset:][:3] for offset in offsets[:5]
    ]
    assert offsets[1] == len(choice.logprobs.tokens[0])
    assert choice.finish_reason == "length"
    assert (await client.completions.create(**asked)).usage.completion_tokens == 16
    stopped = await client.completions.create(**asked, max_tokens=4096, stop=["\n"])
    assert (stopped.choices[0].finish_reason, "\n" in stopped.choices[0].text) == ("stop", False)
    with pytest.raises(openai.BadRequestError, match="chat model"):
        await client.completions.create(model="emulated-gpt-4o", prompt=text)
    with pytest.raises(openai.BadRequestError, match="chat template"):
        await client.chat.completions.create(
            model="emulated-llama-3.1-8b", messages=[{"role": "user", "content": "Hi"}]
        )


async def test_only_vllm_accepts_a_choice_constraint(sdk: Any, chat: Chat) -> None:
    client = await sdk()
    constraint = {"structured_outputs": {"choice": ["1", "2"]}, "top_k": 5}
    body = chat(model="emulated-llama-3.1-8b-instruct", max_tokens=5)
    answer = await client.chat.completions.create(
        **body, extra_body=constraint, logprobs=True, top_logprobs=20
    )
    assert {token.token for token in answer.choices[0].logprobs.content[0].top_logprobs} == {"1", "2"}
    with pytest.raises(openai.BadRequestError, match="Unknown parameter"):
        await client.chat.completions.create(**chat(), extra_body=constraint)


async def test_refusals_have_openais_form(sdk: Any, chat: Chat) -> None:
    client = await sdk(refusals=1.0)
    seen = set()
    for number in range(40):
        answer = await client.chat.completions.create(**chat(seed=number))
        choice = answer.choices[0]
        assert not choice.message.content
        seen.add((choice.finish_reason, choice.message.refusal is not None))
    assert seen == {("content_filter", False), ("content_filter", True), ("stop", True)}


async def test_unknown_models_get_a_404(sdk: Any, chat: Chat) -> None:
    client = await sdk()
    for name in ("gpt-4o", "emulated-nobody-9", "emulated-claude-sonnet-4-5"):
        with pytest.raises(openai.NotFoundError) as error:
            await client.chat.completions.create(**chat(model=name))
        assert error.value.code == "model_not_found"
    listed = [model.id for model in (await client.models.list()).data]
    assert listed
    assert all(name.startswith("emulated-") for name in listed)


async def test_only_the_configured_key_is_accepted(sdk: Any, chat: Chat) -> None:
    with pytest.raises(openai.AuthenticationError) as error:
        await (await sdk(key="wrong", api_key="right")).chat.completions.create(**chat())
    assert error.value.code == "invalid_api_key"
    assert "right" not in str(error.value)
    assert await (await sdk(key="right", api_key="right")).chat.completions.create(**chat())


async def test_a_rate_limit_states_the_wait(sdk: Any, chat: Chat) -> None:
    client = await sdk(requests_per_minute=1.0)
    with pytest.raises(openai.RateLimitError) as error:
        for _ in range(4):
            await client.chat.completions.create(**chat())
    headers = error.value.response.headers
    assert 0 < int(headers["retry-after"]) <= 60
    assert headers["x-ratelimit-limit-requests"] == "1"
    assert error.value.code == "rate_limit_exceeded"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"foo": 1}, "foo"),
    ({"messages": []}, "messages"),
    ({"messages": "hello"}, "messages"),
    ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"temperature": 3}, "temperature"),
    ({"temperature": "hot"}, "temperature"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": 10**6}, "max_tokens"),
    ({"max_tokens": 1.5}, "max_tokens"),
    ({"max_completion_tokens": 5}, "max_tokens"),
    ({"top_logprobs": 5}, "top_logprobs"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    ({"n": 0}, "n"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
    ({"stop": 5}, "stop"),
    ({"stream": True}, "stream"),
    ({"response_format": {"type": "json_object"}}, "response_format"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "v", "strict": True,
         "schema": {**SCHEMA, "additionalProperties": True}}}},
        "response_format.json_schema.schema.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "param"), WRONG, ids=[str(list(wrong)) for wrong, _ in WRONG])
async def test_invalid_requests_are_rejected(
    start: Start, ask: Any, chat: Chat, wrong: dict[str, Any], param: str
) -> None:
    running = await start()
    status, error, _ = await ask(running.url + "/v1/chat/completions", {**chat(), **wrong})
    assert status == 400
    assert set(error["error"]) == {"message", "type", "param", "code"}
    assert error["error"]["param"] == param


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"model": 5}', b"\xff\xfe", b'{"a":' * 500 + b"1" + b"}" * 500]
)
async def test_malformed_bodies_are_rejected(start: Start, ask: Any, body: bytes) -> None:
    running = await start()
    for path in ("/v1/chat/completions", "/v1/completions", "/v1/messages"):
        status, error, _ = await ask(running.url + path, body, anthropic_version="2023-06-01")
        assert (status, isinstance(error["error"]["message"], str)) == (400, True)
