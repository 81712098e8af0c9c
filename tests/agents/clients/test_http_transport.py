"""Contract of HTTP transports, for each library: requests, bodies, connections, cancellation and TLS."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import aiohttp
import pytest

from agents.clients.errors import CONNECTION_ERRORS
from agents.clients.http import LIBRARIES, LIBRARY_VARIABLE, open_session
from agents.clients.http_transport import (
    ContentEncodingError,
    HttpSession,
    HttpTransport,
    LostConnectionError,
    ResponseTooLargeError,
    decode_body,
)
from tests.agents.clients.conftest import require_library
from tests.agents.clients.raw_server import (
    Certificate,
    RawServer,
    http_response,
    make_certificate,
    writes,
    writes_and_closes,
)

MOST = 1000
NEVER = 3600.0
CLOSES_AFTER = {"aiohttp": NEVER, "pyreqwest": 0.2}
"""Time limit of a cancelled request: aiohttp closes its connection at once, pyreqwest at this limit."""
Open = Callable[..., HttpTransport]


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> str:
    """Each library."""
    return require_library(request.param)


@pytest.fixture
async def transport(library: str) -> AsyncIterator[Open]:
    """Opens transports: to a URL, with headers, and at most `MOST` bytes of an answer."""
    session: HttpSession | None = None

    def make(url: str, headers: Mapping[str, str] | None = None, timeout: float = NEVER) -> HttpTransport:
        nonlocal session
        session = session or open_session(environ={LIBRARY_VARIABLE: library})  # in the test's environment
        return session.transport(url, headers or {}, MOST, timeout)

    yield make
    if session is not None:
        await session.close()
        await session.close()


@pytest.fixture
async def raw() -> AsyncIterator[RawServer]:
    """Not started yet."""
    server = RawServer()
    yield server
    await server.close()


# -- requests ----------------------------------------------------------------------------------------


async def test_all_libraries_send_the_same(raw: RawServer) -> None:
    await raw.start(writes(http_response(b"")))
    for name in LIBRARIES:
        require_library(name)
        async with open_session(environ={LIBRARY_VARIABLE: name}) as session:
            await session.transport(raw.url, {"Content-Type": "text/x", "x-api-key": "k"}, MOST, NEVER)(
                b"four", "o"
            )
    first, *others = ({*head.lower().split(b"\r\n")} for head in raw.heads)  # names have no case
    assert all(other == first for other in others)
    assert {b"post /v1/ask?a=b http/1.1", b"idempotency-key: o", b"content-length: 4"} < first


async def test_a_header_with_a_line_break_is_refused(transport: Open, raw: RawServer) -> None:
    await raw.start(writes(http_response(b"")))
    with pytest.raises(ValueError, match=r"(?i)header"):
        await transport(raw.url, {"X-Key": "a\r\nX-Other: b"})(b"", "k")
    assert raw.heads == []


async def test_a_redirect_is_returned_and_not_followed(transport: Open, raw: RawServer) -> None:
    await raw.start(writes(http_response(b"there", b"Location: /v1/there\r\n", b"307 Temporary Redirect")))
    response = await transport(raw.url)(b"body", "k")
    assert (response.status, response.headers["Location"], response.content) == (307, "/v1/there", b"there")
    assert len(raw.heads) == 1


async def test_a_cookie_is_not_returned(transport: Open, raw: RawServer) -> None:
    await raw.start(writes(http_response(b"", b"Set-Cookie: a=b\r\n")))
    send = transport(raw.url)
    for _ in range(2):
        await send(b"", "k")
    assert b"cookie" not in raw.heads[1].lower()


async def test_an_ipv6_address(transport: Open, raw: RawServer) -> None:
    try:
        await raw.start(writes(http_response(b"yes")), host="::1")
    except OSError:
        pytest.skip("no IPv6 here")
    assert (await transport(raw.url)(b"", "k")).content == b"yes"


# -- responses ---------------------------------------------------------------------------------------


def chunked(*chunks: bytes, headers: bytes = b"") -> bytes:
    """A response in chunks."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
    return b"HTTP/1.1 200 OK\r\n%bTransfer-Encoding: chunked\r\n\r\n%b" % (headers, body)


