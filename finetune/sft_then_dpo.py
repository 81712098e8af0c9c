"""Both training steps in one call: SFT into `OUT-sft`, then DPO from it into `OUT`.

An interrupted call resumes between the steps and within them.
"""

from __future__ import annotations

from pathlib import Path

from finetune.checkpoint import Checkpoint
from finetune.config import TrainingConfig, with_seed
from finetune.dataset_reader import check_has_rows, read_dataset
from finetune.dpo import train_dpo
from finetune.pipeline import TrainOptions
from finetune.sft import train_sft


def train_two_step(
    base: str,
    data: Path,
    out: Path,
    settings: TrainingConfig | None = None,
    *,
    dpo_settings: TrainingConfig | None = None,
    revision: str = "",
    form: str = "auto",
    name: str = "",
    options: TrainOptions | None = None,
) -> Checkpoint:
    """Train SFT, then DPO; skip a step that is already done.

    Args:
        settings: settings of both steps, as in the paper.
        dpo_settings: settings of the DPO step if they differ.
        name: name of the final checkpoint; that of the SFT step ends in `-sft`.

    Raises:
        UserError: as `train_sft` and `train_dpo`; a training set without pairs is rejected before training.
    """
    settings = settings or TrainingConfig()
    dataset = read_dataset(data)
    for stage in ("sft", "dpo"):
        check_has_rows(dataset, stage)
    name = name or out.name
    sft_out = sft_output_dir(out)
    train_sft(
        base, data, sft_out, settings, revision=revision, form=form, name=f"{name}-sft", options=options
    )
    return train_dpo(sft_out, data, out, dpo_settings or settings, name=name, options=options)


def train_seeds(
    base: str,
    data: Path,
    out: Path,
    seeds: tuple[int, ...],
    settings: TrainingConfig | None = None,
    *,
    dpo_settings: TrainingConfig | None = None,
    revision: str = "",
    form: str = "auto",
    name: str = "",
    options: TrainOptions | None = None,
) -> list[Checkpoint]:
    """Train the same recipe once per seed, into `OUT-seed-N`, to measure the variation between seeds.

    Args:
        name: name of the recipe; its checkpoints are called `NAME-seed-N`.
    """
    checkpoints = []
    for seed in seeds:
        checkpoints.append(
            train_two_step(
                base,
                data,
                out.with_name(seed_name(out.name, seed)),
                with_seed(settings or TrainingConfig(), seed),
                dpo_settings=with_seed(dpo_settings, seed) if dpo_settings else None,
                revision=revision,
                form=form,
                name=seed_name(name, seed) if name else "",
                options=options,
            )
        )
    return checkpoints


def seed_name(name: str, seed: int) -> str:
    """Return the name of one training of a recipe that is trained with several seeds."""
    return f"{name}-seed-{seed}"


def sft_output_dir(out: Path) -> Path:
    """Return the folder of the SFT step's checkpoint."""
    return out.with_name(f"{out.name}-sft")
