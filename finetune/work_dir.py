"""Work folder of a training: `OUT.partial` until it is complete, then renamed to `OUT`.

A training is identified by its recipe: the content of base, data, settings, prompt style and parent. The same
command finds its own unfinished work and resumes it. Another recipe neither continues unfinished work nor
overwrites a finished checkpoint.

    OUT.partial/recipe.json      the recipe
    OUT.partial/state/           the trainer's last two saves; those with a file `whole` can be resumed from
    OUT.partial/metrics.jsonl    one line per optimizer step
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

COMPLETE_MARK = "whole"  # file written last into a save, with the names and hashes of the others


@dataclass(frozen=True, slots=True)
class WorkDir:
    """Folder of an unfinished training."""

    out: Path
    partial: Path
    recipe: str

    @property
    def state(self) -> Path:
        """Folder of the trainer's saves."""
        return self.partial / "state"

    @property
    def metrics(self) -> Path:
        """File with one JSON object per step."""
        return self.partial / METRICS

    @property
    def tensorboard(self) -> Path:
        """TensorBoard logs, if requested; they become part of the checkpoint."""
        return self.partial / "tensorboard"

    @property
    def final(self) -> Path:
        """Checkpoint folder while it is written."""
        return self.partial / "final"

    def last_save(self) -> Path | None:
        """Return the newest complete save, or None; remove incomplete saves."""
        saves = self._complete_saves()
        return saves[-1] if saves else None

    def last_intact_save(self, on_message: Callable[[str], None]) -> Path | None:
        """Return the newest save whose files have the recorded hashes, or None; remove damaged ones after it.

        Args:
            on_message: receives a line for every save that is removed.

        Raises:
            UserError: every save is damaged; none is removed.
        """
        damaged: dict[Path, str] = {}
        intact: Path | None = None
        for save in reversed(self._complete_saves()):
            damage = find_damage(save)
            if not damage:
                intact = save
                break
            damaged[save] = damage
        if damaged and intact is None:
            raise UserError(
                "every save of this training is damaged",
                code="training.damaged-saves",
                where=str(self.state),
                found="; ".join(f"{save.name}: {damage}" for save, damage in damaged.items()),
                remedy="Start again with --restart.",
            )
        for save, damage in damaged.items():
            on_message(f"{save} is damaged ({damage}); resuming from the save before it")
            shutil.rmtree(save)
        return intact

    def _complete_saves(self) -> list[Path]:
        """Return the complete saves, oldest first; remove the others."""
        saves = sorted(self.state.glob("checkpoint-*"), key=save_step)
        for save in saves:
            if not (save / COMPLETE_MARK).is_file():
                shutil.rmtree(save)
        return [save for save in saves if save.exists()]

    def finish(self) -> None:
        """Rename the final folder to OUT and remove the rest."""
        self.final.replace(self.out)
        shutil.rmtree(self.partial, ignore_errors=True)


def mark_complete(save: Path) -> None:
    """Mark a save as complete and record the hash of each of its files."""
    files = sorted(file for file in save.rglob("*") if file.is_file() and file.name != COMPLETE_MARK)
    hashes = {str(file.relative_to(save)): hash_file(file) for file in files}
    unfinished = save / f".{COMPLETE_MARK}"
    unfinished.write_text(json.dumps(hashes, indent=1), encoding="utf-8")
    unfinished.replace(save / COMPLETE_MARK)


def find_damage(save: Path) -> str:
    """Return the first problem of a save that is marked as complete; "" if it is intact."""
    text = (save / COMPLETE_MARK).read_text(encoding="utf-8", errors="replace")
    try:
        hashes = dict(json.loads(text)) if text else {}
    except ValueError:
        return f"{COMPLETE_MARK} cannot be parsed"
    for name, expected in hashes.items():
        file = save / name
        if not file.is_file():
            return f"{name} is missing"
        if hash_file(file) != expected:
            return f"{name} has changed"
    return "" if hashes else _structural_damage(save)


