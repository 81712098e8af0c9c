"""Training sets as folders: built once, inspected with and without the dataset."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.types import Strategy
from finetune.dataset_reader import read_dataset
from harness.data.training_set_spec import TrainingSetSpec
from harness.workflows.training_set_tables import render_inspection, render_training_set
from harness.workflows.training_sets import build_training_set, inspect_training_set
from harness.workflows.workspace import Workspace
from tests.errors import user_error

DIRECT = TrainingSetSpec("direct", "gpt-4")


async def test_what_is_built_is_what_is_read(tmp_path: Path) -> None:
    async with Workspace(str(tmp_path / "none.sqlite"), "sample") as workspace:
        built = await build_training_set(workspace, DIRECT, tmp_path / "set")
        again = await build_training_set(workspace, DIRECT, tmp_path / "again")
        assert read_dataset(tmp_path / "set").id == built.id == again.id
        assert not workspace.has_database
        inspected = inspect_training_set(workspace, tmp_path / "set")
    assert (inspected.leaks_checked, inspected.leaks) == (True, {})
    assert render_training_set(built).document["manifest"] == built.manifest
    assert render_inspection(inspected).document["manifest"] == built.manifest


@pytest.mark.parametrize("formats", [(), ("csv",), ("trl", "csv")])
async def test_unknown_formats_are_refused_before_anything_is_written(
    tmp_path: Path, formats: tuple[str, ...]
) -> None:
    with user_error("option.unknown-value"):
        await build_training_set(Workspace(data="sample"), DIRECT, tmp_path / "set", formats)
    assert not (tmp_path / "set").exists()


async def test_missing_responses_name_the_command_that_makes_them(tmp_path: Path) -> None:
    spec = TrainingSetSpec("over-human", strategy=Strategy("naive"), teacher="openai/gpt-4o")
    workspace = Workspace(str(tmp_path / "none.sqlite"), "sample")
    with user_error("database.not-found") as caught:
        await build_training_set(workspace, spec, tmp_path / "set")
    assert spec.command in caught.fault.remedy


async def test_a_missing_dataset_only_skips_the_check_for_leaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await build_training_set(Workspace(data="sample"), DIRECT, tmp_path / "set")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EMPATHY_DATA", raising=False)
    assert not inspect_training_set(Workspace(), tmp_path / "set").leaks_checked
    with user_error("dataset.not-found"):
        inspect_training_set(Workspace(data="none.csv"), tmp_path / "set")
