"""What goes wrong on the way to a model and back, told alike by every client: the same trouble is the same
`Failure`, whoever carried the call. No key is ever part of a message.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import zlib
from collections.abc import Iterator

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError

from agents.clients import http_transport
from agents.clients.proxy import proxy_of
from agents.errors import CallError, Failure
from agents.models.spec import Model
from agents.protocols.error_mapping import redact_secrets

MAX_RESPONSE_BYTES = 8 * 2**20
"""More than any answer needs, log-probabilities included."""

_PASSWORD = re.compile(r"(\w://)[^/@\s]+@")  # of a proxy

CONNECTION_ERRORS = (*http_transport.CONNECTION_ERRORS, ssl.SSLError, OSError, asyncio.IncompleteReadError)


def timeout_error(model: Model, seconds: float) -> CallError:
    """No whole answer in time; what was done for it may have been charged."""
    words = f"{model.id}: no whole answer within {seconds:g} s. A model that thinks needs longer: --timeout."
    return CallError(Failure.TIMEOUT, words, charged=True)


def response_too_large(model: Model, status: int) -> CallError:
    """An answer that nobody should read."""
    return CallError(
        Failure.TOO_LARGE,
        f"{model.id}: the answer is over {MAX_RESPONSE_BYTES // 2**20} MiB; it was not read.",
        status=status,
        charged=True,
    )


def connection_error(model: Model, key: str, error: BaseException) -> CallError | None:
    """A connection that was not made, or broke, or an answer that cannot be unpacked; None where the error is
    of another kind.

    SDKs wrap what happened in errors of their own: the chain of causes is searched for it.
    """
    if any(_is_undecodable(cause) for cause in _causes(error)):
        words = "cannot be unpacked: its Content-Encoding says another form than it has."
        return CallError(
            Failure.MALFORMED, f"{model.id}: the answer from {model.base_url} {words}", charged=True
        )
    broken = next((cause for cause in _causes(error) if isinstance(cause, CONNECTION_ERRORS)), None)
    if broken is None or isinstance(broken, TimeoutError):
        return None
    failure, kind, sent, remedy = Failure.CONNECTION, "the connection broke", True, ""
    if isinstance(broken, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
        failure, kind, sent = Failure.PROXY, "the proxy cannot be used", False
        variable = (proxy_of(model.base_url) or ("http_proxy or https_proxy", ""))[0]
        remedy = f" {variable} names it; no_proxy lists hosts that are asked without it."
    elif isinstance(broken, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        failure, kind, sent = Failure.TLS, "its certificate is not trusted", False
        remedy = " Where it is your own, SSL_CERT_FILE names a file with the certificate to trust."
    elif isinstance(broken, aiohttp.ClientSSLError | ssl.SSLError):
        failure, kind, sent = Failure.TLS, "no secure (TLS) connection", False
        remedy = " Does the address begin with the right scheme, http or https?"
    elif isinstance(broken, aiohttp.ClientConnectorDNSError):
        kind, sent = "its name is not known (DNS)", False
    elif isinstance(broken, aiohttp.ClientConnectorError | aiohttp.InvalidURL):
        kind, sent = "no connection", False
    words = redact_secrets(_PASSWORD.sub(r"\1***@", str(broken)), key)
    message = f"{model.id}: {kind} at {model.base_url} ({type(broken).__name__}: {words}).{remedy}"
    return CallError(failure, message, charged=sent)


def _is_undecodable(cause: BaseException) -> bool:
    """Whether a body is not encoded as it says; the SDKs' own library has a class of its own for that."""
    return isinstance(cause, ContentEncodingError | zlib.error) or type(cause).__name__ == "DecodingError"


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
