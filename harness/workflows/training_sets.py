"""Training sets as folders: build one from a database, and inspect or compare finished ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.errors import UserError
from finetune.dataset_folder import check_parquet, dataset_id, to_parquet
from harness.data.training_set_checks import TrainingSetInspection, inspect
from harness.data.training_set_spec import TrainingSetSpec
from harness.workflows.build_dataset import build
from harness.workflows.workspace import Workspace

FORMATS = ("trl", "llama-factory", "jsonl", "parquet")
DEFAULT_FORMATS = FORMATS[:3]


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Training set in a folder.

    Attributes:
        folder: its folder.
        manifest: content of its manifest.json.
    """

    folder: Path
    manifest: dict[str, Any]

    @property
    def id(self) -> str:
        """Content id of the manifest, which has the hash of every file."""
        return dataset_id(self.manifest)


async def build_training_set(
    workspace: Workspace, spec: TrainingSetSpec, out: Path, formats: Sequence[str] = DEFAULT_FORMATS
) -> TrainingSet:
    """Build a training set in a new folder; the same database and specification give the same files.

    Args:
        formats: some of `FORMATS`; the plain JSONL is always written.

    Raises:
        UserError: an unknown format, missing responses (the remedy names the command that generates them),
            or a folder that exists.
    """
    _check_formats(formats)
    library = workspace.library
    if "parquet" in formats:
        check_parquet()
    store = None
    if spec.needs_store:
        if not workspace.has_database:
            raise UserError(
                "the database does not exist, so the responses that are needed are missing",
                code="database.not-found",
                where=workspace.db,
                remedy=f"Make the responses with: {spec.command}  (or name another database with --db)",
            )
        store = await workspace.store()
    built = await build(workspace.dataset, store, spec)
    manifest = built.write(out, library, [name for name in formats if name in ("trl", "llama-factory")])
    if "parquet" in formats:
        to_parquet(out)
    return TrainingSet(out, manifest)


def inspect_training_set(workspace: Workspace, folder: Path, samples: int = 3) -> TrainingSetInspection:
    """Inspect a training set; without a named dataset, a missing one only skips the check for leaks.

    Raises:
        UserError: the folder is no training set, or an invalid one; the named dataset is invalid.
    """
    try:
        dataset = workspace.dataset
    except UserError:
        if workspace.data is not None:
            raise
        dataset = None
    return inspect(folder, dataset, samples)


def _check_formats(formats: Sequence[str]) -> None:
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise UserError(
            "unknown format",
            code="option.unknown-value",
            where="--format",
            found=", ".join(map(repr, unknown)) or "none",
            remedy=f"Choose from: {', '.join(FORMATS)} (the plain JSONL is always written).",
        )
