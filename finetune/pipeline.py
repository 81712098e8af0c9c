"""One training from start to end, for SFT and DPO: prepare, train, check, write the checkpoint.

The two stages differ only in how they create their trainer (`sft.py`, `dpo.py`).
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from agents.errors import UserError
from agents.figures import render_losses
from agents.model_files.decoder_config import max_context_tokens
from agents.model_files.lora import WEIGHTS as ADAPTER
from agents.model_files.weights import CONFIG, load_json_object
from agents.student_prompt import PromptFormat, PromptStyle, find_unregistered_end, lacks_bos, rendering
from finetune import post_training_check
from finetune.checkpoint import (
    VERSION,
    Base,
    Checkpoint,
    git_state,
    hash_file,
    read_checkpoint,
    write_record,
)
from finetune.config import TrainingConfig
from finetune.dataset_folder import teacher_names
from finetune.dataset_reader import DatasetFolder, matches_rendering
from finetune.dependencies import is_local_folder, library_versions
from finetune.hub_cards import model_card
from finetune.metrics import METRICS, first_and_last, read_metrics
from finetune.tokenization import TokenizedRows
from finetune.tokenizer_identity import PromptEncoding
from finetune.trainer import StepCallback, run_trainer, tracker_environment, translate_errors
from finetune.work_dir import WorkDir, existing_checkpoint, locked_work_dir, recipe_id, save_step

MessageCallback = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """Checked inputs of one training.

    Attributes:
        stage: "sft" or "dpo".
        out: folder of the checkpoint.
        name: name of the checkpoint.
        data: training set.
        settings: hyper-parameters.
        rendering: prompt format of the student.
        base_folder: folder of the base model.
        base: identity of the base model.
        tokenizer: tokenizer of the base model.
        tokenized: rows for this student.
        device: "cpu" or "cuda".
        prompt_encoding: encoding of prompts by the base model, in the style of `rendering`.
        parent: SFT checkpoint that DPO starts from; None for SFT.
    """

    stage: Literal["sft", "dpo"]
    out: Path
    name: str
    data: DatasetFolder
    settings: TrainingConfig
    rendering: PromptFormat
    base_folder: Path
    base: Base
    tokenizer: Any
    tokenized: TokenizedRows
    device: str
    prompt_encoding: PromptEncoding
    parent: Checkpoint | None = None

    def recipe(self) -> dict[str, Any]:
        """Return everything that determines the result, by content, without names, paths and `save_steps`."""
        settings = asdict(self.settings)
        settings.pop("save_steps")
        return {
            "stage": self.stage,
            "base": self.base.weights,
            "parent": self.parent.id if self.parent else "",
            "data": self.data.id,
            "rendering": self.rendering.id,
            "form": str(self.rendering.form),
            "settings": settings,
            "device": self.device,
            "asking": self.prompt_encoding.id,
        }


@dataclass(frozen=True, slots=True)
class PreparedTrainer:
    """Trainer ready to run, and the name of the adapter that training starts from ("" for the base)."""

    trainer: Any
    parent_adapter: str = ""


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Options of a training that do not belong to its recipe, except for the device.

    Attributes:
        on_step: called after every optimizer step.
        on_message: called with every line of progress for the user.
        report_to: experiment trackers used besides metrics.jsonl.
        restart: delete unfinished work.
        new_tokens: token limit of the responses in the check after training.
        cpu: use the CPU even if there is a GPU.
    """

    on_step: StepCallback | None = None
    on_message: MessageCallback = lambda line: None
    report_to: tuple[str, ...] = ()
    restart: bool = False
    new_tokens: int = post_training_check.NEW_TOKENS
    cpu: bool = False


def run_training(
    job: TrainingJob, prepare: Callable[[TrainingJob, WorkDir], PreparedTrainer], options: TrainOptions
) -> Checkpoint:
    """Train and return the checkpoint, or return an existing checkpoint with the same recipe.

    Args:
        prepare: creates the trainer of the stage.

    Raises:
        UserError: memory or disk is full, a loss is not finite, or `out` is not empty. Nothing incomplete is
            left at `out`.
    """
    on_message = options.on_message
    recipe = job.recipe()
    existing = existing_checkpoint(job.out, recipe)
    if existing is not None:
        on_message(f"{existing.path}: already trained with this recipe; nothing to do")
        return existing
    with (
        locked_work_dir(job.out, recipe, restart=options.restart) as work,
        translate_errors(job.settings, work, on_message),
    ):
        on_message(f"{job.stage}: {job.tokenized.describe()}")
        for warning in tokenizer_warnings(job.tokenizer, job.rendering.form):
            on_message(f"{job.stage}: warning: {warning}")
        save = work.last_intact_save(on_message)
        if save:
            on_message(f"{job.stage}: resuming from step {save_step(save)}")
        started_at = time.monotonic()
        with tracker_environment(work):
            prepared = prepare(job, work)
            steps = job.settings.steps(len(job.tokenized.rows))
            run_trainer(prepared.trainer, work, job.stage, steps, options.on_step)
        on_message(f"{job.stage}: checking for forgetting and collapse")
        model = prepared.trainer.accelerator.unwrap_model(prepared.trainer.model)
        check = post_training_check.run_post_training_check(
            model,
            job.tokenizer,
            job.rendering,
            job.data,
            job.settings.seed,
            parent=prepared.parent_adapter,
            new_tokens=options.new_tokens,
            context=max_context_tokens(load_json_object(job.base_folder / CONFIG)),
        )
        for warning in check.warnings:
            on_message(f"{job.stage}: warning: {warning}")
        seconds = round(time.monotonic() - started_at, 1)
        _write_checkpoint(job, work, model, check, seconds, prepared.trainer.state.global_step)
        work.finish()
    return read_checkpoint(job.out)


