"""Options of commands that generate with a base model and its students."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from agents.errors import UserError
from harness.cli.options.aliases import renamed_option
from harness.terminal.output import print_message, print_text

if TYPE_CHECKING:
    from harness.serving.backends import ServingConfig
    from harness.serving.checkpoint_resolver import ServedModels
    from serve.served_model import Dtype

KEY = "EMPATHY_SERVE_KEY"
BACKENDS = ("server", "offline", "transformers")
DTYPES = click.Choice(["bf16", "fp16", "fp32"])
Command = Callable[..., Any]


def base_option(command: Command) -> Command:
    """Add `--base`."""
    help_ = "Base model: a folder, or a model on the Hub. [default: as recorded in the checkpoints]"
    return click.option("--base", default="", metavar="MODEL", help=help_)(command)


def memory_options(command: Command) -> Command:
    """Add the options of dtype and GPU memory."""
    options: tuple[Callable[[Command], Command], ...] = (
        click.option("--dtype", type=DTYPES, help="Dtype of the computation. [default: that of the weights]"),
        click.option(
            "--memory-mib", type=click.IntRange(min=1), help="GPU memory in MiB. [default: detected]"
        ),
        click.option(
            "--memory-fraction",
            type=click.FloatRange(0, 1, min_open=True),
            help="Share of the GPU memory to use. [default: 0.92]",
        ),
    )
    for option in options:
        command = option(command)
    return command


def serving_options(command: Command) -> Command:
    """Add the options of the inference backend."""
    options: list[Callable[[Command], Command]] = [
        base_option,
        click.option(
            "--students",
            "places",
            multiple=True,
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Checkpoint, or folder of checkpoints; repeat for more. [default: checkpoints/*]",
        ),
        renamed_option(
            "--backend",
            "--with",
            "backend",
            type=click.Choice(BACKENDS),
            default="server",
            show_default=True,
            help="Inference backend: a vLLM server, vLLM in this process (offline), or transformers.",
        ),
        click.option("--offline", is_flag=True, help="Same as --backend offline."),
        click.option("--merged", is_flag=True, help="Merge each student into its base, one after another."),
        click.option("--url", default="", help=f"URL of a running vLLM server (its key: ${KEY})."),
        click.option("--sampling-seed", type=int, help="Sampling seed of base and students. [default: 42]"),
        memory_options,
    ]
    for option in reversed(options):
        command = option(command)
    return command


@dataclass(frozen=True)
class ServingOptions:
    """Values of `serving_options`."""

    base: str
    places: tuple[Path, ...]
    backend: str
    offline: bool
    merged: bool
    url: str
    sampling_seed: int | None
    dtype: Dtype | None
    memory_mib: int | None
    memory_fraction: float | None

    @classmethod
    def take(cls, arguments: dict[str, Any]) -> ServingOptions:
        """Remove these options from a command's arguments and return them.

        Raises:
            UserError: if two of them exclude each other.
        """
        options = cls(**{name: arguments.pop(name) for name in cls.__dataclass_fields__})
        backends = [
            ("--offline", options.offline),
            ("--backend transformers", options.backend == "transformers"),
            ("--url", bool(options.url)),
        ]
        chosen = [name for name, is_chosen in backends if is_chosen]
        if len(chosen) > 1 or (options.merged and options.url):
            combination = " and ".join([*chosen, *(["--merged"] if options.merged else [])])
            raise UserError(
                "these options exclude each other",
                code="option.conflict",
                found=combination,
                remedy="Remove one of them.",
            )
        return options

    def select_served_models(
        self, names: tuple[str, ...] | list[str], registered: Sequence[Path] = ()
    ) -> ServedModels:
        """Return the models of these names; `registered` are checkpoint folders known to the database."""
        from harness.serving.checkpoint_resolver import select_served_models

        return select_served_models(names, base=self.base, students=self.places, registered=registered)

    def serving(self, models: ServedModels, preset: str, *, quiet: bool) -> ServingConfig:
        """Return the serving configuration; a running server with this base is used."""
        from harness.serving.backends import ServingConfig
        from harness.serving.hardware import default_device
        from harness.serving.live_server import find_running_server

        backend = "offline" if self.offline else self.backend
        url, key, trusted = self.url, os.environ.get(KEY, ""), False
        dtype: Dtype | Literal[""] = self.dtype or ""
        server = find_running_server(models) if backend == "server" and not self.merged else None
        if server is not None and (not url or url.rstrip("/").removesuffix("/v1") == server[0]):
            url, key, trusted = server[0], server[1], True
            dtype = _check_dtype(dtype, preset, server[2], models)
            if not quiet:
                print_message(f"Using the server that runs at {url} ({dtype}).")
        return ServingConfig(
            backend=backend,
            preset=preset,
            seed=self.sampling_seed,
            merged=self.merged,
            dtype=dtype,
            device=default_device(),
            url=url.rstrip("/").removesuffix("/v1"),
            key=key,
            trusted=trusted,
            memory_mib=self.memory_mib,
            fraction=self.memory_fraction,
            on_progress=(lambda line: None) if quiet else partial(print_text, is_message=True),
        )


def _check_dtype(option: Dtype | Literal[""], preset: str, running: Dtype, models: ServedModels) -> Dtype:
    """Return the dtype of the running server.

    Raises:
        UserError: if `--dtype` or the preset requires another one.
    """
    from serve.sampling_presets import preset_dtype

    required = option or preset_dtype(preset, models.config)
    if required and required != running:
        where = "--dtype" if option else f"--preset {preset}"
        raise UserError(
            "the running server computes in another dtype",
            code="server.other-dtype",
            where=where,
            found=f"{required}; the server computes in {running}",
            remedy=f"Stop the server, or use its dtype with --dtype {running}.",
        )
    return running
