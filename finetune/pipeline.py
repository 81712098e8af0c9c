"""One training from beginning to end, SFT or DPO: prepare, train, check, write the checkpoint whole.

The two stages differ in how the trainer is made (`sft.py`, `dpo.py`); everything around it is here, once.
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
from finetune.loss_plot import plot_losses
from finetune.metrics import METRICS, first_and_last, read_metrics
from finetune.tokenization import TokenizedRows
from finetune.tokenizer_identity import PromptEncoding
from finetune.trainer import StepCallback, run_trainer, tracker_environment, translate_errors
from finetune.work_dir import WorkDir, existing_checkpoint, locked_work_dir, recipe_id, save_step

MessageCallback = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """All that decides one training, found and checked before anything slow begins.

    Attributes:
        base_folder, base: the base's files and identity.
        parent: the SFT checkpoint that DPO goes on from; None for SFT.
        prepared: the rows for this student.
        asking: how the base is asked in the rendering's form.
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
    prepared: TokenizedRows
    device: str
    asking: PromptEncoding
    parent: Checkpoint | None = None

    def recipe(self) -> dict[str, Any]:
        """What the result depends on, by content; names, paths and how often it saves are no part of it."""
        settings = asdict(self.settings)
        for detail in ("save_steps",):
            settings.pop(detail)
        return {
            "stage": self.stage,
            "base": self.base.weights,
            "parent": self.parent.id if self.parent else "",
            "data": self.data.id,
            "rendering": self.rendering.id,
            "form": str(self.rendering.form),
            "settings": settings,
            "device": self.device,
            "asking": self.asking.id,
        }


@dataclass(frozen=True, slots=True)
class PreparedTrainer:
    """A trainer ready to run, and the adapter that its student began from ("" for the base)."""

    trainer: Any
    parent_adapter: str = ""


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What changes nothing in a recipe, but for the device.

    Attributes:
        on_step: is given every optimiser step.
        on_message: is given, line by line, what a person who waits wants to know.
        report_to: trackers beside metrics.jsonl.
        restart: throw unfinished work away.
        new_tokens: limit of the responses in the check after training.
        cpu: leave a card alone that is there.
    """

    on_step: StepCallback | None = None
    on_message: MessageCallback = lambda line: None
    report_to: tuple[str, ...] = ()
    restart: bool = False
    new_tokens: int = post_training_check.NEW_TOKENS
    cpu: bool = False


def run_training(
    task: TrainingJob, make: Callable[[TrainingJob, WorkDir], PreparedTrainer], options: TrainOptions
) -> Checkpoint:
    """Train, or give back what this very recipe has made already.

    Raises:
        UserError: the machine ran out of something, a loss is not a number, `out` is taken; nothing
            half-written is left at `out`.
    """
    tell = options.on_message
    recipe = task.recipe()
    done = existing_checkpoint(task.out, recipe)
    if done is not None:
        tell(f"{done.path}: this recipe is trained already; nothing to do")
        return done
    with (
        locked_work_dir(task.out, recipe, restart=options.restart) as work,
        translate_errors(task.settings, work, tell),
    ):
        tell(f"{task.stage}: {task.prepared.describe()}")
        for note in tokenizer_warnings(task.tokenizer, task.rendering.form):
            tell(f"{task.stage}: look at this: {note}")
        save = work.last_intact_save(tell)
        if save:
            tell(f"{task.stage}: going on from step {save_step(save)}")
        began = time.monotonic()
        with tracker_environment(work):
            made = make(task, work)
            run_trainer(
                made.trainer, work, task.stage, task.settings.steps(len(task.prepared.rows)), options.on_step
            )
        tell(f"{task.stage}: checking for forgetting and collapse")
        model = made.trainer.accelerator.unwrap_model(made.trainer.model)
        found = post_training_check.run_post_training_check(
            model,
            task.tokenizer,
            task.rendering,
            task.data,
            task.settings.seed,
            parent=made.parent_adapter,
            new_tokens=options.new_tokens,
            context=max_context_tokens(load_json_object(task.base_folder / CONFIG)),
        )
        for warning in found.warnings:
            tell(f"{task.stage}: look at this: {warning}")
        _write(task, work, model, found, round(time.monotonic() - began, 1), made.trainer.state.global_step)
        work.finish()
    return read_checkpoint(task.out)


def tokenizer_warnings(tokenizer: Any, form: PromptStyle) -> list[str]:
    """What of a base's tokenizer a person should know before hours are spent."""
    if form is PromptStyle.PLAIN and lacks_bos(tokenizer):
        return [
            f"the tokenizer has a beginning of sequence ({tokenizer.bos_token}) and does not put it before a "
            "text; some bases (Gemma) answer nothing of use without it. If this one was trained with it, "
            "give its tokenizer.json a TemplateProcessing post-processor that puts it, and train anew."
        ]
    if form is PromptStyle.CHAT and (end := find_unregistered_end(tokenizer)):
        return [
            f"the chat template ends a turn with {end!r}, which is no token of this tokenizer: it is learned "
            "and said letter by letter, and stays in responses. Train in plain form: --form plain."
        ]
    return []


