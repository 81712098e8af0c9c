"""One POST and its whole answer, in two ways: straight over a connection, or through aiohttp's session.

*Why.* More than half of what `ClientSession.post` costs goes into what no call to a model uses: cookies,
redirects, authentication, traces, middleware, bodies that are streamed (`python -m benchmarks client`).
`DirectTransport` keeps what matters of aiohttp (the connector with its pool, names and TLS; the parser) and leaves
the rest out. `SessionTransport` is for where a proxy stands between, which the environment decides.

Both post to one address with constant headers, and know nothing of models or protocols.
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
"""What either way raises, beside OSError, where a connection is not made or breaks."""

IDEMPOTENCY_KEY = "Idempotency-Key"
KEEP_SECONDS = 15.0  # as aiohttp's own pool: an older connection may be about to end at the other side
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)  # whoever posts sees to the time


class RawResponse(NamedTuple):
    """An answer: its status, its headers (looked up without regard to case) and its body, unpacked."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class ResponseTooLargeError(Exception):
    """The body is over the bound; it was not read to its end."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class HttpTransport(ABC):
    """Either way to one address.

    Args:
        headers: of every request.
        session: whose connections are used; closed by whoever opened it.
        most_bytes: of an answer's body, unpacked.
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
        """Send once, and read the whole answer.

        Args:
            idempotency_key: tells a further try from a new request; plain ASCII without line ends.

        Raises:
            TooLargeError: the answer is.
            Exception: one of `CONNECTION_ERRORS`, or an OSError.
        """

    def close(self) -> None:  # noqa: B027  (most ways hold nothing)
        """Give back what is held. Idempotent."""


def transport_for(
    url: str, headers: Mapping[str, str], session: aiohttp.ClientSession, most_bytes: int
) -> HttpTransport:
    """The way to an address that the session would take: straight, unless it heeds the environment."""
    if session.trust_env:
        return SessionTransport(url, headers, session, most_bytes)
    return DirectTransport(url, headers, session, most_bytes)


class SessionTransport(HttpTransport):
    """As aiohttp does it, proxies and all; it knows no `all_proxy`, which is therefore looked up here."""

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
            content = await _whole(response.content, response.headers, self._most_bytes)
            if content is None:
                response.close()
                raise ResponseTooLargeError(response.status)
        return RawResponse(response.status, response.headers, content)

    def _proxy(self) -> str | None:
        """The proxy for every scheme, where none is named for the address's own."""
        variable, proxy = proxy_of(str(self._url)) or ("", "")
        return proxy if variable == "all_proxy" else None


class DirectTransport(HttpTransport):
    """Over a connection of the session's; one that is free again is kept here for the next request."""

    def __init__(
        self, url: str, headers: Mapping[str, str], session: aiohttp.ClientSession, most_bytes: int
    ) -> None:
        super().__init__(url, headers, session, most_bytes)
        self._request: aiohttp.ClientRequest | None = None
        self._head = b""
        self._free: deque[tuple[Connection, float]] = deque()  # and since when

    async def __call__(self, body: bytes, idempotency_key: str) -> RawResponse:
        """As `HttpTransport`."""
        connector = self._session.connector
        if connector is None:
            raise aiohttp.ClientConnectionError("the session is closed")
        connection = self._free_one()
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
            while message.code < 200:  # "go on", "early hints": not the answer yet
                message, payload = await protocol.read()
            content = await _whole(payload, message.headers, self._most_bytes)
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
        """Give every connection back."""
        while self._free:
            self._free.popleft()[0].release()

    def _free_one(self) -> Connection | None:
        """A connection that is still good, the longest unused first: so all of them stay in use, or end."""
        while self._free:
            connection, since = self._free.popleft()
            if not connection.closed and monotonic() - since < KEEP_SECONDS:
                return connection
            connection.close()
        return None

    def _prepare(self) -> aiohttp.ClientRequest:
        """What stands at the head of every request: aiohttp's own, made once; it also names the pool."""
        request = aiohttp.ClientRequest(
            hdrs.METH_POST,
            self._url,
            headers=self._headers,
            loop=asyncio.get_running_loop(),
            session=self._session,
        )
        request.headers.popall(hdrs.CONTENT_LENGTH, None)  # of no body: every request states its own
        lines = [f"{hdrs.METH_POST} {self._url.raw_path_qs} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a header holds a line end")  # and would be two: whose name nobody checked
        self._head = "\r\n".join([*lines, f"{IDEMPOTENCY_KEY}: "]).encode()
        self._request = request
        return request


async def _whole(payload: StreamReader, headers: Mapping[str, str], most_bytes: int) -> bytes | None:
    """A body to its end, unpacked; None where it is larger than `most_bytes`."""
    if payload.is_eof():  # all of it came with its headers
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
