"""HTTP transport: POST requests over direct connections and through a proxy."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agents.clients import http_transport
from agents.clients.http import open_session
from agents.clients.http_transport import (
    CONNECTION_ERRORS,
    DirectTransport,
    HttpTransport,
    RawResponse,
    ResponseTooLargeError,
    SessionTransport,
    transport_for,
)

MOST = 1000
Handle = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class Raw:
    """A server that says what it is told to, byte by byte, and remembers what it was sent."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.connections = 0
        self.scheme = "http"
        self.port = 0
        self.writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def start(self, handle: Handle, secure: ssl.SSLContext | None = None) -> Raw:
        """Begin to listen; `handle` is given every request's body and writes the answer."""
        self.scheme = "https" if secure else "http"

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            self.writers.append(writer)
            try:
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                    self.heads.append(head)
                    await handle(await reader.readexactly(length), writer)
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()

        self._server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=secure)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"{self.scheme}://127.0.0.1:{self.port}/v1/ask?a=b"

    async def close(self) -> None:
        """Stop, and drop every connection."""
        if self._server is not None:
            self._server.close()
        for writer in self.writers:
            writer.transport.abort()


Make = Callable[..., HttpTransport]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """As clients share it."""
    async with open_session() as opened:
        yield opened


@pytest.fixture(params=[DirectTransport, SessionTransport], ids=["straight", "through the session"])
def way(request: pytest.FixtureRequest, session: aiohttp.ClientSession) -> Iterator[Make]:
    """Each way: to a URL, with headers, and at most `MOST` bytes of an answer."""
    made: list[HttpTransport] = []

    def make(url: str, headers: Mapping[str, str] | None = None) -> HttpTransport:
        made.append(request.param(url, headers or {}, session, MOST))
        return made[-1]

    yield make
    for post in made:
        post.close()
        post.close()


@pytest.fixture
async def raw() -> AsyncIterator[Raw]:
    """Not started yet."""
    server = Raw()
    yield server
    await server.close()


def saying(answer: bytes) -> Handle:
    """Always the same."""

    async def handle(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return handle


def http_response(content: bytes, headers: bytes = b"") -> bytes:
    """An answer with its length."""
    return b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (headers, len(content), content)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ANSWERS = {
    "with its length": (http_response(b"yes", b"X-Own: 1\r\n"), b"yes"),
    "empty": (http_response(b""), b""),
    "exactly at the bound": (http_response(b"x" * MOST), b"x" * MOST),
    "in chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nye\r\n1\r\ns\r\n0\r\n\r\n",
        b"yes",
    ),
    "packed": (http_response(gzip.compress(b"yes" * 99), b"Content-Encoding: gzip\r\n"), b"yes" * 99),
    "after an interim one": (
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + http_response(b"yes"),
        b"yes",
    ),
}


@pytest.mark.parametrize("answer", ANSWERS)
async def test_an_answer_is_read_to_its_end_and_its_connection_used_again(
    way: Make, raw: Raw, answer: str
) -> None:
    said, content = ANSWERS[answer]
    await raw.start(saying(said))
    post = way(raw.url, {"X-Constant": "c"})
    for number in range(3):
        posted = await post(b"body", str(number))
        assert (posted.status, posted.content) == (200, content)
    assert raw.connections == 1


async def test_both_ways_send_the_same(session: aiohttp.ClientSession, raw: Raw) -> None:
    await raw.start(saying(http_response(b"")))
    for chosen in (DirectTransport, SessionTransport):
        post = chosen(raw.url, {"Content-Type": "text/x"}, session, MOST)
        await post(b"four", "o")
        post.close()
    straight, through = ({*head.split(b"\r\n")} for head in raw.heads)
    assert straight == through
    assert {b"POST /v1/ask?a=b HTTP/1.1", b"Idempotency-Key: o", b"Content-Length: 4"} < straight


async def test_headers_are_looked_up_without_regard_to_case(way: Make, raw: Raw) -> None:
    await raw.start(saying(http_response(b"", b"x-rateLIMIT-limit-requests: 5\r\n")))
    posted = await way(raw.url)(b"", "k")
    assert posted.headers["X-RateLimit-Limit-Requests"] == "5"


