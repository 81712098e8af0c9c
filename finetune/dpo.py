"""Step two, DPO: the SFT adapter learns from pairs of a better and a worse response.

The reference model is a frozen copy of the SFT adapter on the same base, so that the first loss is ln 2. In
fidelity `released` it is the base alone, as in LLaMA-Factory when it continues an adapter; the first loss
then differs. Neither needs a second model in memory, because trl switches adapters.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agents.errors import UserError
from finetune.checkpoint import Checkpoint, check_adapter, check_same_base, read_checkpoint
from finetune.config import TrainingConfig
from finetune.dataset_reader import check_has_rows, read_dataset
from finetune.dependencies import check_trackers, require_training_libraries
from finetune.model_loader import (
    check_weights,
    length_limits,
    load_model,
    load_tokenizer,
    locate_model,
    select_device,
)
from finetune.pipeline import PreparedTrainer, TrainingJob, TrainOptions, run_training, student_rendering
from finetune.tokenization import tokenize_pairs
from finetune.tokenizer_identity import check_prompt_encoding, load_prompt_encoding
from finetune.trainer import REFERENCE, trainer_arguments
from finetune.work_dir import WorkDir


def train_dpo(
    parent: Path,
    data: Path,
    out: Path,
    settings: TrainingConfig | None = None,
    *,
    base: str = "",
    name: str = "",
    options: TrainOptions | None = None,
) -> Checkpoint:
    """Train an SFT checkpoint on the pairs of a training set; resume if the same call was interrupted.

    Args:
        parent: folder of an SFT checkpoint; base model, revision and prompt style are taken from it.
        data: folder of the training set.
        out: folder of the new checkpoint.
        base: current location of the base model if it has moved; its weights must be the same.
        name: name of the checkpoint; "" for the folder's name.

    Raises:
        UserError: an input or the machine's state prevents the training.
    """
    require_training_libraries()
    settings = settings or TrainingConfig()
    options = options or TrainOptions()
    trackers = check_trackers(options.report_to)
    checkpoint = read_checkpoint(parent)
    if checkpoint.stage != "sft":
        raise UserError(
            "DPO needs an SFT checkpoint",
            code="training.parent-not-sft",
            where=str(parent),
            found=f"a {checkpoint.stage} checkpoint",
            remedy="Pass the folder of the SFT step with --from.",
        )
    model = locate_model(base or checkpoint.base_location, "" if base else checkpoint.base.revision)
    check_same_base(checkpoint, model.base)
    check_weights(model.folder)
    check_adapter(parent, model.folder)
    check_prompt_encoding(checkpoint, model.folder)
    dataset = read_dataset(data)
    check_has_rows(dataset, "dpo")
    limits = length_limits(model.folder, settings.max_length)
    tokenizer = load_tokenizer(model.folder, limits.vocabulary_size)
    rendering = student_rendering(dataset, checkpoint.form)
    if rendering.id != checkpoint.record["rendering"]:
        raise UserError(
            "the SFT step was trained with another prompt",
            code="checkpoint.prompt-mismatch",
            where=str(parent),
            found=f"{checkpoint.record['rendering']}, now {rendering.id}",
        )
    encoding = load_prompt_encoding(model.folder, checkpoint.form)
    if encoding.template_kwargs() != (checkpoint.record.get("template_options") or {}):
        recorded = checkpoint.record.get("template_options") or "nothing"
        raise UserError(
            "the SFT step was trained with other chat-template options",
            code="chat-template.options-changed",
            where=str(parent),
            found=f"{recorded}, now {encoding.template_kwargs()}",
            remedy="Train the SFT step again: its template now accepts an option that disables thinking.",
        )
    rows = tokenize_pairs(dataset.dpo, tokenizer, rendering, limits)
    device = select_device(settings.dtype, cpu=options.cpu)
    job = TrainingJob(
        "dpo",
        out,
        name or out.name,
        dataset,
        settings,
        rendering,
        model.folder,
        checkpoint.base,
        tokenizer,
        rows,
        device,
        encoding,
        checkpoint,
    )

    def prepare(job: TrainingJob, work: WorkDir) -> PreparedTrainer:
        trainer = _create_trainer(job, work, trackers)
        return PreparedTrainer(trainer, REFERENCE if settings.reference == "sft" else "")

    return run_training(job, prepare, options)


def _create_trainer(job: TrainingJob, work: WorkDir, trackers: list[str]) -> Any:
    from datasets import Dataset
    from peft import PeftModel
    from transformers import set_seed
    from trl import DPOConfig, DPOTrainer

    class TokenizedDPOTrainer(DPOTrainer):  # type: ignore[misc,unused-ignore]  # untyped without trl
        """trl's trainer for pairs that are token ids already."""

        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

    assert job.parent is not None
    settings = job.settings
    set_seed(settings.seed)
    base = load_model(job.base_folder, settings.dtype, job.device)
    model = PeftModel.from_pretrained(base, job.parent.path, is_trainable=True)
    # With reference "base", trl's copy of the adapter is removed below, so nothing may be computed with it.
    precompute_now = settings.precompute_reference and settings.reference == "sft"
    trainer = TokenizedDPOTrainer(
        model=model,
        ref_model=None,
        args=DPOConfig(
            **trainer_arguments(settings, work.state, job.device, trackers, job.name),
            beta=settings.beta,
            loss_type=[settings.loss],
            precompute_ref_log_probs=precompute_now,
        ),
        train_dataset=Dataset.from_list(list(job.tokenized.rows)),
        processing_class=job.tokenizer,
    )
    if settings.reference == "base":
        trainer.model.delete_adapter(REFERENCE)  # without it trl's reference is the model without adapter
        if settings.precompute_reference:
            _precompute_reference(trainer, settings)
    return trainer


def _precompute_reference(trainer: Any, settings: TrainingConfig) -> None:
    """Compute the base's log-probabilities once, with the trainer's own function (trl 1.16 is pinned)."""
    from trl.trainer.utils import hash_module

    trainer._precompute_model_hash = hash_module(trainer.model)
    trainer.train_dataset = trainer._precompute_ref_logps(
        trainer.train_dataset, "train", settings.rows_per_pass
    )
    trainer.precompute_ref_logps = True
