"""Estimate of the memory and the steps of a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.errors import UserError
from agents.model_files.decoder_config import parse_decoder_config
from agents.model_files.weights import load_json_object, quantization_faults
from finetune.config import TrainingConfig
from finetune.dataset_reader import read_dataset
from finetune.memory_plan import RTX_4090_MIB, TrainingPlan, load_base_config, plan_stage
from finetune.sequence_lengths import sequence_lengths


@dataclass(frozen=True)
class TrainingEstimate:
    """Plans of a training's stages.

    Attributes:
        base: the base model.
        parameters: number of its parameters.
        gpu_memory_mib: memory of the GPU in MiB.
        stages: SFT, then DPO: each plan with the number of excluded rows by reason.
        batch: rows per optimizer step.
        measured: whether lengths are measured with the tokenizer, not estimated from characters.
    """

    base: str
    parameters: int
    gpu_memory_mib: int
    stages: tuple[tuple[TrainingPlan, Mapping[str, int]], ...]
    batch: int
    measured: bool


def estimate_training(
    base: str,
    data: Path,
    settings: TrainingConfig,
    *,
    gpu_memory_mib: int = RTX_4090_MIB,
    form: str = "auto",
    revision: str = "",
) -> TrainingEstimate:
    """Estimate the memory and the steps of a training; weights are not needed.

    Args:
        base: folder or Hub name of the base model.
        data: folder of the training set.
        gpu_memory_mib: memory of the GPU in MiB.
        form: prompt style: "plain", "chat", or "auto" to choose by the base.
        revision: revision of the base on the Hub; "" for the newest.

    Raises:
        UserError: the base or the training set is invalid.
    """
    _check_trainable(load_json_object(Path(base) / "config.json"), base)
    folder = read_dataset(data)
    config = load_base_config(base, revision)
    _check_trainable(config, base)
    shape = parse_decoder_config(config, "Training may still work; its memory use is unknown.")
    lengths, measured = sequence_lengths(folder, base, settings, form, revision)
    stages = tuple(
        (
            plan_stage(shape, settings, name, each.rows, each.completion_tokens, gpu_memory_mib),
            each.left_out,
        )
        for name, each in lengths.items()
    )
    return TrainingEstimate(
        base, shape.parameters, gpu_memory_mib, stages, settings.effective_batch, measured
    )


def _check_trainable(config: Mapping[str, Any], base: str) -> None:
    """Check that the base is not quantised.

    Raises:
        UserError: it is.
    """
    if faults := quantization_faults(config, base):
        raise UserError(
            "cannot train this base model", code="base-model.not-trainable", where="--base", faults=faults
        )