def raw_deflate(content: bytes) -> bytes:
    """Compress without a zlib header, as some servers understand "deflate"."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


GZIP, DEFLATE = b"Content-Encoding: gzip\r\n", b"Content-Encoding: deflate\r\n"
LONG = b"yes" * 99
RESPONSES = {
    "with its length": (http_response(b"yes", b"X-Own: 1\r\n"), b"yes"),
    "empty": (http_response(b""), b""),
    "without content": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "exactly at the limit": (http_response(b"x" * MOST), b"x" * MOST),
    "in chunks": (chunked(b"ye", b"s"), b"yes"),
    "in chunks at the limit": (chunked(*[b"x"] * MOST), b"x" * MOST),
    "gzip": (http_response(gzip.compress(LONG), GZIP), LONG),
    "x-gzip": (http_response(gzip.compress(LONG), b"Content-Encoding: X-GZIP\r\n"), LONG),
    "gzip in chunks": (chunked(*(bytes([byte]) for byte in gzip.compress(LONG)), headers=GZIP), LONG),
    "gzip of two members": (http_response(gzip.compress(b"ye") + gzip.compress(b"s"), GZIP), b"yes"),
    "gzip of nothing": (http_response(b"", GZIP), b""),
    "deflate": (http_response(zlib.compress(LONG), DEFLATE), LONG),
    "deflate without a header": (http_response(raw_deflate(LONG), DEFLATE), LONG),
    "identity": (http_response(b"yes", b"Content-Encoding: identity\r\n"), b"yes"),
    "after interim responses": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        + http_response(b"yes"),
        b"yes",
    ),
    "with many headers": (
        http_response(b"yes", b"".join(b"X-%d: %b\r\n" % (number, b"v" * 2000) for number in range(30))),
        b"yes",
    ),
}


@pytest.mark.parametrize("name", RESPONSES)
async def test_a_response_is_read_to_its_end_and_its_connection_used_again(
    transport: Open, raw: RawServer, name: str
) -> None:
    written, content = RESPONSES[name]
    await raw.start(writes(written))
    send = transport(raw.url)
    for number in range(3):
        response = await send(b"body", str(number))
        assert (response.status, response.content) == (204 if name == "without content" else 200, content)
    assert raw.connections == 1


async def test_a_response_without_a_length_ends_with_its_connection(transport: Open, raw: RawServer) -> None:
    await raw.start(writes_and_closes(b"HTTP/1.1 200 OK\r\n\r\nyes"))
    send = transport(raw.url)
    for _ in range(2):
        assert (await send(b"", "k")).content == b"yes"
    assert raw.connections == 2


async def test_headers_are_looked_up_without_regard_to_case(transport: Open, raw: RawServer) -> None:
    await raw.start(writes(http_response(b"", b"x-rateLIMIT-limit-requests: 5\r\n")))
    response = await transport(raw.url)(b"", "k")
    assert response.headers["X-RateLimit-Limit-Requests"] == "5"
    assert "x-ratelimit-limit-requests" in response.headers
    assert response.headers.get("Retry-After") is None


async def test_a_header_that_is_not_ascii_does_no_harm(transport: Open, raw: RawServer) -> None:
    await raw.start(writes(http_response(b"yes", b"X-Odd: \xff\xe9\r\nX-Own: 1\r\n")))
    response = await transport(raw.url)(b"", "k")
    assert (response.content, response.headers["X-Own"]) == (b"yes", "1")
    assert isinstance(response.headers.get("X-Odd", ""), str)


@pytest.mark.parametrize(
    "written",
    [
        http_response(b"x" * (MOST + 1)),
        http_response(gzip.compress(b"x" * 10 * MOST), GZIP),
        chunked(b"x" * (MOST + 1)),
        chunked(*[b"x"] * (MOST + 1)),
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999\r\n\r\n" + b"x" * 200_000,
    ],
    ids=["with its length", "gzip", "in one chunk", "in many chunks", "stated only"],
)
async def test_a_large_response_is_refused_and_the_next_one_read(
    transport: Open, raw: RawServer, written: bytes
) -> None:
    async def handle(body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(http_response(body) if body == b"small" else written)

    await raw.start(handle)
    send = transport(raw.url)
    for _ in range(2):
        with pytest.raises(ResponseTooLargeError) as caught:
            await send(b"body", "k")
        assert caught.value.status == 200
        assert (await send(b"small", "k")).content == b"small"


@pytest.mark.parametrize(
    ("coding", "content"),
    [
        ("gzip", b'{"plain": 1}'),
        ("gzip", gzip.compress(LONG)[:-9]),
        ("gzip", gzip.compress(LONG) + b"more"),
        ("gzip", gzip.compress(LONG)[:-8] + bytes(8)),
        ("deflate", b'{"plain": 1}'),
        ("deflate", zlib.compress(LONG)[:-5]),
        ("br", b"\x0b\x01\x80yes\x03"),
        ("zstd", b"\x28\xb5\x2f\xfd\x04\x58\x19\x00\x00yes"),
        ("gzip, br", b"yes"),
        ("unheard-of", b"yes"),
    ],
)
async def test_a_body_that_does_not_match_its_encoding_is_an_error(
    transport: Open, raw: RawServer, coding: str, content: bytes
) -> None:
    await raw.start(writes(http_response(content, b"Content-Encoding: %b\r\n" % coding.encode())))
    with pytest.raises(ContentEncodingError):
        await transport(raw.url)(b"", "k")


def test_decompression_stops_at_the_limit() -> None:
    bomb = gzip.compress(gzip.compress(bytes(10**8), 9), 9)
    once = zlib.decompress(bomb, 47)
    with pytest.raises(ResponseTooLargeError):
        decode_body(200, {"Content-Encoding": "gzip"}, once, MOST)


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"not HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Own",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        http_response(b"yes", b"X-Own: %b\r\n" % (b"v" * 1_000_000)),
    ],
    ids=[
        "nothing",
        "not HTTP",
        "negative length",
        "length in words",
        "body cut off",
        "chunk cut off",
        "last chunk missing",
        "no chunk length",
        "head cut off",
        "interim response only",
        "endless head",
    ],
)
async def test_an_invalid_or_truncated_response_is_a_connection_error_and_not_asked_again(
    transport: Open, raw: RawServer, written: bytes
) -> None:
    await raw.start(writes_and_closes(written))
    with pytest.raises(CONNECTION_ERRORS):
        await transport(raw.url)(b"body", "k")
    assert len(raw.heads) == 1


# -- connections -------------------------------------------------------------------------------------


async def test_concurrent_requests_get_their_own_responses(transport: Open, raw: RawServer) -> None:
    waiting: list[asyncio.Future[None]] = []

    async def handle(body: bytes, writer: asyncio.StreamWriter) -> None:
        """Answers only when all are waiting, the last one first."""
        own = asyncio.get_running_loop().create_future()
        waiting.append(own)
        if len(waiting) == 20:
            for other in reversed(waiting):
                other.set_result(None)
        await own
        writer.write(http_response(body))

    await raw.start(handle)
    send = transport(raw.url)
    responses = await asyncio.gather(*(send(str(number).encode(), "k") for number in range(20)))
    assert [response.content for response in responses] == [str(number).encode() for number in range(20)]
    assert raw.connections == 20


@pytest.mark.parametrize("half", [False, True], ids=["stated", "half-closed"])
async def test_a_connection_that_the_server_ends_is_not_used_again(
    transport: Open, raw: RawServer, half: bool
) -> None:
    async def handle(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(http_response(b"yes", b"" if half else b"Connection: close\r\n"))
        if half:
            writer.write_eof()

    await raw.start(handle)
    send = transport(raw.url)
    for _ in range(2):
        assert (await send(b"body", "k")).content == b"yes"
        await raw.ended.wait()
        raw.ended.clear()
    assert raw.connections == 2


async def test_an_idle_connection_that_the_server_closed_is_not_used_again(
    transport: Open, raw: RawServer
) -> None:
    await raw.start(writes(http_response(b"yes")))
    send = transport(raw.url)
    await send(b"", "k")
    raw.writers[0].close()
    await raw.ended.wait()  # the client has noticed
    answer = None
    while answer is None:  # pyreqwest forgets the connection in a thread of its own, a moment later
        with contextlib.suppress(LostConnectionError):
            answer = await send(b"", "k")
    assert answer.content == b"yes"
    assert (len(raw.heads), raw.connections) == (2, 2)  # nothing was sent twice


async def test_a_request_on_a_kept_connection_is_sent_once_even_if_it_breaks(
    transport: Open, raw: RawServer
) -> None:
    async def handle(body: bytes, writer: asyncio.StreamWriter) -> None:
        if body == b"second":
            writer.close()
        else:
            writer.write(http_response(b"yes"))

    await raw.start(handle)
    send = transport(raw.url)
    await send(b"first", "k")
    with pytest.raises(CONNECTION_ERRORS):
        await send(b"second", "k")
    assert (len(raw.heads), raw.connections) == (2, 1)


async def test_bytes_after_a_response_are_no_response_of_the_next_request(
    transport: Open, raw: RawServer
) -> None:
    async def handle(body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(http_response(body) + http_response(b"smuggled"))

    await raw.start(handle)
    send = transport(raw.url)
    for body in (b"first", b"second"):
        assert (await send(body, "k")).content == body


@pytest.mark.parametrize("phase", ["head", "body", "compressed body"])
async def test_a_cancelled_request_closes_its_connection(
    transport: Open, library: str, raw: RawServer, phase: str
) -> None:
    arrived = asyncio.Event()
    begun = {"head": b"", "body": b"x", "compressed body": gzip.compress(LONG)[:20]}[phase]

    async def handle(body: bytes, writer: asyncio.StreamWriter) -> None:
        if body == b"first":
            if phase != "head":
                writer.write(b"HTTP/1.1 200 OK\r\n%bContent-Length: 500\r\n\r\n%b" % (GZIP, begun))
            arrived.set()
        else:
            writer.write(http_response(body))

    await raw.start(handle)
    first = asyncio.ensure_future(transport(raw.url, timeout=CLOSES_AFTER[library])(b"first", "k"))
    await arrived.wait()
    first.cancel()
    with pytest.raises((asyncio.CancelledError, TimeoutError)):
        await first
    assert (await transport(raw.url)(b"second", "k")).content == b"second"
    assert raw.connections == 2
    await raw.ended.wait()


async def test_a_request_cancelled_while_it_connects_leaves_nothing_behind(
    transport: Open, library: str
) -> None:
    ended, accepted = asyncio.Event(), asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Never answers the client's part of the TLS handshake."""
        accepted.set()
        await reader.read()
        ended.set()
        writer.close()

    silent = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    send = transport(f"https://127.0.0.1:{port}/", timeout=CLOSES_AFTER[library])
    asking = asyncio.ensure_future(send(b"", "k"))
    await accepted.wait()
    asking.cancel()
    with pytest.raises((asyncio.CancelledError, TimeoutError)):
        await asking
    await ended.wait()
    silent.close()


