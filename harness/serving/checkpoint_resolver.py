"""Which author is which checkpoint: `student:NAME`, `base`, and the base cut to one response.

A checkpoint's folder explains itself, so a name is looked up in the folders that are there: those named, else
`checkpoints/*` (or $EMPATHY_CHECKPOINTS), and where the database says that it lay. Reads files; asks nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.errors import Fault, UserError
from finetune.checkpoint import RECORD, Checkpoint, check_same_base, read_checkpoint
from finetune.model_loader import LocalModel, locate_model
from finetune.tokenizer_identity import check_prompt_encoding
from serve.sampling_presets import read_json
from serve.served_model import Dtype

STUDENT, BASE, BASE_CUT = "student:", "base", "base-cut"
PLACE = "checkpoints"


@dataclass(frozen=True)
class ServedAuthor:
    """One author that is served.

    Attributes:
        author: its name in full: `student:NAME`, `base:NAME`, `base-cut:NAME`.
        checkpoint: of a student; None for the base.
        cut: whether its answers are cut to the first turn and 97 words whatever the preset says.
        known_before: whether its answers were first made when how it is asked was not part of what it is:
            they keep their identity.
    """

    author: str
    checkpoint: Checkpoint | None = None
    cut: bool = False
    known_before: bool = False


@dataclass(frozen=True)
class ServedModels:
    """A base on this machine, and who is served with it."""

    base: LocalModel
    authors: tuple[ServedAuthor, ...]

    @property
    def base_name(self) -> str:
        """What the base is served as."""
        return f"{BASE}:{short_name(self.base.base.name)}"

    @property
    def students(self) -> tuple[ServedAuthor, ...]:
        """Those with a checkpoint."""
        return tuple(one for one in self.authors if one.checkpoint is not None)

    @property
    def config(self) -> Mapping[str, Any]:
        """The base's config.json."""
        return read_json(self.base.folder / "config.json")

    @property
    def dtype(self) -> Dtype:
        """The dtype of the base's weights, by its config.json."""
        stored = str(self.config.get("dtype") or self.config.get("torch_dtype") or "bfloat16")
        return {"float16": "fp16", "float32": "fp32"}.get(stored, "bf16")  # type: ignore[return-value]  # values are


def short_name(base: str) -> str:
    """A base's name within an author's: as on the Hub, or its folder's."""
    path = Path(base)
    return path.resolve().name if path.is_dir() or base.startswith(("/", ".")) else base


def is_student(name: str) -> bool:
    """Whether a checkpoint is meant by its name rather than by its folder."""
    return name.startswith(STUDENT)


def parse_student_folder(name: str, registered: Sequence[Path] = ()) -> Path:
    """The folder of `student:NAME`, in the usual places or as registered.

    Raises:
        UserError: nobody has that name, or its folder is no whole checkpoint.
    """
    return _student(name, _known((), registered)).path


def known_student_names(places: Sequence[Path] = ()) -> set[str]:
    """Every `student:NAME` in these folders, or in the usual places.

    Raises:
        UserError: one is no folder, or there is no checkpoint in those that are named.
    """
    return {f"{STUDENT}{name}" for name in _known(places)}


def select_served_models(
    names: Sequence[str],
    *,
    base: str = "",
    students: Sequence[Path] = (),
    registered: Sequence[Path] = (),
) -> ServedModels:
    """Who these names are.

    Args:
        base: where the base is now; "" for what the checkpoints say.
        students: folders of checkpoints, or folders of such folders; none for the usual places.
        registered: folders that the database knows of, where nothing else is named.

    Raises:
        UserError: a name that nobody has, another base, a base that cannot be had; every fault at once.
    """
    found = _known(students, registered)
    faults: list[Fault] = []
    authors: list[ServedAuthor] = []
    for name in dict.fromkeys(names):
        if name.startswith(STUDENT):
            try:
                authors.append(ServedAuthor(name, _student(name, found)))
            except UserError as error:
                faults.append(error.fault)
                faults += error.faults
    if faults:
        raise UserError("these students cannot be served", code="checkpoint.unusable", faults=faults)
    made = [one.checkpoint for one in authors if one.checkpoint is not None] or [
        one for named in found.values() for one in named
    ]
    located = _base(base, made, names)
    wrong = []
    for one in authors:
        if one.checkpoint is not None:
            try:
                check_same_base(one.checkpoint, located.base)
                check_prompt_encoding(one.checkpoint, located.folder)
            except UserError as error:
                wrong.append(error.fault)
    if wrong:
        raise UserError(
            "these adapters do not fit the base model", code="checkpoint.base-mismatch", faults=wrong
        )
    shown = short_name(located.base.name)
    for name in dict.fromkeys(names):
        kind, _, of = name.partition(":")
        if kind in (BASE, BASE_CUT):
            if of and of != shown:
                raise UserError(
                    "not the base model of these students",
                    code="base-model.mismatch",
                    found=repr(name),
                    remedy=f"Use {kind}:{shown}.",
                )
            authors.append(ServedAuthor(f"{kind}:{shown}", cut=kind == BASE_CUT))
    return ServedModels(located, tuple(authors))


