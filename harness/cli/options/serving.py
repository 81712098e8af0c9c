"""Options of every command that asks base and students."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from agents.errors import UserError
from harness.terminal.output import print_message, print_text

if TYPE_CHECKING:
    from harness.serving.backends import ServingConfig
    from harness.serving.checkpoint_resolver import ServedModels
    from serve.served_model import Dtype

KEY = "EMPATHY_SERVE_KEY"
THROUGH = ("server", "offline", "transformers")
DTYPES = click.Choice(["bf16", "fp16", "fp32"])
Command = Callable[..., Any]


def base_option(command: Command) -> Command:
    """`--base`: where the base is."""
    help_ = "The base: a folder, or a model on the Hub. [default: what the checkpoints say]"
    return click.option("--base", default="", metavar="MODEL", help=help_)(command)


def memory_options(command: Command) -> Command:
    """What a server may take."""
    options: tuple[Callable[[Command], Command], ...] = (
        click.option("--dtype", type=DTYPES, help="Of the computation. [default: the weights' own]"),
        click.option(
            "--memory-mib", type=click.IntRange(min=1), help="The card's memory. [default: as found]"
        ),
        click.option(
            "--memory-fraction",
            type=click.FloatRange(0, 1, min_open=True),
            help="The share of it that may be taken. [default: 0.92 of a card]",
        ),
    )
    for option in options:
        command = option(command)
    return command


def serving_options(command: Command) -> Command:
    """How base and students are asked."""
    options: list[Callable[[Command], Command]] = [
        base_option,
        click.option(
            "--students",
            "places",
            multiple=True,
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Checkpoints, or folders of them; repeat for more. [default: checkpoints/*]",
        ),
        click.option(
            "--with", "through", type=click.Choice(THROUGH), default="server", help="What answers for them."
        ),
        click.option("--offline", is_flag=True, help="vLLM in this process: --with offline."),
        click.option("--merged", is_flag=True, help="Students merged into their base, one after another."),
        click.option("--url", default="", help=f"A vLLM server that is running (its key: ${KEY})."),
        click.option("--sampling-seed", type=int, help="Of base and students. [default: 42]"),
        memory_options,
    ]
    for option in reversed(options):
        command = option(command)
    return command


@dataclass(frozen=True)
class ServingOptions:
    """The options of `serving_options`, as given."""

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
    def take(cls, given: dict[str, Any]) -> ServingOptions:
        """These options out of all that a command was given.

        Raises:
            UserError: two that exclude each other.
        """
        made = cls(**{name: given.pop(name) for name in cls.__dataclass_fields__})
        ways = [("--offline", made.offline), ("--with transformers", made.backend == "transformers")]
        ways += [("--url", bool(made.url))]
        told = [name for name, on in ways if on]
        if len(told) > 1 or (made.merged and made.url):
            found = " and ".join([*told, *(["--merged"] if made.merged else [])])
            raise UserError("these exclude each other", found=found, remedy="Leave one of them out.")
        return made

    def select_served_models(
        self, names: tuple[str, ...] | list[str], registered: Sequence[Path] = ()
    ) -> ServedModels:
        """Who these names are; `registered` are folders that the database knows of."""
        from harness.serving.checkpoint_resolver import select_served_models

        return select_served_models(names, base=self.base, students=self.places, registered=registered)

    def serving(self, who: ServedModels, preset: str, *, quiet: bool) -> ServingConfig:
        """How they are asked; a server of ours that is running with this base is used."""
        from harness.serving.backends import ServingConfig
        from harness.serving.hardware import default_device
        from harness.serving.live_server import running

        backend = "offline" if self.offline else self.backend
        url, key, trusted = self.url, os.environ.get(KEY, ""), False
        dtype: Dtype | Literal[""] = self.dtype or ""
        there = running(who) if backend == "server" and not self.merged else None
        if there is not None and (not url or url.rstrip("/").removesuffix("/v1") == there[0]):
            url, key, trusted = there[0], there[1], True
            dtype = _dtype(dtype, preset, there[2], who)
            if not quiet:
                print_message(f"Asking the server that is running at {url} ({dtype}).")
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
            tell=(lambda line: None) if quiet else partial(print_text, is_message=True),
        )


def _dtype(said: Dtype | Literal[""], preset: str, running: Dtype, who: ServedModels) -> Dtype:
    """The running server's dtype, where nothing says another.

    Raises:
        UserError: --dtype does, or the preset.
    """
    from serve.sampling_presets import preset_dtype

    wanted = said or preset_dtype(preset, who.config)
    if wanted and wanted != running:
        where = "--dtype" if said else f"--preset {preset}"
        raise UserError(
            "the server that is running computes in another dtype",
            where=where,
            found=f"{wanted}; the server {running}",
            remedy=f"End it, or say --dtype {running}: it is recorded.",
        )
    return running
