"""Mistakes and failures of training: error codes, kept saves, no incomplete output."""

from __future__ import annotations

import errno
import importlib.util
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finetune.checkpoint import KEYS, read_checkpoint, weights_id
from finetune.config import TrainingConfig
from finetune.dataset_reader import read_dataset
from finetune.dependencies import check_trackers, require_training_libraries
from finetune.pipeline import TrainOptions
from tests.errors import user_error

OPTIONS = TrainOptions(cpu=True, new_tokens=4)
SETTINGS = TrainingConfig(dtype="fp32", learning_rate=1e-3, accumulation=1, max_steps=6, save_steps=2)


def test_missing_libraries_and_unknown_trackers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with user_error("training.missing-libraries") as error:
        require_training_libraries()
    assert "pip install -e '.[train]'" in error.fault.remedy
    with user_error("tracker.not-installed"):
        check_trackers(("wandb",))
    with user_error("tracker.unknown"):
        check_trackers(("excel",))


def test_a_folder_that_is_not_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with user_error("checkpoint.not-found"):
        read_checkpoint(tmp_path / "nowhere")
    with user_error("checkpoint.no-record"):
        read_checkpoint(tmp_path)
    record = tmp_path / "checkpoint.json"
    for text in ("{", "[]", '{"kind": 1}'):
        record.write_text(text)
        with user_error("checkpoint.invalid-record"):
            read_checkpoint(tmp_path)
    record.write_text(json.dumps(dict.fromkeys(KEYS, "x")))
    with user_error("checkpoint.invalid") as error:
        read_checkpoint(tmp_path)
    assert error.value.codes[1:] == ("checkpoint.unsupported-version", "checkpoint.adapter-missing")


def test_a_folder_without_safetensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with user_error("base-model.no-weights"):
        weights_id(tmp_path)


