"""Options of the commands `plan`, `run` and `status`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.study import FOLDER

out_option = click.option(
    "--out",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    default=FOLDER,
    show_default=True,
    help="Folder for the studies' training sets, checkpoints, reports and finished stages.",
)

judge_option = click.option(
    "--judge",
    "judges",
    multiple=True,
    metavar="MODEL",
    help="Judge instead of those of the study; repeat for more.",
)
