"""Command `empathy data`: fetch, describe and split the dataset; build and inspect training sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import orjson

from agents.errors import UserError
from agents.types import Fidelity, Method
from harness.cli.lazy_group import LazyGroup
from harness.cli.options.author import METHOD
from harness.cli.options.common import data_option, json_option
from harness.terminal.output import print_json, print_line, print_message, print_notes, print_table
from results.render.table import metric_table

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
    from harness.atomic_write import atomic_write
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
    try:
        atomic_write(out, text)
    except OSError as error:
        raise UserError(
            "cannot write the file", code="file.not-writable", where="--out", found=str(error)
        ) from error
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
    from harness.data.dataset_summary import plot, to_dict

    dataset = load(data)
    described = describe_dataset(dataset)
    if plot_to is not None:
        try:
            plot(described, plot_to)
        except OSError as error:
            raise UserError(
                "cannot write the file", code="file.not-writable", where="--plot", found=str(error)
            ) from error
        print_message(f"Drawn: {plot_to}")
    if as_json:
        print_json(to_dict(described))
        return
    sentiments = ", ".join(f"{count} {name}" for name, count in described.sentiments.items())
    size = (
        f"{dataset.source}: {described.dialogues:,} dialogues ({sentiments}; {len(described.emotions)} "
        f"emotions), {described.test} of them test dialogues"
    )
    print_notes([size], dim=False)
    rated = (f"rated {value}" for value in (1, 2, 3))
    ratings = metric_table(rated, "Ratings (the paper's Figure 3)")
    for name, counts in described.ratings.items():
        ratings.add_metric(name, "count", (counts[value] for value in (1, 2, 3)))
    print_table(ratings)
    pairs = metric_table(described.pairs, "Rating pairs: human, LLM (the paper's Figure 4)")
    for kind in next(iter(described.pairs.values())):
        counts_of_kind = (counts[kind] for counts in described.pairs.values())
        pairs.add_metric(f"{kind[0]}, {kind[1]}", "count", counts_of_kind)
    print_table(pairs)


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
    from agents.types import Split
    from finetune.dialogue_selection import select_dialogues
    from harness.data.dataset import load
    from harness.data.dataset_summary import training_ratings
    from harness.data.splits import check_no_leak, dialogues_in_split, overlap

    dataset = load(data)
    train, test = dialogues_in_split(dataset, Split.TRAIN), dialogues_in_split(dataset, Split.TEST)
    check_no_leak({"train": train, "test": test})
    chosen = method if method == "low-rated" else Method(method)
    members = select_dialogues(chosen, training_ratings(dataset), Fidelity(fidelity), llm=llm, seed=seed)
    shared = overlap(train, test)
    sizes: dict[str, Any] = {
        "method": method,
        "llm": llm if method == Method.DIRECT else None,
        "fidelity": fidelity,
        "sft_dialogues": len(members.sft),
        "sft_rows": sum(len(entry.responses) for entry in members.sft),
        "dpo": len(members.dpo),
        "train": len(train),
        "test": len(test),
        "near_identical": [list(pair) for pair in shared.near_identical],
        "same_workers": shared.same_workers,
    }
    if out is not None:
        rows: dict[str, list[dict[str, Any]]] = {
            "sft": [{"dialogue_id": e.dialogue, "responses": e.responses} for e in members.sft],
            "dpo": [
                {"dialogue_id": e.dialogue, "chosen": e.chosen, "rejected": e.rejected} for e in members.dpo
            ],
            "test": [{"dialogue_id": dialogue.id} for dialogue in test],
        }
        _write(out, rows)
    if as_json:
        print_json(sizes)
        return
    print_line(f"method {method}, fidelity {fidelity}" + (f", LLM {llm}" if sizes["llm"] else ""))
    print_line(f"SFT   {sizes['sft_dialogues']:>6,} dialogues, {sizes['sft_rows']:,} rows")
    print_line(f"DPO   {sizes['dpo']:>6,} pairs")
    print_line(
        f"test  {sizes['test']:>6,} dialogues  (of {len(dataset.dialogues):,}; {len(train):,} "
        "are for training)"
    )
    near = "; ".join(f"{first} and {second}" for first, second in shared.near_identical)
    print_line(
        f"No dialogue is in both splits. Near-identical pairs: {len(shared.near_identical)}"
        + (f" ({near})" if near else "")
        + f". Test dialogues by the same two workers as a training dialogue: {shared.same_workers}."
    )


def _write(folder: Path, rows: dict[str, list[dict[str, Any]]]) -> None:
    from harness.atomic_write import atomic_write

    try:
        for name, parts in rows.items():
            atomic_write(folder / f"{name}.jsonl", b"".join(orjson.dumps(row) + b"\n" for row in parts))
    except OSError as error:
        raise UserError(
            "cannot write the file", code="file.not-writable", where="--out", found=str(error)
        ) from error
    print_message(f"Written: {', '.join(f'{folder / name}.jsonl' for name in rows)}")