def test_weights_id_depends_on_content_only(tmp_path: Path) -> None:
    for name, text in (("a", '{"x": 1, "transformers_version": "5"}'), ("b", '{"x": 1}'), ("c", '{"x": 2}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(text)
        (tmp_path / name / "model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
    first, second, third = (weights_id(tmp_path / name) for name in "abc")
    assert first == second != third


@pytest.mark.train
class TestWhileTraining:
    """Failures during the training of a tiny student on a CPU."""

    @pytest.fixture(autouse=True)
    def _needs_torch(self) -> None:
        pytest.importorskip("torch")

    def test_out_of_memory_error_lists_memory_saving_options(
        self, tiny_llama: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import torch
        from trl import SFTTrainer

        from finetune.sft import train_sft

        def full(*_: Any, **__: Any) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

        monkeypatch.setattr(SFTTrainer, "training_step", full)
        settings = TrainingConfig(dtype="fp32", activation_checkpointing=False, max_steps=1)
        with user_error("training.out-of-memory") as error:
            train_sft(str(tiny_llama), dataset, tmp_path / "o", settings, options=OPTIONS)
        flags = "--activation-checkpointing; --precompute-reference (DPO); --micro-batch 1"
        assert flags in error.fault.remedy
        assert not (tmp_path / "o").exists()

    def test_a_nan_loss_stops_training_and_keeps_the_last_save(
        self, tiny_llama: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from trl import SFTTrainer

        from finetune.sft import train_sft

        real, seen = SFTTrainer.compute_loss, []

        def poisoned(self: Any, *arguments: Any, **named: Any) -> Any:
            seen.append(1)
            loss = real(self, *arguments, **named)
            return loss * float("nan") if len(seen) == 5 else loss

        monkeypatch.setattr(SFTTrainer, "compute_loss", poisoned)
        with user_error("training.non-finite-loss", found="the save of step 4 is kept"):
            train_sft(str(tiny_llama), dataset, tmp_path / "n", SETTINGS, options=OPTIONS)
        assert not (tmp_path / "n").exists()
        assert (tmp_path / "n.partial/state/checkpoint-4/whole").is_file()
        monkeypatch.undo()
        checkpoint = train_sft(str(tiny_llama), dataset, tmp_path / "n", SETTINGS, options=OPTIONS)
        uninterrupted = train_sft(str(tiny_llama), dataset, tmp_path / "u", SETTINGS, options=OPTIONS)
        assert checkpoint.record["adapter"] == uninterrupted.record["adapter"]

    @pytest.mark.parametrize("file", ["optimizer.pt", "adapter_model.safetensors", "trainer_state.json"])
    def test_training_resumes_from_the_save_before_a_damaged_one(
        self, tiny_llama: Path, dataset: Path, tmp_path: Path, file: str
    ) -> None:
        from finetune.sft import train_sft
        from finetune.trainer import TrainingStep

        def stop(step: TrainingStep) -> None:
            if step.step == 5:
                raise KeyboardInterrupt

        uninterrupted = train_sft(str(tiny_llama), dataset, tmp_path / "u", SETTINGS, options=OPTIONS)
        with pytest.raises(KeyboardInterrupt):
            train_sft(
                str(tiny_llama), dataset, tmp_path / "d", SETTINGS, options=replace(OPTIONS, on_step=stop)
            )
        damaged = tmp_path / "d.partial/state/checkpoint-4" / file
        damaged.write_bytes(damaged.read_bytes()[:100])
        lines: list[str] = []
        checkpoint = train_sft(
            str(tiny_llama),
            dataset,
            tmp_path / "d",
            SETTINGS,
            options=replace(OPTIONS, on_message=lines.append),
        )
        assert checkpoint.record["adapter"] == uninterrupted.record["adapter"]
        assert any("checkpoint-4" in line and file in line for line in lines)
        assert any("resuming from step 2" in line for line in lines)

    @pytest.mark.parametrize("when", ["save", "end"])
    def test_a_full_disk_keeps_the_last_save(
        self, tiny_llama: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
    ) -> None:
        from transformers import Trainer

        from finetune import pipeline
        from finetune.sft import train_sft

        def full(*_: Any, **__: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        if when == "save":
            monkeypatch.setattr(Trainer, "_save_optimizer_and_scheduler", full)
        else:
            monkeypatch.setattr(pipeline, "write_record", full)
        with user_error("file.disk-full"):
            train_sft(str(tiny_llama), dataset, tmp_path / "f", SETTINGS, options=OPTIONS)
        assert not (tmp_path / "f").exists()
        monkeypatch.undo()
        assert (
            train_sft(str(tiny_llama), dataset, tmp_path / "f", SETTINGS, options=OPTIONS).record["steps"]
            == 6
        )

    @pytest.mark.parametrize(
        "max_bytes", [100_000, 200_000]
    )  # too small for the adapter, and for the optimizer
    def test_a_truncated_write_is_reported_as_a_full_disk(
        self, tiny_llama: Path, dataset: Path, tmp_path: Path, max_bytes: int
    ) -> None:
        """The kernel limits the file size, which fails like a full disk."""
        import resource

        from finetune.sft import train_sft

        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, hard))
        try:
            with user_error("file.disk-full"):
                train_sft(str(tiny_llama), dataset, tmp_path / "f", SETTINGS, options=OPTIONS)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert not (tmp_path / "f").exists()
        assert (
            train_sft(str(tiny_llama), dataset, tmp_path / "f", SETTINGS, options=OPTIONS).record["steps"]
            == 6
        )

    def test_training_without_usable_rows_is_refused(
        self, tiny_llama: Path, dataset: Path, tmp_path: Path
    ) -> None:
        from finetune.sft import train_sft

        with user_error("training-set.no-usable-rows", found="28 rows excluded"):
            train_sft(
                str(tiny_llama), dataset, tmp_path / "l", TrainingConfig(max_length=64), options=OPTIONS
            )
        assert list(tmp_path.iterdir()) == []

    def test_dpo_refuses_a_dpo_checkpoint_a_missing_base_and_a_changed_adapter(
        self, tiny_llama: Path, dataset: Path, tmp_path: Path
    ) -> None:
        from finetune.dpo import train_dpo
        from finetune.sft_then_dpo import train_two_step

        checkpoint = train_two_step(str(tiny_llama), dataset, tmp_path / "t", SETTINGS, options=OPTIONS)
        with user_error("training.parent-not-sft"):
            train_dpo(checkpoint.path, dataset, tmp_path / "x", SETTINGS, options=OPTIONS)
        with user_error("base-model.not-found"):
            train_dpo(
                tmp_path / "t-sft",
                dataset,
                tmp_path / "x",
                SETTINGS,
                base=str(tmp_path / "gone"),
                options=OPTIONS,
            )
        (checkpoint.path / "adapter_model.safetensors").write_bytes(b"other")
        with user_error("checkpoint.adapter-changed"):
            read_checkpoint(checkpoint.path)

    def test_a_missing_base_model_is_refused(
        self, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from finetune.sft import train_sft

        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with user_error("base-model.download-failed") as error:
            train_sft("nobody/nothing", dataset, tmp_path / "x", SETTINGS, options=OPTIONS)
        assert "not in the cache" in error.fault.found
        with user_error("base-model.not-found"):
            train_sft("./nothing", dataset, tmp_path / "x", SETTINGS, options=OPTIONS)

    def test_two_step_training_without_pairs_is_refused_before_training(
        self, tiny_llama: Path, tmp_path: Path, make_dialogues: Any, make_rows: Any
    ) -> None:
        from agents.student_prompt import rendering
        from agents.types import Fidelity
        from finetune.dataset_folder import DatasetOrigin, write_dataset
        from finetune.sft_then_dpo import train_two_step
        from finetune.training_rows import TrainingRows

        dialogues = make_dialogues(4)
        only = TrainingRows(make_rows(dialogues).sft, (), ())
        write_dataset(
            tmp_path / "data", only, dialogues, rendering(), DatasetOrigin("low-rated", Fidelity.PAPER)
        )
        with user_error("training-set.no-stage-rows"):
            train_two_step(str(tiny_llama), tmp_path / "data", tmp_path / "x", SETTINGS, options=OPTIONS)
        assert not (tmp_path / "x-sft").exists() and not (tmp_path / "x-sft.partial").exists()

    def test_a_training_set_with_another_prompt_is_refused(
        self, tiny_llama: Path, dataset: Path, tmp_path: Path
    ) -> None:
        import shutil

        from finetune.sft import train_sft

        shutil.copytree(dataset, tmp_path / "data")
        path = tmp_path / "data/manifest.json"
        manifest = json.loads(path.read_text())
        manifest["rendering"] = "rendering-1:" + "0" * 40
        path.write_text(json.dumps(manifest))
        read_dataset(tmp_path / "data")
        with user_error("training-set.prompt-changed"):
            train_sft(str(tiny_llama), tmp_path / "data", tmp_path / "x", SETTINGS, options=OPTIONS)
