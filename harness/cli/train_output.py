"""Output of training: progress, the checkpoint, and the plan."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from typing_extensions import TypedDict

from finetune.checkpoint import Checkpoint
from finetune.memory_plan import TrainingPlan
from finetune.post_training_check import PostTrainingCheck
from finetune.trainer import TrainingStep
from harness.terminal.output import StatusLine
from results.render.format import format_duration
from results.render.rendering import Rendering
from results.render.table import metric_table

SECONDS_BETWEEN_LINES = 10.0
STAGES = {"sft": "SFT", "dpo": "DPO"}


class Progress:
    """Progress of training on stderr: one line that is rewritten on a terminal, otherwise a line now and
    then.
    """

    def __init__(self, every_seconds: float = SECONDS_BETWEEN_LINES) -> None:
        self._line = StatusLine()
        self._every = every_seconds
        self._last = float("-inf")

    def __call__(self, step: TrainingStep) -> None:
        """Show a training step if enough time has passed."""
        now, ends = time.monotonic(), step.step >= step.steps
        if not self._line.is_terminal and not ends and now - self._last < self._every:
            return
        self._last = now
        margin = f", margin {step.margin:.3f}" if step.margin is not None else ""
        line = (
            f"{step.stage} {step.step:,}/{step.steps:,}: loss {step.loss:.4f}{margin}, "
            f"{step.tokens_per_second:,.0f} tokens/s, {format_duration(step.seconds_left)} left"
        )
        self._line.show(line, ends=ends)


def checkpoint_lines(checkpoint: Checkpoint) -> Iterator[str]:
    """Return the result of a training and of the check after it, as lines."""
    record = checkpoint.record
    losses, margins = record["losses"], record["margins"]
    parts = [f"{checkpoint.stage} checkpoint {checkpoint.name}"]
    if losses:
        parts.append(f"loss {losses['first']:.4f} to {losses['last']:.4f} in {record['steps']:,} steps")
    if margins:
        parts.append(f"margin {margins['first']:.3f} to {margins['last']:.3f}")
    yield f"{checkpoint.path}: {', '.join(parts)}"
    if health := PostTrainingCheck.from_record(record):
        yield from health_lines(health)


def health_lines(health: PostTrainingCheck) -> Iterator[str]:
    """Return the check for forgetting and collapse as three lines."""
    parent = f", parent {health.loss_parent:.3f}" if health.loss_parent != health.loss_base else ""
    yield (
        f"  {health.dialogues} dialogues {health.slice}: loss {health.loss:.3f} "
        f"(base {health.loss_base:.3f}{parent})"
    )
    yield (
        f"  responses: {health.words:.0f} words, {health.distinct:.0%} distinct, "
        f"{health.cut:.0%} cut at {health.new_tokens} tokens"
    )
    yield (
        f"  general text: loss {health.general:.3f} (base {health.general_base:.3f}), "
        f"perplexity × {math.exp(health.general - health.general_base):.2f}"
    )


class StagePlanData(TypedDict):
    """Plan of one training stage.

    Attributes:
        stage: "sft" or "dpo".
        rows: number of training rows.
        steps: number of optimizer steps.
        longest: tokens of the longest row (of a pair's longer side).
        tokens: tokens of all forward passes.
        tokens_per_pass: tokens of one forward pass at the longest row.
        teraflop: operations of the whole stage, in 10^12.
        fits: whether the peak memory is within the GPU's memory.
        left_out: number of rows that are left out, by reason.
        memory_gib: peak memory by purpose, and "total", in GiB.
        suggestions: settings that together make it fit; [] if it fits.
    """

    stage: Literal["sft", "dpo"]
    rows: int
    steps: int
    longest: int
    tokens: int
    tokens_per_pass: int
    teraflop: float
    fits: bool
    left_out: dict[str, int]
    memory_gib: dict[str, float]
    suggestions: list[str]


class TrainingPlanDocument(TypedDict):
    """Estimate of memory and steps before training.

    Attributes:
        base: the base model.
        gpu_memory_mib: memory of the GPU, in MiB.
        measured: whether lengths are measured with the tokenizer, not estimated from characters.
        stages: SFT, then DPO.
    """

    document: Literal["training_plan"]
    base: str
    gpu_memory_mib: int
    measured: bool
    stages: list[StagePlanData]


class CheckpointDocument(TypedDict):
    """Trained checkpoint.

    Attributes:
        record: content of its checkpoint.json.
    """

    document: Literal["checkpoint"]
    record: dict[str, Any]


class MergedModelDocument(TypedDict):
    """Base model with a merged adapter.

    Attributes:
        record: content of its merged.json.
    """

    document: Literal["merged_model"]
    record: dict[str, Any]


def render_training_plan(
    base: str,
    parameters: int,
    gpu_memory_mib: int,
    stages: Sequence[tuple[TrainingPlan, Mapping[str, int]]],
    *,
    batch: int,
    measured: bool,
) -> Rendering:
    """Render the plans of the stages, one column each.

    Args:
        base: name of the base model.
        parameters: number of its parameters.
        gpu_memory_mib: memory of the GPU in MiB.
        stages: plans with the excluded rows by reason.
        batch: rows per optimizer step.
        measured: whether the lengths were measured with the tokenizer of the base.
    """
    plans = [plan for plan, _ in stages]
    table = metric_table((STAGES[plan.stage] for plan in plans), f"{base}: {parameters:,} parameters")
    table.add_metric("rows (DPO: pairs)", "count", (plan.rows for plan in plans))
    table.add_metric("longest, tokens", "count", (plan.longest for plan in plans))
    table.add_metric(f"steps of {batch}", "count", (plan.steps for plan in plans))
    table.add_metric("tokens", "count", (plan.tokens for plan in plans))
    table.add_metric("TFLOP", "whole", (plan.teraflop for plan in plans))
    table.add_section(f"GiB of {gpu_memory_mib / 1024:.2f}")
    for name in plans[0].memory.gib():
        table.add_metric(name, "decimal", (plan.memory.gib()[name] for plan in plans))
    table.add_metric("fits", "text", ("yes" if plan.fits else "no" for plan in plans), style="bold")
    notes = [
        f"{STAGES[plan.stage]}: excluded: {why} ({count:,})"
        for plan, left_out in stages
        for why, count in left_out.items()
    ]
    notes += [
        f"{STAGES[plan.stage]}: to save memory, set: {'; '.join(plan.suggestions)}"
        for plan in plans
        if not plan.fits
    ]
    estimated = "Lengths are estimated from characters because the tokenizer of the base is unavailable."
    data = [_plan_data(plan, left_out) for plan, left_out in stages]
    document: TrainingPlanDocument = {
        "document": "training_plan",
        "base": base,
        "gpu_memory_mib": gpu_memory_mib,
        "measured": measured,
        "stages": data,
    }
    return Rendering(document, (table,), tuple(notes), () if measured else (estimated,))


def _plan_data(plan: TrainingPlan, left_out: Mapping[str, int]) -> StagePlanData:
    """Return the plan of one stage for JSON output."""
    return {
        "stage": plan.stage,
        "rows": plan.rows,
        "steps": plan.steps,
        "longest": plan.longest,
        "tokens": plan.tokens,
        "tokens_per_pass": plan.tokens_per_pass,
        "teraflop": plan.teraflop,
        "fits": plan.fits,
        "left_out": dict(left_out),
        "memory_gib": plan.memory.gib(),
        "suggestions": list(plan.suggestions),
    }
