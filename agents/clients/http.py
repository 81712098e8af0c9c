"""Plain HTTP: the pure wire formats over one shared aiohttp session. The fast way, and the default.

Sends once and reads once: limits, retries and storage are wrappers around this. A key lives in the headers
of the requests and nowhere else.
"""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from agents.call import Call
from agents.clients.failing import BROKEN, MOST_BYTES, timed_out, too_large, unreachable
from agents.messages import Completion
from agents.models import Model
from agents.wire import FORMATS, read_content, url_of
from agents.wire.errors import refusal
from agents.wire.limits import server_limits

IDEMPOTENCY_KEY = "Idempotency-Key"
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)  # asyncio's own costs half of aiohttp's, and is kept outside
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy")


def open_session() -> aiohttp.ClientSession:
    """The one session that every client shares: unbounded, for the engine bounds what is in flight."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=any(name in os.environ for name in _PROXIES),
        auto_decompress=True,
    )


class HttpClient:
    """One model, asked over a shared session (which is closed by whoever opened it).

    Args:
        timeout_seconds: for a whole request, from sending to the last byte.
    """

    def __init__(
        self, model: Model, key: str, session: aiohttp.ClientSession, timeout_seconds: float = 120.0
    ) -> None:
        self._model = model
        self._key = key
        self._session = session
        self._url = URL(url_of(model))
        self._timeout_seconds = timeout_seconds
        self._headers = CIMultiDict(
            {"Content-Type": "application/json", **FORMATS[model.protocol].headers(key)}
        )

    async def complete(self, call: Call) -> Completion:
        """Ask once.

        Raises:
            CallError: there was no answer, and why.
        """
        headers = self._headers.copy()
        headers[IDEMPOTENCY_KEY] = call.key
        sent_at = time.perf_counter()
        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                self._session.post(
                    self._url, data=call.body, headers=headers, timeout=_NO_TIMEOUT, allow_redirects=False
                ) as response,
            ):
                content = await self._content(response)
        except TimeoutError as error:
            raise timed_out(self._model, self._timeout_seconds) from error
        except BROKEN as error:
            raise (unreachable(self._model, self._key, error) or error) from error
        if response.status != 200:
            now = datetime.now(UTC)
            raise refusal(self._model, response.status, response.headers, content, self._key, now)
        completion = read_content(self._model, content, response.headers.get("Content-Type", ""))
        return completion.measured(
            time.perf_counter() - sent_at, server_limits(response.headers, datetime.now(UTC))
        )

    async def close(self) -> None:
        """The session is not this client's to close."""

    async def _content(self, response: aiohttp.ClientResponse) -> bytes:
        """The whole body, unless it is larger than any answer needs to be."""
        length = response.content_length
        compressed = "Content-Encoding" in response.headers
        if length is not None and length <= MOST_BYTES and not compressed:
            return await response.read()
        if length is None or length <= MOST_BYTES:
            content = bytearray()
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) > MOST_BYTES:
                    break
            else:
                return bytes(content)
        response.close()
        raise too_large(self._model, response.status)
