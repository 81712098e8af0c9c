"""Choice of the HTTP library."""

from __future__ import annotations

import pytest

from agents.clients import http
from agents.clients.aiohttp_transport import AiohttpSession
from agents.clients.http import LIBRARIES, LIBRARY_VARIABLE, http_library, open_session
from tests.agents.clients.conftest import require_library
from tests.errors import user_error


def hide_pyreqwest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "find_spec", lambda name: None)


@pytest.mark.parametrize("name", LIBRARIES)
def test_the_environment_chooses_the_library(name: str) -> None:
    assert http_library({LIBRARY_VARIABLE: require_library(name)}) == name


def test_pyreqwest_is_used_where_it_is_installed() -> None:
    assert http_library({}) == require_library("pyreqwest")


async def test_aiohttp_is_used_where_pyreqwest_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    hide_pyreqwest(monkeypatch)
    assert http_library({LIBRARY_VARIABLE: ""}) == "aiohttp"
    async with open_session(environ={}) as session:
        assert isinstance(session, AiohttpSession)


def test_an_unknown_library_is_an_error() -> None:
    with user_error("http.unknown-library", where=LIBRARY_VARIABLE, found="requests"):
        http_library({LIBRARY_VARIABLE: "requests"})


def test_a_library_that_is_not_installed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    hide_pyreqwest(monkeypatch)
    with user_error("http.library-not-installed", where=LIBRARY_VARIABLE, found="pyreqwest"):
        http_library({LIBRARY_VARIABLE: "pyreqwest"})