def tokenizer_warnings(tokenizer: Any, form: PromptStyle) -> list[str]:
    """Return problems of a base model's tokenizer that the user should know before a long training."""
    if form is PromptStyle.PLAIN and lacks_bos(tokenizer):
        return [
            f"the tokenizer defines a beginning-of-sequence token ({tokenizer.bos_token}) but does not put "
            "it before a text; some base models (Gemma) give useless responses without it. If this one "
            "was trained with it, add a TemplateProcessing post-processor to tokenizer.json and train again."
        ]
    if form is PromptStyle.CHAT and (end := find_unregistered_end(tokenizer)):
        return [
            f"the chat template ends a turn with {end!r}, which is no token of this tokenizer: the student "
            "will learn to write it as text at the end of its responses. Train with --form plain."
        ]
    return []


def student_rendering(data: DatasetFolder, form: PromptStyle) -> PromptFormat:
    """Return the prompt format that this training set was built with.

    Raises:
        UserError: the training set was built with another version of the direct prompt.
    """
    if not matches_rendering(data, rendering(PromptStyle.PLAIN).id):
        raise UserError(
            "training set was built with another version of the direct prompt",
            code="training-set.prompt-changed",
            where=str(data.path),
            found=f"prompt version {data.manifest['prompt']['version']}",
            remedy="Build the training set again, or restore the old prompt (prompts/respond.md).",
        )
    return rendering(form)


def _write_checkpoint(
    job: TrainingJob,
    work: WorkDir,
    model: Any,
    check: post_training_check.PostTrainingCheck,
    seconds: float,
    steps: int,
) -> None:
    final = work.final
    adapter = model.peft_config["default"]
    adapter.base_model_name_or_path, adapter.revision = job.base.name, job.base.revision or None
    model.save_pretrained(final, safe_serialization=True, selected_adapters=["default"])
    job.tokenizer.save_pretrained(final)
    metrics = read_metrics(work.metrics)
    (final / METRICS).write_bytes(work.metrics.read_bytes())
    if work.tensorboard.is_dir():
        shutil.copytree(work.tensorboard, final / work.tensorboard.name)
    (final / "losses.png").write_bytes(render_losses(metrics, f"{job.name}, {job.stage}"))
    record = _checkpoint_record(job, model, metrics, check, seconds, steps, hash_file(final / ADAPTER))
    write_record(final, record)
    (final / "README.md").write_text(model_card(record), encoding="utf-8")


def _checkpoint_record(
    job: TrainingJob,
    model: Any,
    metrics: list[dict[str, Any]],
    check: post_training_check.PostTrainingCheck,
    seconds: float,
    steps: int,
    adapter: str,
) -> dict[str, Any]:
    manifest = job.data.manifest
    trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return {
        "kind": "empathy-checkpoint",
        "version": VERSION,
        "name": job.name,
        "stage": job.stage,
        "base": job.base.to_dict(),
        # The name in "base" is relative to the working directory of the training; this path to the
        # checkpoint.
        "base_from_here": _relative_path(job.base_folder, job.out) if is_local_folder(job.base.name) else "",
        "parent": _parent_record(job.parent) if job.parent else None,
        "data": {
            "id": job.data.id,
            "name": job.data.path.name,
            "method": manifest["method"],
            "fidelity": manifest.get("fidelity", ""),
            "strategy": manifest.get("strategy", ""),
            "taught_by": teacher_names(manifest),
            "rows": len(job.data.sft if job.stage == "sft" else job.data.dpo),
            "rows_used": len(job.tokenized.rows),
            "left_out": job.tokenized.left_out,
        },
        "settings": asdict(job.settings),
        "form": str(job.rendering.form),
        "rendering": job.rendering.id,
        "asking": job.prompt_encoding.id,
        "template_options": job.prompt_encoding.template_kwargs(),
        "prompt": {"name": job.rendering.prompt.name, "version": job.rendering.prompt.version},
        "adapter": adapter,
        "recipe": recipe_id(job.recipe()),
        "steps": steps,
        "losses": first_and_last(metrics, "loss"),
        "margins": first_and_last(metrics, "rewards/margins") if job.stage == "dpo" else {},
        "health": check.to_dict(),
        "trainable_parameters": trainable,
        "seconds": seconds,
        "device": job.device,
        "versions": library_versions(),
        "git": git_state(),
    }


def _relative_path(base: Path, out: Path) -> str:
    return os.path.relpath(base.resolve(), out.resolve())


def _parent_record(parent: Checkpoint) -> dict[str, Any]:
    """Return name, id and complete record of a parent, so that one record describes both steps."""
    return {"name": parent.name, "id": parent.id, "record": dict(parent.record)}
