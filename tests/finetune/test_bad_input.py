"""What goes wrong is told with a way out, the last good save stays, and nothing half-written is left."""

from __future__ import annotations

import errno
import importlib.util
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.errors import UserError
from finetune.checkpoint import read_checkpoint, weights_id
from finetune.config import TrainingConfig
from finetune.dataset_reader import read_dataset
from finetune.dependencies import check_trackers, require_training_libraries
from finetune.pipeline import TrainOptions

HOW = TrainOptions(cpu=True, new_tokens=4)
SETTINGS = TrainingConfig(dtype="fp32", learning_rate=1e-3, accumulation=1, max_steps=6, save_steps=2)


def test_no_torch_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs torch, trl and peft.*pip install -e '\.\[train\]'"):
        require_training_libraries()
    with pytest.raises(UserError, match="wandb is not installed"):
        check_trackers(("wandb",))
    with pytest.raises(UserError, match="no such tracker"):
        check_trackers(("excel",))


def test_a_folder_that_is_not_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        read_checkpoint(tmp_path / "nowhere")
    with pytest.raises(UserError, match="not a checkpoint's folder"):
        read_checkpoint(tmp_path)
    record = tmp_path / "checkpoint.json"
    for text, told in (("{", "cannot be read"), ("[]", "must be an object"), ('{"kind": 1}', "lacks keys")):
        record.write_text(text)
        with pytest.raises(UserError, match=told):
            read_checkpoint(tmp_path)
    keys = (
        "kind",
        "version",
        "name",
        "stage",
        "base",
        "data",
        "settings",
        "form",
        "rendering",
        "adapter",
        "parent",
    )
    record.write_text(json.dumps(dict.fromkeys(keys, "x")))
    with pytest.raises(UserError) as told_all:
        read_checkpoint(tmp_path)
    assert len(told_all.value.faults) == 2  # another kind, and no adapter


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(UserError, match="safetensors"):
        weights_id(tmp_path)


