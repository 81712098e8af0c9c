"""HTTP transports that send a POST request and read the complete response.

More than half of the time of `ClientSession.post` goes into features that requests to models do not use:
cookies, redirects, authentication, tracing, middleware and streamed bodies (`python -m benchmarks client`).
`DirectTransport` uses only aiohttp's connector (pool, DNS, TLS) and parser. `SessionTransport` uses the whole
session and is chosen if the environment sets a proxy.

Both send requests to one URL with constant headers.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from time import monotonic
from typing import NamedTuple

import aiohttp
from aiohttp import hdrs
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError
from aiohttp.streams import EofStream, StreamReader
from yarl import URL

from agents.clients.proxy import proxy_of

CONNECTION_ERRORS = (aiohttp.ClientError, HttpProcessingError, EofStream)
"""Exceptions of both transports, in addition to OSError, for connections that fail or break."""

IDEMPOTENCY_KEY = "Idempotency-Key"
KEEP_SECONDS = 15.0  # as in aiohttp's pool: the server may be about to close an older connection
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)  # callers limit the time themselves


class RawResponse(NamedTuple):
    """HTTP response: status, headers (case-insensitive) and decompressed body."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class ResponseTooLargeError(Exception):
    """Response body over the size limit, which was not read to its end."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class HttpTransport(ABC):
    """Transport of POST requests to one URL.

    Args:
        headers: headers of every request.
        session: session whose connections are used; its opener must close it.
        most_bytes: size limit of a decompressed response body.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], session: aiohttp.ClientSession, most_bytes: int
    ) -> None:
        self._url = URL(url)
        self._headers = headers
        self._session = session
        self._most_bytes = most_bytes

    @abstractmethod
    async def __call__(self, body: bytes, idempotency_key: str) -> RawResponse:
        """Send a request once and read the complete response.

        Args:
            idempotency_key: identifies retries of the same request; ASCII without line ends.

        Raises:
            TooLargeError: the answer is.
            Exception: one of `CONNECTION_ERRORS`, or an OSError.
        """

    def close(self) -> None:  # noqa: B027  (most ways hold nothing)
        """Give back what is held. Idempotent."""


def transport_for(
    url: str, headers: Mapping[str, str], session: aiohttp.ClientSession, most_bytes: int
) -> HttpTransport:
    """Return a direct transport, or one through the session if the session uses the environment's proxies."""
    if session.trust_env:
        return SessionTransport(url, headers, session, most_bytes)
    return DirectTransport(url, headers, session, most_bytes)


class SessionTransport(HttpTransport):
    """Transport through `ClientSession.post`, with proxies.

    aiohttp does not support `all_proxy`, so this class looks it up.
    """

    async def __call__(self, body: bytes, idempotency_key: str) -> RawResponse:
        """As `HttpTransport`."""
        headers = {**self._headers, IDEMPOTENCY_KEY: idempotency_key}
        async with self._session.post(
            self._url,
            data=body,
            headers=headers,
            timeout=_NO_TIMEOUT,
            allow_redirects=False,
            proxy=self._proxy(),
        ) as response:
            content = await _read_body(response.content, response.headers, self._most_bytes)
            if content is None:
                response.close()
                raise ResponseTooLargeError(response.status)
        return RawResponse(response.status, response.headers, content)

    def _proxy(self) -> str | None:
        """Return the proxy from `all_proxy`, if no other variable applies to the URL."""
        variable, proxy = proxy_of(str(self._url)) or ("", "")
        return proxy if variable == "all_proxy" else None


class DirectTransport(HttpTransport):
    """Transport over connections of the session, which are kept for the next request."""

    def __init__(
        self, url: str, headers: Mapping[str, str], session: aiohttp.ClientSession, most_bytes: int
    ) -> None:
        super().__init__(url, headers, session, most_bytes)
        self._request: aiohttp.ClientRequest | None = None
        self._head = b""
        self._free: deque[tuple[Connection, float]] = deque()  # with the time of their last use

    async def __call__(self, body: bytes, idempotency_key: str) -> RawResponse:
        """As `HttpTransport`."""
        connector = self._session.connector
        if connector is None:
            raise aiohttp.ClientConnectionError("the session is closed")
        connection = self._take_free_connection()
        if connection is None:
            request = self._request or self._prepare()
            connection = await connector.connect(request, traces=[], timeout=_NO_TIMEOUT)
        try:
            protocol = connection.protocol
            if protocol is None or protocol.transport is None:
                raise aiohttp.ServerDisconnectedError
            protocol.set_response_params(read_until_eof=True)
            protocol.transport.write(
                b"%b%b\r\nContent-Length: %d\r\n\r\n%b"
                % (self._head, idempotency_key.encode("ascii"), len(body), body)
            )
            message, payload = await protocol.read()
            while message.code < 200:  # interim responses, such as 103 Early Hints
                message, payload = await protocol.read()
            content = await _read_body(payload, message.headers, self._most_bytes)
            if content is None:
                raise ResponseTooLargeError(message.code)
        except BaseException:
            connection.close()
            raise
        if protocol.should_close:
            connection.close()
        else:
            self._free.append((connection, monotonic()))
        return RawResponse(message.code, message.headers, content)

    def close(self) -> None:
        """Release all connections."""
        while self._free:
            self._free.popleft()[0].release()

    def _take_free_connection(self) -> Connection | None:
        """Return an open connection, the least recently used first, or None."""
        while self._free:
            connection, since = self._free.popleft()
            if not connection.closed and monotonic() - since < KEEP_SECONDS:
                return connection
            connection.close()
        return None

    def _prepare(self) -> aiohttp.ClientRequest:
        """Build the head of every request with aiohttp; the request also selects the connection pool."""
        request = aiohttp.ClientRequest(
            hdrs.METH_POST,
            self._url,
            headers=self._headers,
            loop=asyncio.get_running_loop(),
            session=self._session,
        )
        request.headers.popall(hdrs.CONTENT_LENGTH, None)  # every request adds its own
        lines = [f"{hdrs.METH_POST} {self._url.raw_path_qs} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a header contains a line end")  # it would inject another header
        self._head = "\r\n".join([*lines, f"{IDEMPOTENCY_KEY}: "]).encode()
        self._request = request
        return request


async def _read_body(payload: StreamReader, headers: Mapping[str, str], most_bytes: int) -> bytes | None:
    """Read a decompressed body to its end; return None if it is larger than `most_bytes`."""
    if payload.is_eof():  # the body arrived together with the headers
        content = payload.read_nowait()
        return content if len(content) <= most_bytes else None
    stated = headers.get(hdrs.CONTENT_LENGTH)
    if stated is not None and int(stated) > most_bytes:
        return None
    if stated is not None and hdrs.CONTENT_ENCODING not in headers:
        return await payload.read()
    chunks = bytearray()
    async for chunk in payload.iter_any():
        chunks += chunk
        if len(chunks) > most_bytes:
            return None
    return bytes(chunks)
