"""Plain HTTP: the pure wire formats over one shared aiohttp session. The fast way, and the default.

Sends once and reads once: limits, retries and storage are wrappers around this. A key lives in the headers
of the requests and nowhere else.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson
from multidict import CIMultiDict
from yarl import URL

from agents.call import Call
from agents.errors import CallError, Failure
from agents.messages import Completion
from agents.models import Model
from agents.wire import FORMATS, read_answer, url_of
from agents.wire.errors import refusal
from agents.wire.limits import server_limits

MOST_BYTES = 8 * 2**20
IDEMPOTENCY_KEY = "Idempotency-Key"
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
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
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
            async with self._session.post(
                self._url, data=call.body, headers=headers, timeout=self._timeout, allow_redirects=False
            ) as response:
                content = await self._content(response)
        except TimeoutError as error:
            raise CallError(
                Failure.TIMEOUT,
                f"{self._model.id}: no whole answer within {self._timeout_seconds:g} s.",
                charged=True,
            ) from error
        except (aiohttp.ClientError, ssl.SSLError, OSError, asyncio.IncompleteReadError) as error:
            raise self._unreachable(error) from error
        if response.status != 200:
            now = datetime.now(UTC)
            raise refusal(self._model, response.status, response.headers, content, self._key, now)
        completion = read_answer(self._model, self._json(content, response.headers))
        return completion.measured(
            time.perf_counter() - sent_at, server_limits(response.headers, datetime.now(UTC))
        )

    async def close(self) -> None:
        """The session is not this client's to close."""

    async def _content(self, response: aiohttp.ClientResponse) -> bytes:
        """The whole body, unless it is larger than any answer needs to be."""
        length = response.content_length
        if length is not None and length <= MOST_BYTES:
            return await response.read()
        content = bytearray()
        if length is None:
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) > MOST_BYTES:
                    break
            else:
                return bytes(content)
        response.close()
        raise CallError(
            Failure.TOO_LARGE,
            f"{self._model.id}: the answer is over {MOST_BYTES // 2**20} MiB; it was not read.",
            status=response.status,
            charged=True,
        )

    def _json(self, content: bytes, headers: Mapping[str, str]) -> Any:
        try:
            return orjson.loads(content)
        except orjson.JSONDecodeError as error:
            if "html" in headers.get("content-type", "") or content.lstrip()[:1] == b"<":
                raise CallError(
                    Failure.UNKNOWN_MODEL,
                    f"{self._model.id}: {self._model.base_url} answers a web page, not the API. "
                    "Is the address right?",
                    status=200,
                ) from error
            raise CallError(
                Failure.MALFORMED,
                f"{self._model.id}: the answer is not JSON ({error}).",
                status=200,
                charged=True,
            ) from error

    def _unreachable(self, error: Exception) -> CallError:
        kind, sent = "the connection broke", True
        if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError | ssl.SSLError):
            kind, sent = "no secure (TLS) connection", False
        elif isinstance(error, aiohttp.ClientConnectorDNSError):
            kind, sent = "its name is not known (DNS)", False
        elif isinstance(error, aiohttp.ClientConnectorError | aiohttp.InvalidURL):
            kind, sent = "no connection", False
        words = str(error).replace(self._key, "***") if self._key else str(error)
        return CallError(
            Failure.CONNECTION,
            f"{self._model.id}: {kind} at {self._model.base_url} ({type(error).__name__}: {words})",
            charged=sent,
        )
