"""`python -m harness.emulator`: one server in this process; its address is the first line on standard output.

    python -m harness.emulator --options-json '{"seed": 1, "requests_per_minute": 500}' --port 8100
    python -m harness.emulator --lean

With `--options-json -`, the configuration is the first line of standard input, and the server ends when
standard input ends. The command for users is `empathy emulate`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import threading
from dataclasses import replace

from agents.errors import UserError
from harness.emulator.config import EmulatorConfig
from harness.emulator.server import serve
from harness.interrupt import Interrupt, SignalInterrupt
from harness.terminal.output import print_json, print_text


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted; return 0, or 2 if the configuration is invalid."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.emulator",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--options-json",
        default="{}",
        metavar="JSON",
        help="the configuration, or - to read it from standard input",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--port", type=int, default=0, help="port to listen on; 0 (default) for any free port"
    )
    parser.add_argument("--lean", action="store_true", help="run the minimal server for benchmarks")
    parsed = parser.parse_args(arguments)
    from_pipe = parsed.options_json == "-"
    try:
        config = EmulatorConfig.from_json(_first_line() if from_pipe else parsed.options_json)
        if parsed.lean:
            config = replace(config, lean=True)
        _run(config, parsed.host, parsed.port, from_pipe)
    except UserError as error:
        print_text(error, is_message=True)
        return 2
    return 0


def _first_line() -> bytes:
    """Read the first line of standard input without a buffer, so that the rest is left to the watcher."""
    line = b""
    while not line.endswith(b"\n") and (chunk := os.read(0, 65536)):
        line += chunk
    return line


def _run(options: EmulatorConfig, host: str, port: int, from_pipe: bool) -> None:
    async def until_stopped() -> None:
        interrupt = SignalInterrupt()
        with interrupt.listening():
            running = await serve(options, host, port)
            print_json({"port": running.port, "url": running.url}, indented=False)
            if from_pipe:
                _watch_standard_input(asyncio.get_running_loop(), interrupt)
            await interrupt.wait()
            await running.close()

    try:
        import uvloop
    except ImportError:  # Windows
        asyncio.run(until_stopped())
    else:
        uvloop.run(until_stopped())


def _watch_standard_input(loop: asyncio.AbstractEventLoop, interrupt: Interrupt) -> None:
    def watch() -> None:
        while os.read(0, 4096):
            pass
        with contextlib.suppress(RuntimeError):  # the loop is already closed
            loop.call_soon_threadsafe(interrupt.request)

    threading.Thread(target=watch, daemon=True, name="watch-standard-input").start()


if __name__ == "__main__":
    sys.exit(main())
