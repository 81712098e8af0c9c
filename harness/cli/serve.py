"""Commands `empathy serve`, which serves a base model and its students, and `empathy serve plan`.

The server's address and key are printed to stdout; other commands find the server by themselves. Progress
goes to stderr.
"""

from __future__ import annotations

import shlex
import signal
import sys
import time
from pathlib import Path
from typing import Any

import click

from harness.cli.options.groups import option_group
from harness.cli.options.serving import base_option, memory_options
from harness.terminal.output import print_json, print_line, print_message, print_rendering, print_text

INTERRUPTED = 130
POLL_SECONDS = 0.2


class _Serve(click.Group):
    """Group that runs `start` if no subcommand is given: `serve --base …`, but `serve plan …`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Look for a subcommand only in the first word, because words after --students are folders."""
        if not args or args[0] not in self.commands:
            args = ["start", *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return `start` if no other command is named."""
        if args and args[0] in self.commands:
            return super().resolve_command(ctx, args)
        return "start", self.commands["start"], args


@click.command(cls=_Serve)
def serve() -> None:
    """Serve a base model and its students with one vLLM server."""


whom = click.option(
    "--students",
    "first",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR…",
    help="Checkpoints, or folders of checkpoints: --students checkpoints/*",
)
_model_options = option_group(
    click.argument("more", nargs=-1, type=click.Path(path_type=Path), metavar="[DIR…]"),
    base_option,
    whom,
    memory_options,
    click.option(
        "--max-model-len",
        type=click.IntRange(min=1),
        help="Maximum context length in tokens. [default: 5120, or the model's context]",
    ),
    click.option(
        "--max-num-seqs",
        type=click.IntRange(min=1),
        help="Maximum number of concurrent sequences. [default: what the KV cache holds]",
    ),
    click.option(
        "--max-loras",
        type=click.IntRange(min=1),
        help="Maximum number of adapters in one batch. [default: all, at most 8]",
    ),
    click.option(
        "--spare-loras",
        type=click.IntRange(min=0),
        default=0,
        help="Number of adapters that can be loaded later.",
    ),
    click.option(
        "--rank",
        type=click.IntRange(min=1),
        help="Maximum rank of the adapters. [default: that of the students]",
    ),
    click.option("--merged", is_flag=True, help="Serve one student, merged into its base."),
)
"""Options of both commands: models and memory."""


@serve.command(hidden=True)
@_model_options
@click.option("--host", default="127.0.0.1", show_default=True, help="Where it listens.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port. [default: a free one]")
@click.option("--key", envvar="EMPATHY_SERVE_KEY", help="API key of the server. [default: a random one]")
@click.option("--log", type=click.Path(path_type=Path), help="File for vLLM's output.")
@click.option("--json", "as_json", is_flag=True, help="Print address, key and models as JSON.")
def start(
    first: tuple[Path, ...],
    more: tuple[Path, ...],
    host: str,
    port: int,
    key: str | None,
    log: Path | None,
    as_json: bool,
    **rest: Any,
) -> None:
    """Serve a base model and its students with one vLLM server until Ctrl-C.

    \b
    empathy serve --base meta-llama/Llama-3.1-8B --students checkpoints/*
    empathy serve plan --base meta-llama/Llama-3.1-8B --students checkpoints/*     (estimate; starts nothing)

    `empathy respond`, `bench` and `judge` use the server while it runs. By default it listens only on this
    machine and requires a key that is made for it.
    """
    from harness.serving.server import ServerOptions, plan_server, started_server
    from harness.serving.server_tables import render_server
    from serve.null_adapter import NULL_ADAPTER_SUFFIX
    from serve.vllm_server import check_port, require_vllm, server_exit_error

    require_vllm()
    if port:
        check_port(host, port)
    plan = plan_server(ServerOptions(places=(*first, *more), **rest), _tell)
    memory = plan.memory
    print_message(
        f"KV cache: {memory.cache_tokens:,} tokens; {memory.max_num_seqs} concurrent sequences of up to "
        f"{memory.max_model_len:,} tokens"
    )
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ended)
    try:
        with started_server(plan, host=host, port=port, key=key or "", log=log, show=_tell) as server:
            served = [name for name in server.models() if not name.endswith(NULL_ADAPTER_SUFFIX)]
            rendering = render_server(server.url, server.key, served)
            if as_json:
                print_json(rendering.document, indented=False)
            else:
                print_rendering(rendering)
            while server.is_alive():
                time.sleep(POLL_SECONDS)
            raise server_exit_error(server)
    except KeyboardInterrupt:
        print_message("The server is down.")
        sys.exit(INTERRUPTED)


@serve.command("plan")
@_model_options
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option(
    "--adapters", type=click.IntRange(min=0), default=0, help="Number of adapters that do not exist yet."
)
@click.option("--device", type=click.Choice(["cuda", "cpu"]), default="cuda", show_default=True)
def plan_command(
    first: tuple[Path, ...], more: tuple[Path, ...], as_json: bool, adapters: int, device: str, **rest: Any
) -> None:
    """Show the memory for serving in GiB and the command; starts nothing and needs no weights.

    \b
    empathy serve plan --base meta-llama/Llama-3.1-8B --adapters 4 --rank 8
    """
    from harness.serving.server import ServerOptions, estimate_serving
    from harness.serving.server_tables import render_serving_estimate

    options = ServerOptions(places=(*first, *more), **rest)
    estimate = estimate_serving(options, adapters=adapters, device="cpu" if device == "cpu" else "cuda")
    print_rendering(render_serving_estimate(estimate), as_json=as_json)
    if not as_json:
        print_line(shlex.join(["python", *estimate.command[1:]]))
    if not estimate.plan.fits:
        sys.exit(1)


def _tell(line: str) -> None:
    print_text(line, is_message=True)


def _ended(number: int, frame: Any) -> None:
    raise KeyboardInterrupt
