"""Both steps with one call: SFT into `OUT-sft`, then DPO from it into `OUT`; resumable between and within."""

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
    """Fine-tune in two steps; what is trained already is not trained again.

    Args:
        settings: of both steps (the paper's are the same); `dpo_settings` where the second differs.
        name: of the final checkpoint; the SFT step's has `-sft` after it.

    Raises:
        UserError: as `train_sft` and `train_dpo`; a dataset without pairs is refused before anything runs.
    """
    settings = settings or TrainingConfig()
    folder = read_dataset(data)
    for stage in ("sft", "dpo"):
        check_has_rows(folder, stage)
    name = name or out.name
    first = sft_output_dir(out)
    train_sft(base, data, first, settings, revision=revision, form=form, name=f"{name}-sft", options=options)
    return train_dpo(first, data, out, dpo_settings or settings, name=name, options=options)


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
    """The same recipe once per seed, into `OUT-seed-N`: what a claim about a recipe needs.

    Args:
        name: of the recipe; its checkpoints are `NAME-seed-N`.
    """
    made = []
    for seed in seeds:
        first = with_seed(settings or TrainingConfig(), seed)
        second = with_seed(dpo_settings, seed) if dpo_settings else None
        made.append(
            train_two_step(
                base,
                data,
                out.with_name(seed_name(out.name, seed)),
                first,
                dpo_settings=second,
                revision=revision,
                form=form,
                name=seed_name(name, seed) if name else "",
                options=options,
            )
        )
    return made


def seed_name(name: str, seed: int) -> str:
    """What one of several trainings of a recipe is called."""
    return f"{name}-seed-{seed}"


def sft_output_dir(out: Path) -> Path:
    """Where the first step's checkpoint goes."""
    return out.with_name(f"{out.name}-sft")
