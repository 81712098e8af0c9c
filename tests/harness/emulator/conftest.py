"""Emulator servers for tests, and the project's prompts filled with a dialogue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from harness.emulator.config import EmulatorConfig
from harness.emulator.server import EmulatorServer, serve
from prompts import Library

Start = Callable[..., Awaitable[EmulatorServer]]
Ask = Callable[..., Awaitable[tuple[int, Any, Any]]]
Prompts = Callable[..., str]

UTTERANCE = "My dog died yesterday, right after we came back from the lake."
CONTEXT = "I lost my old dog."
WARM = "I am so sorry. I understand how much that hurts, and I am here for you if you want to talk."
COLD = "That happens. Dogs do not live long."


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start servers, without latency by default, and stop them at the end."""
    running: list[EmulatorServer] = []

    async def begin(**options: Any) -> EmulatorServer:
        running.append(await serve(EmulatorConfig(**{"latency_ms": 0.0, **options})))
        return running[-1]

    yield begin
    for server in running:
        await server.close()


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    """Send JSON (or bytes) with a plain aiohttp client; return (status, JSON or text, headers)."""
    async with aiohttp.ClientSession() as session:

        async def post(url: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            payload: dict[str, Any] = {"data": body} if isinstance(body, bytes) else {"json": body}
            method = "GET" if body is None else "POST"
            async with session.request(
                method, url, headers=named, **(payload if body is not None else {})
            ) as response:
                is_json = response.content_type == "application/json"
                return (
                    response.status,
                    await (response.json() if is_json else response.text()),
                    response.headers,
                )

        yield post


@pytest.fixture(scope="session")
def prompt() -> Prompts:
    """Return the first turn of one of the project's own prompts, filled."""
    library = Library()

    def fill(name: str, **values: str) -> str:
        template = library[name]
        variables = {"context": CONTEXT, "utterance": UTTERANCE, "response": COLD}
        variables |= {"response_1": WARM, "response_2": COLD, **values}
        return template.fill({key: variables[key] for key in template.variables})[0]

    return fill


@pytest.fixture(scope="session")
def chat(prompt: Prompts) -> Callable[..., dict[str, Any]]:
    """Return a chat completions body that asks for a verdict."""

    def body(name: str = "judge/pairwise", model: str = "emulated-gpt-4o", **further: Any) -> dict[str, Any]:
        values = {
            key: further.pop(key) for key in ("utterance", "response_1", "response_2") if key in further
        }
        message = {"role": "user", "content": prompt(name, **values)}
        return {"model": model, "messages": [message], "max_tokens": 200, "temperature": 0, **further}

    return body
