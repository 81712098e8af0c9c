"""Command `empathy train`: fine-tune a student in two steps; plan, merge, build a tiny model.

Results go to stdout (a few lines, or the whole record with `--json`), progress and warnings to stderr.
Checkpoints are registered in the database, so that they can be named `student:NAME`. Torch is imported only
when it is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from agents.errors import UserError
from finetune.checkpoint import Checkpoint, read_checkpoint
from finetune.config import with_seed
from finetune.memory_plan import RTX_4090_MIB
from harness.cli import hub_upload
from harness.cli.options.aliases import renamed_option
from harness.cli.options.checkpoint import checkpoint_folder
from harness.cli.options.common import db_option, json_option, run
from harness.cli.options.training import (
    TrainingOptions,
    base_options,
    parse_settings,
    run_options,
    seeds_option,
    settings_options,
)
from harness.terminal.output import print_line, print_message, print_rendering

FOLDER = click.Path(path_type=Path, file_okay=False)
STUDENT = "Folder of a checkpoint, or student:NAME."
out_option = click.option("--out", type=FOLDER, required=True, help="Folder of the checkpoint.")
name_option = click.option("--name", default="", help="Name of the checkpoint. [default: that of the folder]")
data_option = click.option("--data", type=FOLDER, required=True, help="A dataset's folder.")
base_option = click.option("--base", required=True, help="Base model: a folder, or a model on the Hub.")
moved_option = click.option("--base", default="", help="Current location of the base, if it was moved.")


@click.group()
def train() -> None:
    """Fine-tune a student (SFT, then DPO), plan it, merge it.

    \b
    empathy train plan --base meta-llama/Llama-3.1-8B --data DIR
    empathy train two-step --base meta-llama/Llama-3.1-8B --data DIR --out checkpoints/NAME
    empathy train merge checkpoints/NAME --out merged/NAME
    """


@train.command()
@base_option
@data_option
@out_option
@name_option
@seeds_option
@base_options
@run_options
@settings_options
def sft(base: str, data: Path, out: Path, name: str, form: str, revision: str, **rest: Any) -> None:
    """Step one: supervised fine-tuning of a base model."""
    asked = _check_before_training(TrainingOptions.take(rest), out)
    from finetune.sft import train_sft
    from finetune.sft_then_dpo import seed_name

    options, settings = asked.options, asked.settings
    trainings = [(out, name, settings)]
    if asked.seeds:
        trainings = [
            (
                out.with_name(seed_name(out.name, seed)),
                seed_name(name, seed) if name else "",
                with_seed(settings, seed),
            )
            for seed in asked.seeds
        ]
    for place, named, settings in trainings:
        made = train_sft(
            base, data, place, settings, revision=revision, form=form, name=named, options=options
        )
        _finish(asked, [made])


@train.command()
@click.option("--from", "parent", required=True, metavar="DIR", help=f"Checkpoint of the SFT step. {STUDENT}")
@data_option
@out_option
@moved_option
@name_option
@run_options
@settings_options
def dpo(parent: str, data: Path, out: Path, base: str, name: str, **rest: Any) -> None:
    """Step two: preference optimization of an SFT checkpoint."""
    asked = TrainingOptions.take(rest)
    started = checkpoint_folder(parent, asked.db)
    asked = _check_before_training(asked, out)
    from finetune.dpo import train_dpo

    made = train_dpo(started, data, out, asked.settings, base=base, name=name, options=asked.options)
    _finish(asked, [made], [read_checkpoint(started)])


@train.command("two-step")
@base_option
@data_option
@click.option(
    "--out", type=FOLDER, required=True, help="Folder of the checkpoint; that of the SFT step is OUT-sft."
)
@name_option
@seeds_option
@base_options
@run_options
@settings_options
def two_step(base: str, data: Path, out: Path, name: str, form: str, revision: str, **rest: Any) -> None:
    """Run both steps; an interrupted run resumes within the step."""
    asked = _check_before_training(TrainingOptions.take(rest), out)
    from harness.workflows.training import TwoStepOptions, train_student
    from harness.workflows.workspace import Workspace

    options = TwoStepOptions(
        base=base,
        data=data,
        out=out,
        name=name,
        seeds=asked.seeds,
        settings=asked.settings,
        revision=revision,
        form=form,
    )

    async def main() -> list[Checkpoint]:
        async with Workspace(asked.db) as workspace:
            return await train_student(workspace, options, asked.options)

    _show(asked, run(main()))


@train.command()
@click.argument("checkpoint")
@click.option("--out", type=FOLDER, required=True, help="Folder of the merged model.")
@moved_option
@click.option(
    "--dtype", type=click.Choice(["", "bf16", "fp16", "fp32"]), default="", help="[default: that of the base]"
)
@db_option
@json_option
def merge(checkpoint: str, out: Path, base: str, dtype: str, db: str, as_json: bool) -> None:
    """Merge CHECKPOINT (a folder, or student:NAME) into its base.

    The logits of the merged model are compared with those of the adapter before anything is written.
    """
    from finetune.merge_lora import merge_adapter as merge_now
    from harness.workflows.training_tables import render_merged_model

    record = merge_now(
        checkpoint_folder(checkpoint, db), out, base=base, dtype=dtype, on_message=_print_lines
    )
    print_rendering(render_merged_model(record, out), as_json=as_json)


@train.command()
@base_option
@data_option
@renamed_option(
    "--gpu-memory-mib",
    "--card-mib",
    type=int,
    default=RTX_4090_MIB,
    show_default=True,
    help="GPU memory in MiB.",
)
@base_options
@json_option
@settings_options
def plan(
    base: str, data: Path, gpu_memory_mib: int, form: str, revision: str, as_json: bool, **rest: Any
) -> None:
    """Estimate memory and steps before training, with suggestions if it does not fit."""
    from harness.workflows.training_plan import estimate_training
    from harness.workflows.training_tables import render_training_plan

    settings = parse_settings(rest)
    estimate = estimate_training(
        base, data, settings, gpu_memory_mib=gpu_memory_mib, form=form, revision=revision
    )
    print_rendering(render_training_plan(estimate), as_json=as_json)


@train.command()
@click.option("--out", type=FOLDER, required=True, help="Folder of the model; it must not exist.")
@click.option("--kind", type=click.Choice(["llama", "mistral"]), default="llama", show_default=True)
@click.option("--chat", is_flag=True, help="Add a chat template, as in an instruct model.")
@click.option("--seed", type=int, default=1, show_default=True)
def tiny(out: Path, kind: str, chat: bool, seed: int) -> None:
    """Build a tiny base model with half a million random parameters, for trials."""
    from finetune.tiny_model import KINDS, build_tiny_model

    print_line(
        str(
            build_tiny_model(
                out, next(known_kind for known_kind in KINDS if known_kind == kind), chat=chat, seed=seed
            )
        )
    )


def _check_before_training(asked: TrainingOptions, out: Path) -> TrainingOptions:
    """Check before training that the checkpoint can be registered and uploaded."""
    from results.db.store import Store

    async def open_database() -> None:
        await (await Store.open(asked.db)).close()

    run(open_database())
    if asked.repo:
        hub_upload.check(asked.repo)
        return asked if hub_upload.confirm_upload(out, asked.repo, "model") else replace(asked, repo=None)
    return asked


def _finish(asked: TrainingOptions, made: Sequence[Checkpoint], parents: Sequence[Checkpoint] = ()) -> None:
    """Register the checkpoint and its parents, print it, and upload it if that was confirmed."""
    from harness.workflows.training import register_checkpoints
    from harness.workflows.workspace import Workspace

    async def register() -> UserError | None:
        async with Workspace(asked.db) as workspace:
            return await register_checkpoints(workspace, [*parents, *made])

    error = run(register())
    if error is not None:  # the checkpoint is complete anyway
        _print_lines(f"not registered yet; it will be registered on first use: {error}")
    _show(asked, made)


def _show(asked: TrainingOptions, made: Sequence[Checkpoint]) -> None:
    """Print the checkpoints, and upload the last one if that was confirmed."""
    from harness.workflows.training_tables import render_checkpoint

    for checkpoint in made:
        print_rendering(render_checkpoint(checkpoint), as_json=asked.as_json)
    if asked.repo:
        hub_upload.upload(made[-1].path, asked.repo, "model")


def _print_lines(line: str) -> None:
    print_message(line)
