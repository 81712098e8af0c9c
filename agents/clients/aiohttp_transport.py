"""HTTP transport over `aiohttp.ClientSession`: the default."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from functools import cache
from http.cookies import SimpleCookie

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from agents.clients.http_transport import (
    CONSTANT_HEADERS,
    IDEMPOTENCY_KEY,
    IDLE_SECONDS,
    HttpSession,
    HttpTransport,
    RawResponse,
    ResponseTooLargeError,
    check_length,
    decode_body,
)
from agents.clients.proxy import check_proxies, proxy_of


@cache
def _certificates(file: str | None, folder: str | None) -> ssl.SSLContext | bool:
    """Return the certificates to trust: the system's, or those that the environment names.

    aiohttp reads them at import, too early for variables that a file `.env` sets.
    """
    return True if file is None and folder is None else ssl.create_default_context()


def certificates_for(url: str) -> ssl.SSLContext | bool:
    """Return the certificates to trust at a URL; True for the system's, which is the default."""
    if not url.startswith("https:"):
        return True
    return _certificates(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


class _NoCookies(aiohttp.DummyCookieJar):
    """Cookie jar that stays empty, with one empty value for all requests."""

    def __init__(self) -> None:
        super().__init__()
        self._none: SimpleCookie = SimpleCookie()

    def filter_cookies(self, request_url: URL) -> SimpleCookie:
        """Return no cookies."""
        return self._none


class AiohttpSession(HttpSession):
    """Connections of aiohttp; must be made while the event loop runs.

    Args:
        use_proxies: whether to use the proxies of the environment.
    """

    def __init__(self, use_proxies: bool = True) -> None:
        self._use_proxies = use_proxies
        self._session = aiohttp.ClientSession(
            # the engine limits the number of concurrent requests, and the clients their duration
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300, keepalive_timeout=IDLE_SECONDS),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=_NoCookies(),
            auto_decompress=False,
        )

    def transport(
        self, url: str, headers: Mapping[str, str], most_bytes: int, timeout_seconds: float
    ) -> AiohttpTransport:
        """As `HttpSession`; cancelling closes a connection at once."""
        return AiohttpTransport(self, url, headers, most_bytes)

    async def get(self, url: str, headers: Mapping[str, str], most_bytes: int) -> RawResponse:
        """Send a GET request; otherwise as `HttpTransport`."""
        constant = CIMultiDict({**CONSTANT_HEADERS, **headers})
        return await self.send(
            "GET", URL(url), constant, None, self.proxy(url), certificates_for(url), most_bytes
        )

    def proxy(self, url: str) -> str | None:
        """Return the proxy to use for a URL.

        Raises:
            UserError: it is not an HTTP proxy.
        """
        if self._use_proxies:
            check_proxies([url])
        variable_and_proxy = proxy_of(url) if self._use_proxies else None
        return variable_and_proxy[1] if variable_and_proxy else None

    async def send(
        self,
        method: str,
        url: URL,
        headers: CIMultiDict[str],
        body: bytes | None,
        proxy: str | None,
        certificates: ssl.SSLContext | bool,
        most_bytes: int,
    ) -> RawResponse:
        """Send a request once and read the complete response, as `HttpTransport`."""
        async with self._session.request(
            method, url, data=body, headers=headers, allow_redirects=False, proxy=proxy, ssl=certificates
        ) as response:
            if check_length(response.status, response.headers, most_bytes):
                content = await response.content.read()
            else:
                content = await _read_limited(response, most_bytes)
        content = decode_body(response.status, response.headers, content, most_bytes)
        return RawResponse(response.status, response.headers, content)

    async def close(self) -> None:
        """As `HttpSession`."""
        await self._session.close()


class AiohttpTransport(HttpTransport):
    """Transport over an `AiohttpSession`; made by `AiohttpSession.transport`."""

    def __init__(
        self, session: AiohttpSession, url: str, headers: Mapping[str, str], most_bytes: int
    ) -> None:
        self._session = session
        self._url = URL(url)
        self._headers = CIMultiDict({**CONSTANT_HEADERS, **headers})
        if any("\r" in value or "\n" in value for value in self._headers.values()):
            raise ValueError("a header contains a line end")  # it would inject another header
        self._proxy = session.proxy(url)
        self._certificates = certificates_for(url)
        self._most_bytes = most_bytes

    async def __call__(self, body: bytes, idempotency_key: str) -> RawResponse:
        """As `HttpTransport`."""
        headers = self._headers.copy()
        headers[IDEMPOTENCY_KEY] = idempotency_key
        return await self._session.send(
            "POST", self._url, headers, body, self._proxy, self._certificates, self._most_bytes
        )


async def _read_limited(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    """Read a body of unknown length.

    Raises:
        ResponseTooLargeError: it is larger than `most_bytes`; the connection is closed.
    """
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > most_bytes:
            response.close()
            raise ResponseTooLargeError(response.status)
    return bytes(content)
