"""Clients of both kinds for every protocol, the emulator, and small servers that misbehave."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from agents.clients.base import ModelClient, ModelRequest
from agents.clients.http import LIBRARIES, LIBRARY_VARIABLE, HttpClient, open_session
from agents.clients.http_transport import HttpSession
from agents.clients.sdk import SdkClient
from agents.errors import CallError
from agents.messages import Message, Sampling
from agents.models.spec import ApiProtocol, Capabilities, Model
from harness.emulator.config import EmulatorConfig
from harness.emulator.server import EmulatorServer, serve

KEY = "sk-test-0123456789abcdef"
KEY_ENV = "TEST_API_KEY"


@dataclass(frozen=True)
class Way:
    """One protocol: a model of the emulator's that speaks it, and where its base URL ends."""

    protocol: ApiProtocol
    provider: str
    name: str
    suffix: str
    capabilities: Capabilities

    def model(self, root: str, **changed: Any) -> Model:
        """The model at a server's root."""
        values = {"name": self.name, "base_url": root + self.suffix, "key_env": KEY_ENV, **changed}
        return Model(provider=self.provider, protocol=self.protocol, capabilities=self.capabilities, **values)


WAYS = [
    Way(
        ApiProtocol.OPENAI_CHAT,
        "openai",
        "emulated-gpt-4o",
        "/v1",
        Capabilities(max_top_logprobs=20, seed=True),
    ),
    Way(
        ApiProtocol.OPENAI_COMPLETIONS,
        "vllm",
        "emulated-llama-3.1-8b",
        "/v1",
        Capabilities(max_top_logprobs=20),
    ),
    Way(ApiProtocol.ANTHROPIC_MESSAGES, "anthropic", "emulated-claude-sonnet-4-5", "", Capabilities()),
    Way(
        ApiProtocol.GEMINI_GENERATE,
        "google",
        "emulated-gemini-2.0-flash",
        "/v1beta",
        Capabilities(max_top_logprobs=20, seed=True),
    ),
]

Client = Callable[..., ModelClient]
Start = Callable[..., Awaitable[EmulatorServer]]
Serve = Callable[..., Awaitable[str]]


@pytest.fixture(autouse=True)
def _straight_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy on the way, no name server asked (`.invalid` is never a name), no certificates loaded."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **named: Any) -> Any:
        if str(host).endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    # each client of an SDK reads all of the machine's authorities, 20 ms; here nobody shows a certificate
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *_, **__: None)


@pytest.fixture(params=WAYS, ids=lambda way: str(way.protocol))
def way(request: pytest.FixtureRequest) -> Way:
    """Each protocol."""
    chosen: Way = request.param
    return chosen


def require_library(name: str) -> str:
    """Skip the test where an HTTP library is not installed."""
    if name != "aiohttp":
        pytest.importorskip(name)
    return name


@pytest.fixture(params=[*LIBRARIES, "sdk"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of client: plain HTTP with each library, and the SDKs."""
    return "sdk" if request.param == "sdk" else require_library(request.param)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Makes clients of a kind ("http": the default library); closes them and their sessions at the end."""
    sessions: dict[str, HttpSession] = {}
    made: list[ModelClient] = []

    def make(kind: str, model: Model, key: str = KEY, timeout_seconds: float = 300.0) -> ModelClient:
        if kind == "sdk":
            made.append(SdkClient(model, key, timeout_seconds))
            return made[-1]
        if kind not in sessions:
            sessions[kind] = open_session(environ={} if kind == "http" else {LIBRARY_VARIABLE: kind})
        made.append(HttpClient(model, key, sessions[kind], timeout_seconds))
        return made[-1]

    yield make
    for each in (*made, *sessions.values()):
        await each.close()
        await each.close()  # closing is idempotent


@pytest.fixture
async def emulator() -> AsyncIterator[Start]:
    """Starts emulators without latency."""
    running: list[EmulatorServer] = []

    async def begin(**options: Any) -> EmulatorServer:
        running.append(await serve(EmulatorConfig(**{"latency_ms": 0.0, **options})))
        return running[-1]

    yield begin
    for each in running:
        await each.close()


@pytest.fixture
async def server() -> AsyncIterator[Serve]:
    """Starts a server that handles every request alike; gives its root."""
    runners: list[web.AppRunner] = []

    async def begin(handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> str:
        app = web.Application()
        app.router.add_route("*", "/{anything:.*}", handle)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.05)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield begin
    for runner in runners:
        await runner.cleanup()


def question(model: Model, text: str = "Say something kind.", **sampling: Any) -> ModelRequest:
    """A call with one message."""
    return ModelRequest(model, (Message("user", text),), Sampling(**{"max_output_tokens": 40, **sampling}))


async def failure(client: ModelClient, call: ModelRequest) -> CallError:
    """The error that a call ends in; what it says names the model and never the key."""
    with pytest.raises(CallError) as caught:
        await client.complete(call)
    assert KEY not in str(caught.value)
    assert call.model.id in str(caught.value)
    return caught.value


async def stats(root: str) -> dict[str, Any]:
    """The emulator's books."""
    async with aiohttp.ClientSession() as session, session.get(f"{root}/stats") as answer:
        counts: dict[str, Any] = await answer.json()
        return counts