def checkpoint_folders(places: Sequence[Path] = ()) -> list[Path]:
    """Every checkpoint's folder in these places, themselves or one or two levels below."""
    given = places or [Path(os.environ.get("EMPATHY_CHECKPOINTS", PLACE))]
    folders: list[Path] = []
    for place in given:
        records = [place / RECORD, *sorted(place.glob(f"*/{RECORD}")), *sorted(place.glob(f"*/*/{RECORD}"))]
        # an unfinished training keeps its saves in NAME.partial: they are no checkpoints yet
        folders += [each.parent for each in records if each.is_file() and ".partial" not in str(each.parent)]
    return list(dict.fromkeys(folders))


def check_names(places: Sequence[Path]) -> None:
    """Make sure that no two of the checkpoints in these places are different ones of one name.

    Raises:
        UserError: two are; a place is no folder.
    """
    if places:
        for name, made in _known(places).items():
            check_single_checkpoint(name, made)


def check_single_checkpoint(name: str, made: Sequence[Checkpoint]) -> None:
    """Make sure that a name is one checkpoint's, wherever its copies lie.

    Raises:
        UserError: folders of this name hold different ones.
    """
    if len({one.id for one in made}) > 1:
        remedy = "Select one folder with --students, or retrain one with another --name."
        raise UserError(
            "several students have this name",
            code="checkpoint.ambiguous",
            found=repr(f"{STUDENT}{name}"),
            remedy=remedy,
            faults=[Fault(f"a {one.stage} checkpoint", str(one.path), _told(one)) for one in made],
        )


def _told(one: Checkpoint) -> str:
    return f"base {one.base.name}, recipe {one.record.get('recipe', 'not recorded')}, {one.id}"


def _known(places: Sequence[Path], registered: Sequence[Path] = ()) -> dict[str, list[Checkpoint]]:
    """Checkpoints by name; the records only: whose adapter is whole is looked at when it is used."""
    import json

    found: dict[str, list[Checkpoint]] = {}
    seen: set[Path] = set()
    for place in places:
        if not place.is_dir():
            raise UserError(
                "no such folder", code="checkpoint.folder-not-found", where="--students", found=str(place)
            )
    for folder in [*checkpoint_folders(places), *(() if places else registered)]:
        try:
            record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
            made = Checkpoint(folder, record)
            made.id  # noqa: B018  (a record that lacks what makes it one is none)
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if folder.resolve() not in seen:
            seen.add(folder.resolve())
            found.setdefault(made.name, []).append(made)
    if places and not found:
        raise UserError(
            "no checkpoint in this folder",
            code="checkpoint.not-found",
            where="--students",
            found=", ".join(map(str, places)),
        )
    return found


def _student(name: str, found: Mapping[str, Sequence[Checkpoint]]) -> Checkpoint:
    bare = name.removeprefix(STUDENT)
    if bare in found:
        check_single_checkpoint(bare, found[bare])
        return read_checkpoint(found[bare][0].path)
    there = ", ".join(sorted(found)[:8]) or "none"
    raise UserError(
        "unknown student",
        code="checkpoint.unknown-student",
        found=repr(name),
        remedy=f"Known students: {there}. Name folders with --students, or train: empathy train two-step.",
    )


def _base(base: str, made: Sequence[Checkpoint], names: Sequence[str]) -> LocalModel:
    if base:
        revisions = {one.base.revision for one in made if one.base.name == base}
        return locate_model(base, revisions.pop() if len(revisions) == 1 else "")
    wanted = {
        name.partition(":")[2] for name in names if name.partition(":")[0] in (BASE, BASE_CUT) and ":" in name
    }
    bases = {one.base.weights: one for one in made if not wanted or short_name(one.base.name) in wanted}
    if len(bases) == 1:
        (one,) = bases.values()
        return locate_model(one.base_location, "" if Path(one.base_location).is_dir() else one.base.revision)
    raise UserError(
        "several base models match" if bases else "the base model is not known",
        code="base-model.ambiguous" if bases else "base-model.unknown",
        where="--base",
        found=", ".join(sorted(one.base.name for one in bases.values()))
        or "no checkpoint names a base model",
        remedy="Set --base to a folder or a model on the Hub.",
    )
