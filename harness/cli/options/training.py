"""Options of the commands that train."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Any

import click

from agents.errors import UserError
from agents.student_prompt import PromptStyle
from agents.types import Fidelity
from finetune.config import SOURCES, TrainingConfig, parse_training_config
from finetune.pipeline import TrainOptions
from harness.cli.options.common import db_option, json_option
from harness.cli.options.groups import Command, option_group
from harness.cli.training_progress import Progress
from harness.terminal.output import print_message


def settings_options(command: Command) -> Command:
    """Add a flag for each training setting; flags override the defaults of the fidelity."""
    for setting in reversed(fields(TrainingConfig)):
        flag = f"--{setting.name.replace('_', '-')}"
        assert setting.default is not MISSING
        help_ = f"Default {setting.default}; {SOURCES[setting.name]}."
        if isinstance(setting.default, bool):
            option = click.option(f"{flag}/--no-{flag[2:]}", setting.name, default=None, help=help_)
        else:
            option = click.option(flag, setting.name, type=type(setting.default), default=None, help=help_)
        command = option(command)
    choice = click.Choice([str(fidelity) for fidelity in Fidelity])
    return click.option("--fidelity", type=choice, default="paper", show_default=True)(command)


forms = click.Choice(["auto", *(str(form) for form in PromptStyle)])
base_options = option_group(
    click.option("--revision", default="", help="Revision of the base on the Hub: a commit, tag or branch."),
    click.option(
        "--form",
        type=forms,
        default="auto",
        show_default=True,
        help="Prompt style: plain text, chat template, or auto.",
    ),
)


run_options = option_group(
    click.option(
        "--report-to",
        multiple=True,
        help="Experiment tracker: trackio, tensorboard or wandb; repeat for more.",
    ),
    click.option("--cpu", is_flag=True, help="Train on the CPU."),
    click.option("--restart", is_flag=True, help="Discard unfinished work and start again."),
    click.option(
        "--push-to-hub",
        "repo",
        metavar="OWNER/NAME",
        help="Upload to this repository of the Hub, after a confirmation before training.",
    ),
    db_option,
    json_option,
)
"""Options that do not affect the training result (except for the device)."""


seeds_option = click.option(
    "--seeds",
    default="",
    metavar="N,N,…",
    help="Train with several seeds, such as 1,2,3, into OUT-seed-1 and so on.",
)


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """Values of `run_options`, `settings_options` and `seeds_option`.

    Attributes:
        options: options of the run.
        settings: the training configuration.
        as_json: whether to print JSON.
        repo: repository on the Hub for the checkpoint; None for no upload.
        db: database in which the checkpoint is registered.
        seeds: seeds of several trainings; empty for that of the settings.
    """

    options: TrainOptions
    settings: TrainingConfig
    as_json: bool
    repo: str | None
    db: str
    seeds: tuple[int, ...]

    @classmethod
    def take(cls, arguments: dict[str, Any]) -> TrainingOptions:
        """Remove these options from a command's arguments and return them.

        Raises:
            UserError: if settings are invalid (the error lists all of them), or options exclude each other.
        """
        seeds = parse_seeds(arguments.pop("seeds", ""))
        if seeds and arguments["repo"]:
            raise UserError(
                "these options exclude each other",
                code="option.conflict",
                where="--seeds, --push-to-hub",
                remedy=(
                    "Upload one of the checkpoints: repeat the command with its --seed, "
                    "--out and --push-to-hub."
                ),
            )
        options = TrainOptions(
            on_step=Progress(),
            on_message=print_message,
            report_to=tuple(arguments.pop("report_to")),
            restart=arguments.pop("restart"),
            cpu=arguments.pop("cpu"),
        )
        rest = {name: arguments.pop(name) for name in ("as_json", "repo", "db")}
        return cls(options, parse_settings(arguments), seeds=seeds, **rest)


def parse_settings(arguments: dict[str, Any]) -> TrainingConfig:
    """Return the training configuration from the given flags and the defaults of the fidelity.

    Raises:
        UserError: if values are out of range; the error lists all of them.
    """
    fidelity = Fidelity(arguments.pop("fidelity"))
    return parse_training_config(
        {key: value for key, value in arguments.items() if value is not None}, fidelity
    )


def parse_seeds(text: str) -> tuple[int, ...]:
    """Parse seeds written as `1,2,3`; return () for an empty text.

    Raises:
        UserError: a seed is not a number, or is repeated.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() for part in parts) or len({*map(int, parts)}) != len(parts):
        raise UserError(
            "the seeds must be different whole numbers",
            code="option.invalid-value",
            where="--seeds",
            found=repr(text),
            remedy="Write them as 1,2,3.",
        )
    return tuple(map(int, parts))
