"""Interface of HTTP transports: send a POST request with constant headers, read the complete response.

Two libraries implement it: `aiohttp_transport` (the default) and `pyreqwest_transport` (optional, faster).
Both send the same request and pass the same tests. Neither decompresses: `decode_body` does, so that the size
limit and the errors are the same.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import TracebackType
from typing import NamedTuple, Self

IDEMPOTENCY_KEY = "Idempotency-Key"
CONSTANT_HEADERS = {
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate",  # those that `decode_body` knows
    "User-Agent": "empathy-harness",
}
IDLE_SECONDS = 15.0
"""Time after which an unused connection is closed: the server may be about to close an older one."""

_ZLIB_OR_GZIP = 32 + zlib.MAX_WBITS
_RAW_DEFLATE = -zlib.MAX_WBITS


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


class LostConnectionError(ConnectionError):
    """Connection that broke, or an invalid response, after the request may have been sent."""


class ContentEncodingError(Exception):
    """Response body that does not match its Content-Encoding, or has one that was not asked for."""


class HttpTransport(ABC):
    """Transport of POST requests to one URL."""

    @abstractmethod
    async def __call__(self, body: bytes, idempotency_key: str) -> RawResponse:
        """Send a request once, without following redirects, and read the complete response.

        Args:
            idempotency_key: identifies retries of the same request; ASCII without line ends.

        Raises:
            ResponseTooLargeError: the response is larger than the limit.
            ContentEncodingError: its body cannot be decompressed.
            aiohttp.ClientError, OSError: the connection failed or broke, or (`TimeoutError`) took too long.
        """


class HttpSession(ABC):
    """Pool of connections that clients share; its opener closes it."""

    @abstractmethod
    def transport(
        self, url: str, headers: Mapping[str, str], most_bytes: int, timeout_seconds: float
    ) -> HttpTransport:
        """Return a transport over connections of this session.

        Args:
            headers: headers of every request, in addition to `CONSTANT_HEADERS`.
            most_bytes: size limit of a decompressed response body.
            timeout_seconds: time after which the caller cancels a request. The connection of a cancelled
                request is never used again and is closed at once or, if the library cannot, by then.

        Raises:
            ValueError: a header contains a line end.
            UserError: the URL's proxy is not an HTTP proxy.
        """

    @abstractmethod
    async def close(self) -> None:
        """Close all connections. Idempotent."""

    async def __aenter__(self) -> Self:
        """Return the session itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        await self.close()


def check_length(status: int, headers: Mapping[str, str], most_bytes: int) -> bool:
    """Check the Content-Length of a response before its body is read; return whether it has one.

    Raises:
        ResponseTooLargeError: it is over `most_bytes`.
    """
    stated = headers.get("Content-Length")
    if stated is not None and int(stated) > most_bytes:  # both libraries check that it is a number
        raise ResponseTooLargeError(status)
    return stated is not None


def decode_body(status: int, headers: Mapping[str, str], content: bytes, most_bytes: int) -> bytes:
    """Return the decompressed body of a response.

    Raises:
        ResponseTooLargeError: it is larger than `most_bytes`.
        ContentEncodingError: it cannot be decompressed.
    """
    coding = headers.get("Content-Encoding")
    if coding is not None and content:
        coding = coding.strip().lower()
        if coding in ("gzip", "x-gzip", "deflate"):
            content = _decompress(status, coding, content, most_bytes)
        elif coding not in ("", "identity"):
            raise ContentEncodingError(f"{coding} was not asked for")
    if len(content) > most_bytes:
        raise ResponseTooLargeError(status)
    return content


def _decompress(status: int, coding: str, content: bytes, most_bytes: int) -> bytes:
    """Decompress gzip (of one or more members) or deflate (with or without a zlib header)."""
    raw = coding == "deflate" and content[0] & 0x0F != zlib.DEFLATED
    decompressed = bytearray()
    try:
        while content:
            stream = zlib.decompressobj(_RAW_DEFLATE if raw else _ZLIB_OR_GZIP)
            decompressed += stream.decompress(content, most_bytes + 1 - len(decompressed))
            if len(decompressed) > most_bytes:
                raise ResponseTooLargeError(status)
            if not stream.eof:
                raise ContentEncodingError(f"the {coding} data ends early")
            content = stream.unused_data
    except zlib.error as error:
        raise ContentEncodingError(f"no valid {coding} data: {error}") from error
    return bytes(decompressed)