@pytest.mark.parametrize(
    "answer",
    [
        http_response(b"x" * (MOST + 1)),
        http_response(gzip.compress(b"x" * 10 * MOST), b"Content-Encoding: gzip\r\n"),
        CHUNKED + b"7d0\r\n" + b"x" * 2000 + b"\r\n0\r\n\r\n",
    ],
    ids=["as stated", "packed", "in chunks"],
)
async def test_a_large_response_is_rejected_and_its_connection_closed(
    way: Make, raw: Raw, answer: bytes
) -> None:
    async def handle(body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(http_response(body) if body == b"small" else answer)

    await raw.start(handle)
    post = way(raw.url)
    for _ in range(2):
        with pytest.raises(ResponseTooLargeError) as caught:
            await post(b"body", "k")
        assert caught.value.status == 200
        assert (await post(b"small", "k")).content == b"small"


@pytest.mark.parametrize(
    "answer", [b"not HTTP at all\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n", b""]
)
async def test_an_invalid_response_closes_the_connection(way: Make, raw: Raw, answer: bytes) -> None:
    async def handle(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    await raw.start(handle)
    with pytest.raises(CONNECTION_ERRORS):
        await way(raw.url)(b"body", "k")


async def test_a_connection_that_the_server_ends_is_not_used_again(way: Make, raw: Raw) -> None:
    await raw.start(saying(http_response(b"yes", b"Connection: close\r\n")))
    post = way(raw.url)
    for _ in range(2):
        assert (await post(b"body", "k")).content == b"yes"
    assert raw.connections == 2


async def test_a_cancelled_request_leaves_no_response_for_the_next(way: Make, raw: Raw) -> None:
    arrived, late = asyncio.Event(), asyncio.Event()

    async def handle(body: bytes, writer: asyncio.StreamWriter) -> None:
        if body == b"first":
            arrived.set()
            await late.wait()
        writer.write(http_response(body))

    await raw.start(handle)
    post = way(raw.url)
    first = asyncio.ensure_future(post(b"first", "k"))
    await arrived.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    late.set()
    assert (await post(b"second", "k")).content == b"second"


async def test_a_header_with_a_line_break_is_refused(way: Make, raw: Raw) -> None:
    await raw.start(saying(http_response(b"")))
    with pytest.raises(ValueError, match=r"(?i)line|header"):
        await way(raw.url, {"X-Key": "a\r\nX-Other: b"})(b"", "k")
    assert raw.heads == []


@pytest.mark.parametrize("way", [DirectTransport, SessionTransport])
async def test_a_closed_session_posts_nothing(
    way: type[DirectTransport | SessionTransport], raw: Raw
) -> None:
    await raw.start(saying(http_response(b"")))
    session = open_session()
    post = way(raw.url, {}, session, MOST)
    await session.close()
    with pytest.raises((RuntimeError, *CONNECTION_ERRORS)):
        await post(b"", "k")
    post.close()


async def test_an_idle_connection_closed_by_the_server_is_not_reused(way: Make, raw: Raw) -> None:
    await raw.start(saying(http_response(b"yes")))
    post = way(raw.url)
    await post(b"", "k")
    raw.writers[0].close()
    await raw.writers[0].wait_closed()
    await asyncio.sleep(0)
    assert (await post(b"", "k")).content == b"yes"
    assert raw.connections == 2


async def test_an_old_idle_connection_is_not_reused(
    session: aiohttp.ClientSession, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    await raw.start(saying(http_response(b"yes")))
    post = DirectTransport(raw.url, {}, session, MOST)
    await post(b"", "k")
    monkeypatch.setattr(http_transport, "KEEP_SECONDS", -1.0)
    assert (await post(b"", "k")).content == b"yes"
    assert raw.connections == 2
    post.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, bytes]:
    """A server's context for this machine, and the certificate that a client may trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test of empathy-harness")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(secret + made)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return context, made


@pytest.mark.parametrize("way", [DirectTransport, SessionTransport])
async def test_a_tls_connection_to_a_trusted_server_is_reused(
    way: type[DirectTransport | SessionTransport], raw: Raw, certificate: tuple[ssl.SSLContext, bytes]
) -> None:
    await raw.start(saying(http_response(b"yes")), certificate[0])
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    super(ssl.SSLContext, trusting).load_verify_locations(cadata=certificate[1].decode())
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as session:
        post = way(raw.url, {}, session, MOST)
        for _ in range(3):
            assert (await post(b"body", "k")).content == b"yes"
        post.close()
    assert raw.connections == 1


async def test_an_untrusted_server_receives_nothing(
    way: Make, raw: Raw, certificate: tuple[ssl.SSLContext, bytes]
) -> None:
    await raw.start(saying(http_response(b"yes")), certificate[0])
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await way(raw.url)(b"body", "k")
    assert raw.heads == []


async def test_a_proxy_of_the_environment_is_used(raw: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    await raw.start(saying(http_response(b"by proxy")))
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{raw.port}")
    async with open_session() as session:
        posted: RawResponse = await transport_for("http://far.invalid/v1", {}, session, MOST)(b"body", "k")
    assert posted.content == b"by proxy"
    assert raw.heads[0].startswith(b"POST http://far.invalid/v1 HTTP/1.1\r\n")


async def test_without_a_proxy_the_connection_is_direct(session: aiohttp.ClientSession) -> None:
    assert isinstance(transport_for("http://127.0.0.1/", {}, session, MOST), DirectTransport)
