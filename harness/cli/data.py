"""Command `empathy data`: fetch, describe and split the dataset; build and inspect training sets."""

from __future__ import annotations

from pathlib import Path

import click

from agents.errors import UserError
from agents.types import Fidelity
from harness.cli.lazy_group import LazyGroup
from harness.cli.options.author import METHOD
from harness.cli.options.common import data_option, json_option
from harness.terminal.output import print_line, print_message, print_rendering

COMMANDS = {
    "fetch": ("harness.cli.data:fetch", "Download the published dataset; the hash is checked."),
    "describe": ("harness.cli.data:describe", "Ratings and rating pairs: the paper's Figures 3 and 4."),
    "clean": ("harness.cli.data:clean", "Write a copy with commas for EmpatheticDialogues' _comma_."),
    "split": ("harness.cli.data:split", "Show which dialogues are used for SFT, DPO and test."),
    "build": ("harness.cli.data_build:build", "Build the SFT and DPO sets of a method and strategy."),
    "inspect": ("harness.cli.data_build:inspect", "Sizes, lengths, duplicates and leaks of a training set."),
}


@click.command(cls=LazyGroup, places=COMMANDS)
def data() -> None:
    """Fetch, describe and split the dataset; build and inspect training sets."""


@click.command()
@click.option(
    "--from", "source", type=click.Path(path_type=Path), help="Copy this file instead of downloading."
)
@click.option(
    "--to", type=click.Path(path_type=Path), help="Path of the dataset. [default: data/llms-vs-humans.csv]"
)
def fetch(source: Path | None, to: Path | None) -> None:
    """Download the published dataset from the paper's repository and check its hash."""
    from harness.data.dataset import DEFAULT_FOLDER
    from harness.data.download import fetch as fetch_dataset

    place = to or DEFAULT_FOLDER
    last = 0

    def progress(done: int) -> None:
        nonlocal last
        if done - last >= 2**19:
            last = done
            print_message(f"{done / 2**20:.1f} MiB")

    count = fetch_dataset(place, source, progress=progress)
    print_line(f"{count:,} dialogues in {place}; the hash matches.")


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Path of the copy; the file must not exist."
)
@data_option
def clean(out: Path, data: str | None) -> None:
    """Write a copy of a dataset in which EmpatheticDialogues' _comma_ is a comma."""
    from agents.files.text import read_bytes
    from harness.atomic_write import write_file
    from harness.data.dataset import locate, without_comma_words

    place = locate(data)
    if out.exists():
        raise UserError(
            "the file exists already",
            code="file.exists",
            where="--out",
            found=str(out),
            remedy="Name a new file.",
        )
    text, count = without_comma_words(read_bytes(place, "the dataset"), str(place))
    write_file(out, text, where="--out")
    print_line(f"{count:,} commas replaced: {out}")


@click.command()
@click.option(
    "--plot",
    "plot_to",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Plot both figures as .png, .svg or .pdf.",
)
@data_option
@json_option
def describe(plot_to: Path | None, data: str | None, as_json: bool) -> None:
    """Show the ratings of each responder and the rating pairs (the paper's Figures 3 and 4) as tables."""
    from harness.data.dataset import load
    from harness.data.dataset_summary import describe as describe_dataset
    from harness.data.dataset_summary import plot, render_dataset

    dataset = load(data)
    described = describe_dataset(dataset)
    if plot_to is not None:
        plot(described, plot_to)
        print_message(f"Drawn: {plot_to}")
    print_rendering(render_dataset(described, str(dataset.source)), as_json=as_json)


@click.command()
@click.option(
    "--method",
    type=METHOD,
    default="over-human",
    show_default=True,
)
@click.option(
    "--llm", default="combined", show_default=True, help="For direct: an LLM of the dataset, or combined."
)
@click.option(
    "--fidelity", type=click.Choice([f.value for f in Fidelity]), default="paper", show_default=True
)
@click.option(
    "--seed",
    type=int,
    help="For over-llm: seed of the split into SFT and DPO. [default: that of the fidelity]",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write sft.jsonl, dpo.jsonl and test.jsonl to this folder."
)
@data_option
@json_option
def split(
    method: str,
    llm: str,
    fidelity: str,
    seed: int | None,
    out: Path | None,
    data: str | None,
    as_json: bool,
) -> None:
    """Show the sizes of SFT, DPO and test; --out writes the dialogues of each.

    The test split is that of the paper's scripts in every fidelity: fewer than two of the five ratings are 3.
    The paper's text ("the remaining dialogues") would give another split; see docs/limitations.md.
    """
    from harness.data.dataset import load
    from harness.data.method_selection import render_selection, select_for_method

    selection = select_for_method(load(data), method, Fidelity(fidelity), llm=llm, seed=seed)
    if out is not None:
        names = [str(path) for path in selection.write(out)]
        print_message(f"Written: {', '.join(names)}")
    print_rendering(render_selection(selection), as_json=as_json)
