"""Reader of training-set folders.

Every fault of a folder is reported at once. Rows are returned without a prompt style applied. Rows that do
not fit a student are found later, with its tokenizer (`finetune/tokenization.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from agents.errors import Fault, UserError
from agents.files.faults import Faults, first_faults
from agents.files.json_rows import read_object, read_rows
from agents.files.text import read_bytes
from agents.student_prompt import RESPONSE_CUE, strip_completion
from finetune.dataset_folder import KIND, MANIFEST, VERSION, dataset_id

TEXTS = {"sft": ("completion",), "dpo": ("chosen", "rejected")}


@dataclass(frozen=True, slots=True)
class SftExample:
    """SFT row: the user's turn without any prompt style, and the response to learn."""

    dialogue: str
    turn: str
    response: str


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """DPO row: the user's turn without any prompt style, and the chosen and the rejected response."""

    dialogue: str
    turn: str
    chosen: str
    rejected: str


@dataclass(frozen=True, slots=True)
class DatasetFolder:
    """Training set read from a folder: manifest, content id and rows; held-out rows may be ()."""

    path: Path
    id: str
    manifest: Mapping[str, Any]
    sft: tuple[SftExample, ...]
    dpo: tuple[PreferencePair, ...]
    held_out_sft: tuple[SftExample, ...]
    held_out_dpo: tuple[PreferencePair, ...]


def read_dataset(folder: Path) -> DatasetFolder:
    """Read the training set in `folder` and check its kind, version, file hashes and rows.

    Raises:
        UserError: lists every fault of the folder.
    """
    manifest = _read_manifest(folder)
    faults: list[Fault] = []
    contents: dict[str, bytes] = {}
    for name, expected in manifest["files"].items():
        path = folder / name
        try:
            content = path.read_bytes()
        except OSError as error:
            faults.append(
                Fault("cannot read the file", str(path), str(error.strerror), code="file.unreadable")
            )
            continue
        if f"sha256:{sha256(content).hexdigest()}" != expected:
            fault = Fault(
                "file differs from the manifest",
                str(path),
                "a different SHA-256",
                remedy="Restore the file, or build the training set again.",
                code="training-set.file-changed",
            )
            faults.append(fault)
        contents[name] = content
    rows = {
        name: _parse_rows(folder / name, stage, contents.get(name, b""), faults)
        for stage in ("sft", "dpo")
        for name in (f"{stage}.jsonl", f"held-out-{stage}.jsonl")
    }
    if faults:
        raise UserError(
            "cannot use the training set",
            code="training-set.unusable",
            where=str(folder),
            found=f"{len(faults)} faults",
            remedy="Build it again with: empathy data build.",
            faults=first_faults(faults),
        )
    return DatasetFolder(
        folder,
        dataset_id(manifest),
        manifest,
        tuple(_to_example(row) for row in rows["sft.jsonl"]),
        tuple(_to_pair(row) for row in rows["dpo.jsonl"]),
        tuple(_to_example(row) for row in rows["held-out-sft.jsonl"]),
        tuple(_to_pair(row) for row in rows["held-out-dpo.jsonl"]),
    )


def check_has_rows(data: DatasetFolder, stage: str) -> None:
    """Check that the training set has rows for this stage.

    Raises:
        UserError: it has none; the message names its method.
    """
    if not (data.sft if stage == "sft" else data.dpo):
        other = "dpo" if stage == "sft" else "sft"
        count = len(data.dpo if stage == "sft" else data.sft)
        raise UserError(
            f"training set has no {stage.upper()} rows",
            code="training-set.no-stage-rows",
            where=str(data.path),
            found=f"method {data.manifest['method']}, {count} {other.upper()} rows",
            remedy=f"Train on it with: empathy train {other}."
            if count
            else "Build one with: empathy data build.",
        )


def matches_rendering(data: DatasetFolder, rendering_id: str) -> bool:
    """Return whether the rows were rendered with the prompt format of this id."""
    return bool(data.manifest["rendering"] == rendering_id)


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    remedy = "Build one with: empathy data build --out DIR."
    if not folder.is_dir():
        raise UserError(
            "training-set folder not found", code="training-set.not-found", where=str(folder), remedy=remedy
        )
    if not path.exists():
        entries = ", ".join(sorted(entry.name for entry in folder.iterdir())[:6]) or "an empty folder"
        raise UserError(
            f"folder has no {MANIFEST}",
            code="training-set.no-manifest",
            where=str(path),
            found=entries,
            remedy=remedy,
        )
    faults = Faults(str(path))
    manifest = read_object(read_bytes(path, "the manifest"), faults)
    faults.raise_if_any("cannot parse the manifest", code="training-set.invalid-manifest")
    kind, version = manifest.get("kind"), manifest.get("version")
    if kind != KIND or version != VERSION:
        raise UserError(
            "unsupported kind or version of training set",
            code="training-set.unsupported-version",
            where=str(path),
            found=f"kind {kind!r}, version {version!r}",
            remedy=remedy,
        )
    missing = [key for key in ("method", "rendering", "rows", "files") if key not in manifest]
    if missing:
        raise UserError(
            "manifest lacks required keys",
            code="training-set.invalid-manifest",
            where=str(path),
            found=", ".join(missing),
            remedy=remedy,
        )
    return dict(manifest)


def _parse_rows(path: Path, stage: str, content: bytes, faults: list[Fault]) -> list[dict[str, Any]]:
    file_faults = Faults(str(path))
    rows = []
    for row in read_rows(content, file_faults):
        problems = _row_problems(row.value, stage)
        for problem in problems:
            file_faults.add(row.line, problem, code="training-set.invalid-row")
        if not problems:
            rows.append(row.value)
    faults += file_faults.all
    return rows


def _row_problems(row: Mapping[str, Any], stage: str) -> list[str]:
    keys = ("dialogue", "prompt", *TEXTS[stage])
    problems = [f"{key} must be a non-empty string" for key in keys if not _has_text(row.get(key))]
    if not problems and not row["prompt"].endswith(RESPONSE_CUE):
        problems.append(f"prompt must end in {RESPONSE_CUE!r}")
    if not problems and stage == "dpo" and row["chosen"].strip() == row["rejected"].strip():
        problems.append("chosen and rejected are the same")
    return problems


def _has_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _to_example(row: Mapping[str, str]) -> SftExample:
    turn = row["prompt"].removesuffix(RESPONSE_CUE)
    return SftExample(row["dialogue"], turn, strip_completion(row["completion"]))


def _to_pair(row: Mapping[str, str]) -> PreferencePair:
    turn = row["prompt"].removesuffix(RESPONSE_CUE)
    return PreferencePair(
        row["dialogue"], turn, strip_completion(row["chosen"]), strip_completion(row["rejected"])
    )
