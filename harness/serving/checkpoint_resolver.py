"""Resolution of author names to checkpoints: `student:NAME`, `base`, and `base-cut` (truncated base).

A name is looked up in the given folders, else in `checkpoints/*` (or $EMPATHY_CHECKPOINTS) and in the folders
recorded in the database. Each checkpoint folder contains its own record.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.author_names import AuthorKind, AuthorName
from agents.errors import Fault, UserError
from finetune.checkpoint import RECORD, Checkpoint, check_same_base, read_checkpoint
from finetune.model_loader import LocalModel, locate_model
from finetune.tokenizer_identity import check_prompt_encoding
from serve.sampling_presets import read_json
from serve.served_model import Dtype

STUDENT, BASE, BASE_CUT = "student:", "base", "base-cut"
DEFAULT_FOLDER = "checkpoints"


@dataclass(frozen=True)
class ServedAuthor:
    """Served author.

    Attributes:
        author: full name: `student:NAME`, `base:NAME` or `base-cut:NAME`.
        checkpoint: checkpoint of a student; None for the base.
        truncated: whether responses are always truncated to the first turn and 97 words.
        predates_encoding: whether its stored responses predate prompt-encoding identities; they keep their
            identity.
    """

    author: str
    checkpoint: Checkpoint | None = None
    truncated: bool = False
    predates_encoding: bool = False


@dataclass(frozen=True)
class ServedModels:
    """Local base model and the authors served with it."""

    base: LocalModel
    authors: tuple[ServedAuthor, ...]

    @property
    def base_name(self) -> str:
        """Served name of the base."""
        return f"{BASE}:{short_name(self.base.base.name)}"

    @property
    def students(self) -> tuple[ServedAuthor, ...]:
        """Authors with a checkpoint."""
        return tuple(author for author in self.authors if author.checkpoint is not None)

    @property
    def config(self) -> Mapping[str, Any]:
        """Contents of the base model's config.json."""
        return read_json(self.base.folder / "config.json")

    @property
    def dtype(self) -> Dtype:
        """Dtype of the base model's weights according to its config.json."""
        stored = str(self.config.get("dtype") or self.config.get("torch_dtype") or "bfloat16")
        return {"float16": "fp16", "float32": "fp32"}.get(stored, "bf16")  # type: ignore[return-value]  # values are


def short_name(base: str) -> str:
    """Return the name of a base in author names: its Hub id, or the name of its folder."""
    path = Path(base)
    return path.resolve().name if path.is_dir() or base.startswith(("/", ".")) else base


def is_student(name: str) -> bool:
    """Return whether a checkpoint is given by name rather than by folder."""
    return AuthorName.parse(name).kind is AuthorKind.STUDENT


def parse_student_folder(name: str, registered: Sequence[Path] = ()) -> Path:
    """Return the folder of `student:NAME`, from the default folders or the recorded ones.

    Raises:
        UserError: unknown student, or an incomplete checkpoint.
    """
    return _resolve_student(name, _find_checkpoints((), registered)).path


def known_student_names(folders: Sequence[Path] = ()) -> set[str]:
    """Return every `student:NAME` in these folders, or in the default folders.

    Raises:
        UserError: not a folder, or no checkpoint in the given folders.
    """
    return {f"{STUDENT}{name}" for name in _find_checkpoints(folders)}


def select_served_models(
    names: Sequence[str],
    *,
    base: str = "",
    students: Sequence[Path] = (),
    registered: Sequence[Path] = (),
) -> ServedModels:
    """Resolve author names to served models.

    Args:
        names: author names.
        base: location of the base model; "" to use the one in the checkpoints.
        students: folders with checkpoints, up to two levels below; empty for the default folders.
        registered: folders recorded in the database, used if `students` is empty.

    Raises:
        UserError: unknown student, mismatching or unavailable base model; all faults together.
    """
    known = _find_checkpoints(students, registered)
    faults: list[Fault] = []
    authors: list[ServedAuthor] = []
    for name in dict.fromkeys(names):
        if is_student(name):
            try:
                authors.append(ServedAuthor(name, _resolve_student(name, known)))
            except UserError as error:
                faults.append(error.fault)
                faults += error.faults
    if faults:
        raise UserError("these students cannot be served", code="checkpoint.unusable", faults=faults)
    checkpoints = [author.checkpoint for author in authors if author.checkpoint is not None] or [
        author for checkpoints_of_name in known.values() for author in checkpoints_of_name
    ]
    local_base = _resolve_base(base, checkpoints, names)
    mismatches = []
    for author in authors:
        if author.checkpoint is not None:
            try:
                check_same_base(author.checkpoint, local_base.base)
                check_prompt_encoding(author.checkpoint, local_base.folder)
            except UserError as error:
                mismatches.append(error.fault)
    if mismatches:
        raise UserError(
            "these adapters do not fit the base model", code="checkpoint.base-mismatch", faults=mismatches
        )
    base_name = short_name(local_base.base.name)
    for name in dict.fromkeys(names):
        parsed = AuthorName.parse(name)
        base_suffix = parsed.name
        if parsed.kind in (AuthorKind.BASE, AuthorKind.TRUNCATED_BASE):
            if base_suffix and base_suffix != base_name:
                raise UserError(
                    "not the base model of these students",
                    code="base-model.mismatch",
                    found=repr(name),
                    remedy=f"Use {parsed.kind}:{base_name}.",
                )
            authors.append(
                ServedAuthor(f"{parsed.kind}:{base_name}", truncated=parsed.kind is AuthorKind.TRUNCATED_BASE)
            )
    return ServedModels(local_base, tuple(authors))


