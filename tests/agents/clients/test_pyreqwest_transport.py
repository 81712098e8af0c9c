"""Where aiohttp takes over from pyreqwest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from agents.clients.aiohttp_transport import AiohttpTransport
from agents.clients.http_transport import LostConnectionError
from tests.agents.clients.raw_server import RawServer, http_response, writes, writes_and_closes

if TYPE_CHECKING:
    from agents.clients.pyreqwest_transport import PyreqwestSession, PyreqwestTransport
else:
    pytest.importorskip("pyreqwest")
    from agents.clients.pyreqwest_transport import PyreqwestSession, PyreqwestTransport

MOST = 1000
NEVER = 3600.0


@pytest.fixture
async def session() -> AsyncIterator[PyreqwestSession]:
    async with PyreqwestSession() as opened:
        yield opened


@pytest.fixture
async def raw() -> AsyncIterator[RawServer]:
    """Not started yet."""
    server = RawServer()
    yield server
    await server.close()


async def test_a_direct_connection_is_made_by_pyreqwest(session: PyreqwestSession) -> None:
    assert isinstance(session.transport("https://a.invalid/", {}, MOST, NEVER), PyreqwestTransport)


@pytest.mark.parametrize("variable", ["https_proxy", "all_proxy"])
async def test_aiohttp_takes_over_for_proxies(
    session: PyreqwestSession, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:1")
    assert isinstance(session.transport("https://a.invalid/", {}, MOST, NEVER), AiohttpTransport)


async def test_a_connection_that_pyreqwest_cannot_make_is_made_by_aiohttp(
    raw: RawServer, session: PyreqwestSession
) -> None:
    await raw.start(writes(http_response(b"yes")))
    nowhere = session.transport("http://127.0.0.1:1/", {}, MOST, NEVER)
    through_aiohttp = session.fallback.transport(raw.url, {}, MOST, NEVER)
    assert isinstance(nowhere, PyreqwestTransport)
    nowhere.fallback = through_aiohttp
    for _ in range(2):
        assert (await nowhere(b"", "k")).content == b"yes"


async def test_a_request_that_may_have_been_sent_is_not_sent_again(
    raw: RawServer, session: PyreqwestSession
) -> None:
    """pyreqwest raises the same `ConnectError` for it as for a connection that cannot be made."""
    await raw.start(writes_and_closes(b""))
    with pytest.raises(LostConnectionError):
        await session.transport(raw.url, {}, MOST, NEVER)(b"", "k")
    await asyncio.sleep(0)
    assert len(raw.heads) == 1
