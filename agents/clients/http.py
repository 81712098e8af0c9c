"""Client over plain HTTP with a shared session; the default, and the fastest client.

It sends each request once. Rate limits, retries and storage are clients that wrap it. The key is kept only in
the headers of the requests.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.util import find_spec

from agents.clients.aiohttp_transport import AiohttpSession
from agents.clients.base import ModelRequest
from agents.clients.errors import (
    CONNECTION_ERRORS,
    MAX_RESPONSE_BYTES,
    connection_error,
    response_too_large,
    timeout_error,
)
from agents.clients.http_transport import ContentEncodingError, HttpSession, ResponseTooLargeError
from agents.clients.timeout import SharedTimeout
from agents.errors import UserError
from agents.messages import Completion
from agents.models.spec import Model
from agents.protocols import FORMATS, parse_response, request_url
from agents.protocols.deprecation_headers import parse_deprecation
from agents.protocols.error_mapping import parse_error_response
from agents.protocols.rate_limit_headers import server_limits

LIBRARY_VARIABLE = "EMPATHY_HTTP_LIBRARY"
LIBRARIES = ("aiohttp", "pyreqwest")


def open_session(use_proxies: bool = True, environ: Mapping[str, str] = os.environ) -> HttpSession:
    """Open the session that all clients share, over pyreqwest if it is installed and over aiohttp otherwise.

    Args:
        use_proxies: whether to use the proxies of the environment.
        environ: environment; `EMPATHY_HTTP_LIBRARY` names the library, one of `LIBRARIES`.

    Raises:
        UserError: the library has an unknown name or is not installed.
    """
    if http_library(environ) == "aiohttp":
        return AiohttpSession(use_proxies)
    from agents.clients.pyreqwest_transport import PyreqwestSession

    return PyreqwestSession(use_proxies)


def http_library(environ: Mapping[str, str] = os.environ) -> str:
    """Return the HTTP library to use, one of `LIBRARIES`.

    Raises:
        UserError: the environment names a library that is unknown or not installed.
    """
    name = environ.get(LIBRARY_VARIABLE, "")
    if name not in ("", *LIBRARIES):
        raise UserError(
            "unknown HTTP library",
            code="http.unknown-library",
            where=LIBRARY_VARIABLE,
            found=name,
            remedy=f"Choose {' or '.join(LIBRARIES)}, or unset {LIBRARY_VARIABLE}.",
        )
    is_installed = find_spec("pyreqwest") is not None
    if name == "pyreqwest" and not is_installed:
        raise UserError(
            "the HTTP library is not installed",
            code="http.library-not-installed",
            where=LIBRARY_VARIABLE,
            found=name,
            remedy="Install it with: pip install 'empathy-harness[fast]'",
        )
    return name or ("pyreqwest" if is_installed else "aiohttp")


class HttpClient:
    """Client for one model over a shared session, which its opener must close.

    Args:
        timeout_seconds: time limit of a request, from sending it to the last byte of the response.
    """

    def __init__(self, model: Model, key: str, session: HttpSession, timeout_seconds: float = 120.0) -> None:
        self._model = model
        self._key = key
        self._timeout_seconds = timeout_seconds
        self._patience = SharedTimeout(timeout_seconds)
        headers = {"Content-Type": "application/json", **FORMATS[model.protocol].headers(key)}
        self._post = session.transport(request_url(model), headers, MAX_RESPONSE_BYTES, timeout_seconds)

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
        except (*CONNECTION_ERRORS, ContentEncodingError) as error:
            raise (connection_error(self._model, self._key, error) or error) from error
        now, sent = datetime.now(UTC), call.body
        if status == 200:
            completion = parse_response(self._model, content, headers, key=self._key, now=now, sent=sent)
        else:
            completion = parse_error_response(self._model, status, headers, content, self._key, now, sent)
        seconds = time.perf_counter() - sent_at
        return completion.with_measurements(seconds, server_limits(headers, now), parse_deprecation(headers))

    async def close(self) -> None:
        """Do nothing: the opener of the shared session closes it."""
