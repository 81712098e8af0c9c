"""Options of the commands `plan`, `run` and `status`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from harness.study import FOLDER

Command = Callable[..., Any]


def out_option(command: Command) -> Command:
    """Add `--out`."""
    return click.option(
        "--out",
        "folder",
        metavar="DIR",
        type=click.Path(path_type=Path, file_okay=False),
        default=FOLDER,
        show_default=True,
        help="Folder for the studies' training sets, checkpoints, reports and finished stages.",
    )(command)


def judge_option(command: Command) -> Command:
    """Add `--judge`."""
    return click.option(
        "--judge",
        "judges",
        multiple=True,
        metavar="MODEL",
        help="Judge instead of those of the study; repeat for more.",
    )(command)
