"""Training of tiny students on a CPU: losses, references, checkpoints, seeds and callbacks."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from agents.model_files.decoder_config import parse_decoder_config
from agents.student_prompt import PromptFormat, rendering
from finetune import post_training_check
from finetune.checkpoint import Checkpoint, hash_file, read_checkpoint
from finetune.config import TrainingConfig
from finetune.dataset_reader import PreferencePair, read_dataset
from finetune.memory_plan import load_base_config
from finetune.pipeline import TrainOptions
from finetune.trainer import TrainingStep

pytest.importorskip("torch")
pytestmark = pytest.mark.train

SFT = TrainingConfig(dtype="fp32", learning_rate=1e-2, accumulation=1, epochs=3.0, save_steps=20)
DPO = TrainingConfig(dtype="fp32", learning_rate=2e-3, accumulation=1, epochs=2.0, save_steps=20)
OPTIONS = TrainOptions(cpu=True, new_tokens=12)


@pytest.fixture(scope="module")
def trained(
    tiny_llama: Path, dataset: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Checkpoint, Checkpoint]:
    """SFT and DPO checkpoints of a LLaMA-type student."""
    from finetune.sft_then_dpo import train_two_step

    out = tmp_path_factory.mktemp("checkpoints") / "student"
    checkpoint = train_two_step(str(tiny_llama), dataset, out, SFT, dpo_settings=DPO, options=OPTIONS)
    return read_checkpoint(out.with_name("student-sft")), checkpoint


def _metrics(checkpoint: Checkpoint) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (checkpoint.path / "metrics.jsonl").read_text().split("\n") if line]


def _student(folder: Path | None, base: Path) -> tuple[Any, Any]:
    from peft import PeftModel

    from finetune.model_loader import load_model, load_tokenizer

    model = load_model(base, "fp32", "cpu")
    return (PeftModel.from_pretrained(model, folder) if folder else model).eval(), load_tokenizer(base)


def _logp(model: Any, tokenizer: Any, prompt_format: PromptFormat, pair: PreferencePair, text: str) -> float:
    """Return the log-probability of a response, summed over its tokens including end of sequence."""
    row = prompt_format.encode(pair.turn, text, tokenizer)
    return -post_training_check.mean_loss(model, [(len(row.prompt), row.prompt + row.completion)]) * len(
        row.completion
    )


def test_sft_lowers_the_loss_of_held_out_responses(trained: tuple[Checkpoint, Checkpoint]) -> None:
    record = trained[0].record
    assert record["losses"]["last"] < record["losses"]["first"] - 1
    assert record["health"]["slice"] == "held out"
    assert record["health"]["loss"] < record["health"]["loss_base"] - 1
    assert record["health"]["loss_parent"] == record["health"]["loss_base"]


def test_loss_counts_completion_tokens_only_and_includes_the_end(
    tiny_llama: Path, dataset: Path, tmp_path: Path, trained: tuple[Checkpoint, Checkpoint]
) -> None:
    from finetune.sft import train_sft

    data, prompt_format = read_dataset(dataset), rendering()
    one_batch = TrainingConfig(
        dtype="fp32", learning_rate=1e-6, batch_size=len(data.sft), accumulation=1, max_steps=1
    )
    first = train_sft(str(tiny_llama), dataset, tmp_path / "one", one_batch, options=OPTIONS).record[
        "losses"
    ]["first"]
    model, tokenizer = _student(None, tiny_llama)
    rows = [prompt_format.encode(row.turn, row.response, tokenizer) for row in data.sft]
    expected = post_training_check.mean_loss(
        model, [(len(row.prompt), row.prompt + row.completion) for row in rows]
    )
    assert first == pytest.approx(expected, abs=1e-4)
    ends = [(len(row.prompt + row.completion) - 1, row.prompt + row.completion) for row in rows]
    student, _ = _student(trained[0].path, tiny_llama)
    assert post_training_check.mean_loss(student, ends) < post_training_check.mean_loss(model, ends) - 1


def test_micro_batches_give_the_same_first_loss(tiny_llama: Path, dataset: Path, tmp_path: Path) -> None:
    from finetune.sft import train_sft

    losses = []
    for micro in (0, 1):
        settings = TrainingConfig(dtype="fp32", batch_size=4, accumulation=2, micro_batch=micro, max_steps=2)
        checkpoint = train_sft(str(tiny_llama), dataset, tmp_path / f"m{micro}", settings, options=OPTIONS)
        losses.append([row["loss"] for row in _metrics(checkpoint)])
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def test_dpo_starts_at_ln_2_and_raises_the_margin_of_held_out_pairs(
    trained: tuple[Checkpoint, Checkpoint], tiny_llama: Path, dataset: Path
) -> None:
    sft, dpo = trained
    assert dpo.record["losses"]["first"] == pytest.approx(math.log(2), abs=1e-6)
    assert dpo.record["margins"]["first"] == pytest.approx(0, abs=1e-6)
    assert dpo.record["parent"] == {"name": "student-sft", "id": sft.id, "record": sft.record}
    pairs, prompt_format = read_dataset(dataset).held_out_dpo, rendering()
    assert pairs
    margins = {}
    for checkpoint in trained:
        model, tokenizer = _student(checkpoint.path, tiny_llama)
        margins[checkpoint.stage] = [
            _logp(model, tokenizer, prompt_format, pair, pair.chosen)
            - _logp(model, tokenizer, prompt_format, pair, pair.rejected)
            for pair in pairs
        ]
    assert all(after > before + 1 for before, after in zip(margins["sft"], margins["dpo"], strict=True))


@pytest.mark.parametrize("reference", ["sft", "base"])
def test_precomputed_reference_gives_the_same_losses(
    trained: tuple[Checkpoint, Checkpoint], dataset: Path, tmp_path: Path, reference: str
) -> None:
    from finetune.dpo import train_dpo

    losses = []
    for before in (False, True):
        settings = TrainingConfig(
            dtype="fp32",
            learning_rate=2e-3,
            accumulation=1,
            max_steps=4,
            reference="base" if reference == "base" else "sft",
            precompute_reference=before,
        )
        checkpoint = train_dpo(trained[0].path, dataset, tmp_path / f"p{before}", settings, options=OPTIONS)
        losses.append([row["loss"] for row in _metrics(checkpoint)])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    is_ln_2 = losses[0][0] == pytest.approx(math.log(2), abs=1e-6)
    assert is_ln_2 == (reference == "sft")


def test_checkpoint_records_files_settings_and_versions(
    trained: tuple[Checkpoint, Checkpoint], dataset: Path, tiny_llama: Path
) -> None:
    for checkpoint in trained:
        record = checkpoint.record
        names = {path.name for path in checkpoint.path.iterdir()}
        assert {
            "adapter_model.safetensors",
            "checkpoint.json",
            "README.md",
            "metrics.jsonl",
            "losses.png",
        } <= names
        assert "tokenizer.json" in names and "ref" not in names
        assert not [name for name in names if name.endswith((".bin", ".pt", ".pth"))]
        assert record["adapter"] == hash_file(checkpoint.path / "adapter_model.safetensors")
        assert record["data"]["id"] == read_dataset(dataset).id
        assert record["rendering"] == rendering().id
        assert record["base"]["weights"].startswith("weights-1:")
        assert record["settings"]["seed"] == 42
        assert {"torch", "trl", "peft", "transformers"} <= set(record["versions"])
        shape = parse_decoder_config(load_base_config(str(tiny_llama)))
        assert record["trainable_parameters"] == shape.lora_parameters(8)
        rows = len(read_dataset(dataset).sft) if checkpoint.stage == "sft" else len(read_dataset(dataset).dpo)
        settings = SFT if checkpoint.stage == "sft" else DPO
        assert record["steps"] == settings.steps(rows) == len(_metrics(checkpoint))
        card = (checkpoint.path / "README.md").read_text()
        assert (
            card.startswith("---\nlibrary_name: peft\n") and "base_model:" not in card
        )  # the base model is a local folder
        config = json.loads((checkpoint.path / "adapter_config.json").read_text())
        assert config["base_model_name_or_path"] == str(tiny_llama)
        assert (config["r"], config["lora_alpha"], config["lora_dropout"]) == (8, 16, 0.0)
        assert not checkpoint.path.with_name(checkpoint.path.name + ".partial").exists()


def test_repeating_a_finished_training_does_nothing(
    trained: tuple[Checkpoint, Checkpoint], tiny_llama: Path, dataset: Path
) -> None:
    from finetune.sft_then_dpo import train_two_step

    steps: list[TrainingStep] = []
    lines: list[str] = []
    options = TrainOptions(cpu=True, new_tokens=12, on_step=steps.append, on_message=lines.append)
    again = train_two_step(str(tiny_llama), dataset, trained[1].path, SFT, dpo_settings=DPO, options=options)
    assert again == trained[1]
    assert steps == []
    assert [line for line in lines if "nothing to do" in line] == lines


def test_the_result_depends_on_the_seed(tiny_mistral: Path, dataset: Path, tmp_path: Path) -> None:
    from finetune.sft_then_dpo import train_seeds

    settings = TrainingConfig(dtype="fp32", learning_rate=1e-3, accumulation=1, max_steps=2)
    checkpoints = train_seeds(str(tiny_mistral), dataset, tmp_path / "m", (1, 2), settings, options=OPTIONS)
    assert [checkpoint.name for checkpoint in checkpoints] == ["m-seed-1", "m-seed-2"]
    assert checkpoints[0].record["adapter"] != checkpoints[1].record["adapter"]
    again = train_seeds(str(tiny_mistral), dataset, tmp_path / "n", (1,), settings, options=OPTIONS)
    assert again[0].record["adapter"] == checkpoints[0].record["adapter"]


def test_an_instruct_model_is_trained_in_chat_style_in_bf16(
    tiny_instruct: Path, dataset: Path, tmp_path: Path
) -> None:
    from finetune.sft_then_dpo import train_two_step

    settings = TrainingConfig(learning_rate=1e-2, accumulation=1, max_steps=12)
    second = TrainingConfig(learning_rate=1e-3, accumulation=1, max_steps=2)
    checkpoint = train_two_step(
        str(tiny_instruct), dataset, tmp_path / "i", settings, dpo_settings=second, options=OPTIONS
    )
    first = read_checkpoint(tmp_path / "i-sft")
    assert (first.form, checkpoint.form) == ("chat", "chat")
    assert first.record["losses"]["last"] < first.record["losses"]["first"]
    assert checkpoint.record["losses"]["first"] == pytest.approx(math.log(2), abs=0.01)  # bf16 rounds
    plain = TrainingConfig(learning_rate=1e-2, accumulation=1, max_steps=1)
    from finetune.sft import train_sft

    other = train_sft(str(tiny_instruct), dataset, tmp_path / "p", plain, form="plain", options=OPTIONS)
    assert other.form == "plain"


def test_callback_receives_every_step(tiny_llama: Path, dataset: Path, tmp_path: Path) -> None:
    from finetune.sft import train_sft

    seen: list[TrainingStep] = []
    settings = TrainingConfig(dtype="fp32", accumulation=1, max_steps=3)
    train_sft(
        str(tiny_llama),
        dataset,
        tmp_path / "w",
        settings,
        options=TrainOptions(cpu=True, new_tokens=4, on_step=seen.append),
    )
    assert [(step.step, step.steps, step.steps_this_run) for step in seen] == [
        (1, 3, 1),
        (2, 3, 2),
        (3, 3, 3),
    ]
    assert seen[-1].tokens > seen[0].tokens > 0
    assert seen[-1].seconds_left == 0