def checkpoint_folders(folders: Sequence[Path] = ()) -> list[Path]:
    """Return every checkpoint folder among these folders or up to two levels below them."""
    search_folders = folders or [Path(os.environ.get("EMPATHY_CHECKPOINTS", DEFAULT_FOLDER))]
    checkpoints: list[Path] = []
    for folder in search_folders:
        records = [
            folder / RECORD,
            *sorted(folder.glob(f"*/{RECORD}")),
            *sorted(folder.glob(f"*/*/{RECORD}")),
        ]
        # NAME.partial holds the saves of an unfinished training run, not checkpoints
        checkpoints += [
            record.parent for record in records if record.is_file() and ".partial" not in str(record.parent)
        ]
    return list(dict.fromkeys(checkpoints))


def check_names(folders: Sequence[Path]) -> None:
    """Check that no two different checkpoints in these folders have the same name.

    Raises:
        UserError: ambiguous name, or not a folder.
    """
    if folders:
        for name, checkpoints in _find_checkpoints(folders).items():
            check_single_checkpoint(name, checkpoints)


def check_single_checkpoint(name: str, checkpoints: Sequence[Checkpoint]) -> None:
    """Check that all folders with a name hold the same checkpoint.

    Raises:
        UserError: the folders hold different checkpoints.
    """
    if len({checkpoint.id for checkpoint in checkpoints}) > 1:
        remedy = "Select one folder with --students, or retrain one with another --name."
        raise UserError(
            "several students have this name",
            code="checkpoint.ambiguous",
            found=repr(f"{STUDENT}{name}"),
            remedy=remedy,
            faults=[
                Fault(
                    f"a {checkpoint.stage} checkpoint", str(checkpoint.path), _describe_checkpoint(checkpoint)
                )
                for checkpoint in checkpoints
            ],
        )


def _describe_checkpoint(checkpoint: Checkpoint) -> str:
    recipe = checkpoint.record.get("recipe", "not recorded")
    return f"base {checkpoint.base.name}, recipe {recipe}, {checkpoint.id}"


def _find_checkpoints(
    folders: Sequence[Path], registered: Sequence[Path] = ()
) -> dict[str, list[Checkpoint]]:
    """Return name → checkpoints, reading only the records; adapters are checked when they are used."""
    import json

    checkpoints_by_name: dict[str, list[Checkpoint]] = {}
    seen: set[Path] = set()
    for given_folder in folders:
        if not given_folder.is_dir():
            raise UserError(
                "no such folder",
                code="checkpoint.folder-not-found",
                where="--students",
                found=str(given_folder),
            )
    for folder in [*checkpoint_folders(folders), *(() if folders else registered)]:
        try:
            record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
            checkpoint = Checkpoint(folder, record)
            checkpoint.id  # noqa: B018  (raises for an incomplete record)
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if folder.resolve() not in seen:
            seen.add(folder.resolve())
            checkpoints_by_name.setdefault(checkpoint.name, []).append(checkpoint)
    if folders and not checkpoints_by_name:
        raise UserError(
            "no checkpoint in this folder",
            code="checkpoint.not-found",
            where="--students",
            found=", ".join(map(str, folders)),
        )
    return checkpoints_by_name


def _resolve_student(name: str, known: Mapping[str, Sequence[Checkpoint]]) -> Checkpoint:
    short = name.removeprefix(STUDENT)
    if short in known:
        check_single_checkpoint(short, known[short])
        return read_checkpoint(known[short][0].path)
    known_names = ", ".join(sorted(known)[:8]) or "none"
    raise UserError(
        "unknown student",
        code="checkpoint.unknown-student",
        found=repr(name),
        remedy=f"Known students: {known_names}. Name folders with --students, or train one: "
        "empathy train two-step.",
    )


def _resolve_base(base: str, checkpoints: Sequence[Checkpoint], names: Sequence[str]) -> LocalModel:
    if base:
        revisions = {checkpoint.base.revision for checkpoint in checkpoints if checkpoint.base.name == base}
        return locate_model(base, revisions.pop() if len(revisions) == 1 else "")
    base_names = {
        parsed.name
        for parsed in map(AuthorName.parse, names)
        if parsed.kind in (AuthorKind.BASE, AuthorKind.TRUNCATED_BASE) and parsed.name
    }
    bases = {
        checkpoint.base.weights: checkpoint
        for checkpoint in checkpoints
        if not base_names or short_name(checkpoint.base.name) in base_names
    }
    if len(bases) == 1:
        (checkpoint,) = bases.values()
        return locate_model(
            checkpoint.base_location,
            "" if Path(checkpoint.base_location).is_dir() else checkpoint.base.revision,
        )
    remedy = "Set --base to a folder or a model on the Hub."
    if bases:
        raise UserError(
            "several base models match",
            code="base-model.ambiguous",
            where="--base",
            found=", ".join(sorted(checkpoint.base.name for checkpoint in bases.values())),
            remedy=remedy,
        )
    raise UserError(
        "the base model is not known",
        code="base-model.unknown",
        where="--base",
        found="no checkpoint names a base model",
        remedy=remedy,
    )
