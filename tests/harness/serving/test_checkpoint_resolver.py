"""Resolution of student names to checkpoints and their base models."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from agents.errors import UserError
from finetune.checkpoint import read_checkpoint
from harness.serving.checkpoint_resolver import check_names, parse_student_folder, select_served_models
from tests.harness.workflows.test_generate_students import base_at, student_at


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a base model and two different students of the same name."""
    base = base_at(tmp_path / "base")
    for number, run in enumerate("ab"):
        student_at(tmp_path / "runs" / run / "final", base, float(number + 1))
    return tmp_path


def test_ambiguous_student_name_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = folder / "runs/a/final", folder / "runs/b/final"
    monkeypatch.chdir(folder)
    monkeypatch.setenv("EMPATHY_CHECKPOINTS", "runs")
    uses = (
        lambda: select_served_models(["student:final"]),
        lambda: select_served_models(["student:final"], students=[first, second]),
        lambda: select_served_models(["student:final"], registered=[first]),
        lambda: parse_student_folder("student:final"),
        lambda: check_names([first, second]),
    )
    for use in uses:
        with pytest.raises(UserError) as error:
            use()
        assert "runs/a/final" in str(error.value) and "runs/b/final" in str(error.value)
    (author,) = select_served_models(["student:final"], students=[second]).authors
    assert author.checkpoint is not None and author.checkpoint.path == second
    select_served_models(["base"], base=str(folder / "base"))  # the name is not used


def test_copies_of_a_checkpoint_are_one_student(folder: Path) -> None:
    shutil.rmtree(folder / "runs/b")
    shutil.copytree(folder / "runs/a/final", folder / "runs/b/final")
    (author,) = select_served_models(
        ["student:final"], students=[folder / "runs/a", folder / "runs/b"]
    ).authors
    assert author.checkpoint is not None


def test_checkpoint_finds_its_base_from_any_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    elsewhere.mkdir()
    base = base_at(home / "models" / "base")
    folder = student_at(home / "checkpoints" / "kind", base)
    path = folder / "checkpoint.json"
    record = json.loads(path.read_text())
    record["base"]["name"] = "models/base"  # path relative to the folder of the training run
    older = json.dumps(record)
    newer = json.dumps({**record, "base_from_here": "../../models/base"})
    moved = tmp_path / "moved"
    for text in (older, newer):
        path.write_text(text)
        for working in (home, elsewhere, folder):
            monkeypatch.chdir(working)
            resolve = select_served_models(["student:kind"], students=[folder])
            assert resolve.base.folder.resolve() == base.resolve()
            assert read_checkpoint(folder).base_location != ""
    shutil.move(home, moved)
    monkeypatch.chdir(elsewhere)
    resolve = select_served_models(["student:kind"], students=[moved / "checkpoints" / "kind"])
    assert resolve.base.folder.resolve() == (moved / "models" / "base").resolve()
