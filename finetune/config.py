"""Hyper-parameters of a training, with the default of each and its source.

The paper states seven of them (section 4.2). The others are inferred from the defaults of the program that
the paper used and are marked as inferred. This module only holds values; it reads and trains nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any, Literal

from agents.errors import Fault, UserError
from agents.types import Fidelity

PAPER = "paper, section 4.2"
INFERRED = "inferred: LLaMA-Factory's default"
OURS = "this project"

Reference = Literal["sft", "base"]


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Hyper-parameters of SFT and DPO; `beta`, `loss` and `reference` apply to DPO only.

    Attributes:
        rank: rank of the LoRA matrices, ≥ 1.
        alpha: LoRA scale; the update is multiplied by alpha / rank.
        dropout: dropout on the LoRA input, in [0, 1).
        target_modules: "all-linear" (every linear layer except the head), or names separated by commas.
        learning_rate: peak learning rate, in (0, 1).
        epochs: passes over the rows, > 0.
        max_steps: optimizer steps after which training ends early; 0 for no limit.
        dtype: of the base weights and the computation; the adapter itself is kept in 32 bits.
        batch_size: rows (or pairs) per forward pass as the study states it; times `accumulation`, the
            effective batch.
        accumulation: forward passes per optimizer step.
        micro_batch: actual rows per forward pass if memory is short; 0 for `batch_size`. The effective batch
            stays the same because more passes are accumulated.
        scheduler: learning-rate schedule, one of `SCHEDULERS`.
        warmup_steps: optimizer steps of linear warm-up.
        weight_decay: weight decay of the optimizer, ≥ 0.
        max_grad_norm: gradient clipping threshold, > 0.
        optimizer: optimizer by its transformers name.
        max_length: maximum tokens of prompt and completion together; longer rows are excluded and counted.
        beta: strength of the DPO penalty for leaving the reference, > 0.
        loss: DPO loss, one of `LOSSES`.
        reference: DPO reference model: the SFT model, or the base (fidelity `released`).
        activation_checkpointing: recompute activations in the backward pass (less memory, slower).
        precompute_reference: compute the reference's log-probabilities once, before training.
        save_steps: optimizer steps between the saves that an interrupted training resumes from.
        seed: seed of adapter initialization, row order and dropout.
    """

    rank: int = 8
    alpha: int = 16
    dropout: float = 0.0
    target_modules: str = "all-linear"
    learning_rate: float = 5e-5
    epochs: float = 3.0
    max_steps: int = 0
    dtype: Literal["bf16", "fp16", "fp32"] = "bf16"
    batch_size: int = 2
    accumulation: int = 8
    micro_batch: int = 0
    scheduler: str = "cosine"
    warmup_steps: int = 0
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    optimizer: str = "adamw_torch"
    max_length: int = 1024
    beta: float = 0.1
    loss: str = "sigmoid"
    reference: Reference = "sft"
    activation_checkpointing: bool = True
    precompute_reference: bool = False
    save_steps: int = 50
    seed: int = 42

    @property
    def effective_batch(self) -> int:
        """Rows per optimizer step."""
        return self.batch_size * self.accumulation

    @property
    def rows_per_pass(self) -> int:
        """Actual rows per forward pass."""
        return self.micro_batch or self.batch_size

    @property
    def passes_per_step(self) -> int:
        """Actual forward passes per optimizer step."""
        return self.effective_batch // self.rows_per_pass

    def steps(self, rows: int) -> int:
        """Return the number of optimizer steps of a training on this many rows."""
        passes = -(-rows // self.rows_per_pass)
        per_epoch = max(-(-passes // self.passes_per_step), 1)
        full = -int(-self.epochs * per_epoch // 1)
        return min(self.max_steps, full) if self.max_steps else full


SOURCES = {
    "rank": PAPER,
    "alpha": f"{INFERRED} (twice the rank)",
    "dropout": INFERRED,
    "target_modules": f"{INFERRED} (lora_target all)",
    "learning_rate": f'{PAPER}, which prints "5·e5"; its repository says "5-e5"; read as 5e-5',
    "epochs": PAPER,
    "max_steps": f"{OURS}: for short trial runs",
    "dtype": PAPER,
    "batch_size": PAPER,
    "accumulation": f"{INFERRED} (effective batch 16)",
    "micro_batch": f"{OURS}: for GPUs with little memory",
    "scheduler": INFERRED,
    "warmup_steps": INFERRED,
    "weight_decay": "inferred: transformers' default",
    "max_grad_norm": "inferred: transformers' and LLaMA-Factory's default",
    "optimizer": "inferred: transformers' default, by its current name",
    "max_length": f"{OURS}: longer than any row of the dataset",
    "beta": PAPER,
    "loss": PAPER,
    "reference": "not stated: the SFT model; `released`: the base, as LLaMA-Factory does with an adapter",
    "activation_checkpointing": "inferred: LLaMA-Factory turns it on",
    "precompute_reference": f"{OURS}: same losses, less memory",
    "save_steps": OURS,
    "seed": "inferred: transformers' and LLaMA-Factory's default",
}
SCHEDULERS = ("cosine", "linear", "constant", "constant_with_warmup")
LOSSES = ("sigmoid", "hinge", "ipo")


def parse_training_config(
    values: Mapping[str, Any], fidelity: Fidelity = Fidelity.PAPER, where: str = ""
) -> TrainingConfig:
    """Return the config for values of a study file or of flags, on top of the fidelity's defaults.

    Args:
        where: the table that the values come from, for errors: `study.toml [train]`.

    Raises:
        UserError: unknown keys, wrong types or values out of range; lists every fault.
    """
    known = {field.name: field for field in fields(TrainingConfig)}
    faults = [_unknown_setting(key, known, where) for key in values if key not in known]
    accepted: dict[str, Any] = {"reference": "base"} if fidelity is Fidelity.RELEASED else {}
    for key, value in values.items():
        if key not in known:
            continue
        expected = type(known[key].default)
        if expected is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)  # noqa: PLW2901  (a study file may write 3 for 3.0)
        if type(value) is not expected:
            fault = Fault(
                f"must be {expected.__name__}",
                _setting_location(where, key),
                repr(value),
                code="training.wrong-type",
            )
            faults.append(fault)
        else:
            accepted[key] = value
    config = TrainingConfig(**accepted)
    faults += _range_faults(config, where)
    if faults:
        raise UserError(
            "invalid training settings",
            code="training.invalid-settings",
            where=where,
            remedy="Correct the settings listed below.",
            faults=faults,
        )
    return config


def settings_table() -> list[tuple[str, str, str]]:
    """Return (name, default, source) of every setting, for the documentation and `train plan`."""
    return [(field.name, str(field.default), SOURCES[field.name]) for field in fields(TrainingConfig)]


def with_seed(config: TrainingConfig, seed: int) -> TrainingConfig:
    """Return the same config with another seed."""
    return replace(config, seed=seed)


def _range_faults(config: TrainingConfig, where: str) -> list[Fault]:
    c = config
    checks = [
        ("rank", c.rank >= 1, "must be 1 or more"),
        ("alpha", c.alpha >= 1, "must be 1 or more"),
        ("dropout", 0 <= c.dropout < 1, "must be in [0, 1)"),
        ("target_modules", bool(c.target_modules.strip()), "must name modules, or be all-linear"),
        ("learning_rate", 0 < c.learning_rate < 1, "must be above 0 and below 1"),
        ("epochs", c.epochs > 0, "must be above 0"),
        ("max_steps", c.max_steps >= 0, "must be 0 (no limit) or more"),
        ("dtype", c.dtype in ("bf16", "fp16", "fp32"), "must be bf16, fp16 or fp32"),
        ("batch_size", c.batch_size >= 1, "must be 1 or more"),
        ("accumulation", c.accumulation >= 1, "must be 1 or more"),
        ("scheduler", c.scheduler in SCHEDULERS, f"must be one of {', '.join(SCHEDULERS)}"),
        ("warmup_steps", c.warmup_steps >= 0, "must be 0 or more"),
        ("weight_decay", c.weight_decay >= 0, "must be 0 or more"),
        ("max_grad_norm", c.max_grad_norm > 0, "must be above 0"),
        ("max_length", c.max_length >= 32, "must be 32 tokens or more"),
        ("beta", c.beta > 0, "must be above 0"),
        ("loss", c.loss in LOSSES, f"must be one of {', '.join(LOSSES)}"),
        ("reference", c.reference in ("sft", "base"), "must be sft or base"),
        ("save_steps", c.save_steps >= 1, "must be 1 or more"),
        ("seed", 0 <= c.seed < 2**32, "must be in [0, 2^32)"),
    ]
    if c.batch_size >= 1 and c.accumulation >= 1:
        divides = c.micro_batch >= 0 and (c.micro_batch == 0 or c.effective_batch % c.micro_batch == 0)
        checks.append(("micro_batch", divides, f"must divide the effective batch of {c.effective_batch}"))
    return [
        Fault(what, _setting_location(where, name), repr(getattr(c, name)), code="training.out-of-range")
        for name, valid, what in checks
        if not valid
    ]


def _unknown_setting(key: str, known: Mapping[str, Any], where: str) -> Fault:
    near = get_close_matches(key, known, 1)
    remedy = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}."
    return Fault(
        "unknown setting", _setting_location(where, key), remedy=remedy, code="training.unknown-setting"
    )


def _setting_location(where: str, key: str) -> str:
    return f"{where} {key}" if where else f"--{key.replace('_', '-')}"
