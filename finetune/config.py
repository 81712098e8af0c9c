"""The recipe's numbers: every hyper-parameter, its default, and where the default comes from.

The paper states seven of them (section 4.2); what it leaves open is inferred from the defaults of the
program that it used and marked so. Pure values: nothing is read or trained here.
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
OURS = "ours"

Reference = Literal["sft", "base"]


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How a student is trained, SFT and DPO alike; `beta`, `loss` and `reference` count for DPO alone.

    Attributes:
        rank, alpha, dropout: of LoRA; the update is scaled by alpha / rank.
        target_modules: "all-linear" (every linear layer but the head), or names separated by commas.
        learning_rate: the peak, > 0.
        epochs: passes over the rows, > 0.  max_steps: ends earlier where > 0; 0 for no such end.
        dtype: of the base's weights and of the computation; the adapter itself is kept in 32 bits.
        batch_size: rows (pairs) per forward pass as the study says; × accumulation = the effective batch.
        accumulation: forward passes per optimiser step.
        micro_batch: rows per forward pass in fact, where memory is short; 0 for `batch_size`. The
            effective batch stays the same: more passes are accumulated.
        scheduler, warmup_steps, weight_decay, max_grad_norm, optimizer: of the optimisation.
        max_length: the most tokens of prompt and completion together; longer rows are left out and counted.
        beta, loss: of DPO.  reference: the SFT model, or the base (fidelity `released`).
        activation_checkpointing: recompute activations in the backward pass: less memory, slower.
        precompute_reference: the reference's log-probabilities once, before training.
        save_steps: optimiser steps between saves that a killed training resumes from.
        seed: of adapter initialisation, order of rows and dropout.
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
        """Rows per optimiser step."""
        return self.batch_size * self.accumulation

    @property
    def rows_per_pass(self) -> int:
        """Rows per forward pass in fact."""
        return self.micro_batch or self.batch_size

    @property
    def passes_per_step(self) -> int:
        """Forward passes per optimiser step in fact."""
        return self.effective_batch // self.rows_per_pass

    def steps(self, rows: int) -> int:
        """Optimiser steps of a training on so many rows."""
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
    "max_steps": f"{OURS}: for trials",
    "dtype": PAPER,
    "batch_size": PAPER,
    "accumulation": f"{INFERRED} (effective batch 16)",
    "micro_batch": f"{OURS}: for small cards",
    "scheduler": INFERRED,
    "warmup_steps": INFERRED,
    "weight_decay": "inferred: transformers' default",
    "max_grad_norm": "inferred: transformers' and LLaMA-Factory's default",
    "optimizer": "inferred: transformers' default, by its present name",
    "max_length": f"{OURS}: no row of the dataset reaches it",
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
    given: Mapping[str, Any], fidelity: Fidelity = Fidelity.PAPER, where: str = ""
) -> TrainingConfig:
    """Settings from a study file's table or from flags, over the fidelity's defaults.

    Args:
        where: of the table, for errors: `study.toml [train]`.

    Raises:
        UserError: with every unknown key and every value out of range at once.
    """
    known = {one.name: one for one in fields(TrainingConfig)}
    faults = [_unknown(key, known, where) for key in given if key not in known]
    values: dict[str, Any] = {"reference": "base"} if fidelity is Fidelity.RELEASED else {}
    for key, value in given.items():
        if key not in known:
            continue
        wanted = type(known[key].default)
        if wanted is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)  # noqa: PLW2901  (a study file may write 3 for 3.0)
        if type(value) is not wanted:
            faults.append(Fault(f"must be {wanted.__name__}", _place(where, key), repr(value)))
        else:
            values[key] = value
    settings = TrainingConfig(**values)
    faults += _out_of_range(settings, where)
    if faults:
        raise UserError("the training settings cannot be used", where=where, faults=faults)
    return settings


def settings_table() -> list[tuple[str, str, str]]:
    """(name, default, source) of every setting, for the documentation and `train plan`."""
    return [(one.name, str(one.default), SOURCES[one.name]) for one in fields(TrainingConfig)]


def with_seed(settings: TrainingConfig, seed: int) -> TrainingConfig:
    """The same recipe with another seed."""
    return replace(settings, seed=seed)


def _out_of_range(settings: TrainingConfig, where: str) -> list[Fault]:
    s = settings
    checks = [
        ("rank", s.rank >= 1, "must be 1 or more"),
        ("alpha", s.alpha >= 1, "must be 1 or more"),
        ("dropout", 0 <= s.dropout < 1, "must be in [0, 1)"),
        ("target_modules", bool(s.target_modules.strip()), "must name modules, or be all-linear"),
        ("learning_rate", 0 < s.learning_rate < 1, "must be above 0 and below 1"),
        ("epochs", s.epochs > 0, "must be above 0"),
        ("max_steps", s.max_steps >= 0, "must be 0 (no end) or more"),
        ("dtype", s.dtype in ("bf16", "fp16", "fp32"), "must be bf16, fp16 or fp32"),
        ("batch_size", s.batch_size >= 1, "must be 1 or more"),
        ("accumulation", s.accumulation >= 1, "must be 1 or more"),
        ("scheduler", s.scheduler in SCHEDULERS, f"must be one of {', '.join(SCHEDULERS)}"),
        ("warmup_steps", s.warmup_steps >= 0, "must be 0 or more"),
        ("weight_decay", s.weight_decay >= 0, "must be 0 or more"),
        ("max_grad_norm", s.max_grad_norm > 0, "must be above 0"),
        ("max_length", s.max_length >= 32, "must be 32 tokens or more"),
        ("beta", s.beta > 0, "must be above 0"),
        ("loss", s.loss in LOSSES, f"must be one of {', '.join(LOSSES)}"),
        ("reference", s.reference in ("sft", "base"), "must be sft or base"),
        ("save_steps", s.save_steps >= 1, "must be 1 or more"),
        ("seed", 0 <= s.seed < 2**32, "must be in [0, 2^32)"),
    ]
    if s.batch_size >= 1 and s.accumulation >= 1:
        divides = s.micro_batch >= 0 and (s.micro_batch == 0 or s.effective_batch % s.micro_batch == 0)
        checks.append(("micro_batch", divides, f"must divide the effective batch of {s.effective_batch}"))
    return [
        Fault(what, _place(where, name), repr(getattr(s, name))) for name, good, what in checks if not good
    ]


def _unknown(key: str, known: Mapping[str, Any], where: str) -> Fault:
    near = get_close_matches(key, known, 1)
    remedy = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}."
    return Fault("is not a setting", _place(where, key), "", remedy)


def _place(where: str, key: str) -> str:
    return f"{where} {key}" if where else f"--{key.replace('_', '-')}"
