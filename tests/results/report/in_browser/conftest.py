"""A real browser, headless, over its DevTools port: what a page does in it, not what we believe it does.

    await browser.open(path)
    assert await browser.value("document.title") == "…"

Only what the report's tests ask: loading a file, evaluating, keys, sizes, media, pictures. Chromium or Chrome
must be on the PATH (`CHROME` names another); it gets a profile of its own and nothing to talk to.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "headless-shell")
PATIENCE_SECONDS = 120.0  # of a machine that does other things as well; nothing waits so long on an idle one
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
)


def chromium() -> str:
    """The browser's program; "" where there is none."""
    named = os.environ.get("CHROME", "")
    return next((found for name in (named, *NAMES) if name and (found := shutil.which(name))), "")


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    """A browser of this test's own; without a chromium on the machine the test is skipped."""
    if not chromium():
        pytest.skip("no chromium or chrome on the PATH")
    async with Browser.started(tmp_path) as started:
        yield started


class Browser:
    """One page in one browser.

    Attributes:
        requests: addresses that were asked for since it started, in order.
        complaints: what the console said in anger, exceptions and violated policies included.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._happened: dict[str, asyncio.Event] = {}
        self.requests: list[str] = []
        self.complaints: list[str] = []

    @classmethod
    @asynccontextmanager
    async def started(cls, folder: Path) -> AsyncIterator[Browser]:
        """A browser with its profile in a folder."""
        profile = folder / "profile"
        flags = (*FLAGS, f"--user-data-dir={profile}", "about:blank")
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(chromium(), *flags, stdout=quiet, stderr=quiet)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), aiohttp.ClientSession() as session:
                port = await _port(profile / "DevToolsActivePort", process)
                async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    pages = [one for one in await answer.json() if one["type"] == "page"]
                async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    browser = cls(socket)
                    listening = asyncio.create_task(browser._listen())
                    try:
                        for domain in ("Page", "Runtime", "Log", "Network"):
                            await browser.call(f"{domain}.enable")
                        yield browser
                    finally:
                        listening.cancel()
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()

    async def _listen(self) -> None:
        async for message in self._socket:
            values = message.json()
            if "id" in values:
                self._answers.pop(values["id"]).set_result(values)
                continue
            name, params = values["method"], values["params"]
            if name == "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            elif name == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
                self.complaints.append(params["entry"]["text"])
            elif name == "Runtime.exceptionThrown":
                self.complaints.append(str(params["exceptionDetails"]))
            elif name == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
                self.complaints.append(str(params["args"]))
            if name in self._happened:
                self._happened[name].set()

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the DevTools protocol; its result."""
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        values: dict[str, Any] = await answer
        if "error" in values:
            raise RuntimeError(f"{method}: {values['error']}")
        result: dict[str, Any] = values["result"]
        return result

    async def open(self, page: Path, *, width: int = 1280, height: int = 900) -> None:
        """Load a file at a size, and wait until it is loaded."""
        await self.size(width, height)
        loaded = self._happened["Page.loadEventFired"] = asyncio.Event()
        await self.call("Page.navigate", url=_address(page))
        await loaded.wait()

    async def size(self, width: int, height: int = 900) -> None:
        """The window's size in CSS pixels; a narrow one is a phone's."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    async def media(self, *, scheme: str = "light", medium: str = "") -> None:
        """Light or dark; on screen or in print."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.call("Emulation.setEmulatedMedia", media=medium, features=features)

    async def value(self, expression: str) -> Any:
        """What a JavaScript expression is, promises awaited."""
        values = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in values:
            raise RuntimeError(str(values["exceptionDetails"]))
        return values["result"].get("value")

    async def press(self, key: str, text: str = "") -> None:
        """A key, down and up."""
        codes = {"Tab": 9, "Enter": 13, " ": 32, "ArrowDown": 40, "End": 35, "Home": 36}
        common = {"key": key, "code": key, "windowsVirtualKeyCode": codes.get(key, ord(key[0].upper()))}
        await self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    async def picture(self, to: Path, *, whole: bool = True) -> None:
        """A PNG of the window, or of the whole page."""
        values = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        _keep(values["data"], to)

    async def pdf(self, to: Path) -> None:
        """What a printer would be given, on A4."""
        values = await self.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=True)
        _keep(values["data"], to)


async def _port(values: Path, process: asyncio.subprocess.Process) -> int:
    """The port that the browser chose, from the file that it writes once it listens."""
    while not (port := _first_line(values)):
        if process.returncode is not None:
            raise RuntimeError(f"the browser ended with {process.returncode}")
        await asyncio.sleep(0.05)
    return int(port)


def _first_line(values: Path) -> str:
    return values.read_text().partition("\n")[0] if values.is_file() else ""


def _address(page: Path) -> str:
    return page.resolve().as_uri()


def _keep(data: str, to: Path) -> None:
    to.write_bytes(base64.b64decode(data))
