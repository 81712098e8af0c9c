"""`python -m harness.emulator`: one server in this process; its address is the first line on standard output.

    python -m harness.emulator --options-json '{"seed": 1, "requests_per_minute": 500}' --port 8100
    python -m harness.emulator --lean

With `--options-json -` the options are the first line of standard input, and the server ends when standard
input does. The command for people is `empathy emulate`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import threading
from dataclasses import replace

from agents.errors import UserError
from harness.emulator.config import EmulatorConfig
from harness.emulator.server import serve
from harness.terminal.output import print_json, print_text


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted; 0, or 2 where the options cannot be kept."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.emulator",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--options-json", default="{}", metavar="JSON", help="the options, or - for standard input"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 (default) takes a free port")
    parser.add_argument("--lean", action="store_true", help="the bare server for benchmarks")
    told = parser.parse_args(arguments)
    from_pipe = told.options_json == "-"
    try:
        options = EmulatorConfig.from_json(_first_line() if from_pipe else told.options_json)
        if told.lean:
            options = replace(options, lean=True)
        _run(options, told.host, told.port, from_pipe)
    except UserError as error:
        print_text(error, is_message=True)
        return 2
    return 0


def _first_line() -> bytes:
    """The first line of standard input, read without a buffer: what follows is left to the watcher."""
    line = b""
    while not line.endswith(b"\n") and (piece := os.read(0, 65536)):
        line += piece
    return line


def _run(options: EmulatorConfig, host: str, port: int, from_pipe: bool) -> None:
    async def until_stopped() -> None:
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):  # Windows has no signal handlers in a loop
                loop.add_signal_handler(number, stopped.set)
        running = await serve(options, host, port)
        print_json({"port": running.port, "url": running.url}, indented=False)
        if from_pipe:
            _watch_standard_input(loop, stopped)
        await stopped.wait()
        await running.close()

    try:
        import uvloop
    except ImportError:  # Windows
        asyncio.run(until_stopped())
    else:
        uvloop.run(until_stopped())


def _watch_standard_input(loop: asyncio.AbstractEventLoop, stopped: asyncio.Event) -> None:
    def watch() -> None:
        while os.read(0, 4096):
            pass
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            loop.call_soon_threadsafe(stopped.set)

    threading.Thread(target=watch, daemon=True, name="watch-standard-input").start()


if __name__ == "__main__":
    sys.exit(main())
