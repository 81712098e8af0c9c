"""Where a training works until it is whole: `OUT.partial`, then one rename to `OUT`.

A training is named by its recipe: base, data, settings, form and parent by content. The same command finds
its own unfinished work and goes on; another recipe never continues it, and never overwrites what is done.

    OUT.partial/recipe.json      what is being trained
    OUT.partial/state/           trainer saves, the last two; those with a `whole` mark can be resumed from
    OUT.partial/metrics.jsonl    one line per optimiser step
    OUT.partial/tensorboard/     with --report-to tensorboard
    OUT.partial/final/           the checkpoint while it is written
"""

from __future__ import annotations

import fcntl
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.errors import UserError
from agents.hashing import content_id
from agents.model_files.lora import WEIGHTS as ADAPTER
from agents.model_files.safetensors_format import read_header
from finetune.checkpoint import RECORD, Checkpoint, hash_file, read_checkpoint
from finetune.metrics import METRICS

COMPLETE_MARK = "whole"  # written into a save after everything else: its files and their hashes


@dataclass(frozen=True, slots=True)
class WorkDir:
    """An unfinished training's folder."""

    out: Path
    partial: Path
    recipe: str

    @property
    def state(self) -> Path:
        """Where the trainer saves."""
        return self.partial / "state"

    @property
    def metrics(self) -> Path:
        """One JSON object per step."""
        return self.partial / METRICS

    @property
    def tensorboard(self) -> Path:
        """What TensorBoard reads, where it was asked for; it becomes part of the checkpoint."""
        return self.partial / "tensorboard"

    @property
    def final(self) -> Path:
        """The checkpoint while it is written."""
        return self.partial / "final"

    def last_save(self) -> Path | None:
        """The newest save that is whole, or None; saves that were cut off are removed."""
        whole = self._whole_saves()
        return whole[-1] if whole else None

    def last_intact_save(self, tell: Callable[[str], None]) -> Path | None:
        """The newest save whose files are what was written; damaged ones after it are told and removed.

        Raises:
            UserError: every save is damaged; all are left as they are.
        """
        damaged: dict[Path, str] = {}
        good: Path | None = None
        for save in reversed(self._whole_saves()):
            wrong = find_damage(save)
            if not wrong:
                good = save
                break
            damaged[save] = wrong
        if damaged and good is None:
            raise UserError(
                "every save of this training is damaged",
                where=str(self.state),
                found="; ".join(f"{save.name}: {wrong}" for save, wrong in damaged.items()),
                remedy="Begin anew with --restart.",
            )
        for save, wrong in damaged.items():
            tell(f"{save} is damaged ({wrong}): going back to the save before it")
            shutil.rmtree(save)
        return good

    def _whole_saves(self) -> list[Path]:
        """The saves that were marked whole, the oldest first; the others are removed."""
        saves = sorted(self.state.glob("checkpoint-*"), key=save_step)
        for save in saves:
            if not (save / COMPLETE_MARK).is_file():
                shutil.rmtree(save)
        return [save for save in saves if save.exists()]

    def finish(self) -> None:
        """The final folder becomes OUT, and the rest goes."""
        self.final.replace(self.out)
        shutil.rmtree(self.partial, ignore_errors=True)


def mark_complete(save: Path) -> None:
    """Say that a save is whole, and what its files hold."""
    files = sorted(file for file in save.rglob("*") if file.is_file() and file.name != COMPLETE_MARK)
    hashes = {str(file.relative_to(save)): hash_file(file) for file in files}
    unfinished = save / f".{COMPLETE_MARK}"
    unfinished.write_text(json.dumps(hashes, indent=1), encoding="utf-8")
    unfinished.replace(save / COMPLETE_MARK)


def find_damage(save: Path) -> str:
    """What is wrong with a save that was marked whole; "" for nothing."""
    text = (save / COMPLETE_MARK).read_text(encoding="utf-8", errors="replace")
    try:
        hashes = dict(json.loads(text)) if text else {}
    except ValueError:
        return f"{COMPLETE_MARK} cannot be read"
    for name, expected in hashes.items():
        file = save / name
        if not file.is_file():
            return f"{name} is missing"
        if hash_file(file) != expected:
            return f"{name} is not what was written"
    return "" if hashes else _structural_damage(save)


