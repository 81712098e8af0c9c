"""Training settings: the paper's values, fidelities, steps, and faults reported at once."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from agents.types import Fidelity
from finetune.config import PAPER, SOURCES, TrainingConfig, parse_training_config, settings_table
from tests.errors import user_error


def test_defaults_are_the_values_of_the_paper() -> None:
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
        == {field.name for field in fields(TrainingConfig)}
        == {name for name, _, _ in settings_table()}
    )


def test_released_uses_the_base_model_as_dpo_reference() -> None:
    assert parse_training_config({}, Fidelity.RELEASED).reference == "base"
    assert (
        parse_training_config({}, Fidelity.PAPER).reference
        == parse_training_config({}, Fidelity.OURS).reference
        == "sft"
    )
    assert parse_training_config({"reference": "sft"}, Fidelity.RELEASED).reference == "sft"


@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 500), st.integers(1, 5))
def test_micro_batch_changes_neither_effective_batch_nor_steps(
    batch: int, accumulation: int, rows: int, epochs: int
) -> None:
    reference = TrainingConfig(batch_size=batch, accumulation=accumulation, epochs=float(epochs))
    for micro in (size for size in range(1, batch * accumulation + 1) if batch * accumulation % size == 0):
        small = parse_training_config(
            {"batch_size": batch, "accumulation": accumulation, "epochs": epochs, "micro_batch": micro}
        )
        assert (
            small.effective_batch == reference.effective_batch == small.rows_per_pass * small.passes_per_step
        )
        assert small.steps(rows) == epochs * -(-rows // small.effective_batch)


def test_all_faults_are_reported_at_once() -> None:
    with user_error("training.invalid-settings") as error:
        parse_training_config(
            {"rnak": 8, "rank": 0, "epochs": "3", "micro_batch": 3, "dropout": 1.0, "loss": "dpo"},
            where="study.toml [train]",
        )
    faults = {fault.where.rpartition(" ")[2]: fault for fault in error.faults}
    assert {name: fault.code for name, fault in faults.items()} == {
        "rnak": "training.unknown-setting",
        "epochs": "training.wrong-type",
        "rank": "training.out-of-range",
        "dropout": "training.out-of-range",
        "loss": "training.out-of-range",
        "micro_batch": "training.out-of-range",
    }
    assert faults["rnak"].where == "study.toml [train] rnak"
    assert "rank" in faults["rnak"].remedy
    assert "16" in faults["micro_batch"].what  # the effective batch
    with user_error("training.out-of-range", where="--learning-rate"):
        parse_training_config({"learning_rate": 5e5})
    with user_error("training.wrong-type", found="True"):
        parse_training_config({"rank": True})


def test_the_documentation_lists_every_setting() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/students.md").read_text(encoding="utf-8")
    for name, default, source in settings_table():
        assert f"| `{name}` | {default} | {source} |" in text