def test_weights_are_named_by_content(tmp_path: Path) -> None:
    for name, text in (("a", '{"x": 1, "transformers_version": "5"}'), ("b", '{"x": 1}'), ("c", '{"x": 2}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(text)
        (tmp_path / name / "model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
    one, two, three = (weights_id(tmp_path / name) for name in "abc")
    assert one == two != three


@pytest.mark.train
class TestWhileTraining:
    """With the tiny student, on CPU."""

    @pytest.fixture(autouse=True)
    def _needs_torch(self) -> None:
        pytest.importorskip("torch")

    def test_out_of_memory_says_what_to_turn_on(
        self, tiny_llama: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import torch
        from trl import SFTTrainer

        from finetune.sft import train_sft

        def full(*_: Any, **__: Any) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

        monkeypatch.setattr(SFTTrainer, "training_step", full)
        settings = TrainingConfig(dtype="fp32", activation_checkpointing=False, max_steps=1)
        with pytest.raises(UserError) as told:
            train_sft(str(tiny_llama), dataset, tmp_path / "o", settings, options=HOW)
        assert "--activation-checkpointing; --precompute-reference (DPO); --micro-batch 1" in str(told.value)
        assert not (tmp_path / "o").exists()

    def test_a_loss_that_is_not_a_number_keeps_the_last_good_save(
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
        with pytest.raises(UserError, match=r"loss and the grad_norm of step 5.*save of step 4 is kept"):
            train_sft(str(tiny_llama), dataset, tmp_path / "n", SETTINGS, options=HOW)
        assert not (tmp_path / "n").exists()
        assert (tmp_path / "n.partial/state/checkpoint-4/whole").is_file()
        monkeypatch.undo()
        made = train_sft(str(tiny_llama), dataset, tmp_path / "n", SETTINGS, options=HOW)
        undisturbed = train_sft(str(tiny_llama), dataset, tmp_path / "u", SETTINGS, options=HOW)
        assert made.record["adapter"] == undisturbed.record["adapter"]

    @pytest.mark.parametrize("file", ["optimizer.pt", "adapter_model.safetensors", "trainer_state.json"])
    def test_a_damaged_save_is_passed_over_for_the_one_before_it(
        self, tiny_llama: Path, dataset: Path, tmp_path: Path, file: str
    ) -> None:
        from finetune.sft import train_sft
        from finetune.trainer import TrainingStep

        def stop(step: TrainingStep) -> None:
            if step.step == 5:
                raise KeyboardInterrupt

        undisturbed = train_sft(str(tiny_llama), dataset, tmp_path / "u", SETTINGS, options=HOW)
        with pytest.raises(KeyboardInterrupt):
            train_sft(str(tiny_llama), dataset, tmp_path / "d", SETTINGS, options=replace(HOW, on_step=stop))
        damaged = tmp_path / "d.partial/state/checkpoint-4" / file
        damaged.write_bytes(damaged.read_bytes()[:100])
        lines: list[str] = []
        made = train_sft(
            str(tiny_llama), dataset, tmp_path / "d", SETTINGS, options=replace(HOW, on_message=lines.append)
        )
        assert made.record["adapter"] == undisturbed.record["adapter"]
        assert any("checkpoint-4" in line and file in line for line in lines)
        assert any("going on from step 2" in line for line in lines)

    @pytest.mark.parametrize("when", ["save", "end"])
    def test_a_full_disk(
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
        with pytest.raises(UserError, match=r"disk is full.*goes on from the last whole save"):
            train_sft(str(tiny_llama), dataset, tmp_path / "f", SETTINGS, options=HOW)
        assert not (tmp_path / "f").exists()
        monkeypatch.undo()
        assert train_sft(str(tiny_llama), dataset, tmp_path / "f", SETTINGS, options=HOW).record["steps"] == 6

    @pytest.mark.parametrize(
        "most_bytes", [100_000, 200_000]
    )  # the adapter, then the optimiser, does not fit
    def test_a_file_that_cannot_be_written_whole(
        self, tiny_llama: Path, dataset: Path, tmp_path: Path, most_bytes: int
    ) -> None:
        """The kernel itself refuses to write on, as it does on a full disk."""
        import resource

        from finetune.sft import train_sft

        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
        try:
            with pytest.raises(UserError, match="the disk is full"):
                train_sft(str(tiny_llama), dataset, tmp_path / "f", SETTINGS, options=HOW)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert not (tmp_path / "f").exists()
        assert train_sft(str(tiny_llama), dataset, tmp_path / "f", SETTINGS, options=HOW).record["steps"] == 6

    def test_all_rows_too_long(self, tiny_llama: Path, dataset: Path, tmp_path: Path) -> None:
        from finetune.sft import train_sft

        with pytest.raises(UserError, match=r"no row is left.*28 rows left out"):
            train_sft(str(tiny_llama), dataset, tmp_path / "l", TrainingConfig(max_length=64), options=HOW)
        assert list(tmp_path.iterdir()) == []

    def test_dpo_from_a_dpo_checkpoint_or_another_prompt(
        self, tiny_llama: Path, dataset: Path, tmp_path: Path
    ) -> None:
        from finetune.dpo import train_dpo
        from finetune.sft_then_dpo import train_two_step

        made = train_two_step(str(tiny_llama), dataset, tmp_path / "t", SETTINGS, options=HOW)
        with pytest.raises(UserError, match="begins from an SFT checkpoint"):
            train_dpo(made.path, dataset, tmp_path / "x", SETTINGS, options=HOW)
        with pytest.raises(UserError, match="no such model folder"):
            train_dpo(
                tmp_path / "t-sft",
                dataset,
                tmp_path / "x",
                SETTINGS,
                base=str(tmp_path / "gone"),
                options=HOW,
            )
        (made.path / "adapter_model.safetensors").write_bytes(b"other")
        with pytest.raises(UserError, match="not the adapter that the record describes"):
            read_checkpoint(made.path)

    def test_a_base_that_is_not_there(
        self, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from finetune.sft import train_sft

        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with pytest.raises(UserError, match=r"cannot be had.*not in the cache"):
            train_sft("nobody/nothing", dataset, tmp_path / "x", SETTINGS, options=HOW)
        with pytest.raises(UserError, match="no such model folder"):
            train_sft("./nothing", dataset, tmp_path / "x", SETTINGS, options=HOW)

    def test_two_steps_need_pairs_before_anything_runs(
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
        with pytest.raises(UserError, match="no DPO rows"):
            train_two_step(str(tiny_llama), tmp_path / "data", tmp_path / "x", SETTINGS, options=HOW)
        assert not (tmp_path / "x-sft").exists() and not (tmp_path / "x-sft.partial").exists()

    def test_a_dataset_of_another_prompt(self, tiny_llama: Path, dataset: Path, tmp_path: Path) -> None:
        import shutil

        from finetune.sft import train_sft

        shutil.copytree(dataset, tmp_path / "data")
        path = tmp_path / "data/manifest.json"
        manifest = json.loads(path.read_text())
        manifest["rendering"] = "rendering-1:" + "0" * 40
        path.write_text(json.dumps(manifest))
        read_dataset(tmp_path / "data")
        with pytest.raises(UserError, match="another direct prompt"):
            train_sft(str(tiny_llama), tmp_path / "data", tmp_path / "x", SETTINGS, options=HOW)
