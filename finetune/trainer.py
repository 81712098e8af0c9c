"""Common parts of the SFT and DPO trainers: arguments, step callbacks, resuming and error translation.

Every optimizer step is a line of metrics.jsonl and a `TrainingStep` for the callback. A loss or gradient that
is not finite ends the training before it overwrites the last good save.
"""

from __future__ import annotations

import errno
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.errors import EmpathyError, UserError
from finetune.config import TrainingConfig
from finetune.metrics import format_metrics_line, read_metrics
from finetune.work_dir import WorkDir, mark_complete, save_step

PROJECT = "empathy-harness"  # project name in experiment trackers
REFERENCE = "ref"  # trl's name for DPO's frozen copy of the adapter
MIN_FREE_BYTES = 2**20  # an error with less free space is attributed to the full disk
StepCallback = Callable[["TrainingStep"], None]


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """Metrics of one finished optimizer step.

    Attributes:
        stage: "sft" or "dpo".
        step: number of the step, from 1.
        steps: number of steps of the whole training.
        loss: mean loss over the effective batch.
        tokens: tokens processed since this process began to train.
        seconds: seconds since this process began to train.
        steps_this_run: steps since this process began to train.
        margin: mean of chosen minus rejected reward; None for SFT.
    """

    stage: str
    step: int
    steps: int
    loss: float
    tokens: int
    seconds: float
    steps_this_run: int
    margin: float | None = None

    @property
    def tokens_per_second(self) -> float:
        """Throughput of this process, without padding."""
        return self.tokens / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float:
        """Estimated remaining seconds at the mean pace of this process."""
        return (self.steps - self.step) * self.seconds / max(self.steps_this_run, 1)


def trainer_arguments(
    settings: TrainingConfig, state: Path, device: str, report_to: Sequence[str], name: str
) -> dict[str, Any]:
    """Return the common arguments of SFTConfig and DPOConfig; no relevant one is left to its default.

    Args:
        state: folder of the trainer's saves.
        report_to: names of experiment trackers.
        name: name of the run in trackers.
    """
    return {
        "output_dir": str(state),
        "run_name": name,
        "project": PROJECT,
        "per_device_train_batch_size": settings.rows_per_pass,
        "gradient_accumulation_steps": settings.passes_per_step,
        "learning_rate": settings.learning_rate,
        "num_train_epochs": settings.epochs,
        "max_steps": settings.max_steps or -1,
        "lr_scheduler_type": settings.scheduler,
        "warmup_steps": settings.warmup_steps,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        "optim": settings.optimizer,
        "seed": settings.seed,
        "bf16": settings.dtype == "bf16",
        "fp16": settings.dtype == "fp16",
        "use_cpu": device == "cpu",
        "dataloader_pin_memory": device != "cpu",
        "gradient_checkpointing": settings.activation_checkpointing,
        "max_length": None,  # rows that are too long were excluded before; nothing is truncated
        "logging_strategy": "steps",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # the filter would show the last good loss instead of a NaN
        "save_strategy": "steps",
        "save_steps": settings.save_steps,
        "save_total_limit": 2,
        "report_to": list(report_to) or "none",
        "disable_tqdm": True,
    }


@contextmanager
def tracker_environment(work: WorkDir) -> Iterator[None]:
    """Let TensorBoard write into the work folder, and redirect the trackers' output to stderr."""
    variables = {"TENSORBOARD_LOGGING_DIR": str(work.tensorboard), "WANDB_PROJECT": PROJECT}
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
    try:
        with redirect_stdout(sys.stderr):  # stdout is reserved for results
            yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def run_trainer(trainer: Any, work: WorkDir, stage: str, steps: int, on_step: StepCallback | None) -> None:
    """Train to the end, from the last complete save if there is one.

    Args:
        stage: "sft" or "dpo".
        steps: number of steps of the whole training.
        on_step: called after every optimizer step.

    Raises:
        UserError: a loss or gradient norm is not finite.
    """
    from transformers import PrinterCallback, TrainerState

    save = work.last_save()
    if save is not None and save_step(save) >= steps:
        # Interrupted after the last step. transformers 5.19 would make one step more when resuming from here.
        trainer.model.load_adapter(str(save), "default", is_trainable=True)
        trainer.state = TrainerState.load_from_json(str(save / "trainer_state.json"))
        return
    trainer.remove_callback(PrinterCallback)  # it prints to stdout, which is reserved for results
    trainer.add_callback(_create_callback(work, stage, on_step))
    trainer.train(resume_from_checkpoint=str(save) if save else None)


