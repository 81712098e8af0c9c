"""Client over plain HTTP with a shared aiohttp session; the default, and the fastest client.

It sends each request once. Rate limits, retries and storage are clients that wrap it. The key is kept only in
the headers of the requests.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

import aiohttp

from agents.clients.base import ModelRequest
from agents.clients.errors import (
    CONNECTION_ERRORS,
    MAX_RESPONSE_BYTES,
    connection_error,
    response_too_large,
    timeout_error,
)
from agents.clients.http_transport import ResponseTooLargeError, transport_for
from agents.clients.timeout import SharedTimeout
from agents.messages import Completion
from agents.models.spec import Model
from agents.protocols import FORMATS, parse_response, request_url
from agents.protocols.deprecation_headers import parse_deprecation
from agents.protocols.error_mapping import parse_error_response
from agents.protocols.rate_limit_headers import server_limits

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy")


def open_session() -> aiohttp.ClientSession:
    """Open the session that all clients share; the engine limits the number of concurrent requests."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=any(name in os.environ for name in _PROXIES),
        auto_decompress=True,
    )


class HttpClient:
    """Client for one model over a shared session, which its opener must close.

    Args:
        timeout_seconds: time limit of a request, from sending it to the last byte of the response.
    """

    def __init__(
        self, model: Model, key: str, session: aiohttp.ClientSession, timeout_seconds: float = 120.0
    ) -> None:
        self._model = model
        self._key = key
        self._timeout_seconds = timeout_seconds
        self._patience = SharedTimeout(timeout_seconds)
        headers = {"Content-Type": "application/json", **FORMATS[model.protocol].headers(key)}
        self._post = transport_for(request_url(model), headers, session, MAX_RESPONSE_BYTES)

    async def complete(self, call: ModelRequest) -> Completion:
        """Ask once.

        Raises:
            CallError: there was no answer, and why.
        """
        sent_at = time.perf_counter()
        try:
            with self._patience:
                status, headers, content = await self._post(call.body, call.key)
        except ResponseTooLargeError as error:
            raise response_too_large(self._model, error.status) from None
        except TimeoutError as error:
            raise timeout_error(self._model, self._timeout_seconds) from error
        except CONNECTION_ERRORS as error:
            raise (connection_error(self._model, self._key, error) or error) from error
        now, sent = datetime.now(UTC), call.body
        if status == 200:
            completion = parse_response(self._model, content, headers, key=self._key, now=now, sent=sent)
        else:
            completion = parse_error_response(self._model, status, headers, content, self._key, now, sent)
        seconds = time.perf_counter() - sent_at
        return completion.with_measurements(seconds, server_limits(headers, now), parse_deprecation(headers))

    async def close(self) -> None:
        """Release the client's connections; do not close the shared session."""
        self._post.close()
