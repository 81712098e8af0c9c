"""HTTP transport over pyreqwest: optional, and cheaper than aiohttp.

aiohttp takes over for URLs with a proxy. It also makes the connections that pyreqwest cannot make, so that
the reason of a failed connection is reported in the same way.

A request that is cancelled before its response arrives continues in pyreqwest's own thread, up to the time
limit that every request is given for this reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import ConnectError, PyreqwestError, RequestError, RequestTimeoutError
from pyreqwest.http import HeaderMap, Url
from pyreqwest.response import Response

from agents.clients.aiohttp_transport import AiohttpSession
from agents.clients.http_transport import (
    CONSTANT_HEADERS,
    IDEMPOTENCY_KEY,
    IDLE_SECONDS,
    HttpSession,
    HttpTransport,
    LostConnectionError,
    RawResponse,
    check_length,
    decode_body,
)

_NOT_CONNECTED = "client error (Connect)"
"""Cause of a `ConnectError` before a request is sent; a `ConnectError` after that has another cause."""


class PyreqwestSession(HttpSession):
    """Connections of pyreqwest, and of aiohttp where that takes over.

    Args:
        use_proxies: whether to use the proxies of the environment.
    """

    def __init__(self, use_proxies: bool = True) -> None:
        self.fallback = AiohttpSession(use_proxies)
        self.client: Client = (
            ClientBuilder()
            .http1_only()
            .no_proxy()
            .follow_redirects(False)
            .referer(False)
            .gzip(False)
            .deflate(False)
            .brotli(False)
            .zstd(False)
            .pool_idle_timeout(timedelta(seconds=IDLE_SECONDS))
            .build()
        )

    def transport(
        self, url: str, headers: Mapping[str, str], most_bytes: int, timeout_seconds: float
    ) -> HttpTransport:
        """As `HttpSession`; a connection without a response is closed at the time limit."""
        through_aiohttp = self.fallback.transport(url, headers, most_bytes, timeout_seconds)
        if self.fallback.proxy(url) is not None:
            return through_aiohttp
        return PyreqwestTransport(self.client, url, headers, most_bytes, timeout_seconds, through_aiohttp)

    async def close(self) -> None:
        """As `HttpSession`."""
        await self.client.close()
        await self.fallback.close()


class PyreqwestTransport(HttpTransport):
    """Transport over a `PyreqwestSession`; made by `PyreqwestSession.transport`.

    Args:
        fallback: transport for connections that pyreqwest cannot make.
    """

    def __init__(
        self,
        client: Client,
        url: str,
        headers: Mapping[str, str],
        most_bytes: int,
        timeout_seconds: float,
        fallback: HttpTransport,
    ) -> None:
        self._client = client
        self._url = Url(url)
        self._headers = HeaderMap()
        for name, value in {**CONSTANT_HEADERS, **headers}.items():
            self._headers.insert(name, value, is_sensitive=True)
        self._most_bytes = most_bytes
        self._timeout = timedelta(seconds=timeout_seconds)
        self.fallback = fallback
        self._use_fallback = False

    async def __call__(self, body: bytes, idempotency_key: str) -> RawResponse:
        """As `HttpTransport`."""
        if self._use_fallback:
            return await self.fallback(body, idempotency_key)
        try:
            return await self._send(body, idempotency_key)
        except ConnectError as error:
            if not _is_unsent(error):
                raise LostConnectionError(_words(error)) from error
        except RequestTimeoutError:
            raise  # a TimeoutError
        except RequestError as error:
            raise LostConnectionError(_words(error)) from error
        response = await self.fallback(body, idempotency_key)
        self._use_fallback = True
        return response

    async def _send(self, body: bytes, idempotency_key: str) -> RawResponse:
        request = self._client.post(self._url).headers(self._headers).timeout(self._timeout)
        request = request.header(IDEMPOTENCY_KEY, idempotency_key).body_bytes(body)
        async with request.build_streamed() as response:
            status, headers = response.status, _Headers(response)
            check_length(status, headers, self._most_bytes)
            content = await response.body_reader.read(self._most_bytes + 1)
        received = content.to_bytes() if content is not None else b""
        return RawResponse(status, headers, decode_body(status, headers, received, self._most_bytes))


class _Headers(Mapping[str, str]):
    """Headers of a response, without values that are not ASCII, which pyreqwest cannot return."""

    def __init__(self, response: Response) -> None:
        self._headers = response.headers
        self._value_of = response.get_header

    def __getitem__(self, name: str) -> str:
        value: str | None = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)

    def __contains__(self, name: object) -> bool:
        return name in self._headers

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value; called for many headers of every response."""
        try:
            value = self._value_of(name)
        except ValueError:
            return default
        return default if value is None else value


def _is_unsent(error: ConnectError) -> bool:
    """Return whether a request failed before it was sent."""
    return any(cause["message"] == _NOT_CONNECTED for cause in error.details["causes"] or ())


def _words(error: PyreqwestError) -> str:
    """Return an error's message with those of its causes."""
    details = error.details if isinstance(error, RequestError) else {"causes": None}
    return ": ".join([error.message, *(cause["message"] for cause in details["causes"] or ())])
