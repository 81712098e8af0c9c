"""Saves: a damaged one is told and passed over for the whole one before it."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import UserError
from finetune.work_dir import COMPLETE_MARK, WorkDir, find_damage, mark_complete
from tests.agents.model_files.test_lora import write

FILES = ("adapter_model.safetensors", "optimizer.pt", "trainer_state.json")


def save_at(work: WorkDir, step: int) -> Path:
    """A save as a trainer leaves it, marked whole."""
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
def test_any_damage_is_found_and_the_save_before_is_taken(
    tmp_path_factory: pytest.TempPathFactory, name: str, how: str, place: int
) -> None:
    work = work_at(tmp_path_factory.mktemp("w"))
    first, second = save_at(work, 4), save_at(work, 8)
    assert find_damage(second) == ""
    path = second / name
    content = bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
    else:
        at = place % len(content)
        content[at] ^= 1
        path.write_bytes({"cut": content[:at], "flip": content, "empty": b""}[how])
    assert name in find_damage(second)
    lines: list[str] = []
    assert work.last_intact_save(lines.append) == first == work.last_save()
    assert len(lines) == 1 and second.name in lines[0] and name in lines[0]
    assert not second.exists()


def test_where_every_save_is_damaged_nothing_is_thrown_away(tmp_path: Path) -> None:
    work = work_at(tmp_path)
    assert work.last_intact_save(print) is None
    for step in (4, 8):
        (save_at(work, step) / FILES[1]).write_bytes(b"")
    for _ in range(2):
        with pytest.raises(UserError) as error:
            work.last_intact_save(print)
        assert "--restart" in error.value.fault.remedy
        assert "checkpoint-4" in error.value.fault.found and "checkpoint-8" in error.value.fault.found


@pytest.mark.parametrize("name", FILES)
def test_a_save_that_was_marked_without_hashes_is_looked_through(tmp_path: Path, name: str) -> None:
    save = save_at(work_at(tmp_path), 4)
    (save / COMPLETE_MARK).write_text("")
    assert find_damage(save) == ""
    (save / name).write_bytes((save / name).read_bytes()[:-20])
    assert find_damage(save)
