"""Commands `empathy serve`, which serves a base model and its students, and `empathy serve plan`.

The server's address and key are printed to stdout; other commands find the server by themselves. Progress
goes to stderr.
"""

from __future__ import annotations

import shlex
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from typing_extensions import TypedDict

from agents.errors import UserError
from harness.cli.options.serving import base_option, memory_options
from harness.terminal.output import print_json, print_line, print_message, print_rendering, print_text

if TYPE_CHECKING:
    from harness.serving.checkpoint_resolver import ServedModels
    from results.render.rendering import Rendering
    from serve.lora_adapter import LoraAdapter
    from serve.memory_plan import ServePlan, ServePlanDocument
    from serve.served_model import Dtype

INTERRUPTED = 130
POLL_SECONDS = 0.2
DEFAULT_RANK = 8  # rank in the paper


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


class ServerDocument(TypedDict):
    """Running server.

    Attributes:
        url: address.
        key: key that it accepts.
        models: models that it serves.
    """

    document: Literal["server"]
    url: str
    key: str
    models: list[str]


@click.command(cls=_Serve)
def serve() -> None:
    """Serve a base model and its students with one vLLM server."""


def _model_options(command: Any) -> Any:
    """Add the options of both commands: models and memory."""
    whom = click.option(
        "--students",
        "first",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="DIR…",
        help="Checkpoints, or folders of checkpoints: --students checkpoints/*",
    )
    options: list[Callable[[Any], Any]] = [
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
    ]
    for option in reversed(options):
        command = option(command)
    return command


@serve.command(hidden=True)
@_model_options
@click.option("--host", default="127.0.0.1", show_default=True, help="Where it listens.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port. [default: a free one]")
@click.option("--key", envvar="EMPATHY_SERVE_KEY", help="API key of the server. [default: a random one]")
@click.option("--log", type=click.Path(path_type=Path), help="File for vLLM's output.")
@click.option("--json", "as_json", is_flag=True, help="Print address, key and models as JSON.")
def start(
    host: str, port: int, key: str | None, log: Path | None, as_json: bool, merged: bool, **rest: Any
) -> None:
    """Serve a base model and its students with one vLLM server until Ctrl-C.

    \b
    empathy serve --base meta-llama/Llama-3.1-8B --students checkpoints/*
    empathy serve plan --base meta-llama/Llama-3.1-8B --students checkpoints/*     (estimate; starts nothing)

    `empathy respond`, `bench` and `judge` use the server while it runs. By default it listens only on this
    machine and requires a key that is made for it.
    """
    from harness.serving import live_server
    from serve.memory_plan import lora_module_arguments, vllm_command
    from serve.null_adapter import NULL_ADAPTER_SUFFIX
    from serve.vllm_server import check_port, free_port, require_vllm, running_server, server_exit_error

    require_vllm()
    if port:
        check_port(host, port)
    models, dtype, folder, name, adapters, made = _plan_start(merged, rest)
    print_message(
        f"KV cache: {made.cache_tokens:,} tokens; {made.max_num_seqs} concurrent sequences of up to "
        f"{made.max_model_len:,} tokens"
    )
    port = port or free_port(host)
    server_command = [
        *vllm_command(made, folder, name, host, port),
        *lora_module_arguments(live_server.cached_adapters(adapters)),
    ]
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ended)
    try:
        with (
            running_server(
                server_command,
                host,
                port,
                key=key or "",
                environment=made.environment(),
                log=log,
                on_progress=_tell,
            ) as server,
            live_server.advertise_server(server, models, dtype, merged=merged),
        ):
            served = [name for name in server.models() if not name.endswith(NULL_ADAPTER_SUFFIX)]
            _show(server.url, server.key, served, as_json)
            while server.is_alive():
                time.sleep(POLL_SECONDS)
            raise server_exit_error(server)
    except KeyboardInterrupt:
        print_message("The server is down.")
        sys.exit(INTERRUPTED)


def _plan_start(
    merged: bool, rest: dict[str, Any]
) -> tuple[ServedModels, Dtype, Path, str, list[LoraAdapter], ServePlan]:
    """Return the models, the dtype, the folder, the served name, the adapters and the memory plan."""
    from finetune.model_loader import check_weights
    from harness.serving import backends, live_server
    from harness.serving.checkpoint_resolver import checkpoint_folders, select_served_models
    from harness.serving.hardware import default_device, plan_serving, serving_request
    from serve.null_adapter import with_null_adapter

    places = [*rest["first"], *rest["more"]]
    names = [f"student:{name}" for name in _student_names(checkpoint_folders(places) if places else [])]
    if merged and len(names) != 1:
        raise UserError(
            "--merged serves exactly one student",
            code="server.merged-needs-one-student",
            where="--merged",
            found=f"{len(names)} students",
            remedy="Name one with --students; `empathy respond … --merged` serves several in turn.",
        )
    models = select_served_models([*names, *([] if merged else ["base"])], base=rest["base"], students=places)
    live = live_server.find_running_server(models)
    if live is not None:
        raise UserError(
            "a server with this base is running already",
            code="server.already-running",
            found=live[0],
            remedy="Use it (other commands find it and load missing students), or stop it first.",
        )
    dtype, device = rest["dtype"] or models.dtype, default_device()
    folder, name, adapters = models.base.folder, models.base_name, []
    if merged:
        (student,) = models.students
        assert student.checkpoint is not None
        folder, name = backends.merged_folder(student.checkpoint, folder, dtype, _tell), student.author
    else:
        check_weights(folder)
        more = bool(rest["spare_loras"])
        adapters = backends.read_adapters(models.authors, folder)
        name, adapters = with_null_adapter(
            folder, name, adapters, device, live_server.ADAPTER_CACHE, loads_later=more
        )
    request = serving_request(device, dtype, rest["memory_mib"], rest["memory_fraction"], **_sizes(rest))
    return models, dtype, folder, name, adapters, plan_serving(folder, adapters, request)


