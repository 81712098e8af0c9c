"""Proxies of the environment, with each HTTP library."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from agents.clients.http import LIBRARIES, LIBRARY_VARIABLE, open_session
from agents.clients.http_transport import RawResponse
from agents.clients.proxy import check_proxies, proxy_of
from tests.agents.clients.conftest import require_library
from tests.agents.clients.raw_server import RawServer, http_response, make_certificate, writes
from tests.errors import user_error

MOST = 1000
NEVER = 3600.0


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> str:
    """Each library."""
    return require_library(request.param)


@pytest.fixture(autouse=True)
def _no_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def raw() -> AsyncIterator[RawServer]:
    """Not started yet."""
    server = RawServer()
    yield server
    await server.close()


@pytest.fixture
async def proxy() -> AsyncIterator[RawServer]:
    """A proxy for plain HTTP that answers itself."""
    server = RawServer()
    await server.start(writes(http_response(b"by proxy")))
    yield server
    await server.close()


async def ask(library: str, url: str, use_proxies: bool = True) -> RawResponse:
    async with open_session(use_proxies, {LIBRARY_VARIABLE: library}) as session:
        return await session.transport(url, {"Authorization": "Bearer k"}, MOST, NEVER)(b"body", "k")


@pytest.mark.parametrize("variable", ["http_proxy", "all_proxy", "ALL_PROXY"])
async def test_a_proxy_of_the_environment_is_used(
    library: str, proxy: RawServer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, proxy.root)
    assert (await ask(library, "http://far.invalid/v1")).content == b"by proxy"
    assert proxy.heads[0].startswith(b"POST http://far.invalid/v1 HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer k\r\n" in proxy.heads[0]


@pytest.mark.parametrize("exception", ["*", "127.0.0.1", "far.invalid,127.0.0.1"])
async def test_no_proxy_lists_hosts_to_connect_to_directly(
    library: str, raw: RawServer, proxy: RawServer, monkeypatch: pytest.MonkeyPatch, exception: str
) -> None:
    await raw.start(writes(http_response(b"direct")))
    monkeypatch.setenv("http_proxy", proxy.root)
    monkeypatch.setenv("no_proxy", exception)
    assert (await ask(library, raw.url)).content == b"direct"
    assert proxy.connections == 0


async def test_a_proxy_for_another_scheme_is_not_used(
    library: str, raw: RawServer, proxy: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await raw.start(writes(http_response(b"direct")))
    monkeypatch.setenv("https_proxy", proxy.root)
    assert (await ask(library, raw.url)).content == b"direct"


async def test_a_session_can_do_without_proxies(
    library: str, raw: RawServer, proxy: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await raw.start(writes(http_response(b"direct")))
    monkeypatch.setenv("http_proxy", proxy.root)
    assert (await ask(library, raw.url, use_proxies=False)).content == b"direct"


async def test_user_and_password_of_a_proxy_are_sent_to_it(
    library: str, proxy: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy.root.replace("://", "://me:secret@"))
    await ask(library, "http://far.invalid/v1")
    credentials = base64.b64encode(b"me:secret")
    assert b"\r\nProxy-Authorization: Basic %b\r\n" % credentials in proxy.heads[0]
    assert b"\r\nAuthorization: Bearer k\r\n" in proxy.heads[0]


async def test_a_tls_connection_is_tunnelled_through_a_proxy(
    library: str, raw: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path)
    await raw.start(writes(http_response(b"secret")), certificate.context)
    asked: list[bytes] = []

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        target_reader, target_writer = await asyncio.open_connection(raw.host, raw.port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(forward(reader, target_writer), forward(target_reader, writer))

    server = await asyncio.start_server(tunnel, "127.0.0.1", 0)
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    assert (await ask(library, raw.url)).content == b"secret"
    assert asked[0].startswith(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n" % raw.port)
    assert b"Bearer" not in asked[0]
    server.close()


async def test_a_proxy_that_refuses_is_a_proxy_error(
    library: str, raw: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await raw.start(writes(http_response(b"", status=b"407 Proxy Authentication Required")))
    monkeypatch.setenv("https_proxy", raw.root)
    with pytest.raises(aiohttp.ClientHttpProxyError):
        await ask(library, "https://far.invalid/v1")


async def test_a_proxy_where_nobody_listens_is_a_proxy_error(
    library: str, proxy: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await proxy.close()
    monkeypatch.setenv("http_proxy", proxy.root)
    with pytest.raises(aiohttp.ClientProxyConnectionError):
        await ask(library, "http://far.invalid/v1")


@pytest.mark.parametrize("scheme", ["socks4", "socks5", "socks5h"])
async def test_a_socks_proxy_is_refused_by_name(
    library: str, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("all_proxy", f"{scheme}://me:secret@127.0.0.1:1")
    with user_error("proxy.unsupported", where="all_proxy", found=f"{scheme}://…"):
        await ask(library, "http://far.invalid/v1")


def test_all_unsupported_proxies_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    monkeypatch.setenv("https_proxy", "ftp://127.0.0.1:1")
    with user_error("proxy.unsupported") as caught:
        check_proxies(["http://a.invalid", "https://b.invalid", "http://c.invalid"])
    assert {fault.where for fault in caught.faults} == {"http_proxy", "https_proxy"}


def test_a_proxy_of_the_scheme_precedes_that_of_all_schemes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "http://all.invalid")
    monkeypatch.setenv("https_proxy", "http://https.invalid")
    assert proxy_of("https://a.invalid/v1") == ("https_proxy", "http://https.invalid")
    assert proxy_of("http://a.invalid/v1") == ("all_proxy", "http://all.invalid")
