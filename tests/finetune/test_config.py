"""The numbers of a recipe: the paper's are what it says, every mistake is told at once."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import UserError
from agents.types import Fidelity
from finetune.config import PAPER, SOURCES, TrainingConfig, parse_training_config, settings_table


def test_the_papers_numbers() -> None:
    s = TrainingConfig()
    stated = (s.rank, s.learning_rate, s.epochs, s.dtype, s.batch_size, s.beta, s.loss)
    assert stated == (8, 5e-5, 3.0, "bf16", 2, 0.1, "sigmoid")
    assert {name for name, source in SOURCES.items() if source.startswith(PAPER)} == {
        "rank", "learning_rate", "epochs", "dtype", "batch_size", "beta", "loss",
    }  # fmt: skip
    assert (s.accumulation, s.effective_batch, s.scheduler, s.warmup_steps, s.alpha) == (
        8,
        16,
        "cosine",
        0,
        16,
    )
    assert (
        set(SOURCES)
        == {one.name for one in fields(TrainingConfig)}
        == {name for name, _, _ in settings_table()}
    )


def test_released_takes_the_base_as_reference() -> None:
    assert parse_training_config({}, Fidelity.RELEASED).reference == "base"
    assert (
        parse_training_config({}, Fidelity.PAPER).reference
        == parse_training_config({}, Fidelity.OURS).reference
        == "sft"
    )
    assert parse_training_config({"reference": "sft"}, Fidelity.RELEASED).reference == "sft"


@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 500), st.integers(1, 5))
def test_a_micro_batch_changes_neither_effective_batch_nor_steps(
    batch: int, accumulation: int, rows: int, epochs: int
) -> None:
    whole = TrainingConfig(batch_size=batch, accumulation=accumulation, epochs=float(epochs))
    for micro in (size for size in range(1, batch * accumulation + 1) if batch * accumulation % size == 0):
        small = parse_training_config(
            {"batch_size": batch, "accumulation": accumulation, "epochs": epochs, "micro_batch": micro}
        )
        assert small.effective_batch == whole.effective_batch == small.rows_per_pass * small.passes_per_step
        assert small.steps(rows) == epochs * -(-rows // small.effective_batch)


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(UserError) as told:
        parse_training_config(
            {"rnak": 8, "rank": 0, "epochs": "3", "micro_batch": 3, "dropout": 1.0, "loss": "dpo"},
            where="study.toml [train]",
        )
    faults = "\n".join(map(str, told.value.faults))
    assert len(told.value.faults) == 6
    assert "study.toml [train] rnak: is not a setting. Did you mean rank?" in faults
    assert "must divide the effective batch of 16" in faults
    with pytest.raises(UserError, match="--learning-rate"):
        parse_training_config({"learning_rate": 5e5})
    with pytest.raises(UserError, match="must be int"):
        parse_training_config({"rank": True})


def test_the_documentation_prints_these_settings() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/students.md").read_text(encoding="utf-8")
    for name, default, source in settings_table():
        assert f"| `{name}` | {default} | {source} |" in text