def _sizes(rest: dict[str, Any]) -> dict[str, Any]:
    """Return the requested sizes as arguments of `ServingRequest`."""
    return {
        "model_length": rest["max_model_len"],
        "sequences": rest["max_num_seqs"],
        "loras": rest["max_loras"],
        "spare_loras": rest["spare_loras"],
        "min_rank": rest["rank"] or (DEFAULT_RANK if rest["spare_loras"] else 0),
    }


@serve.command("plan")
@_model_options
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option(
    "--adapters", type=click.IntRange(min=0), default=0, help="Number of adapters that do not exist yet."
)
@click.option("--device", type=click.Choice(["cuda", "cpu"]), default="cuda", show_default=True)
def plan_command(base: str, as_json: bool, adapters: int, device: str, merged: bool, **rest: Any) -> None:
    """Show the memory for serving in GiB and the command; starts nothing and needs no weights.

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
    # a plan needs no weights; without them, adapters are checked only against their own configuration
    at_hand = Path(base) if any(Path(base).glob("*.safetensors")) else None
    there = [] if merged else [read_adapter(f"student:{folder.name}", folder, at_hand) for folder in folders]
    rank = rest["rank"] or DEFAULT_RANK
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
    )  # if it does not fit, print the command of the first suggestion
    server_command = vllm_command(shown, base, "base", LOOPBACK, 8001)
    document: ServePlanDocument = {
        "document": "serve_plan",
        **made.to_dict(),
        "command": server_command,
        "environment": shown.environment(),
    }
    plans = {"plan": made} if made.fits else {"plan": made, made.suggestions[0].label: shown}
    print_rendering(_render_plans(plans, document), as_json=as_json)
    if not as_json:
        print_line(shlex.join(["python", *server_command[1:]]))
    if not made.fits:
        sys.exit(1)


def _student_names(folders: list[Path]) -> list[str]:
    from finetune.checkpoint import read_checkpoint

    return [read_checkpoint(folder).name for folder in folders]


def _render_plans(plans: Mapping[str, ServePlan], document: Mapping[str, Any]) -> Rendering:
    """Render memory plans, one column each; the first may not fit and then has suggestions."""
    from harness.serving.hardware import describe_fitting_plans
    from results.render.rendering import Rendering
    from results.render.table import metric_table

    made = next(iter(plans.values()))
    data: list[Mapping[str, Any]] = [plan.to_dict() for plan in plans.values()]
    memory = f"{data[0]['memory_gib']} GiB × {data[0]['memory_fraction']:g}"
    table = metric_table(plans, f"GPU memory: {memory} = {made.budget / 2**30:.2f} GiB")
    for part in ("weights", "adapters", "activations", "logits", "reserve", "cache"):
        table.add_metric(f"{part}, GiB", "decimal", (each[f"{part}_gib"] for each in data))
    table.add_metric("weights as", "text", (each["dtype"] for each in data))
    adapters = (f"{each['max_loras']} of rank {each['max_lora_rank']}" for each in data)
    table.add_metric("adapters at a time", "text", adapters)
    table.add_metric("KV cache, tokens", "count", (each["cache_tokens"] for each in data))
    table.add_metric("KiB per token", "tenths", (each["cache_kib_per_token"] for each in data))
    table.add_metric("concurrent sequences", "count", (each["max_num_seqs"] for each in data))
    table.add_metric("tokens of a sequence", "count", (each["max_model_len"] for each in data))
    table.add_metric("fits", "text", ("yes" if each["fits"] else "no" for each in data), style="bold")
    suggestions = () if made.fits else (f"Suggestions: {describe_fitting_plans(made)}.",)
    return Rendering(document, (table,), caveats=suggestions)


def _show(url: str, key: str, models: list[str], as_json: bool) -> None:
    if as_json:
        document: ServerDocument = {"document": "server", "url": url, "key": key, "models": models}
        print_json(document, indented=False)
    else:
        print_line(f"Serving {', '.join(models)}")
        print_line(f"export VLLM_BASE_URL={url}/v1 VLLM_API_KEY={key}")


def _tell(line: str) -> None:
    print_text(line, is_message=True)


def _ended(number: int, frame: Any) -> None:
    raise KeyboardInterrupt