def _structural_damage(save: Path) -> str:
    """Return the first truncated file of a save whose mark is empty, as old versions wrote it; "" if none."""
    try:
        read_header(save / ADAPTER)
        json.loads((save / "trainer_state.json").read_text(encoding="utf-8"))
        for path in (*save.glob("*.pt"), *save.glob("*.pth")):
            with zipfile.ZipFile(path) as file:
                if file.testzip() is not None:
                    return f"{path.name} has changed"
    except (OSError, ValueError, UserError, zipfile.BadZipFile) as error:
        return str(error)[:200]
    return ""


def save_step(save: Path) -> int:
    """Return the optimizer step that a save was made at."""
    return int(save.name.rpartition("-")[2])


def recipe_id(recipe: Mapping[str, Any]) -> str:
    """Return the content id of a recipe."""
    return content_id("recipe-1", dict(recipe))


def existing_checkpoint(out: Path, recipe: Mapping[str, Any]) -> Checkpoint | None:
    """Return the checkpoint at OUT if it has this recipe; None if OUT is free.

    Raises:
        UserError: OUT holds something else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if out.is_dir() and (out / RECORD).is_file():
        checkpoint = read_checkpoint(out)
        if checkpoint.record.get("recipe") in (recipe_id(recipe), _legacy_recipe_id(checkpoint, recipe)):
            return checkpoint
        content = f"{checkpoint.stage} checkpoint {checkpoint.name!r} with another recipe"
    else:
        content = "files that are no checkpoint"
    raise UserError(
        "output folder is not empty",
        code="file.exists",
        where=str(out),
        found=content,
        remedy="Pass another folder with --out.",
    )


ADDED_LATER = ("asking",)  # recipe keys that older records do not have


def _legacy_recipe_id(checkpoint: Checkpoint, recipe: Mapping[str, Any]) -> str:
    """Return the recipe's id without keys that the record is too old to have; "" for a current record."""
    if all(key in checkpoint.record for key in ADDED_LATER):
        return ""
    return recipe_id({key: value for key, value in recipe.items() if key not in ADDED_LATER})


@contextmanager
def locked_work_dir(out: Path, recipe: Mapping[str, Any], *, restart: bool = False) -> Iterator[WorkDir]:
    """Create or reopen the work folder of a training and lock it against other processes.

    Args:
        restart: delete unfinished work of any recipe.

    Raises:
        UserError: it holds unfinished work of another recipe, or another process uses it.
    """
    partial = out.with_name(out.name + ".partial")
    work = WorkDir(out, partial, recipe_id(recipe))
    try:
        partial.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            "cannot create the work folder",
            code="file.not-writable",
            where=str(partial),
            found=str(error),
        ) from error
    with (partial / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(
                "another process runs this training",
                code="training.locked",
                where=str(partial),
                remedy="Wait until it ends, or pass another folder with --out.",
            ) from error
        recipe_file = partial / "recipe.json"
        if restart:
            _delete_content(partial)
        elif recipe_file.is_file():
            _check_same_recipe(recipe_file, recipe)
        if not recipe_file.is_file():
            text = json.dumps(dict(recipe), indent=2, ensure_ascii=False) + "\n"
            recipe_file.write_text(text, encoding="utf-8")
        shutil.rmtree(work.final, ignore_errors=True)
        if out.is_dir():
            out.rmdir()  # it is empty: `existing_checkpoint` rejects any other folder
        yield work


def _check_same_recipe(recipe_file: Path, recipe: Mapping[str, Any]) -> None:
    try:
        stored = json.loads(recipe_file.read_text(encoding="utf-8"))
    except ValueError:
        recipe_file.unlink()  # truncated while it was written, so nothing was trained yet
        return
    keys = {key for key in {*stored, *recipe} if key in stored or key not in ADDED_LATER}
    different = sorted(key for key in keys if stored.get(key) != recipe.get(key))
    if different:
        settings, stored_settings = recipe.get("settings", {}), stored.get("settings", {})
        changed_settings = [key for key in settings if settings[key] != stored_settings.get(key)]
        raise UserError(
            "the work folder holds unfinished training of another recipe",
            code="training.other-recipe",
            where=str(recipe_file.parent),
            found="different " + ", ".join(changed_settings if different == ["settings"] else different),
            remedy="Pass another folder with --out, or delete the unfinished work with --restart.",
        )


def _delete_content(partial: Path) -> None:
    for entry in partial.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != "lock":
            entry.unlink()