def student_rendering(data: DatasetFolder, form: PromptStyle) -> PromptFormat:
    """The rendering that this dataset was made with.

    Raises:
        UserError: the dataset was made with another direct prompt than the present one; a student would
            be asked with other words than it was trained on.
    """
    if not matches_rendering(data, rendering(PromptStyle.PLAIN).id):
        raise UserError(
            "the dataset was made with another direct prompt than the present one",
            where=str(data.path),
            found=f"prompt version {data.manifest['prompt']['version']}",
            remedy="Build the dataset anew, or put the prompt back as it was (prompts/respond.md).",
        )
    return rendering(form)


def _write(
    task: TrainingJob,
    work: WorkDir,
    model: Any,
    found: post_training_check.PostTrainingCheck,
    seconds: float,
    steps: int,
) -> None:
    final = work.final
    adapter = model.peft_config["default"]
    adapter.base_model_name_or_path, adapter.revision = task.base.name, task.base.revision or None
    model.save_pretrained(final, safe_serialization=True, selected_adapters=["default"])
    task.tokenizer.save_pretrained(final)
    metrics = read_metrics(work.metrics)
    (final / METRICS).write_bytes(work.metrics.read_bytes())
    if work.tensorboard.is_dir():
        shutil.copytree(work.tensorboard, final / work.tensorboard.name)
    plot_losses(metrics, final / "losses.png", f"{task.name}, {task.stage}")
    record = _record(task, model, metrics, found, seconds, steps, hash_file(final / ADAPTER))
    write_record(final, record)
    (final / "README.md").write_text(model_card(record), encoding="utf-8")


def _record(
    task: TrainingJob,
    model: Any,
    metrics: list[dict[str, Any]],
    found: post_training_check.PostTrainingCheck,
    seconds: float,
    steps: int,
    adapter: str,
) -> dict[str, Any]:
    manifest = task.data.manifest
    trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return {
        "kind": "empathy-checkpoint",
        "version": VERSION,
        "name": task.name,
        "stage": task.stage,
        "base": task.base.to_dict(),
        # where the base lay, seen from this folder: the name above is seen from where the training was begun
        "base_from_here": _from(task.base_folder, task.out) if is_local_folder(task.base.name) else "",
        "parent": _parent(task.parent) if task.parent else None,
        "data": {
            "id": task.data.id,
            "name": task.data.path.name,
            "method": manifest["method"],
            "fidelity": manifest.get("fidelity", ""),
            "strategy": manifest.get("strategy", ""),
            "taught_by": teacher_names(manifest),
            "rows": len(task.data.sft if task.stage == "sft" else task.data.dpo),
            "rows_used": len(task.prepared.rows),
            "left_out": task.prepared.left_out,
        },
        "settings": asdict(task.settings),
        "form": str(task.rendering.form),
        "rendering": task.rendering.id,
        "asking": task.asking.id,
        "template_options": task.asking.template_kwargs(),
        "prompt": {"name": task.rendering.prompt.name, "version": task.rendering.prompt.version},
        "adapter": adapter,
        "recipe": recipe_id(task.recipe()),
        "steps": steps,
        "losses": first_and_last(metrics, "loss"),
        "margins": first_and_last(metrics, "rewards/margins") if task.stage == "dpo" else {},
        "health": found.to_dict(),
        "trainable_parameters": trainable,
        "seconds": seconds,
        "device": task.device,
        "versions": library_versions(),
        "git": git_state(),
    }


def _from(base: Path, out: Path) -> str:
    return os.path.relpath(base.resolve(), out.resolve())


def _parent(of: Checkpoint) -> dict[str, Any]:
    """What a checkpoint went on from, whole: this record alone says how to make both steps again."""
    return {"name": of.name, "id": of.id, "record": dict(of.record)}
