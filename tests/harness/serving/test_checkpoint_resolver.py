"""Names of students: one name is one checkpoint; a checkpoint finds its base from any working folder."""

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
def place(tmp_path: Path) -> Path:
    """A base, and two different students of one name."""
    base = base_at(tmp_path / "base")
    for number, run in enumerate("ab"):
        student_at(tmp_path / "runs" / run / "final", base, float(number + 1))
    return tmp_path


def test_a_name_that_two_folders_have_is_refused_where_it_is_used(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = place / "runs/a/final", place / "runs/b/final"
    monkeypatch.chdir(place)
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
    (one,) = select_served_models(["student:final"], students=[second]).authors
    assert one.checkpoint is not None and one.checkpoint.path == second
    select_served_models(["base"], base=str(place / "base"))  # the name is not used


def test_copies_of_one_checkpoint_are_one_student(place: Path) -> None:
    shutil.rmtree(place / "runs/b")
    shutil.copytree(place / "runs/a/final", place / "runs/b/final")
    (one,) = select_served_models(["student:final"], students=[place / "runs/a", place / "runs/b"]).authors
    assert one.checkpoint is not None


def test_a_checkpoint_finds_its_base_from_any_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    elsewhere.mkdir()
    base = base_at(home / "models" / "base")
    folder = student_at(home / "checkpoints" / "kind", base)
    path = folder / "checkpoint.json"
    record = json.loads(path.read_text())
    record["base"]["name"] = "models/base"  # as it was named where the training was begun
    older = json.dumps(record)
    newer = json.dumps({**record, "base_from_here": "../../models/base"})
    moved = tmp_path / "moved"
    for text in (older, newer):
        path.write_text(text)
        for working in (home, elsewhere, folder):
            monkeypatch.chdir(working)
            who = select_served_models(["student:kind"], students=[folder])
            assert who.base.folder.resolve() == base.resolve()
            assert read_checkpoint(folder).base_location != ""
    shutil.move(home, moved)
    monkeypatch.chdir(elsewhere)
    who = select_served_models(["student:kind"], students=[moved / "checkpoints" / "kind"])
    assert who.base.folder.resolve() == (moved / "models" / "base").resolve()
