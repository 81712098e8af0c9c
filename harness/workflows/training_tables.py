"""Training in every format: its plan, its checkpoints, and a merged model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from typing_extensions import TypedDict

from finetune.checkpoint import Checkpoint
from finetune.memory_plan import TrainingPlan
from finetune.post_training_check import PostTrainingCheck
from harness.workflows.training_plan import TrainingEstimate
from results.render.rendering import Rendering
from results.render.table import metric_table

STAGES = {"sft": "SFT", "dpo": "DPO"}


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


def render_checkpoint(checkpoint: Checkpoint) -> Rendering:
    """Render the result of a training and of the check after it."""
    document: CheckpointDocument = {"document": "checkpoint", "record": dict(checkpoint.record)}
    return Rendering(document, conclusions=tuple(_checkpoint_lines(checkpoint)))


def render_merged_model(record: Mapping[str, Any], folder: Path) -> Rendering:
    """Render the record of a merged model."""
    document: MergedModelDocument = {"document": "merged_model", "record": dict(record)}
    return Rendering(document, conclusions=(f"{folder}: {record['name']} merged, {record['weights']}",))


def render_training_plan(estimate: TrainingEstimate) -> Rendering:
    """Render the plans of the stages, one column each."""
    plans = [plan for plan, _ in estimate.stages]
    table = metric_table(
        (STAGES[plan.stage] for plan in plans), f"{estimate.base}: {estimate.parameters:,} parameters"
    )
    table.add_metric("rows (DPO: pairs)", "count", (plan.rows for plan in plans))
    table.add_metric("longest, tokens", "count", (plan.longest for plan in plans))
    table.add_metric(f"steps of {estimate.batch}", "count", (plan.steps for plan in plans))
    table.add_metric("tokens", "count", (plan.tokens for plan in plans))
    table.add_metric("TFLOP", "whole", (plan.teraflop for plan in plans))
    table.add_section(f"GiB of {estimate.gpu_memory_mib / 1024:.2f}")
    for name in plans[0].memory.gib():
        table.add_metric(name, "decimal", (plan.memory.gib()[name] for plan in plans))
    table.add_metric("fits", "text", ("yes" if plan.fits else "no" for plan in plans), style="bold")
    notes = [
        f"{STAGES[plan.stage]}: excluded: {why} ({count:,})"
        for plan, left_out in estimate.stages
        for why, count in left_out.items()
    ]
    notes += [
        f"{STAGES[plan.stage]}: to save memory, set: {'; '.join(plan.suggestions)}"
        for plan in plans
        if not plan.fits
    ]
    note = "Lengths are estimated from characters because the tokenizer of the base is unavailable."
    document: TrainingPlanDocument = {
        "document": "training_plan",
        "base": estimate.base,
        "gpu_memory_mib": estimate.gpu_memory_mib,
        "measured": estimate.measured,
        "stages": [_plan_data(plan, left_out) for plan, left_out in estimate.stages],
    }
    return Rendering(document, (table,), tuple(notes), () if estimate.measured else (note,))


def _checkpoint_lines(checkpoint: Checkpoint) -> Iterator[str]:
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
        yield from _health_lines(health)


def _health_lines(health: PostTrainingCheck) -> Iterator[str]:
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
