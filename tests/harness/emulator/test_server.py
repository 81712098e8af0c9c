"""The complete server: determinism in any order, faults on the wire, and its counters."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from harness.emulator.config import EmulatorConfig
from harness.emulator.fault_injection import FaultKind
from harness.emulator.server import EmulatorServer, serve
from tests.errors import user_error

Chat = Callable[..., dict[str, Any]]
Start = Callable[..., Awaitable[EmulatorServer]]


def _bodies(chat: Chat, prompt: Callable[..., str]) -> list[tuple[str, dict[str, Any]]]:
    asked: list[tuple[str, dict[str, Any]]] = []
    for number in range(12):
        utterance = f"Today, on day {number}, I lost my keys."
        text = prompt("respond", utterance=utterance)
        user = {"role": "user", "content": text}
        claude = {"model": "emulated-claude-sonnet-4-5", "max_tokens": 60, "messages": [user]}
        gemini = {"contents": [{"parts": [{"text": text}]}]}
        asked += [
            ("/v1/chat/completions", chat(utterance=utterance, logprobs=True, top_logprobs=3)),
            ("/v1/completions", {"model": "emulated-llama-3.1-8b", "prompt": text, "max_tokens": 60}),
            ("/v1/messages", claude),
            ("/v1beta/models/emulated-gemini-2.0-flash:generateContent", gemini),
        ]
    return asked


async def test_completions_are_independent_of_order_concurrency_latency_and_server(
    start: Start, ask: Any, chat: Chat, prompt: Callable[..., str]
) -> None:
    asked = [(path, body, f"call-1:{number}") for number, (path, body) in enumerate(_bodies(chat, prompt))]

    async def answers(running: EmulatorServer, order: list[int], *, together: bool) -> list[Any]:
        async def send(number: int) -> Any:
            path, body, key = asked[number]
            status, responses, _ = await ask(
                running.url + path, body, Idempotency_Key=key, anthropic_version="2023-06-01"
            )
            assert status == 200
            return responses

        if together:
            responses = await asyncio.gather(*(send(number) for number in order))
        else:
            responses = [await send(number) for number in order]
        return [answer for _, answer in sorted(zip(order, responses, strict=True), key=lambda pair: pair[0])]

    order = list(range(len(asked)))
    first = await answers(await start(seed=9), order, together=False)
    random.Random(1).shuffle(order)
    other = await start(seed=9, latency_ms=5.0, latency_sigma=1.0)
    assert await answers(other, order, together=True) == first
    assert await answers(other, order, together=True) == first  # and sent again
    assert await answers(await start(seed=10), order, together=True) != first


async def test_faults_end_for_every_key_and_do_not_change_completions(
    start: Start, ask: Any, chat: Chat
) -> None:
    running = await start(seed=2, errors_500=0.25, resets=0.2, malformed=0.2)
    clean = await start(seed=2)
    seen: set[str] = set()

    async def until_answered(number: int) -> tuple[Any, int]:
        for attempt in range(100):
            url = running.url + "/v1/chat/completions"
            try:
                status, responses, headers = await ask(url, chat(seed=number), Idempotency_Key=str(number))
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
                seen.add("reset")
                continue
            except ValueError:
                seen.add("no JSON")
                continue
            if status == 200 and isinstance(responses, dict) and "choices" in responses:
                return responses, attempt
            seen.add(f"{status} {headers['Content-Type'].partition(';')[0]}")
        raise AssertionError("never answered")

    for number in range(30):
        responses, _ = await until_answered(number)
        status, wanted, _ = await ask(
            clean.url + "/v1/chat/completions", chat(seed=number), Idempotency_Key=str(number)
        )
        assert (status, responses) == (200, wanted)
    assert {"reset", "no JSON", "502 text/html", "500 application/json", "503 application/json"} <= seen
    _, stats, _ = await ask(running.url + "/stats")
    assert (stats["unique_keys"], stats["answered_keys"], stats["answered_again"]) == (30, 30, 0)
    assert stats["repeats"] == stats["requests"] - 30


async def _stats_after_disconnect(running: EmulatorServer, ask: Any, body: dict[str, Any]) -> dict[str, Any]:
    """Return the server's counters after a request has arrived and its client has disconnected."""
    asking = asyncio.create_task(ask(running.url + "/v1/chat/completions", body))
    while not (await ask(running.url + "/stats"))[1]["in_flight"]:
        pass  # until it has arrived: each query is a round trip
    asking.cancel()
    while (stats := (await ask(running.url + "/stats"))[1])["in_flight"]:
        pass  # until the server has noticed the disconnect
    assert asking.cancelled()
    responses: dict[str, Any] = stats
    return responses


