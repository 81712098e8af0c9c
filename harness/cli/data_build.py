"""Commands `empathy data build` and `empathy data inspect`: build and check training sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.types import Fidelity, Strategy
from harness.cli import hub_upload
from harness.cli.options.aliases import renamed_option
from harness.cli.options.author import AUTHOR, METHOD
from harness.cli.options.common import data_option, db_option, json_option, prompts_option, run
from harness.cli.options.groups import option_group
from harness.terminal.output import print_rendering

if TYPE_CHECKING:
    from harness.workflows.training_sets import TrainingSet

FORMATS = "trl, llama-factory, jsonl, parquet"


spec_options = option_group(
    click.option(
        "--method",
        type=METHOD,
        required=True,
        help=(
            "How the training responses are made. 'low-rated-control' (human responses rated 1 or "
            "2) is a control."
        ),
    ),
    click.option(
        "--llm",
        default="combined",
        show_default=True,
        help="For direct: an LLM of the dataset, combined, or an author with stored responses.",
    ),
    click.option(
        "--strategy",
        type=click.Choice([each.value for each in Strategy]),
        help="For over-human and over-llm: the improvement strategy.",
    ),
    click.option(
        "--teacher", default="", metavar="MODEL", help="For over-human and over-llm: the teacher model."
    ),
    renamed_option(
        "--initial-responses",
        "--initial",
        "initial",
        default="",
        metavar="AUTHOR",
        type=AUTHOR,
        help="For over-llm: the author of the initial responses. [default: the teacher]",
    ),
    click.option("--preset", "tag", default="", help="The --preset of `empathy improve`."),
    click.option(
        "--fidelity",
        type=click.Choice([each.value for each in Fidelity]),
        default="paper",
        show_default=True,
    ),
    click.option(
        "--seed",
        type=int,
        help="For over-llm: seed of the split into SFT and DPO. [default: that of the fidelity]",
    ),
    click.option(
        "--hold-out",
        is_flag=True,
        help="Write the development dialogues to separate files, for checks after training.",
    ),
    click.option(
        "--partial", is_flag=True, help="Build even if responses are missing; the manifest counts them."
    ),
)
"""Options that decide the content of a training set."""


@click.command()
@spec_options
@click.option(
    "--format",
    "formats",
    default="trl,llama-factory,jsonl",
    show_default=True,
    help=f"Formats, separated by commas: {FORMATS}.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A new folder.")
@click.option(
    "--push-to-hub",
    "repo",
    metavar="OWNER/NAME",
    help="Upload to this repository of the Hub, after a confirmation.",
)
@data_option
@db_option
@prompts_option
@json_option
def build(
    strategy: str | None,
    fidelity: str,
    formats: str,
    out: Path,
    repo: str | None,
    data: str | None,
    db: str,
    prompts_folder: Path | None,
    as_json: bool,
    **rest: Any,
) -> None:
    """Build a training set: SFT rows and DPO pairs, a manifest, a dataset card.

    \b
    empathy data build --method direct --llm combined --out data/direct-combined
    empathy data build --method over-human --strategy naive --teacher openai/gpt-6.1-sol --out data/naive

    The same database and options always give the same files.
    """
    from harness.data.training_set_spec import TrainingSetSpec
    from harness.workflows.training_set_tables import render_training_set
    from harness.workflows.training_sets import build_training_set
    from harness.workflows.workspace import Workspace

    chosen = Strategy(strategy) if strategy else None
    spec = TrainingSetSpec(strategy=chosen, fidelity=Fidelity(fidelity), **rest)
    names = tuple(dict.fromkeys(name.strip() for name in formats.split(",") if name.strip()))
    if repo is not None:
        hub_upload.check(repo)

    async def main() -> TrainingSet:
        async with Workspace(db, data, prompts_folder) as workspace:
            return await build_training_set(workspace, spec, out, names)

    print_rendering(render_training_set(run(main())), as_json=as_json)
    if repo is not None and hub_upload.confirm_upload(out, repo, "dataset"):
        hub_upload.upload(out, repo, "dataset")


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--compare", "other", metavar="DIR", type=click.Path(path_type=Path), help="Another dataset.")
@click.option("--rows", type=click.IntRange(min=0), default=3, show_default=True, help="To read, per stage.")
@data_option
@json_option
def inspect(folder: Path, other: Path | None, rows: int, data: str | None, as_json: bool) -> None:
    """Show sizes, lengths, duplicates, leaks and sample rows of a training set; --compare shows
    differences.
    """
    from harness.data.training_set_checks import compare
    from harness.workflows.training_set_tables import render_inspection, render_training_set_difference
    from harness.workflows.training_sets import inspect_training_set
    from harness.workflows.workspace import Workspace

    if other is not None:
        print_rendering(render_training_set_difference(compare(folder, other)), as_json=as_json)
        return
    inspected = inspect_training_set(Workspace(data=data), folder, rows)
    print_rendering(render_inspection(inspected), as_json=as_json)
