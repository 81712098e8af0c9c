"""Measured memory on a GPU compared with the plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.training import longest_rows, peaks, random_base
from finetune.config import TrainingConfig
from finetune.dataset_reader import read_dataset
from finetune.memory_plan import GIB, RTX_4090_MIB

LLAMA = "meta-llama/Llama-3.1-8B"


def test_longest_rows_form_a_valid_training_set(dataset: Path, tmp_path: Path) -> None:
    complete, part = read_dataset(dataset), read_dataset(longest_rows(dataset, tmp_path / "longest", 5))
    assert (len(part.sft), len(part.dpo)) == (5, 5)
    assert {*part.sft} <= {*complete.sft}
    assert max(len(row.turn + row.response) for row in complete.sft) == len(
        part.sft[0].turn + part.sft[0].response
    )


@pytest.mark.gpu
def test_8b_parameters_train_on_24_gb_as_planned(dataset: Path, tmp_path: Path) -> None:
    """Train random weights with a 4090's memory: both steps fit, within 10 % of the plan."""
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available() or torch.cuda.mem_get_info()[1] < RTX_4090_MIB * 2**20:
        pytest.skip("needs a GPU with 24 GB or more")
    settings = TrainingConfig(max_steps=4)
    measured = peaks(str(random_base(LLAMA, tmp_path)), dataset, settings, tmp_path)
    assert [peak.stage for peak in measured] == ["sft", "dpo"]
    for peak in measured:
        assert peak.reserved * GIB <= RTX_4090_MIB * 2**20
        assert abs(peak.error) < 0.1, peak.describe()
