"""Saves of a training: damaged ones are detected, reported and skipped."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.work_dir import COMPLETE_MARK, WorkDir, find_damage, mark_complete
from tests.agents.model_files.test_lora import write
from tests.errors import user_error

FILES = ("adapter_model.safetensors", "optimizer.pt", "trainer_state.json")


def save_at(work: WorkDir, step: int) -> Path:
    """Write a save as a trainer does and mark it as complete."""
    folder = work.state / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    write(folder / FILES[0], {"a": (2, 2)}, float(step))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("data.pkl", b"numbers" * 40)
    (folder / FILES[1]).write_bytes(packed.getvalue())
    (folder / FILES[2]).write_text(json.dumps({"global_step": step}))
    mark_complete(folder)
    return folder


def work_at(folder: Path) -> WorkDir:
    return WorkDir(folder / "out", folder / "out.partial", "recipe-1:x")


@given(st.sampled_from(FILES), st.sampled_from(["cut", "flip", "gone", "empty"]), st.integers(0, 10_000))
def test_damage_is_detected_and_the_previous_save_is_used(
    tmp_path_factory: pytest.TempPathFactory, name: str, damage: str, place: int
) -> None:
    work = work_at(tmp_path_factory.mktemp("w"))
    first, second = save_at(work, 4), save_at(work, 8)
    assert find_damage(second) == ""
    path = second / name
    content = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    else:
        index = place % len(content)
        content[index] ^= 1
        path.write_bytes({"cut": content[:index], "flip": content, "empty": b""}[damage])
    assert name in find_damage(second)
    lines: list[str] = []
    assert work.last_intact_save(lines.append) == first == work.last_save()
    assert len(lines) == 1 and second.name in lines[0] and name in lines[0]
    assert not second.exists()


def test_nothing_is_removed_if_every_save_is_damaged(tmp_path: Path) -> None:
    work = work_at(tmp_path)
    assert work.last_intact_save(print) is None
    for step in (4, 8):
        (save_at(work, step) / FILES[1]).write_bytes(b"")
    for _ in range(2):
        with user_error("training.damaged-saves") as error:
            work.last_intact_save(print)
        assert "--restart" in error.fault.remedy
        assert "checkpoint-4" in error.fault.found and "checkpoint-8" in error.fault.found


@pytest.mark.parametrize("name", FILES)
def test_a_save_without_hashes_is_checked_by_structure(tmp_path: Path, name: str) -> None:
    save = save_at(work_at(tmp_path), 4)
    (save / COMPLETE_MARK).write_text("")
    assert find_damage(save) == ""
    (save / name).write_bytes((save / name).read_bytes()[:-20])
    assert find_damage(save)
