"""Two-step training of a student, and the registration of its checkpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.errors import UserError
from finetune.checkpoint import Checkpoint, read_checkpoint
from finetune.config import TrainingConfig
from finetune.pipeline import TrainOptions
from finetune.sft_then_dpo import sft_output_dir, train_seeds, train_two_step
from harness.workflows.records import save_checkpoints
from harness.workflows.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class TwoStepOptions:
    """Training of a student with SFT, then DPO.

    Attributes:
        base: folder or Hub name of the base model.
        data: folder of the training set.
        out: folder of the checkpoint; that of the SFT step is `OUT-sft`.
        name: name of the student; "" for the name of the folder.
        seeds: seeds of several trainings, into `OUT-seed-N`; empty for one training.
        settings: the training configuration.
        revision: revision of the base on the Hub; "" for the newest.
        form: form of the prompt; "auto" to choose by the base.
    """

    base: str
    data: Path
    out: Path
    name: str = ""
    seeds: tuple[int, ...] = ()
    settings: TrainingConfig = field(default_factory=TrainingConfig)
    revision: str = ""
    form: str = "auto"


async def train_student(
    workspace: Workspace, options: TwoStepOptions, run_options: TrainOptions | None = None
) -> list[Checkpoint]:
    """Train and register a student, or one for each seed; an interrupted training resumes within its step.

    Raises:
        UserError: the base, the training set or a setting is invalid.
    """
    shared: dict[str, Any] = {
        "revision": options.revision,
        "form": options.form,
        "name": options.name,
        "options": run_options,
    }
    await workspace.store(create=True)  # reports a database that cannot be opened before training
    arguments = (options.base, options.data, options.out)
    if options.seeds:
        trained = await asyncio.to_thread(train_seeds, *arguments, options.seeds, options.settings, **shared)
    else:
        trained = [await asyncio.to_thread(train_two_step, *arguments, options.settings, **shared)]
    parents = [read_checkpoint(sft_output_dir(checkpoint.path)) for checkpoint in trained]
    await register_checkpoints(workspace, [*parents, *trained])
    return trained


async def register_checkpoints(workspace: Workspace, checkpoints: Sequence[Checkpoint]) -> UserError | None:
    """Register complete checkpoints; return the error if it fails, since they are registered on first use."""
    try:
        await save_checkpoints(await workspace.store(create=True), checkpoints)
    except UserError as error:
        return error
    return None
