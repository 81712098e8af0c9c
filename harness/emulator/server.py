"""HTTP server: routes, delays, resets and hangs. The replies are planned in `request_handler.py`.

POST /v1/chat/completions, /v1/completions          OpenAI and vLLM
POST /v1/messages                                   Anthropic
POST /v1beta/models/MODEL:generateContent           Gemini (also below /v1 and /v1alpha)
GET  /v1/models, /v1beta/models                     the emulated models
GET  /healthz                                       {"status": "ok", "definition": …}
GET  /stats                                         see `request_log.RequestLog.report`
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
    """Running emulator server.

    Attributes:
        port: the bound port.
        url: `http://HOST:PORT`, without a trailing slash.
        close: stops the server; requests in flight get no response. Idempotent.
    """

    port: int
    url: str
    close: Callable[[], Awaitable[None]]


async def serve(options: EmulatorConfig, host: str = "127.0.0.1", port: int = 0) -> EmulatorServer:
    """Start a server on `host` in this event loop; port 0 takes a free port.

    Raises:
        UserError: emulator.address-unavailable.
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
    url_host = f"[{host}]" if ":" in host else host
    return EmulatorServer(bound, f"http://{url_host}:{bound}", close)


async def _start(options: EmulatorConfig, host: str, port: int) -> tuple[int, Callable[[], Awaitable[None]]]:
    runner = web.AppRunner(
        _Server(options).application(),
        access_log=None,
        handler_cancellation=True,  # a client that disconnects ends its hang or delay
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
        self._log = RequestLog()
        self._request_handler = RequestHandler(options, self._log, time.monotonic, lambda: datetime.now(UTC))

    def application(self) -> web.Application:
        app = web.Application(client_max_size=LARGEST_REQUEST_BYTES)
        add_route = app.router.add_route
        add_route("POST", "/v1/chat/completions", self._handler(openai_chat))
        add_route("POST", "/v1/completions", self._handler(openai_completions))
        add_route("POST", "/v1/messages", self._handler(anthropic_messages))
        version = "/{version:v1|v1beta|v1alpha}"
        add_route("POST", version + "/models/{model:[^:]+}:generateContent", self._handler(gemini_generate))
        add_route("GET", "/v1/models", self._models)
        add_route("GET", "/{version:v1beta|v1alpha}/models", self._models)
        add_route("GET", "/healthz", self._healthz)
        add_route("GET", "/stats", self._stats)
        add_route("*", "/{path:.*}", self._unknown)
        return app

    def _handler(self, protocol: ServerProtocol) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            self._log.arrive()
            status = "abandoned"
            try:
                reply = await self._plan_reply(protocol, request)
                if reply.delay_seconds > 0.0:
                    await asyncio.sleep(reply.delay_seconds)
                status = str(reply.status or reply.action)
                if reply.action is Action.HANG:
                    await asyncio.get_running_loop().create_future()  # cancelled when the client disconnects
                elif reply.action is Action.RESET:
                    _reset(request)
                elif reply.is_complete:
                    self._log.answer(reply.key, reply.input_tokens, reply.output_tokens)
                else:
                    self._log.bill(reply.input_tokens, reply.output_tokens)
                return _response(reply)
            finally:
                self._log.leave(status)

        return handle

    async def _plan_reply(self, protocol: ServerProtocol, request: web.Request) -> Reply:
        try:
            content = await request.read()
        except web.HTTPRequestEntityTooLarge:
            status, error_body = protocol.build_error(
                RejectedError(413, "too large", "Request exceeds the maximum size")
            )
            return Reply(Action.ANSWER, status, orjson.dumps(error_body))
        model = request.match_info.get("model", "")
        return self._request_handler.decide(protocol, Request(content, request.headers, request.query, model))

    async def _models(self, request: web.Request) -> web.Response:
        if "version" in request.match_info:
            return _json(gemini_generate.build_model_list(_model_names("google")))
        if "anthropic-version" in request.headers:
            return _json(anthropic_messages.build_model_list(_model_names("anthropic")))
        return _json(
            openai_chat.build_model_list(_model_names("openai", "vllm"), self._options.shutdown_date)
        )

    async def _healthz(self, request: web.Request) -> web.Response:
        return _json({"status": "ok", "definition": self._options.definition_hash})

    async def _stats(self, request: web.Request) -> web.Response:
        return _json(self._log.report())

    async def _unknown(self, request: web.Request) -> web.Response:
        rejection = RejectedError(404, "unknown path", f"Invalid URL ({request.method} {request.path})")
        protocol: ServerProtocol = openai_chat
        if "version" in request.match_info or request.path.startswith("/v1beta"):
            protocol = gemini_generate
        status, error_body = protocol.build_error(rejection)
        return _json(error_body, status)


def _model_names(*providers: Provider) -> list[str]:
    return [model.name for model in MODELS.values() if model.provider in providers]


def _json(content: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(content), status=status, content_type="application/json")


def _response(reply: Reply) -> web.Response:
    return web.Response(
        body=reply.content,
        status=reply.status or 500,  # never sent: the connection was reset
        headers=reply.headers,
        content_type=reply.content_type,
    )


def _reset(request: web.Request) -> None:
    """Reset the connection without sending anything."""
    transport = request.transport
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