async def test_a_closed_session_sends_nothing(library: str, raw: RawServer) -> None:
    await raw.start(writes(http_response(b"")))
    session = open_session(environ={LIBRARY_VARIABLE: library})
    send = session.transport(raw.url, {}, MOST, NEVER)
    await session.close()
    with pytest.raises((RuntimeError, *CONNECTION_ERRORS)):
        await send(b"", "k")
    assert raw.heads == []


async def test_closing_a_session_closes_its_connections(library: str, raw: RawServer) -> None:
    await raw.start(writes(http_response(b"")))
    async with open_session(environ={LIBRARY_VARIABLE: library}) as session:
        await session.transport(raw.url, {}, MOST, NEVER)(b"", "k")
    await raw.ended.wait()


async def test_an_address_where_nobody_listens_is_a_connector_error(transport: Open) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(aiohttp.ClientConnectorError):
            await transport(f"http://127.0.0.1:{taken.getsockname()[1]}/")(b"", "k")


# -- TLS ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for 127.0.0.1."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


async def test_a_tls_connection_to_a_trusted_server_is_used_again(
    transport: Open, raw: RawServer, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    await raw.start(writes(http_response(b"yes")), certificate.context)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    send = transport(raw.url)
    for _ in range(3):
        assert (await send(b"body", "k")).content == b"yes"
    assert raw.connections == 1


@pytest.mark.parametrize("wrong", ["authority", "address", "time", "own certificates"])
async def test_a_server_without_a_trusted_certificate_receives_nothing(
    transport: Open,
    raw: RawServer,
    certificate: Certificate,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wrong: str,
) -> None:
    used = {
        "authority": lambda: certificate,
        "address": lambda: make_certificate(tmp_path, "127.0.0.2"),
        "time": lambda: make_certificate(tmp_path, days=(-3, -2)),
        "own certificates": lambda: make_certificate(tmp_path),
    }[wrong]()
    if wrong != "authority":
        trusted = certificate if wrong == "own certificates" else used
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted.file))
    await raw.start(writes(http_response(b"yes")), used.context)
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await transport(raw.url)(b"body", "k")
    assert raw.heads == []


async def test_a_server_without_tls_receives_no_request(transport: Open) -> None:
    received: list[bytes] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read(10_000))
        writer.write(http_response(b"no", status=b"400 Bad Request"))
        writer.close()

    plain = await asyncio.start_server(accept, "127.0.0.1", 0)
    with pytest.raises(aiohttp.ClientSSLError):
        await transport(f"https://127.0.0.1:{plain.sockets[0].getsockname()[1]}/")(b"body", "k")
    assert not any(b"POST" in data for data in received)
    plain.close()
