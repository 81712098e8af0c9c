"""Step one, SFT: a fresh LoRA adapter on the base learns the good responses, completion tokens only."""

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
    """Fine-tune `base` on a dataset's SFT rows; the same call goes on where a killed one stopped.

    Args:
        base: a folder, or a model's name on the Hub.
        form: "plain", "chat", or "auto" for what the tokenizer suggests.
        name: of the checkpoint; "" for the folder's name.

    Raises:
        UserError: for everything that a user can mend.
    """
    require_training_libraries()
    settings = settings or TrainingConfig()
    options = options or TrainOptions()
    trackers = check_trackers(options.report_to)
    found = locate_model(base, revision)
    check_weights(found.folder)
    check_target_modules(settings, found.folder)
    folder = read_dataset(data)
    check_has_rows(folder, "sft")
    room = length_limits(found.folder, settings.max_length)
    tokenizer = load_tokenizer(found.folder, room.words)
    rendering = student_rendering(folder, resolve_form(form, tokenizer))
    prepared = tokenize_examples(folder.sft, tokenizer, rendering, room)
    device = select_device(settings.dtype, cpu=options.cpu)
    task = TrainingJob(
        "sft",
        out,
        name or out.name,
        folder,
        settings,
        rendering,
        found.folder,
        found.base,
        tokenizer,
        prepared,
        device,
        load_prompt_encoding(found.folder, rendering.form),
    )

    def make(task: TrainingJob, work: WorkDir) -> PreparedTrainer:
        return PreparedTrainer(_trainer(task, work, trackers))

    return run_training(task, make, options)


def lora(settings: TrainingConfig) -> Any:
    """The adapter's shape as peft's `LoraConfig`."""
    from peft import LoraConfig

    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=parse_target_modules(settings),
        bias="none",
        task_type="CAUSAL_LM",
    )


def _trainer(task: TrainingJob, work: WorkDir, trackers: list[str]) -> Any:
    from datasets import Dataset
    from peft import get_peft_model
    from transformers import set_seed
    from trl import SFTConfig, SFTTrainer

    set_seed(task.settings.seed)  # the adapter begins from random numbers
    model = load_model(task.base_folder, task.settings.dtype, task.device)
    common = trainer_arguments(task.settings, work.state, task.device, trackers, task.name)
    return SFTTrainer(
        model=get_peft_model(model, lora(task.settings)),
        args=SFTConfig(**common, packing=False),
        train_dataset=Dataset.from_list(list(task.prepared.rows)),  # labels say what is learned
        processing_class=task.tokenizer,
    )
