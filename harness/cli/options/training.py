"""Options of every command that trains, and what they mean together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Any

import click

from agents.errors import UserError
from agents.student_prompt import PromptStyle
from agents.types import Fidelity
from finetune.config import SOURCES, TrainingConfig, parse_training_config
from finetune.pipeline import TrainOptions
from harness.cli.options.common import db_option, json_option
from harness.cli.train_output import Progress
from harness.terminal.output import print_message

Command = Callable[..., Any]


def settings_options(command: Command) -> Command:
    """One flag per setting; only those given count, over the fidelity's defaults."""
    for one in reversed(fields(TrainingConfig)):
        flag = f"--{one.name.replace('_', '-')}"
        assert one.default is not MISSING
        help_ = f"Default {one.default}; {SOURCES[one.name]}."
        if isinstance(one.default, bool):
            option = click.option(f"{flag}/--no-{flag[2:]}", one.name, default=None, help=help_)
        else:
            option = click.option(flag, one.name, type=type(one.default), default=None, help=help_)
        command = option(command)
    choice = click.Choice([str(fidelity) for fidelity in Fidelity])
    return click.option("--fidelity", type=choice, default="paper", show_default=True)(command)


def base_options(command: Command) -> Command:
    """`--form` and `--revision`: how a base is asked, and which commit of it."""
    forms = click.Choice(["auto", *(str(form) for form in PromptStyle)])
    for option in (
        click.option(
            "--form", type=forms, default="auto", show_default=True, help="Plain text or chat template."
        ),
        click.option("--revision", default="", help="Of the base on the Hub: a commit, tag or branch."),
    ):
        command = option(command)
    return command


def run_options(command: Command) -> Command:
    """What changes nothing in the recipe (but for the device)."""
    for option in (
        json_option,
        db_option,
        click.option(
            "--push-to-hub", "repo", metavar="OWNER/NAME", help="Upload it to the Hub; asks before it trains."
        ),
        click.option("--restart", is_flag=True, help="Throw unfinished work away and begin anew."),
        click.option("--cpu", is_flag=True, help="Leave the card alone."),
        click.option("--report-to", multiple=True, help="trackio, tensorboard or wandb; may be repeated."),
    ):
        command = option(command)
    return command


def seeds_option(command: Command) -> Command:
    """`--seeds`: the same recipe several times."""
    help_ = "Several trainings, `1,2,3`, into OUT-seed-1 and so on."
    return click.option("--seeds", default="", metavar="N,N,…", help=help_)(command)


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """The options of `run_options`, `settings_options` and `seeds_option`, as given.

    Attributes:
        repo: on the Hub, for the checkpoint; None for nowhere.
        db: where the checkpoint is registered.
        seeds: of several trainings; () for the one of the settings.
    """

    options: TrainOptions
    settings: TrainingConfig
    as_json: bool
    repo: str | None
    db: str
    seeds: tuple[int, ...]

    @classmethod
    def take(cls, given: dict[str, Any]) -> TrainingOptions:
        """These options out of all that a command was given.

        Raises:
            UserError: settings that cannot be used, all of them at once; options that exclude each other.
        """
        seeds = parse_seeds(given.pop("seeds", ""))
        if seeds and given["repo"]:
            raise UserError(
                "these options exclude each other",
                code="option.conflict",
                where="--seeds, --push-to-hub",
                remedy="Upload one of the checkpoints: repeat the command with its --seed, --out and --push-to-hub.",
            )
        options = TrainOptions(
            on_step=Progress(),
            on_message=print_message,
            report_to=tuple(given.pop("report_to")),
            restart=given.pop("restart"),
            cpu=given.pop("cpu"),
        )
        rest = {name: given.pop(name) for name in ("as_json", "repo", "db")}
        return cls(options, parse_settings(given), seeds=seeds, **rest)


def parse_settings(given: dict[str, Any]) -> TrainingConfig:
    """The settings that were given, over the fidelity's defaults.

    Raises:
        UserError: values out of range, all at once.
    """
    fidelity = Fidelity(given.pop("fidelity"))
    return parse_training_config({key: value for key, value in given.items() if value is not None}, fidelity)


def parse_seeds(text: str) -> tuple[int, ...]:
    """`1,2,3` as numbers; () for none.

    Raises:
        UserError: one is no number, or there twice.
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
