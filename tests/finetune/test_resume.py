"""Resuming: an interrupted training gives the same result as an uninterrupted one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from finetune.checkpoint import read_checkpoint
from finetune.config import TrainingConfig
from finetune.pipeline import TrainOptions
from tests.errors import user_error

pytest.importorskip("torch")
pytestmark = pytest.mark.train

SETTINGS = {
    "dtype": "fp32",
    "learning_rate": 5e-3,
    "batch_size": 2,
    "accumulation": 2,
    "epochs": 2.0,
    "save_steps": 3,
}
ROOT = Path(__file__).resolve().parents[2]
KILLED = """
import json, os, signal, sys
from pathlib import Path
from finetune.config import TrainingConfig
from finetune.pipeline import TrainOptions
from finetune.sft_then_dpo import train_two_step

base, data, out, stage, step, settings = sys.argv[1:]

def kill_at_step(seen):
    if (seen.stage, seen.step) == (stage, int(step)):
        os.kill(os.getpid(), signal.SIGKILL)

options = TrainOptions(cpu=True, new_tokens=4, on_step=kill_at_step)
train_two_step(base, Path(data), Path(out), TrainingConfig(**json.loads(settings)), options=options)
"""


def _losses(folder: Path) -> list[tuple[int, float, float]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().split("\n") if line]
    return [(row["step"], row["loss"], row["grad_norm"]) for row in rows]


def test_a_killed_training_resumes_to_the_same_result(
    tiny_llama: Path, dataset: Path, tmp_path: Path
) -> None:
    from finetune.sft_then_dpo import train_two_step

    uninterrupted, killed = tmp_path / "a", tmp_path / "b"
    settings = TrainingConfig(**SETTINGS)
    options = TrainOptions(cpu=True, new_tokens=4)
    train_two_step(str(tiny_llama), dataset, uninterrupted, settings, options=options)
    for stage, step in (("sft", 8), ("dpo", 5)):
        arguments = [str(tiny_llama), str(dataset), str(killed), stage, str(step), json.dumps(SETTINGS)]
        done = subprocess.run(
            [sys.executable, "-c", KILLED, *arguments],
            cwd=ROOT,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            timeout=3600,  # ends a child that hangs
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
        assert not killed.exists()
    assert read_checkpoint(tmp_path / "b-sft").stage == "sft"  # the second run finished the SFT step
    lines: list[str] = []
    train_two_step(
        str(tiny_llama),
        dataset,
        killed,
        settings,
        options=TrainOptions(cpu=True, new_tokens=4, on_message=lines.append),
    )
    assert "dpo: resuming from step 3" in lines
    for suffix in ("-sft", ""):
        first, second = (path.with_name(path.name + suffix) for path in (uninterrupted, killed))
        assert _losses(first) == _losses(second)
        assert read_checkpoint(first).record["adapter"] == read_checkpoint(second).record["adapter"]
        assert read_checkpoint(first).record["losses"] == read_checkpoint(second).record["losses"]


def test_an_incomplete_save_is_not_resumed_from(tiny_llama: Path, dataset: Path, tmp_path: Path) -> None:
    from finetune.sft import train_sft

    class StopError(Exception):
        pass

    def stop(step: object) -> None:
        if getattr(step, "step", 0) == 8:
            raise StopError

    settings = TrainingConfig(**SETTINGS)
    with pytest.raises(StopError):
        train_sft(
            str(tiny_llama),
            dataset,
            tmp_path / "c",
            settings,
            options=TrainOptions(cpu=True, new_tokens=4, on_step=stop),
        )
    state = tmp_path / "c.partial/state"
    assert sorted(path.name for path in state.glob("checkpoint-*")) == ["checkpoint-3", "checkpoint-6"]
    (state / "checkpoint-6/whole").unlink()
    (state / "checkpoint-6/adapter_model.safetensors").write_bytes(b"truncated")
    lines: list[str] = []
    train_sft(
        str(tiny_llama),
        dataset,
        tmp_path / "c",
        settings,
        options=TrainOptions(cpu=True, new_tokens=4, on_message=lines.append),
    )
    assert "sft: resuming from step 3" in lines
    train_sft(
        str(tiny_llama), dataset, tmp_path / "d", settings, options=TrainOptions(cpu=True, new_tokens=4)
    )
    assert _losses(tmp_path / "c") == _losses(tmp_path / "d")


def test_unfinished_work_of_another_recipe_is_refused(
    tiny_llama: Path, dataset: Path, tmp_path: Path
) -> None:
    from finetune.sft import train_sft

    def interrupt(step: object) -> None:
        raise KeyboardInterrupt

    settings = TrainingConfig(**SETTINGS)
    out, base = tmp_path / "e", str(tiny_llama)
    with pytest.raises(KeyboardInterrupt):
        train_sft(base, dataset, out, settings, options=TrainOptions(cpu=True, on_step=interrupt))
    other = TrainingConfig(**{**SETTINGS, "learning_rate": 1e-3, "max_steps": 1})
    with user_error("training.other-recipe") as error:
        train_sft(base, dataset, out, other, options=TrainOptions(cpu=True))
    assert "learning_rate" in error.fault.found
    checkpoint = train_sft(
        base, dataset, out, other, options=TrainOptions(cpu=True, restart=True, new_tokens=4)
    )
    assert checkpoint.record["steps"] == 1
    with user_error("file.exists"):
        train_sft(base, dataset, out, settings, options=TrainOptions(cpu=True))
