"""The HTTP server: routes, delays, resets and hangs. What is answered is decided in `gateway.py`.

POST /v1/chat/completions, /v1/completions          OpenAI and vLLM
POST /v1/messages                                   Anthropic
POST /v1beta/models/MODEL:generateContent           Gemini (also below /v1 and /v1alpha)
GET  /v1/models, /v1beta/models                     the emulated models
GET  /healthz                                       {"status": "ok", "definition": …}
GET  /stats                                         see `counts.Counts.report`
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

from agents.errors import UserError
from harness.emulator import minimal_server
from harness.emulator.config import EmulatorConfig
from harness.emulator.models import MODELS, Provider
from harness.emulator.protocols import (
    ServerProtocol,
    anthropic_messages,
    gemini_generate,
    openai_chat,
    openai_completions,
)
from harness.emulator.request_handler import Action, Reply, Request, RequestHandler
from harness.emulator.request_log import RequestLog
from harness.emulator.types import RejectedError

LARGEST_REQUEST_BYTES = 16 * 2**20
BACKLOG = 4096


@dataclass(frozen=True, slots=True)
class EmulatorServer:
    """A server that answers.

    Attributes:
        port: the bound port.
        url: `http://HOST:PORT`, without a trailing slash.
        close: stops it; requests in flight get no answer. Idempotent.
    """

    port: int
    url: str
    close: Callable[[], Awaitable[None]]


async def serve(options: EmulatorConfig, host: str = "127.0.0.1", port: int = 0) -> EmulatorServer:
    """Start answering on `host`, in this event loop; port 0 takes a free one.

    Raises:
        UserError: the address cannot be bound.
    """
    try:
        if options.lean:
            bound, close = await minimal_server.start(options, host, port)
        else:
            bound, close = await _start(options, host, port)
    except OSError as error:
        raise UserError(
            "the emulator cannot listen on this address",
            code="emulator.address-unavailable",
            where="--port",
            found=f"{host}:{port}: {error.strerror or error}",
            remedy="Choose another port, or 0 for any free port.",
        ) from error
    shown = f"[{host}]" if ":" in host else host
    return EmulatorServer(bound, f"http://{shown}:{bound}", close)


async def _start(options: EmulatorConfig, host: str, port: int) -> tuple[int, Callable[[], Awaitable[None]]]:
    runner = web.AppRunner(
        _Server(options).application(),
        access_log=None,
        handler_cancellation=True,  # a client that goes away ends its hang or its delay
        shutdown_timeout=0.05,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=BACKLOG).start()
    except OSError:
        await runner.cleanup()
        raise
    return int(runner.addresses[0][1]), runner.cleanup


class _Server:
    def __init__(self, options: EmulatorConfig) -> None:
        self._options = options
        self._counts = RequestLog()
        self._gateway = RequestHandler(options, self._counts, time.monotonic, lambda: datetime.now(UTC))

    def application(self) -> web.Application:
        app = web.Application(client_max_size=LARGEST_REQUEST_BYTES)
        add = app.router.add_route
        add("POST", "/v1/chat/completions", self._asked(openai_chat))
        add("POST", "/v1/completions", self._asked(openai_completions))
        add("POST", "/v1/messages", self._asked(anthropic_messages))
        version = "/{version:v1|v1beta|v1alpha}"
        add("POST", version + "/models/{model:[^:]+}:generateContent", self._asked(gemini_generate))
        add("GET", "/v1/models", self._models)
        add("GET", "/{version:v1beta|v1alpha}/models", self._models)
        add("GET", "/healthz", self._healthz)
        add("GET", "/stats", self._stats)
        add("*", "/{path:.*}", self._unknown)
        return app

    def _asked(self, form: ServerProtocol) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            self._counts.arrive()
            status = "abandoned"
            try:
                decision = await self._decide(form, request)
                if decision.delay_seconds > 0.0:
                    await asyncio.sleep(decision.delay_seconds)
                status = str(decision.status or decision.act)
                if decision.act is Action.HANG:
                    await asyncio.get_running_loop().create_future()  # cancelled when the client goes
                elif decision.act is Action.RESET:
                    _reset(request)
                elif decision.whole:
                    self._counts.answer(decision.key, decision.input_tokens, decision.output_tokens)
                else:
                    self._counts.bill(decision.input_tokens, decision.output_tokens)
                return _response(decision)
            finally:
                self._counts.leave(status)

        return handle

    async def _decide(self, form: ServerProtocol, request: web.Request) -> Reply:
        try:
            content = await request.read()
        except web.HTTPRequestEntityTooLarge:
            status, told = form.error(RejectedError(413, "too large", "Request exceeds the maximum size"))
            return Reply(Action.ANSWER, status, orjson.dumps(told))
        model = request.match_info.get("model", "")
        return self._gateway.decide(form, Request(content, request.headers, request.query, model))

    async def _models(self, request: web.Request) -> web.Response:
        if "version" in request.match_info:
            return _json(gemini_generate.list_models(_named("google")))
        if "anthropic-version" in request.headers:
            return _json(anthropic_messages.list_models(_named("anthropic")))
        return _json(openai_chat.list_models(_named("openai", "vllm"), self._options.shutdown_date))

    async def _healthz(self, request: web.Request) -> web.Response:
        return _json({"status": "ok", "definition": self._options.definition_hash})

    async def _stats(self, request: web.Request) -> web.Response:
        return _json(self._counts.report())

    async def _unknown(self, request: web.Request) -> web.Response:
        rejection = RejectedError(404, "unknown path", f"Invalid URL ({request.method} {request.path})")
        form: ServerProtocol = openai_chat
        if "version" in request.match_info or request.path.startswith("/v1beta"):
            form = gemini_generate
        status, told = form.error(rejection)
        return _json(told, status)


def _named(*providers: Provider) -> list[str]:
    return [model.name for model in MODELS.values() if model.provider in providers]


def _json(content: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(content), status=status, content_type="application/json")


def _response(decision: Reply) -> web.Response:
    return web.Response(
        body=decision.content,
        status=decision.status or 500,  # a reset connection never carries it
        headers=decision.headers,
        content_type=decision.content_type,
    )


def _reset(request: web.Request) -> None:
    """Close the connection with a reset: nothing is sent, nothing is waited for."""
    transport = request.transport
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
