"""Memory and step estimates before a training starts, computed from the base model's config.

Formulas, for a LLaMA-type decoder (h hidden, i intermediate, L layers, t tokens of one forward pass):

    weights       parameters × 2 bytes (bf16, fp16) or 4
    LoRA          r × (in + out) of every adapted layer; × 4 bytes for itself, 4 its gradient, 8 Adam's
                  moments, 2 its cast for the computation; × 4 more for DPO's frozen copy, the reference
    activations   t × (28 h + 8 i + 14 r + 4 heads + 2 n + 8) × L bytes, n the length of a row: what autograd
                  keeps of a bf16 pass with a padding mask
                  with activation checkpointing t × 2 h × L, and one layer's full set while it is recomputed
    head          trl 1.16 never builds the logits: tiles of at most 4,096 tokens × 32,768 words, twice

The tests compare the activation formula with autograd on a CPU. Two terms are assumptions, not measurements:
the reserve (context, kernel workspace, fragmentation) and one layer's set for the gradients that pass through
it. Row lengths are arguments; this module reads no data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from agents.errors import UserError
from agents.model_files.decoder_config import DecoderConfig
from agents.model_files.weights import json_faults
from finetune.config import TrainingConfig

GIB = 2**30
RTX_4090_MIB = 24_564  # an RTX 4090
RESERVE_GIB = 0.9
TILE_TOKENS, TILE_WORDS = 4096, 32768
BYTES = {"bf16": 2, "fp16": 2, "fp32": 4}

# The two base models of the paper, from their config.json. A folder's own config.json takes precedence.
_LLAMA_8B = {
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "meta-llama/Llama-3.1-8B": {**_LLAMA_8B, "num_key_value_heads": 8, "vocab_size": 128_256},
    "mistralai/Mistral-7B-v0.3": {**_LLAMA_8B, "num_key_value_heads": 8, "vocab_size": 32_768},
}


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Peak GPU memory in bytes, by purpose."""

    weights: int
    adapter: int
    reference: int
    optimizer: int
    activations: int
    head: int
    reserve: int

    @property
    def total(self) -> int:
        """Sum of all parts in bytes."""
        return sum(getattr(self, name) for name in self.__slots__)

    def gib(self) -> dict[str, float]:
        """Return every part by name and the total last, in GiB with two decimals."""
        parts = {name: round(getattr(self, name) / GIB, 2) for name in self.__slots__}
        return {**parts, "total": round(self.total / GIB, 2)}


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Estimate of one training stage: rows, steps, memory, and settings that would make it fit.

    Attributes:
        stage: "sft" or "dpo".
        rows: training rows.
        steps: optimizer steps.
        longest: tokens of the longest row (of a pair's longer side).
        tokens: tokens of all forward passes.
        tokens_per_pass: tokens of one forward pass at the longest row; a pair counts twice.
        teraflop: operations of the whole stage, in 10^12 multiplications and additions.
        memory: peak memory.
        fits: whether the peak is within the GPU's memory.
        suggestions: settings that together make it fit, least costly first; () if it fits already.
    """

    stage: Literal["sft", "dpo"]
    rows: int
    steps: int
    longest: int
    tokens: int
    tokens_per_pass: int
    teraflop: float
    memory: MemoryEstimate
    fits: bool
    suggestions: tuple[str, ...]


def load_base_config(base: str, revision: str = "") -> Mapping[str, Any]:
    """Return the config of a base model: of a folder, of a known model, or from the Hub.

    Raises:
        UserError: the config cannot be read or downloaded.
    """
    path = Path(base) / "config.json"
    if path.is_file():
        if faults := json_faults(path):
            raise UserError(
                "cannot read the base model's config",
                code="base-model.invalid-config",
                where="--base",
                remedy="Correct its config.json, or download the base model again.",
                faults=faults,
            )
        return dict(json.loads(path.read_text(encoding="utf-8")))
    if base in CONFIGS:
        return CONFIGS[base]
    try:
        from huggingface_hub import snapshot_download

        folder = snapshot_download(base, revision=revision or None, allow_patterns=["config.json"])
        return dict(json.loads((Path(folder) / "config.json").read_text(encoding="utf-8")))
    except Exception as error:  # any error of the Hub's client, or its absence, has the same remedy
        raise UserError(
            "base model not found",
            code="base-model.not-found",
            where="--base",
            found=repr(base),
            remedy=f"Pass a model folder, or one of: {', '.join(CONFIGS)}.",
        ) from error


def estimate_memory(
    shape: DecoderConfig,
    settings: TrainingConfig,
    stage: Literal["sft", "dpo"],
    longest: int,
    completion_tokens: int,
) -> MemoryEstimate:
    """Return the peak memory of one stage.

    Args:
        longest: tokens of the longest row (of a pair's longer side).
        completion_tokens: tokens of the longest completion (of both sides together for a pair).
    """
    width = BYTES[settings.dtype]
    adapter = shape.lora_parameters(settings.rank, settings.target_modules)
    tokens = settings.rows_per_pass * longest * (2 if stage == "dpo" else 1)
    kept = 28 * shape.hidden + 8 * shape.intermediate + 14 * settings.rank + 4 * shape.heads + 2 * longest + 8
    one_layer = tokens * kept
    if settings.activation_checkpointing:
        # Twice: what autograd keeps of the layer being recomputed, and the gradients that pass through it.
        activations = tokens * 2 * shape.hidden * shape.layers + 2 * one_layer
    else:
        activations = one_layer * shape.layers + one_layer
    loss_tokens = settings.rows_per_pass * completion_tokens
    tile = min(loss_tokens, TILE_TOKENS) * min(shape.vocabulary, TILE_WORDS)
    reference = adapter * 4 if stage == "dpo" and settings.reference == "sft" else 0
    return MemoryEstimate(
        weights=shape.parameters * width,
        adapter=adapter * (4 + width),
        reference=reference,
        optimizer=adapter * (4 + 8),
        activations=activations,
        head=2 * tile * width + loss_tokens * shape.hidden * (width + 4),
        reserve=round(RESERVE_GIB * GIB),
    )


def plan_stage(
    shape: DecoderConfig,
    settings: TrainingConfig,
    stage: Literal["sft", "dpo"],
    lengths: tuple[int, ...],
    completion_tokens: tuple[int, ...],
    gpu_memory_mib: int = RTX_4090_MIB,
) -> TrainingPlan:
    """Return the estimate of one stage, with settings to change if it does not fit.

    Args:
        lengths: tokens of every row (of a pair's longer side).
        completion_tokens: tokens of every row's completion (of both sides together for a pair).
        gpu_memory_mib: memory of the GPU in MiB.
    """
    longest, longest_completion = max(lengths, default=0), max(completion_tokens, default=0)
    estimate = estimate_memory(shape, settings, stage, longest, longest_completion)
    available = gpu_memory_mib * 2**20
    steps = settings.steps(len(lengths))
    share = min(1.0, steps * settings.effective_batch / max(len(lengths) * settings.epochs, 1))
    tokens = round(sum(lengths) * (2 if stage == "dpo" else 1) * settings.epochs * share)
    per_token = 4 + (2 if settings.activation_checkpointing else 0) + (2 if stage == "dpo" else 0)
    fits = estimate.total <= available
    return TrainingPlan(
        stage,
        len(lengths),
        steps,
        longest,
        tokens,
        settings.rows_per_pass * longest * (2 if stage == "dpo" else 1),
        round(per_token * shape.parameters * tokens / 1e12, 1),
        estimate,
        fits,
        () if fits else _suggest_settings(shape, settings, stage, longest, longest_completion, available),
    )


def _suggest_settings(
    shape: DecoderConfig,
    settings: TrainingConfig,
    stage: Literal["sft", "dpo"],
    longest: int,
    completion_tokens: int,
    available: int,
) -> tuple[str, ...]:
    """Return changes that together make the stage fit into `available` bytes.

    If no change helps, the last suggestion states the memory that is needed.
    """
    suggestions: list[str] = []
    trial = settings

    def trial_fits() -> bool:
        return estimate_memory(shape, trial, stage, longest, completion_tokens).total <= available

    if not trial.activation_checkpointing:
        trial = replace(trial, activation_checkpointing=True)
        suggestions.append("--activation-checkpointing")
    if not trial_fits() and trial.rows_per_pass > 1:
        trial = replace(trial, micro_batch=1)
        suggestions.append(f"--micro-batch 1 (the effective batch stays {settings.effective_batch})")
    if not trial_fits() and stage == "dpo" and not trial.precompute_reference:
        suggestions.append("--precompute-reference")
    if not trial_fits():
        minimum = estimate_memory(shape, trial, stage, 0, 0)
        for length in range(longest, 31, -1):
            shorter = min(completion_tokens, length * 2)
            if estimate_memory(shape, trial, stage, length, shorter).total <= available:
                suggestions.append(f"--max-length {length} (longer rows are excluded and counted)")
                break
        else:
            suggestions.append(
                f"a smaller base model or a larger GPU: {minimum.total / GIB:.1f} GiB needed without any row"
            )
    return tuple(suggestions)
