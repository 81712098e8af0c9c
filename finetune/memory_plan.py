"""Memory and steps before a training starts: arithmetic on the base's config alone, in GiB.

Formulas, for a LLaMA-type decoder (h hidden, i intermediate, L layers, t tokens of one forward pass):

    weights       parameters × 2 bytes (bf16, fp16) or 4
    LoRA          r × (in + out) of every adapted layer; × 4 bytes for itself, 4 its gradient, 8 Adam's
                  moments, 2 its cast for the computation; × 4 more for DPO's frozen copy, the reference
    activations   t × (28 h + 8 i + 14 r + 4 heads + 2 n + 8) × L bytes, n the length of a row: what autograd
                  keeps of a bf16 pass with a padding mask
                  with activation checkpointing t × 2 h × L, and one layer's full set while it is recomputed
    head          trl 1.16 never builds the logits: tiles of at most 4,096 tokens × 32,768 words, twice

The count of activations is checked against autograd itself in the tests, on CPU. What has not been measured
on a card: the reserve (context, kernels' workspace, fragmentation) and one layer's set for the gradients that
run through it are assumptions. Knows no data: lengths are handed in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agents.errors import UserError
from agents.model_files.decoder_config import DecoderConfig
from agents.model_files.weights import json_faults
from finetune.config import TrainingConfig

GIB = 2**30
CARD_MIB = 24_564  # an RTX 4090
RESERVE_GIB = 0.9
TILE_TOKENS, TILE_WORDS = 4096, 32768
BYTES = {"bf16": 2, "fp16": 2, "fp32": 4}

# Of the two bases that are first-class, as their config.json say; a folder's own config.json comes first.
_EIGHT = {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32}
CONFIGS: dict[str, dict[str, Any]] = {
    "meta-llama/Llama-3.1-8B": {**_EIGHT, "num_key_value_heads": 8, "vocab_size": 128_256},
    "mistralai/Mistral-7B-v0.3": {**_EIGHT, "num_key_value_heads": 8, "vocab_size": 32_768},
}


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes on the card at the peak, by what they are for."""

    weights: int
    adapter: int
    reference: int
    optimizer: int
    activations: int
    head: int
    reserve: int

    @property
    def total(self) -> int:
        """Of all of it."""
        return sum(getattr(self, name) for name in self.__slots__)

    def gib(self) -> dict[str, float]:
        """By name, in GiB to two decimals, the total last."""
        parts = {name: round(getattr(self, name) / GIB, 2) for name in self.__slots__}
        return {**parts, "total": round(self.total / GIB, 2)}


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """One stage: its rows and steps, its memory, and what would make it fit.

    Attributes:
        tokens_per_pass: of one forward pass at the longest row; a pair counts twice.
        teraflop: of the whole stage, 10^12 multiplications and additions.
        suggestions: settings that bring it under the card's size, the least first; () where it fits already.
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
    """The config of a folder, of a known base, or of the Hub's cache.

    Raises:
        UserError: it cannot be had.
    """
    path = Path(base) / "config.json"
    if path.is_file():
        if faults := json_faults(path):
            raise UserError("the base's config cannot be read", where="--base", faults=faults)
        return dict(json.loads(path.read_text(encoding="utf-8")))
    if base in CONFIGS:
        return CONFIGS[base]
    try:
        from huggingface_hub import snapshot_download

        found = snapshot_download(base, revision=revision or None, allow_patterns=["config.json"])
        return dict(json.loads((Path(found) / "config.json").read_text(encoding="utf-8")))
    except Exception as error:  # whatever the Hub's client raises, and its absence, end in the same remedy
        remedy = f"Name a model's folder, or one of: {', '.join(CONFIGS)}."
        raise UserError("no config can be had", where="--base", found=repr(base), remedy=remedy) from error


def estimate_memory(
    shape: DecoderConfig, settings: TrainingConfig, stage: Literal["sft", "dpo"], longest: int, said: int
) -> MemoryEstimate:
    """The peak of one stage.

    Args:
        longest: tokens of the longest row (of a pair's longer side).
        said: tokens of the longest completion (of both sides together for a pair).
    """
    width = BYTES[settings.dtype]
    adapter = shape.lora_parameters(settings.rank, settings.target_modules)
    tokens = settings.rows_per_pass * longest * (2 if stage == "dpo" else 1)
    kept = 28 * shape.hidden + 8 * shape.intermediate + 14 * settings.rank + 4 * shape.heads + 2 * longest + 8
    one_layer = tokens * kept
    if settings.activation_checkpointing:
        # Twice: what autograd keeps of the layer at hand, and the gradients that run through it.
        activations = tokens * 2 * shape.hidden * shape.layers + 2 * one_layer
    else:
        activations = one_layer * shape.layers + one_layer
    counted = settings.rows_per_pass * said
    tile = min(counted, TILE_TOKENS) * min(shape.vocabulary, TILE_WORDS)
    copy = adapter * 4 if stage == "dpo" and settings.reference == "sft" else 0
    return MemoryEstimate(
        weights=shape.parameters * width,
        adapter=adapter * (4 + width),
        reference=copy,
        optimizer=adapter * (4 + 8),
        activations=activations,
        head=2 * tile * width + counted * shape.hidden * (width + 4),
        reserve=round(RESERVE_GIB * GIB),
    )


def plan_stage(
    shape: DecoderConfig,
    settings: TrainingConfig,
    stage: Literal["sft", "dpo"],
    lengths: tuple[int, ...],
    said: tuple[int, ...],
    card_mib: int = CARD_MIB,
) -> TrainingPlan:
    """What this stage needs, and what to turn on if it does not fit.

    Args:
        lengths, said: tokens of every row (of a pair's longer side), and of its completions.
    """
    longest, longest_said = max(lengths, default=0), max(said, default=0)
    found = estimate_memory(shape, settings, stage, longest, longest_said)
    card = card_mib * 2**20
    steps = settings.steps(len(lengths))
    share = min(1.0, steps * settings.effective_batch / max(len(lengths) * settings.epochs, 1))
    tokens = round(sum(lengths) * (2 if stage == "dpo" else 1) * settings.epochs * share)
    per_token = 4 + (2 if settings.activation_checkpointing else 0) + (2 if stage == "dpo" else 0)
    return TrainingPlan(
        stage,
        len(lengths),
        steps,
        longest,
        tokens,
        settings.rows_per_pass * longest * (2 if stage == "dpo" else 1),
        round(per_token * shape.parameters * tokens / 1e12, 1),
        found,
        found.total <= card,
        () if found.total <= card else _ways(shape, settings, stage, longest, longest_said, card),
    )


def _ways(
    shape: DecoderConfig,
    settings: TrainingConfig,
    stage: Literal["sft", "dpo"],
    longest: int,
    said: int,
    card: int,
) -> tuple[str, ...]:
    """Changes that add up until it fits; the last says so where nothing helps."""
    from dataclasses import replace

    ways: list[str] = []
    trial = settings

    def enough() -> bool:
        return estimate_memory(shape, trial, stage, longest, said).total <= card

    if not trial.activation_checkpointing:
        trial = replace(trial, activation_checkpointing=True)
        ways.append("--activation-checkpointing")
    if not enough() and trial.rows_per_pass > 1:
        trial = replace(trial, micro_batch=1)
        ways.append(f"--micro-batch 1 (the effective batch stays {settings.effective_batch})")
    if not enough() and stage == "dpo" and not trial.precompute_reference:
        ways.append("--precompute-reference")
    if not enough():
        weights = estimate_memory(shape, trial, stage, 0, 0)
        for length in range(longest, 31, -1):
            if estimate_memory(shape, trial, stage, length, min(said, length * 2)).total <= card:
                ways.append(f"--max-length {length} (longer rows are left out and counted)")
                break
        else:
            ways.append(
                f"a smaller base, or a larger card: {weights.total / GIB:.1f} GiB are needed without any row"
            )
    return tuple(ways)
