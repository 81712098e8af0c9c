"""`empathy serve`: base and students on one vLLM, until it is ended; `empathy serve plan`: what fits.

The server's address and key go to stdout, for people and programs; other commands of ours find it by
themselves. Progress goes to stderr.
"""

from __future__ import annotations

import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.errors import UserError
from harness.cli.options.serving import base_option, memory_options
from harness.terminal.output import print_json, print_line, print_message, print_text

if TYPE_CHECKING:
    from harness.serving.checkpoint_resolver import ServedModels
    from serve.lora_adapter import LoraAdapter
    from serve.memory_plan import ServePlan
    from serve.served_model import Dtype

INTERRUPTED = 130
POLL_SECONDS = 0.2
USUAL_RANK = 8  # the paper's


class _Serve(click.Group):
    """A group that serves where no command of its is named: `serve --base …`, and `serve plan …`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The first word decides, and nothing else: what follows --students are folders."""
        if not args or args[0] not in self.commands:
            args = ["start", *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """`start` where no other is named."""
        if args and args[0] in self.commands:
            return super().resolve_command(ctx, args)
        return "start", self.commands["start"], args


@click.command(cls=_Serve)
def serve() -> None:
    """Serve a base and its students on one vLLM."""


def _what(command: Any) -> Any:
    """Options of both commands: whom, and in how much memory."""
    whom = click.option(
        "--students",
        "first",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="DIR…",
        help="Checkpoints, or folders of them: --students checkpoints/*",
    )
    options: list[Callable[[Any], Any]] = [
        click.argument("more", nargs=-1, type=click.Path(path_type=Path), metavar="[DIR…]"),
        base_option,
        whom,
        memory_options,
        click.option("--max-model-len", type=click.IntRange(min=1), help="[default: 5120, or the context]"),
        click.option("--max-num-seqs", type=click.IntRange(min=1), help="[default: what the cache holds]"),
        click.option(
            "--max-loras", type=click.IntRange(min=1), help="Adapters in one batch. [default: all, ≤ 8]"
        ),
        click.option(
            "--spare-loras", type=click.IntRange(min=0), default=0, help="Room for more, loaded later."
        ),
        click.option(
            "--rank", type=click.IntRange(min=1), help="Room for adapters of this rank. [default: theirs]"
        ),
        click.option("--merged", is_flag=True, help="One student, merged into its base."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@serve.command(hidden=True)
@_what
@click.option("--host", default="127.0.0.1", show_default=True, help="Where it listens.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="[default: a free one]")
@click.option("--key", envvar="EMPATHY_SERVE_KEY", help="What it asks for. [default: one made here]")
@click.option("--log", type=click.Path(path_type=Path), help="Where what vLLM says goes.")
@click.option("--json", "as_json", is_flag=True, help="Print address, key and models as JSON.")
def start(
    host: str, port: int, key: str | None, log: Path | None, as_json: bool, merged: bool, **rest: Any
) -> None:
    """Serve a base and its students on one vLLM, until it is ended (Ctrl-C).

    \b
    empathy serve --base meta-llama/Llama-3.1-8B --students checkpoints/*
    empathy serve plan --base meta-llama/Llama-3.1-8B --students checkpoints/*     (what fits; starts nothing)

    `empathy respond`, `bench` and `judge` ask it while it runs. It listens on this machine alone, with a key
    made for it, unless it is told otherwise.
    """
    from harness.serving import live_server
    from serve.memory_plan import lora_module_arguments, vllm_command
    from serve.null_adapter import NULL_ADAPTER_SUFFIX
    from serve.vllm_server import check_port, free_port, require_vllm, running_server, server_exit_error

    require_vllm()
    if port:
        check_port(host, port)
    who, dtype, folder, name, adapters, made = _laid_out(merged, rest)
    for line in _plan_lines(made):
        print_message(line)
    port = port or free_port(host)
    told = [
        *vllm_command(made, folder, name, host, port),
        *lora_module_arguments(live_server.cached_adapters(adapters)),
    ]
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ended)
    try:
        with (
            running_server(
                told, host, port, key=key or "", environment=made.environment(), log=log, on_progress=_tell
            ) as server,
            live_server.advertise_server(server, who, dtype, merged=merged),
        ):
            served = [name for name in server.models() if not name.endswith(NULL_ADAPTER_SUFFIX)]
            _show(server.url, server.key, served, as_json)
            while server.is_alive():
                time.sleep(POLL_SECONDS)
            raise server_exit_error(server)
    except KeyboardInterrupt:
        print_message("The server is down.")
        sys.exit(INTERRUPTED)


def _laid_out(
    merged: bool, rest: dict[str, Any]
) -> tuple[ServedModels, Dtype, Path, str, list[LoraAdapter], ServePlan]:
    """Who is served, in which dtype, from which folder, as what, with which adapters, by which plan."""
    from finetune.model_loader import check_weights
    from harness.serving import backends, live_server
    from harness.serving.checkpoint_resolver import checkpoint_folders, select_served_models
    from harness.serving.hardware import default_device, plan_serving, serving_request
    from serve.null_adapter import with_null_adapter

    places = [*rest["first"], *rest["more"]]
    names = [f"student:{name}" for name in _names(checkpoint_folders(places) if places else [])]
    if merged and len(names) != 1:
        raise UserError(
            "--merged serves exactly one student",
            code="server.merged-needs-one-student",
            where="--merged",
            found=f"{len(names)} students",
            remedy="Name one with --students; `empathy respond … --merged` serves several in turn.",
        )
    who = select_served_models([*names, *([] if merged else ["base"])], base=rest["base"], students=places)
    there = live_server.find_running_server(who)
    if there is not None:
        raise UserError(
            "a server with this base is running already",
            code="server.already-running",
            found=there[0],
            remedy="Use it (other commands find it and load missing students), or stop it first.",
        )
    dtype, device = rest["dtype"] or who.dtype, default_device()
    folder, name, adapters = who.base.folder, who.base_name, []
    if merged:
        (one,) = who.students
        assert one.checkpoint is not None
        folder, name = backends.merged_folder(one.checkpoint, folder, dtype, _tell), one.author
    else:
        check_weights(folder)
        more = bool(rest["spare_loras"])
        adapters = backends.read_adapters(who.authors, folder)
        name, adapters = with_null_adapter(
            folder, name, adapters, device, live_server.ADAPTER_CACHE, loads_later=more
        )
    asked = serving_request(device, dtype, rest["memory_mib"], rest["memory_fraction"], **_sizes(rest))
    return who, dtype, folder, name, adapters, plan_serving(folder, adapters, asked)


def _sizes(rest: dict[str, Any]) -> dict[str, Any]:
    """The sizes that were asked for, as `ServingRequest` names them."""
    return {
        "model_length": rest["max_model_len"],
        "sequences": rest["max_num_seqs"],
        "loras": rest["max_loras"],
        "spare_loras": rest["spare_loras"],
        "least_rank": rest["rank"] or (USUAL_RANK if rest["spare_loras"] else 0),
    }


@serve.command("plan")
@_what
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--adapters", type=click.IntRange(min=0), default=0, help="So many that are not there yet.")
@click.option("--device", type=click.Choice(["cuda", "cpu"]), default="cuda", show_default=True)
def plan_command(base: str, as_json: bool, adapters: int, device: str, merged: bool, **rest: Any) -> None:
    """What serving takes, in GiB, and the command; starts nothing and needs no weights.

    \b
    empathy serve plan --base meta-llama/Llama-3.1-8B --adapters 4 --rank 8
    """
    from finetune.memory_plan import load_base_config
    from harness.serving.checkpoint_resolver import check_names, checkpoint_folders
    from serve.lora_adapter import LoraAdapter, read_adapter
    from serve.memory_plan import MEMORY_FRACTION, RTX_4090_MIB, ServingRequest, plan_memory, vllm_command
    from serve.vllm_server import LOOPBACK

    places = [*rest.pop("first"), *rest.pop("more")]
    folders = checkpoint_folders(places) if places else []
    if places and not folders:
        raise UserError(
            "no checkpoint found",
            code="checkpoint.not-found",
            where="--students",
            found=", ".join(map(str, places)),
        )
    check_names(places)
    if not base and folders:
        from finetune.checkpoint import read_checkpoint

        base = read_checkpoint(folders[0]).base_location
    if not base:
        raise UserError(
            "the base model is not given",
            code="base-model.not-given",
            where="--base",
            remedy="Add --base MODEL.",
        )
    # a plan needs no weights: without them an adapter is held against its own config alone
    at_hand = Path(base) if any(Path(base).glob("*.safetensors")) else None
    there = [] if merged else [read_adapter(f"student:{one.name}", one, at_hand) for one in folders]
    rank = rest["rank"] or USUAL_RANK
    there += [LoraAdapter(f"student:{n}", Path(f"student-{n}"), rank, 0) for n in range(adapters)]
    asked = ServingRequest(
        "cpu" if device == "cpu" else "cuda",
        rest["dtype"] or "bf16",
        rest["memory_mib"] or RTX_4090_MIB,
        rest["memory_fraction"] or MEMORY_FRACTION,
        **_sizes(rest),
    )
    config = {"max_position_embeddings": 131_072, **load_base_config(base)}
    made = plan_memory(config, there, asked)
    shown = (
        made if made.fits else made.suggestions[0].plan
    )  # where it does not fit: the command of what would
    told = vllm_command(shown, base, "base", LOOPBACK, 8001)
    if as_json:
        data = {**made.to_dict(), "command": told, "environment": shown.environment()}
        print_json(data)
    else:
        for line in _plan_lines(made):
            print_line(line)
        if not made.fits:
            print_line(f"With {made.suggestions[0].label}:")
            for line in _plan_lines(shown):
                print_line(line)
        print_line(shlex.join(["python", *told[1:]]))
    if not made.fits:
        sys.exit(1)


def _names(folders: list[Path]) -> list[str]:
    from finetune.checkpoint import read_checkpoint

    return [read_checkpoint(folder).name for folder in folders]


def _plan_lines(made: ServePlan) -> Iterator[str]:
    """What the card's memory holds, and what would make it fit where it does not."""
    told = made.to_dict()
    yield (
        f"{told['memory_gib']} GiB × {told['memory_fraction']:g} = {made.budget / 2**30:.2f} GiB: "
        f"weights {told['weights_gib']} ({told['dtype']}), adapters {told['adapters_gib']} "
        f"({told['max_loras']} of rank {told['max_lora_rank']}), activations {told['activations_gib']}, "
        f"logits {told['logits_gib']}, reserve {told['reserve_gib']}, KV cache {told['cache_gib']}"
    )
    yield (
        f"KV cache: {told['cache_tokens']:,} tokens of {told['cache_kib_per_token']:g} KiB; "
        f"{told['max_num_seqs']} sequences at once, of {told['max_model_len']:,} tokens at most"
    )
    if not made.fits:
        from harness.serving.hardware import describe_fitting_plans

        yield f"Does not fit. What would: {describe_fitting_plans(made)}."


def _show(url: str, key: str, models: list[str], as_json: bool) -> None:
    if as_json:
        print_json({"url": url, "key": key, "models": models}, indented=False)
    else:
        print_line(f"Serving {', '.join(models)}")
        print_line(f"export VLLM_BASE_URL={url}/v1 VLLM_API_KEY={key}")


def _tell(line: str) -> None:
    print_text(line, is_message=True)


def _ended(number: int, frame: Any) -> None:
    raise KeyboardInterrupt
