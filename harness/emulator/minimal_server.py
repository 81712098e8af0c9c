"""Minimal server for benchmarks of clients, fast enough never to be the bottleneck.

It supports HTTP/1.1 with keep-alive and Content-Length, `POST …/chat/completions` only, and one request at a
time per connection. Every response has one of four prepared bodies; its verdict is decided by a hash of the
request. There are no judge preferences, faults or API keys. `GET /healthz` and `GET /stats` respond as the
full server does, with fewer counters.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, cast

import orjson

from harness.emulator.config import EmulatorConfig
from harness.emulator.rate_limits import ModelLimits
from harness.emulator.seeded_random import lognormal, uniform

FIRST_SHARE = 0.62
"""Share of verdicts for the first response."""

_MODEL = re.compile(rb'"model": ?"(emulated-[A-Za-z0-9._-]{1,80})"')
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TOP = (("1", -0.5), ("2", -0.97), (" 1", -4.2), (" 2", -4.8), ("Response", -6.0))
_NOT_FOUND = {
    "error": {
        "message": "the lean emulator answers chat completions of emulated-* models only",
        "type": "invalid_request_error",
        "param": None,
        "code": "model_not_found",
    }
}


async def start(options: EmulatorConfig, host: str, port: int) -> tuple[int, Callable[[], Awaitable[None]]]:
    """Bind and serve in this event loop; return the port and a function that stops the server."""
    shared = _Shared(options, asyncio.get_running_loop())
    server = await shared.loop.create_server(lambda: _Connection(shared), host, port, backlog=4096)

    async def close() -> None:
        server.close()
        for connection in list(shared.connections):
            connection.abort()
        await server.wait_closed()

    return int(server.sockets[0].getsockname()[1]), close


class _Shared:
    """State shared by all connections of one server."""

    def __init__(self, options: EmulatorConfig, loop: asyncio.AbstractEventLoop) -> None:
        self.options = options
        self.loop = loop
        self.connections: set[_Connection] = set()
        self.limits = ModelLimits(options.requests_per_minute, None) if options.requests_per_minute else None
        self.answered = 0
        self.limited = 0
        self.in_flight = 0
        self.max_in_flight = 0
        self._responses: dict[bytes, tuple[bytes, ...]] = {}

    def answer(self, body: bytes) -> bytes:
        """Return the complete HTTP response to the body of a chat request."""
        name = _MODEL.search(body)
        if name is None:
            return _http(404, _NOT_FOUND)
        responses = self._responses.get(name[1])
        if responses is None:
            if len(self._responses) > 100:  # any name with the prefix is valid: keep only a few
                self._responses.clear()
            responses = self._responses[name[1]] = _bodies(name[1].decode())
        second = uniform(self.options.seed, body) >= FIRST_SHARE
        return responses[2 * (b'"logprobs":' in body) + second]

    def delay_seconds(self, body: bytes) -> float:
        """Return the time to the response, lognormal by the hash of the body."""
        options = self.options
        return lognormal(options.latency_ms / 1000.0, options.latency_sigma, options.seed, body)

    def wait(self) -> float:
        """Return the seconds to wait for the request limit; 0 if the request is admitted."""
        return self.limits.admit(0.0, self.loop.time()) if self.limits is not None else 0.0

    def respond_to_get(self, path: bytes) -> bytes:
        """Return the response to a GET request."""
        if path == b"/healthz":
            return _http(200, {"status": "ok", "definition": self.options.definition_hash})
        return _http(200, self._report()) if path == b"/stats" else _http(404, _NOT_FOUND)

    def _report(self) -> dict[str, Any]:
        return {
            "requests": self.answered + self.limited + self.in_flight,
            "by_status": {"200": self.answered, "429": self.limited},
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
        }


class _Connection(asyncio.Protocol):
    def __init__(self, shared: _Shared) -> None:
        self._shared = shared
        self._transport: asyncio.Transport | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's class is not a subclass of asyncio's
        self._shared.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._shared.connections.discard(self)

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        while self._buffer:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._buffer[:end]
            length = _LENGTH.search(head)
            total = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < total:
                return
            body, self._buffer = self._buffer[end + 4 : total], self._buffer[total:]
            self._request(head, body)

    def _request(self, head: bytes, body: bytes) -> None:
        shared = self._shared
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0]
        if method == b"GET":
            self._write(shared.respond_to_get(path))
            return
        if not path.endswith(b"/chat/completions"):
            self._write(_http(404, _NOT_FOUND))
            return
        wait = shared.wait()
        if wait > 0.0:
            shared.limited += 1
            self._write(_limited(wait))
            return
        shared.in_flight += 1
        shared.max_in_flight = max(shared.max_in_flight, shared.in_flight)
        delay = shared.delay_seconds(body)
        answer = shared.answer(body)
        if delay > 0.0:
            shared.loop.call_later(delay, self._answered, answer)
        else:
            self._answered(answer)

    def _answered(self, answer: bytes) -> None:
        self._shared.in_flight -= 1
        self._shared.answered += 1
        self._write(answer)

    def _write(self, answer: bytes) -> None:
        if self._transport is not None:
            self._transport.write(answer)


def _http(status: int, content: Any, headers: str = "") -> bytes:
    body = orjson.dumps(content)
    reason = {200: "OK", 404: "Not Found", 429: "Too Many Requests"}[status]
    headers += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"HTTP/1.1 {status} {reason}\r\n{headers}\r\n".encode() + body


def _limited(wait: float) -> bytes:
    error = {
        "message": f"Rate limit reached. Please try again in {wait:.3f}s.",
        "type": "requests",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    milliseconds = int(wait * 1000) + 1
    headers = f"Retry-After: {-(-milliseconds // 1000)}\r\nretry-after-ms: {milliseconds}\r\n"
    return _http(429, {"error": error}, headers)


def _bodies(model: str) -> tuple[bytes, ...]:
    """Return the responses with verdict 1 and 2, without and then with log-probabilities."""
    top = [{"token": token, "logprob": logprob, "bytes": list(token.encode())} for token, logprob in _TOP]
    bodies = []
    for with_logprobs in (False, True):
        for index, verdict in enumerate(("1", "2")):
            content = [{**top[index], "top_logprobs": top}]
            choice = {
                "index": 0,
                "message": {"role": "assistant", "content": verdict, "refusal": None},
                "logprobs": {"content": content, "refusal": None} if with_logprobs else None,
                "finish_reason": "stop",
            }
            bodies.append(
                _http(
                    200,
                    {
                        "id": "chatcmpl-lean",
                        "object": "chat.completion",
                        "created": 1_700_000_000,
                        "model": model,
                        "choices": [choice],
                        "usage": {"prompt_tokens": 300, "completion_tokens": 1, "total_tokens": 301},
                    },
                )
            )
    return tuple(bodies)
