"""Step one, SFT: a new LoRA adapter on the base model learns the good responses.

The loss counts completion tokens only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from finetune.checkpoint import Checkpoint
from finetune.config import TrainingConfig
from finetune.dataset_reader import check_has_rows, read_dataset
from finetune.dependencies import check_trackers, require_training_libraries
from finetune.lora_targets import check_target_modules, parse_target_modules
from finetune.model_loader import (
    check_weights,
    length_limits,
    load_model,
    load_tokenizer,
    locate_model,
    resolve_form,
    select_device,
)
from finetune.pipeline import PreparedTrainer, TrainingJob, TrainOptions, run_training, student_rendering
from finetune.tokenization import tokenize_examples
from finetune.tokenizer_identity import load_prompt_encoding
from finetune.trainer import trainer_arguments
from finetune.work_dir import WorkDir


def train_sft(
    base: str,
    data: Path,
    out: Path,
    settings: TrainingConfig | None = None,
    *,
    revision: str = "",
    form: str = "auto",
    name: str = "",
    options: TrainOptions | None = None,
) -> Checkpoint:
    """Fine-tune a base model on the SFT rows of a training set; resume if the same call was interrupted.

    Args:
        base: a folder, or a model's name on the Hub.
        data: folder of the training set.
        out: folder of the checkpoint.
        revision: commit of a model on the Hub; "" for the latest.
        form: prompt style: "plain", "chat", or "auto" for the tokenizer's default.
        name: name of the checkpoint; "" for the folder's name.

    Raises:
        UserError: an input or the machine's state prevents the training.
    """
    require_training_libraries()
    settings = settings or TrainingConfig()
    options = options or TrainOptions()
    trackers = check_trackers(options.report_to)
    model = locate_model(base, revision)
    check_weights(model.folder)
    check_target_modules(settings, model.folder)
    dataset = read_dataset(data)
    check_has_rows(dataset, "sft")
    limits = length_limits(model.folder, settings.max_length)
    tokenizer = load_tokenizer(model.folder, limits.vocabulary_size)
    rendering = student_rendering(dataset, resolve_form(form, tokenizer))
    rows = tokenize_examples(dataset.sft, tokenizer, rendering, limits)
    device = select_device(settings.dtype, cpu=options.cpu)
    job = TrainingJob(
        "sft",
        out,
        name or out.name,
        dataset,
        settings,
        rendering,
        model.folder,
        model.base,
        tokenizer,
        rows,
        device,
        load_prompt_encoding(model.folder, rendering.form),
    )

    def prepare(job: TrainingJob, work: WorkDir) -> PreparedTrainer:
        return PreparedTrainer(_create_trainer(job, work, trackers))

    return run_training(job, prepare, options)


def lora_config(settings: TrainingConfig) -> Any:
    """Return the adapter's settings as peft's `LoraConfig`."""
    from peft import LoraConfig

    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=parse_target_modules(settings),
        bias="none",
        task_type="CAUSAL_LM",
    )


def _create_trainer(job: TrainingJob, work: WorkDir, trackers: list[str]) -> Any:
    from datasets import Dataset
    from peft import get_peft_model
    from transformers import set_seed
    from trl import SFTConfig, SFTTrainer

    set_seed(job.settings.seed)  # the adapter is initialized from random numbers
    model = load_model(job.base_folder, job.settings.dtype, job.device)
    common = trainer_arguments(job.settings, work.state, job.device, trackers, job.name)
    return SFTTrainer(
        model=get_peft_model(model, lora_config(job.settings)),
        args=SFTConfig(**common, packing=False),
        train_dataset=Dataset.from_list(list(job.tokenized.rows)),  # the rows carry their labels
        processing_class=job.tokenizer,
    )
