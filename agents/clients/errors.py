"""Conversion of connection errors to `CallError`, shared by all clients.

The same error has the same `Failure` in every client. Messages never contain a key.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import zlib
from collections.abc import Iterator

import aiohttp

from agents.clients.proxy import proxy_of
from agents.errors import CallError, Failure
from agents.models.spec import Model
from agents.protocols.error_mapping import redact_secrets

MAX_RESPONSE_BYTES = 8 * 2**20
"""Size limit of a response body; a completion with log-probabilities is far smaller."""

_PASSWORD = re.compile(r"(\w://)[^/@\s]+@")  # user and password in a proxy URL

CONNECTION_ERRORS = (aiohttp.ClientError, OSError, asyncio.IncompleteReadError)


def timeout_error(model: Model, seconds: float) -> CallError:
    """Return the error for a request without a complete response in time; it may have been charged."""
    message = (
        f"{model.id}: no complete response within {seconds:g} s. Raise --timeout for a model that thinks."
    )
    return CallError(Failure.TIMEOUT, message, charged=True)


def response_too_large(model: Model, status: int) -> CallError:
    """Return the error for a response body over `MAX_RESPONSE_BYTES`."""
    return CallError(
        Failure.TOO_LARGE,
        f"{model.id}: the response is larger than {MAX_RESPONSE_BYTES // 2**20} MiB and was not read.",
        status=status,
        charged=True,
    )


def connection_error(model: Model, key: str, error: BaseException) -> CallError | None:
    """Convert a connection, TLS, proxy or decompression error; return None for an error of another kind.

    The chain of causes is searched, because SDKs wrap the original error in their own.

    Args:
        key: the API key, which is removed from the message.
    """
    if any(_is_undecodable(cause) for cause in _causes(error)):
        message = f"{model.id}: the response from {model.base_url} does not match its Content-Encoding."
        return CallError(Failure.MALFORMED, message, charged=True)
    broken = next((cause for cause in _causes(error) if isinstance(cause, CONNECTION_ERRORS)), None)
    if broken is None or isinstance(broken, TimeoutError):
        return None
    failure, kind, sent, remedy = Failure.CONNECTION, "the connection was lost", True, ""
    if isinstance(broken, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
        failure, kind, sent = Failure.PROXY, "the proxy cannot be used", False
        variable = (proxy_of(model.base_url) or ("http_proxy or https_proxy", ""))[0]
        remedy = f" It is set by {variable}; add hosts to no_proxy to connect directly."
    elif isinstance(broken, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        failure, kind, sent = Failure.TLS, "the certificate is not trusted", False
        remedy = " For a certificate of your own, set SSL_CERT_FILE to its file."
    elif isinstance(broken, aiohttp.ClientSSLError | ssl.SSLError):
        failure, kind, sent = Failure.TLS, "no secure (TLS) connection", False
        remedy = " Check the scheme of the address, http or https."
    elif isinstance(broken, aiohttp.ClientConnectorDNSError):
        kind, sent = "unknown host (DNS)", False
    elif isinstance(broken, aiohttp.ClientConnectorError | aiohttp.InvalidURL):
        kind, sent = "no connection", False
    detail = redact_secrets(_PASSWORD.sub(r"\1***@", str(broken)), key)
    message = f"{model.id}: {kind} at {model.base_url} ({type(broken).__name__}: {detail}).{remedy}"
    return CallError(failure, message, charged=sent)


def _is_undecodable(cause: BaseException) -> bool:
    """Return whether an error means that a body does not match its Content-Encoding.

    Errors of the SDKs' HTTP libraries are recognised by name, because aiohttp's is not public and httpx need
    not be installed.
    """
    return isinstance(cause, zlib.error) or type(cause).__name__ in ("ContentEncodingError", "DecodingError")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and the chain of its causes."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
