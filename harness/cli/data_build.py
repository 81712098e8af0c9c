"""Commands `empathy data build` and `empathy data inspect`: build and check training sets."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.errors import UserError
from agents.types import Fidelity, Strategy
from harness.cli import hub_upload
from harness.cli.options.aliases import renamed_option
from harness.cli.options.author import AUTHOR, METHOD
from harness.cli.options.common import data_option, db_option, json_option, library, prompts_option, run
from harness.terminal.output import print_json, print_line, print_table, print_text
from results.render.table import Column, Table

if TYPE_CHECKING:
    from harness.data.training_set_checks import TrainingSetDifference, TrainingSetInspection
    from harness.data.training_set_spec import TrainingSetSpec
    from harness.workflows.build_dataset import BuiltDataset

FORMATS = ("trl", "llama-factory", "jsonl", "parquet")
LONGEST_SHOWN = 300


@click.command()
@click.option(
    "--method",
    type=METHOD,
    required=True,
    help=(
        "How the training responses are made. 'low-rated-control' (human responses rated 1 or "
        "2) is a control."
    ),
)
@click.option(
    "--llm",
    default="combined",
    show_default=True,
    help="For direct: an LLM of the dataset, combined, or an author with stored responses.",
)
@click.option(
    "--strategy",
    type=click.Choice([each.value for each in Strategy]),
    help="For over-human and over-llm: the improvement strategy.",
)
@click.option(
    "--teacher", default="", metavar="MODEL", help="For over-human and over-llm: the teacher model."
)
@renamed_option(
    "--initial-responses",
    "--initial",
    "initial",
    default="",
    metavar="AUTHOR",
    type=AUTHOR,
    help="For over-llm: the author of the initial responses. [default: the teacher]",
)
@click.option("--preset", default="", help="The --preset of `empathy improve`.")
@click.option(
    "--fidelity", type=click.Choice([each.value for each in Fidelity]), default="paper", show_default=True
)
@click.option(
    "--seed",
    type=int,
    help="For over-llm: seed of the split into SFT and DPO. [default: that of the fidelity]",
)
@click.option(
    "--hold-out",
    is_flag=True,
    help="Write the development dialogues to separate files, for checks after training.",
)
@click.option(
    "--partial", is_flag=True, help="Build even if responses are missing; the manifest counts them."
)
@click.option(
    "--format",
    "formats",
    default="trl,llama-factory,jsonl",
    show_default=True,
    help=f"Formats, separated by commas: {', '.join(FORMATS)}.",
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
    method: str,
    llm: str,
    strategy: str | None,
    teacher: str,
    initial: str,
    preset: str,
    fidelity: str,
    seed: int | None,
    hold_out: bool,
    partial: bool,
    formats: str,
    out: Path,
    repo: str | None,
    data: str | None,
    db: str,
    prompts_folder: Path | None,
    as_json: bool,
) -> None:
    """Build a training set: SFT rows and DPO pairs, a manifest, a dataset card.

    \b
    empathy data build --method direct --llm combined --out data/direct-combined
    empathy data build --method over-human --strategy naive --teacher openai/gpt-6.1-sol --out data/naive

    The same database and options always give the same files.
    """
    from finetune.dataset_folder import check_parquet, dataset_id, to_parquet
    from harness.data.training_set_spec import TrainingSetSpec

    forms = _parse_formats(formats)
    recipe = TrainingSetSpec(
        method=method,
        llm=llm,
        strategy=Strategy(strategy) if strategy else None,
        teacher=teacher,
        initial=initial,
        tag=preset,
        fidelity=Fidelity(fidelity),
        seed=seed,
        hold_out=hold_out,
        partial=partial,
    )
    words = library(prompts_folder)
    if "parquet" in forms:
        check_parquet()
    if repo is not None:
        hub_upload.check(repo)

    async def main() -> BuiltDataset:
        from harness.data.dataset import load
        from harness.workflows.build_dataset import build as build_dataset
        from results.db.store import Store

        dataset = load(data)
        async with AsyncExitStack() as stack:
            store = None
            if recipe.needs_store:
                _check_database(db, recipe)
                store = await stack.enter_async_context(await Store.open(db, create=False))
            return await build_dataset(dataset, store, recipe)

    manifest = run(main()).write(out, words, [form for form in forms if form in ("trl", "llama-factory")])
    if "parquet" in forms:
        to_parquet(out)
    if as_json:
        data_out = {"folder": str(out), "id": dataset_id(manifest), **manifest}
        print_json(data_out)
    else:
        _show_built(manifest, out)
    if repo is not None and hub_upload.confirm_upload(out, repo, "dataset"):
        hub_upload.upload(out, repo, "dataset")


def _check_database(db: str, recipe: TrainingSetSpec) -> None:
    """Check that the database exists.

    Raises:
        UserError: if it does not exist; then the needed responses are missing, too.
    """
    if "://" not in db and not Path(db).exists():
        raise UserError(
            "the database does not exist, so the responses that are needed are missing",
            code="database.not-found",
            where=db,
            remedy=f"Make the responses with: {recipe.command}  (or name another database with --db)",
        )


def _parse_formats(text: str) -> list[str]:
    forms = list(dict.fromkeys(form.strip() for form in text.split(",") if form.strip()))
    unknown = [form for form in forms if form not in FORMATS]
    if unknown or not forms:
        raise UserError(
            "unknown format",
            code="option.unknown-value",
            where="--format",
            found=", ".join(map(repr, unknown)) or "none",
            remedy=f"Choose from: {', '.join(FORMATS)} (the plain JSONL is always written).",
        )
    return forms


def _show_built(manifest: dict[str, Any], out: Path) -> None:
    rows, held = manifest["rows"], manifest["held_out"]
    print_line(f"{out}: method {manifest['method']}, fidelity {manifest['fidelity']}")
    print_line(f"SFT  {rows['sft']:>6,} rows of {rows['sft_dialogues']:,} dialogues")
    print_line(f"DPO  {rows['dpo']:>6,} pairs of {rows['dpo_dialogues']:,} dialogues")
    if held:
        print_line(f"held out: {held['sft']:,} rows and {held['dpo']:,} pairs")
    for reason, count in manifest["excluded"].items():
        print_line(f"excluded: {reason}: {count:,}")
    if manifest["over_97_words"]:
        print_line(f"over 97 words, kept: {manifest['over_97_words']:,}")


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
    from harness.data.dataset import load
    from harness.data.training_set_checks import compare
    from harness.data.training_set_checks import inspect as inspect_folder

    if other is not None:
        difference = compare(folder, other)
        if as_json:
            print_json(asdict(difference))
        else:
            _show_difference(difference)
        return
    try:
        dataset = load(data)
    except UserError:
        if data is not None:
            raise
        dataset = None
    inspected = inspect_folder(folder, dataset, rows)
    if as_json:
        data_out = {name: value for name, value in vars(inspected).items() if name != "data"}
        data_out |= {"id": inspected.data.id, "manifest": dict(inspected.data.manifest)}
        data_out["lengths"] = {name: asdict(value) for name, value in inspected.lengths.items()}
        print_json(data_out)
        return
    _show(inspected)


def _show(inspected: TrainingSetInspection) -> None:
    print_line(inspected.data.id)
    _show_built(dict(inspected.data.manifest), inspected.data.path)
    columns = [
        Column("words"),
        Column("texts", unit="count"),
        Column("mean", unit="tenths"),
        Column("median", unit="whole"),
        Column("most", unit="count"),
        Column("over_limit", "over 97", "count"),
    ]
    table = Table(columns=columns)
    for name, summary in inspected.lengths.items():
        table.add_row(name, summary.texts, summary.mean, summary.median, summary.most, summary.over_limit)
    print_table(table)
    if inspected.chosen_longer is not None:
        print_line(f"chosen is longer than rejected in {inspected.chosen_longer:.1%} of pairs")
    for what, count in inspected.duplicates.items():
        print_line(f"duplicates: {what}: {count:,}")
    for what, count in inspected.leaks.items():
        print_line(f"LEAK: {what}: {count:,}")
    if not inspected.leaks:
        print_line(
            "no leaks"
            + ("" if inspected.leaks_checked else " (without the test split; add --data to check it)")
        )
    for stage, rows in inspected.samples.items():
        for row in rows:
            print_text(f"\n[{stage}] {row['dialogue']}")
            for name in ("completion", "chosen", "rejected"):
                if name in row:
                    role = row.get("role") or row[f"{name}_role"]
                    print_text(f"  {name} ({role}): {row[name].strip()[:LONGEST_SHOWN]}")


def _show_difference(difference: TrainingSetDifference) -> None:
    for stage in difference.stages:
        first, second = stage.rows
        print_line(f"{stage.stage.upper()}: {first:,} and {second:,} rows, {stage.shared:,} the same")
        for name, only in (("first", stage.only_first), ("second", stage.only_second)):
            for what, count in only.items():
                print_line(f"  only in the {name}: {what}: {count:,}")
    print_line("Why:" if difference.why else "Both were made in the same way.")
    for reason in difference.why:
        print_line(f"  {reason}")
