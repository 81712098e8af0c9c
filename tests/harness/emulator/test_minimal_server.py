"""Minimal server: its subset of the protocol, verdicts by hash, and its limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import openai
import orjson
import pytest

from harness.emulator.minimal_server import FIRST_SHARE
from harness.emulator.server import EmulatorServer

Chat = Callable[..., dict[str, Any]]
Start = Callable[..., Awaitable[EmulatorServer]]


async def test_the_real_sdk_parses_its_responses(start: Start, chat: Chat) -> None:
    running = await start(lean=True)
    http = openai.DefaultAioHttpClient()
    async with openai.AsyncOpenAI(
        api_key="any", base_url=running.url + "/v1", max_retries=0, http_client=http
    ) as client:
        answer = await client.chat.completions.create(**chat(logprobs=True, top_logprobs=5))
        choice = answer.choices[0]
        assert choice.message.content in ("1", "2")
        assert choice.logprobs is not None
        assert choice.logprobs.content is not None
        assert answer.usage is not None
        assert choice.logprobs.content[0].token == choice.message.content
        assert (answer.model, answer.usage.completion_tokens) == ("emulated-gpt-4o", 1)
        assert (await client.chat.completions.create(**chat())).choices[0].logprobs is None
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(**chat(model="gpt-4o"))


async def test_a_verdict_depends_on_seed_and_body_alone(start: Start, ask: Any, chat: Chat) -> None:
    async def verdicts(seed: int) -> list[str]:
        running = await start(lean=True, seed=seed)
        url = running.url + "/v1/chat/completions"
        responses = await asyncio.gather(*(ask(url, chat(seed=number)) for number in range(300)))
        return [answer["choices"][0]["message"]["content"] for _, answer, _ in responses]

    verdicts_1 = await verdicts(1)
    assert verdicts_1 == await verdicts(1)
    assert verdicts_1 != await verdicts(2)
    assert verdicts_1.count("1") / 300 == pytest.approx(FIRST_SHARE, abs=0.12)


async def test_the_limit_and_the_counters(start: Start, ask: Any, chat: Chat) -> None:
    running = await start(lean=True, requests_per_minute=0.1)  # two at once, then none for ten minutes
    responses = [await ask(running.url + "/v1/chat/completions", chat()) for _ in range(5)]
    assert [status for status, _, _ in responses] == [200, 200, 429, 429, 429]
    refused = responses[2]
    assert refused[1]["error"]["code"] == "rate_limit_exceeded"
    assert 0 < float(refused[2]["retry-after-ms"]) <= 1000 * int(refused[2]["Retry-After"]) <= 600_000
    _, stats, _ = await ask(running.url + "/stats")
    assert stats["by_status"] == {"200": 2, "429": 3}
    assert (await ask(running.url + "/healthz"))[1]["status"] == "ok"
    assert (await ask(running.url + "/v1/messages", {}))[0] == 404


async def test_requests_may_arrive_in_pieces_and_pipelined(start: Start, chat: Chat) -> None:
    running = await start(lean=True)
    body = orjson.dumps(chat())
    request = b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    for piece in (
        request[:10],
        request[10:60],
        request[60:-5],
        request[-5:] + request + request[:7],
        request[7:],
    ):
        writer.write(piece)
        await writer.drain()
    for _ in range(3):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split()[0])
        assert orjson.loads(await reader.readexactly(length))["object"] == "chat.completion"
    writer.close()
    await writer.wait_closed()


async def test_delays_overlap(start: Start, ask: Any, chat: Chat) -> None:
    running = await start(lean=True, latency_ms=600_000.0, latency_sigma=0.1)
    url = running.url + "/v1/chat/completions"
    asking = [asyncio.create_task(ask(url, chat(seed=number))) for number in range(40)]
    while (await ask(running.url + "/stats"))[1]["max_in_flight"] < 40:
        pass  # until all have arrived: each query is a round trip
    for each in asking:
        each.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