async def test_a_hang_lasts_until_the_client_disconnects(start: Start, ask: Any, chat: Chat) -> None:
    stats = await _stats_after_disconnect(await start(hangs=1.0), ask, chat())
    assert stats["by_status"] == {FaultKind.HANG.value: 1}
    assert stats["answered_keys"] == 0


async def test_the_server_stops_during_a_hang(start: Start, ask: Any, chat: Chat) -> None:
    running = await start(hangs=1.0)
    asking = asyncio.create_task(ask(running.url + "/v1/chat/completions", chat()))
    while not (await ask(running.url + "/stats"))[1]["in_flight"]:
        pass  # until it has arrived
    async with asyncio.timeout(10):
        await running.close()
        with pytest.raises(aiohttp.ClientError):
            await asking


async def test_a_client_that_disconnects_early_is_counted(start: Start, ask: Any, chat: Chat) -> None:
    stats = await _stats_after_disconnect(await start(latency_ms=60_000.0), ask, chat())
    assert (stats["abandoned"], stats["answered_keys"], stats["unique_keys"]) == (1, 0, 1)


async def test_the_counters(start: Start, ask: Any, chat: Chat) -> None:
    running = await start()
    url = running.url + "/v1/chat/completions"
    for key in ("a", "a", "b"):
        assert (await ask(url, chat(), Idempotency_Key=key))[0] == 200
    assert (await ask(url, chat(seed=1)))[0] == 200
    assert (await ask(url, dict(reversed(chat(seed=1).items()))))[0] == 200  # the same body in another order
    assert (await ask(url, chat(model="gpt-4o")))[0] == 404
    _, stats, _ = await ask(running.url + "/stats")
    assert stats["requests"] == 6
    assert stats["by_model"] == {"emulated-gpt-4o": 5}
    assert stats["by_status"] == {"200": 5, "404": 1}
    assert (stats["unique_keys"], stats["repeats"], stats["answered_again"]) == (3, 2, 2)
    assert (stats["in_flight"], stats["max_in_flight"]) == (0, 1)
    assert stats["output_tokens"] == 5
    _, health, _ = await ask(running.url + "/healthz")
    assert health == {"status": "ok", "definition": EmulatorConfig().definition_hash}


async def test_a_rejected_request_is_not_an_attempt(start: Start, ask: Any, chat: Chat) -> None:
    running = await start(requests_per_minute=0.1)  # two at once, then none for ten minutes
    statuses = []
    for _ in range(5):
        statuses.append((await ask(running.url + "/v1/chat/completions", chat(), Idempotency_Key="k"))[0])
    assert statuses == [200, 200, 429, 429, 429]
    _, stats, _ = await ask(running.url + "/stats")
    assert stats["repeats"] == 1


async def test_a_limit_drops_after_a_number_of_requests(start: Start, ask: Any, chat: Chat) -> None:
    running = await start(requests_per_minute=6000.0, lower_to_rpm=30.0, lower_after_requests=3)
    limits = []
    for _ in range(5):
        _, _, headers = await ask(running.url + "/v1/chat/completions", chat())
        limits.append(headers["x-ratelimit-limit-requests"])
    assert limits == ["6000", "6000", "30", "30", "30"]


async def test_tokens_per_minute_are_limited(start: Start, ask: Any, chat: Chat) -> None:
    running = await start(tokens_per_minute=60.0)
    responses = [await ask(running.url + "/v1/chat/completions", chat()) for _ in range(8)]
    statuses = [status for status, _, _ in responses]
    assert statuses[0] == 200
    assert 429 in statuses
    assert responses[0][2]["x-ratelimit-limit-tokens"] == "60"


async def test_other_paths_and_methods_and_sizes(start: Start, ask: Any, chat: Chat) -> None:
    running = await start()
    for path in ("/", "/v1/embeddings", "/v1/chat/completions", "/v1beta/nothing"):
        status, responses, _ = await ask(running.url + path)
        assert (status, bool(responses["error"]["message"])) == (404, True)
    status, responses, _ = await ask(running.url + "/v1/chat/completions", b" " * (17 * 2**20))
    assert (status, bool(responses["error"]["message"])) == (413, True)


async def test_a_port_in_use_is_a_user_error(start: Start) -> None:
    running = await start()
    for lean in (False, True):
        with user_error("emulator.address-unavailable"):
            await serve(EmulatorConfig(lean=lean), port=running.port)


async def test_closing_twice_is_allowed(start: Start) -> None:
    for lean in (False, True):
        running = await start(lean=lean)
        await running.close()
        await running.close()
