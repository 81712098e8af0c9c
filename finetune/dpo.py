"""Step two, DPO: the SFT adapter goes on learning, now from pairs of a better and a worse response.

The reference is a frozen copy of the SFT adapter on the same base, so that the first loss is ln 2; or, in
fidelity `released`, the base alone, as LLaMA-Factory does when it continues an adapter (first loss then is
another). Either costs no second model in memory: trl switches adapters.
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
    """Train an SFT checkpoint on a dataset's pairs; the same call goes on where a killed one stopped.

    Args:
        parent: an SFT checkpoint's folder; base, revision and form are inherited from it.
        base: where the base lies now, if not where the checkpoint says; its weights must be the same.

    Raises:
        UserError: for everything that a user can mend; among it a base that does not match the adapter.
    """
    require_training_libraries()
    settings = settings or TrainingConfig()
    options = options or TrainOptions()
    trackers = check_trackers(options.report_to)
    started = read_checkpoint(parent)
    if started.stage != "sft":
        raise UserError(
            "DPO begins from an SFT checkpoint",
            where=str(parent),
            found=f"a {started.stage} checkpoint",
            remedy="Name the SFT step's folder with --from.",
        )
    found = locate_model(base or started.base_location, "" if base else started.base.revision)
    check_same_base(started, found.base)
    check_weights(found.folder)
    check_adapter(parent, found.folder)
    check_prompt_encoding(started, found.folder)
    folder = read_dataset(data)
    check_has_rows(folder, "dpo")
    room = length_limits(found.folder, settings.max_length)
    tokenizer = load_tokenizer(found.folder, room.words)
    rendering = student_rendering(folder, started.form)
    if rendering.id != started.record["rendering"]:
        found_ = f"{started.record['rendering']}, now {rendering.id}"
        raise UserError("the SFT step was trained with another prompt", where=str(parent), found=found_)
    asking = load_prompt_encoding(found.folder, started.form)
    if asking.template_kwargs() != (started.record.get("template_options") or {}):
        raise UserError(
            "the SFT step was trained with another rendering of the chat template",
            where=str(parent),
            found=f"{started.record.get('template_options') or 'nothing'}, now {asking.template_kwargs()}",
            remedy="Train the SFT step again: its template can be told not to think.",
        )
    prepared = tokenize_pairs(folder.dpo, tokenizer, rendering, room)
    device = select_device(settings.dtype, cpu=options.cpu)
    task = TrainingJob(
        "dpo",
        out,
        name or out.name,
        folder,
        settings,
        rendering,
        found.folder,
        started.base,
        tokenizer,
        prepared,
        device,
        asking,
        started,
    )

    def make(task: TrainingJob, work: WorkDir) -> PreparedTrainer:
        return PreparedTrainer(
            _trainer(task, work, trackers), REFERENCE if settings.reference == "sft" else ""
        )

    return run_training(task, make, options)


def _trainer(task: TrainingJob, work: WorkDir, trackers: list[str]) -> Any:
    from datasets import Dataset
    from peft import PeftModel
    from transformers import set_seed
    from trl import DPOConfig, DPOTrainer

    class Pairs(DPOTrainer):  # type: ignore[misc,unused-ignore]  # untyped where trl is not installed
        """trl's trainer, given ids instead of text."""

        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

    assert task.parent is not None
    settings = task.settings
    set_seed(settings.seed)
    base = load_model(task.base_folder, settings.dtype, task.device)
    model = PeftModel.from_pretrained(base, task.parent.path, is_trainable=True)
    # With reference "base" trl's copy of the adapter is taken away again below, before anything is computed.
    early = settings.precompute_reference and settings.reference == "sft"
    trainer = Pairs(
        model=model,
        ref_model=None,
        args=DPOConfig(
            **trainer_arguments(settings, work.state, task.device, trackers, task.name),
            beta=settings.beta,
            loss_type=[settings.loss],
            precompute_ref_log_probs=early,
        ),
        train_dataset=Dataset.from_list(list(task.prepared.rows)),
        processing_class=task.tokenizer,
    )
    if settings.reference == "base":
        trainer.model.delete_adapter(REFERENCE)  # without it trl's reference is the model without adapter
        if settings.precompute_reference:
            _precompute(trainer, settings)
    return trainer


def _precompute(trainer: Any, settings: TrainingConfig) -> None:
    """The base's log-probabilities once, by the trainer's own function (trl 1.16 is pinned)."""
    from trl.trainer.utils import hash_module

    trainer._precompute_model_hash = hash_module(trainer.model)
    trainer.train_dataset = trainer._precompute_ref_logps(
        trainer.train_dataset, "train", settings.rows_per_pass
    )
    trainer.precompute_ref_logps = True