def _structural_damage(save: Path) -> str:
    """Of a save whose mark is empty, as it once was: files that are cut off or no longer of their kind."""
    try:
        read_header(save / ADAPTER)
        json.loads((save / "trainer_state.json").read_text(encoding="utf-8"))
        for path in (*save.glob("*.pt"), *save.glob("*.pth")):
            with zipfile.ZipFile(path) as file:
                if file.testzip() is not None:
                    return f"{path.name} is not what was written"
    except (OSError, ValueError, UserError, zipfile.BadZipFile) as error:
        return str(error)[:200]
    return ""


def save_step(save: Path) -> int:
    """The optimiser step that a save was made at."""
    return int(save.name.rpartition("-")[2])


def recipe_id(recipe: Mapping[str, Any]) -> str:
    """Content id of all that decides a training's result."""
    return content_id("recipe-1", dict(recipe))


def existing_checkpoint(out: Path, recipe: Mapping[str, Any]) -> Checkpoint | None:
    """The checkpoint at OUT, where this very recipe made it; None where OUT is free.

    Raises:
        UserError: something else is there.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if out.is_dir() and (out / RECORD).is_file():
        there = read_checkpoint(out)
        if there.record.get("recipe") in (recipe_id(recipe), _recorded_before(there, recipe)):
            return there
        found = f"{there.stage} checkpoint {there.name!r} of another recipe"
    else:
        found = "something that is no checkpoint"
    raise UserError("there is something already", where=str(out), found=found, remedy="Name another --out.")


ADDED_LATER = ("asking",)  # to recipes: what was recorded before does not hold it


def _recorded_before(there: Checkpoint, recipe: Mapping[str, Any]) -> str:
    """The recipe's id as a record that lacks what was added later holds it; "" for a record that does not."""
    if all(key in there.record for key in ADDED_LATER):
        return ""
    return recipe_id({key: value for key, value in recipe.items() if key not in ADDED_LATER})


@contextmanager
def locked_work_dir(out: Path, recipe: Mapping[str, Any], *, restart: bool = False) -> Iterator[WorkDir]:
    """The folder for this training, new or as it was left; no other process may hold it.

    Args:
        restart: throw unfinished work of any recipe away.

    Raises:
        UserError: unfinished work of another recipe is there, or another process is at it.
    """
    partial = out.with_name(out.name + ".partial")
    work = WorkDir(out, partial, recipe_id(recipe))
    try:
        partial.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError("the folder cannot be made", where=str(partial), found=str(error)) from error
    with (partial / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            remedy = "Wait for it, or name another --out."
            raise UserError("another process is training this", where=str(partial), remedy=remedy) from error
        told = partial / "recipe.json"
        if restart:
            _clear(partial)
        elif told.is_file():
            _same_recipe(told, recipe)
        if not told.is_file():
            told.write_text(json.dumps(dict(recipe), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        shutil.rmtree(work.final, ignore_errors=True)
        if out.is_dir():
            out.rmdir()  # empty, or `existing_checkpoint` would have refused it
        yield work


def _same_recipe(told: Path, recipe: Mapping[str, Any]) -> None:
    try:
        there = json.loads(told.read_text(encoding="utf-8"))
    except ValueError:
        there = {}  # cut off while it was written: nothing was trained yet
        told.unlink()
        return
    known = {key for key in {*there, *recipe} if key in there or key not in ADDED_LATER}
    differing = sorted(key for key in known if there.get(key) != recipe.get(key))
    if differing:
        settings, before = recipe.get("settings", {}), there.get("settings", {})
        inside = [key for key in settings if settings[key] != before.get(key)]
        raise UserError(
            "unfinished training of another recipe is here",
            where=str(told.parent),
            found="other " + ", ".join(inside if differing == ["settings"] else differing),
            remedy="Name another --out, or throw the unfinished work away with --restart.",
        )


def _clear(partial: Path) -> None:
    for entry in partial.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != "lock":
            entry.unlink()
