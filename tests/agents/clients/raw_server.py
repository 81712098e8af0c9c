"""A loopback server that answers byte by byte, and a certificate for it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Handle = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class RawServer:
    """A server that writes what it is told to, and remembers what it was sent.

    Attributes:
        heads: the head of each request, with its final empty line.
        connections: number of connections so far.
        ended: set when a client has closed a connection.
    """

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.connections = 0
        self.ended = asyncio.Event()
        self.scheme = "http"
        self.host = "127.0.0.1"
        self.port = 0
        self.writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def start(
        self, handle: Handle, secure: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> RawServer:
        """Begin to listen; `handle` is given every request's body and writes the answer."""
        self.scheme, self.host = "https" if secure else "http", host

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            self.writers.append(writer)
            try:
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    _, _, rest = head.lower().partition(b"content-length:")
                    self.heads.append(head)
                    await handle(await reader.readexactly(int(rest.split(b"\r\n")[0] or 0)), writer)
            except (asyncio.IncompleteReadError, ConnectionError):
                self.ended.set()
                writer.close()

        self._server = await asyncio.start_server(connected, host, 0, ssl=secure)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    @property
    def root(self) -> str:
        """Scheme, host and port."""
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"{self.root}/v1/ask?a=b"

    async def close(self) -> None:
        """Stop, and drop every connection."""
        if self._server is not None:
            self._server.close()
        for writer in self.writers:
            writer.transport.abort()


def writes(answer: bytes) -> Handle:
    """Return a handler that always writes the same."""

    async def handle(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return handle


def writes_and_closes(answer: bytes) -> Handle:
    """Return a handler that writes something and ends the connection."""

    async def handle(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    return handle


def http_response(content: bytes, headers: bytes = b"", status: bytes = b"200 OK") -> bytes:
    """An answer with its length."""
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, headers, len(content), content)


@dataclass(frozen=True)
class Certificate:
    """A server's context, and the file of the certificate that a client may trust."""

    context: ssl.SSLContext
    file: Path


def make_certificate(
    folder: Path, address: str = "127.0.0.1", days: tuple[int, int] = (-1, 1)
) -> Certificate:
    """Make a certificate for an address, issued by an authority of its own.

    Args:
        days: when it begins and ends to be valid, from now.
    """
    now = datetime.now(UTC)
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name, name = (
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{role} of a test of empathy-harness")])
        for role in ("authority", "server")
    )

    def certificate(
        subject: x509.Name,
        public_key: ec.EllipticCurvePublicKey,
        extension: x509.ExtensionType,
        critical: bool,
    ) -> bytes:
        return (
            x509.CertificateBuilder(authority_name, subject, public_key, x509.random_serial_number())
            .not_valid_before(now + timedelta(days=days[0]))
            .not_valid_after(now + timedelta(days=days[1]))
            .add_extension(extension, critical)
            .sign(authority_key, hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM)
        )

    constraint = x509.BasicConstraints(ca=True, path_length=None)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
    folder.mkdir(parents=True, exist_ok=True)
    file, chain = folder / "authority.pem", folder / "server.pem"
    file.write_bytes(certificate(authority_name, authority_key.public_key(), constraint, critical=True))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain.write_bytes(secret + certificate(name, key.public_key(), alternative, critical=False))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain)
    return Certificate(context, file)