@contextmanager
def translate_errors(
    settings: TrainingConfig, work: WorkDir, on_message: Callable[[str], None]
) -> Iterator[None]:
    """Translate a full GPU memory or a full disk into a `UserError`; the last save is kept.

    Args:
        on_message: receives the step that an interrupted training would resume from.

    Raises:
        UserError: the GPU's memory or the disk is full.
    """
    try:
        yield
    except KeyboardInterrupt:
        save = work.last_save()
        start = f"step {save_step(save)}" if save else "the beginning"
        on_message(f"interrupted; the same command resumes from {start}")
        raise
    except Exception as error:
        if _is_out_of_memory(error):
            options = memory_saving_options(settings)
            raise UserError(
                "GPU memory is full",
                code="training.out-of-memory",
                found=str(error).split("\n", 1)[0][:200],
                remedy=f"Use {'; '.join(options)}. For estimates run: empathy train plan.",
            ) from error
        if not isinstance(error, EmpathyError) and _is_disk_full(error, work.partial):
            raise UserError(
                "disk is full",
                code="file.disk-full",
                where=str(work.partial),
                found=str(error)[:200],
                remedy="Free some space and run the same command: it resumes from the last complete save.",
            ) from error
        raise


def memory_saving_options(settings: TrainingConfig) -> list[str]:
    """Return options that would save memory and are not in use, least costly first.

    None of them changes the effective batch.
    """
    options = []
    if not settings.activation_checkpointing:
        options.append("--activation-checkpointing")
    if not settings.precompute_reference:
        options.append("--precompute-reference (DPO)")
    if settings.rows_per_pass > 1:
        options.append(f"--micro-batch 1 (the effective batch stays {settings.effective_batch})")
    options.append(f"--max-length below {settings.max_length} (longer rows are excluded and counted)")
    return options


def _create_callback(work: WorkDir, stage: str, on_step: StepCallback | None) -> Any:
    from transformers import TrainerCallback

    class MetricsCallback(TrainerCallback):  # type: ignore[misc,unused-ignore]  # untyped without transformers
        def __init__(self) -> None:
            self.started_at = time.monotonic()
            self.first_step = 0

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            kept = [row for row in read_metrics(work.metrics) if row["step"] <= state.global_step]
            work.metrics.write_text("".join(format_metrics_line(row) for row in kept), encoding="utf-8")
            self.started_at, self.first_step = time.monotonic(), state.global_step

        def on_log(
            self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
        ) -> None:
            if not logs or "loss" not in logs:
                return
            _check_finite(logs, state.global_step, work)
            seconds = time.monotonic() - self.started_at
            row = {"stage": stage, "step": state.global_step, **logs, "seconds": round(seconds, 3)}
            with work.metrics.open("a", encoding="utf-8") as file:
                file.write(format_metrics_line(row))
            if on_step is not None:
                on_step(
                    TrainingStep(
                        stage,
                        state.global_step,
                        state.max_steps,
                        float(logs["loss"]),
                        int(logs.get("num_tokens", 0)),
                        seconds,
                        state.global_step - self.first_step,
                        logs.get("rewards/margins"),
                    )
                )

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            save = work.state / f"checkpoint-{state.global_step}"
            if save.is_dir():
                # DPO's frozen reference is recreated from the parent. If it stayed here, transformers 5.19
                # would load only the reference when resuming and silently restart from the parent's weights.
                shutil.rmtree(save / REFERENCE, ignore_errors=True)
                mark_complete(save)

    return MetricsCallback()


def _check_finite(logs: dict[str, Any], step: int, work: WorkDir) -> None:
    invalid = [name for name in ("loss", "grad_norm") if not math.isfinite(float(logs.get(name, 0.0)))]
    if invalid:
        save = work.last_save()
        kept = f"the save of step {save_step(save)} is kept" if save else "nothing was saved yet"
        raise UserError(
            f"{' and '.join(invalid)} of step {step} is not finite",
            code="training.non-finite-loss",
            where=str(work.partial),
            found=kept,
            remedy="Lower --learning-rate, or train with --dtype bf16 or fp32, and pass --restart.",
        )


def _is_out_of_memory(error: BaseException) -> bool:
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "out of memory" in str(error).lower()


def _is_disk_full(error: BaseException, folder: Path) -> bool:
    """Return whether an error of Python, safetensors or torch (which names no cause) means a full disk."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return True
    message = str(error).lower()
    signs = (
        "no space left",
        "file too large",
        "quota exceeded",
        "unexpected pos",
        "pytorchstreamwriter failed",
    )
    return any(sign in message for sign in signs) or shutil.disk_usage(folder).free < MIN_FREE_BYTES
