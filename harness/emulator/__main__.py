"""`python -m harness.emulator`: one server in this process; its address is the first line on standard output.

    python -m harness.emulator --options-json '{"seed": 1, "requests_per_minute": 500}' --port 8100
    python -m harness.emulator --lean

With `--options-json -`, the configuration is the first line of standard input, and the server ends when
standard input ends. The command for users is `empathy emulate`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import replace

from agents.errors import UserError
from agents.output_escape import json_bytes
from harness.emulator.config import EmulatorConfig
from harness.emulator.server import serve
from harness.interrupt import SignalInterrupt
from harness.terminal.output import print_document, print_text
from serve.child_process import call_when_parent_ends, read_first_line


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
        config = EmulatorConfig.from_json(read_first_line() if from_pipe else parsed.options_json)
        if parsed.lean:
            config = replace(config, lean=True)
        _run(config, parsed.host, parsed.port, from_pipe)
    except UserError as error:
        print_text(error, is_message=True)
        return 2
    return 0


def _run(options: EmulatorConfig, host: str, port: int, from_pipe: bool) -> None:
    async def until_stopped() -> None:
        interrupt = SignalInterrupt()
        with interrupt.listening():
            running = await serve(options, host, port)
            print_document(json_bytes({"port": running.port, "url": running.url}, indented=False))
            if from_pipe:
                loop = asyncio.get_running_loop()
                call_when_parent_ends(lambda: loop.call_soon_threadsafe(interrupt.request))
            await interrupt.wait()
            await running.close()

    try:
        import uvloop
    except ImportError:  # Windows
        asyncio.run(until_stopped())
    else:
        uvloop.run(until_stopped())


if __name__ == "__main__":
    sys.exit(main())
