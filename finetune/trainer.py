"""What SFT and DPO share while they run: the trainer's arguments, steps watched and written, errors in words.

Every optimiser step is a line of metrics.jsonl and a `TrainingStep` for whoever watches. A loss or gradient that is
not a number ends the training before anything is saved over the last good state.
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

PROJECT = "empathy-harness"  # in trackers
REFERENCE = "ref"  # trl's name for DPO's frozen copy of the adapter
MIN_FREE_BYTES = 2**20  # with less, whatever failed has failed for that
StepCallback = Callable[["TrainingStep"], None]


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """One optimiser step as it ended.

    Attributes:
        step, steps: this one, from 1, of how many.
        loss: mean over the effective batch.  tokens: seen since this process began to train.
        seconds: since then.  margin: mean of chosen minus rejected reward, of DPO alone.
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
        """Of this process, padding not counted."""
        return self.tokens / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float:
        """At the mean pace of this process."""
        return (self.steps - self.step) * self.seconds / max(self.steps_this_run, 1)


def trainer_arguments(
    settings: TrainingConfig, state: Path, device: str, report_to: Sequence[str], name: str
) -> dict[str, Any]:
    """The arguments that SFTConfig and DPOConfig share: all that matters is said, no default relied on.

    Args:
        name: of the run in trackers.
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
        "max_length": None,  # rows that are too long were left out and counted: nothing is cut
        "logging_strategy": "steps",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # the filter would show the last good loss in place of a NaN
        "save_strategy": "steps",
        "save_steps": settings.save_steps,
        "save_total_limit": 2,
        "report_to": list(report_to) or "none",
        "disable_tqdm": True,
    }


@contextmanager
def tracker_environment(work: WorkDir) -> Iterator[None]:
    """Trackers write where it lasts: TensorBoard into the work folder; what they print goes to stderr."""
    wanted = {"TENSORBOARD_LOGGING_DIR": str(work.tensorboard), "WANDB_PROJECT": PROJECT}
    ours = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        with redirect_stdout(sys.stderr):  # stdout belongs to results
            yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


def run_trainer(trainer: Any, work: WorkDir, stage: str, steps: int, watch: StepCallback | None) -> None:
    """Train to the end, from the last whole save where there is one.

    Args:
        steps: of the whole training.

    Raises:
        UserError: a loss is not a number.
    """
    from transformers import PrinterCallback, TrainerState

    save = work.last_save()
    if save is not None and save_step(save) >= steps:
        # Killed after the last step. Asked to resume from here, transformers 5.19 would make one step more.
        trainer.model.load_adapter(str(save), "default", is_trainable=True)
        trainer.state = TrainerState.load_from_json(str(save / "trainer_state.json"))
        return
    trainer.remove_callback(PrinterCallback)  # it prints to stdout, which belongs to results
    trainer.add_callback(_callback(work, stage, watch))
    trainer.train(resume_from_checkpoint=str(save) if save else None)


@contextmanager
def translate_errors(settings: TrainingConfig, work: WorkDir, tell: Callable[[str], None]) -> Iterator[None]:
    """Turn the two ways in which a machine runs out into words; the last save stays.

    Args:
        tell: is told from where an interrupted training would go on.

    Raises:
        UserError: out of memory on the card, or no space left on the disk.
    """
    try:
        yield
    except KeyboardInterrupt:
        save = work.last_save()
        tell(
            f"stopped; the same command goes on from {f'step {save_step(save)}' if save else 'the beginning'}"
        )
        raise
    except Exception as error:
        if _is_out_of_memory(error):
            ways = memory_saving_options(settings)
            raise UserError(
                "the card's memory is full",
                found=str(error).split("\n", 1)[0][:200],
                remedy=f"Turn on: {'; '.join(ways)}. See: empathy train plan.",
            ) from error
        if not isinstance(error, EmpathyError) and _is_disk_full(error, work.partial):
            raise UserError(
                "the disk is full",
                where=str(work.partial),
                found=str(error)[:200],
                remedy="Make room and run the same command: it goes on from the last whole save.",
            ) from error
        raise


def memory_saving_options(settings: TrainingConfig) -> list[str]:
    """What is not turned on yet and would save memory, the cheapest first; the effective batch stays."""
    ways = []
    if not settings.activation_checkpointing:
        ways.append("--activation-checkpointing")
    if not settings.precompute_reference:
        ways.append("--precompute-reference (DPO)")
    if settings.rows_per_pass > 1:
        ways.append(f"--micro-batch 1 (the effective batch stays {settings.effective_batch})")
    ways.append(f"--max-length below {settings.max_length} (longer rows are left out and counted)")
    return ways


def _callback(work: WorkDir, stage: str, watch: StepCallback | None) -> Any:
    from transformers import TrainerCallback

    class Watching(TrainerCallback):  # type: ignore[misc,unused-ignore]  # untyped without transformers
        def __init__(self) -> None:
            self.began = time.monotonic()
            self.first = 0

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            kept = [row for row in read_metrics(work.metrics) if row["step"] <= state.global_step]
            work.metrics.write_text("".join(format_metrics_line(row) for row in kept), encoding="utf-8")
            self.began, self.first = time.monotonic(), state.global_step

        def on_log(
            self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
        ) -> None:
            if not logs or "loss" not in logs:
                return
            _refuse_nan(logs, state.global_step, work)
            seconds = time.monotonic() - self.began
            row = {"stage": stage, "step": state.global_step, **logs, "seconds": round(seconds, 3)}
            with work.metrics.open("a", encoding="utf-8") as file:
                file.write(format_metrics_line(row))
            if watch is not None:
                watch(
                    TrainingStep(
                        stage,
                        state.global_step,
                        state.max_steps,
                        float(logs["loss"]),
                        int(logs.get("num_tokens", 0)),
                        seconds,
                        state.global_step - self.first,
                        logs.get("rewards/margins"),
                    )
                )

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            save = work.state / f"checkpoint-{state.global_step}"
            if save.is_dir():
                # DPO's frozen reference is made anew from the parent. Left here, transformers 5.19 would
                # load it alone when it resumes and begin again from the parent's weights without a word.
                shutil.rmtree(save / REFERENCE, ignore_errors=True)
                mark_complete(save)

    return Watching()


def _refuse_nan(logs: dict[str, Any], step: int, work: WorkDir) -> None:
    wrong = [name for name in ("loss", "grad_norm") if not math.isfinite(float(logs.get(name, 0.0)))]
    if wrong:
        save = work.last_save()
        kept = f"the save of step {save_step(save)} is kept" if save else "nothing was saved yet"
        raise UserError(
            f"the {' and the '.join(wrong)} of step {step} is not a number",
            where=str(work.partial),
            found=kept,
            remedy="Lower --learning-rate, or train with --dtype bf16 or fp32; then --restart.",
        )


def _is_out_of_memory(error: BaseException) -> bool:
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "out of memory" in str(error).lower()


def _is_disk_full(error: BaseException, folder: Path) -> bool:
    """Python, safetensors and torch each have their own words for it; torch's name no cause at all."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return True
    told = str(error).lower()
    words = (
        "no space left",
        "file too large",
        "quota exceeded",
        "unexpected pos",
        "pytorchstreamwriter failed",
    )
    return any(word in told for word in words) or shutil.disk_usage(folder).free < MIN_FREE_BYTES
