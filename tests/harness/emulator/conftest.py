"""Servers for tests, and the real prompts filled."""

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
    """Starts servers without latency, unless told otherwise, and stops them at the end."""
    running: list[EmulatorServer] = []

    async def begin(**options: Any) -> EmulatorServer:
        running.append(await serve(EmulatorConfig(**{"latency_ms": 0.0, **options})))
        return running[-1]

    yield begin
    for each in running:
        await each.close()


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    """Posts JSON (or bytes) with a plain aiohttp client: (status, JSON or text, headers)."""
    async with aiohttp.ClientSession() as session:

        async def post(url: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            how: dict[str, Any] = {"data": body} if isinstance(body, bytes) else {"json": body}
            method = "GET" if body is None else "POST"
            async with session.request(
                method, url, headers=named, **(how if body is not None else {})
            ) as got:
                is_json = got.content_type == "application/json"
                return got.status, await (got.json() if is_json else got.text()), got.headers

        yield post


@pytest.fixture(scope="session")
def prompt() -> Prompts:
    """The first turn of one of the project's own prompts, filled."""
    library = Library()

    def fill(name: str, **values: str) -> str:
        known = library[name]
        given = {"context": CONTEXT, "utterance": UTTERANCE, "response": COLD}
        given |= {"response_1": WARM, "response_2": COLD, **values}
        return known.fill({key: given[key] for key in known.variables})[0]

    return fill


@pytest.fixture(scope="session")
def chat(prompt: Prompts) -> Callable[..., dict[str, Any]]:
    """A body of OpenAI's chat completions that asks for a verdict."""

    def body(name: str = "judge/pairwise", model: str = "emulated-gpt-4o", **further: Any) -> dict[str, Any]:
        values = {
            key: further.pop(key) for key in ("utterance", "response_1", "response_2") if key in further
        }
        message = {"role": "user", "content": prompt(name, **values)}
        return {"model": model, "messages": [message], "max_tokens": 200, "temperature": 0, **further}

    return body
