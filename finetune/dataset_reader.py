"""Read a dataset's folder back, every fault told at once, and give a trainer its rows in one form.

Knows files, not tokenizers: which rows a student cannot be trained on is found in `finetune/tokenization.py`.
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
class Example:
    """One SFT row: the user's turn before any form is put on it, and the response."""

    dialogue: str
    turn: str
    response: str


@dataclass(frozen=True, slots=True)
class Pair:
    """One DPO row."""

    dialogue: str
    turn: str
    chosen: str
    rejected: str


@dataclass(frozen=True, slots=True)
class DatasetFolder:
    """A dataset as read: its manifest, content id and rows; held-out rows may be ()."""

    path: Path
    id: str
    manifest: Mapping[str, Any]
    sft: tuple[Example, ...]
    dpo: tuple[Pair, ...]
    held_out_sft: tuple[Example, ...]
    held_out_dpo: tuple[Pair, ...]


def read_dataset(folder: Path) -> DatasetFolder:
    """The dataset in `folder`, checked: kind, version, every file's hash, every row.

    Raises:
        UserError: with every fault of the folder at once; the message says how to make a dataset.
    """
    manifest = _manifest(folder)
    faults: list[Fault] = []
    contents: dict[str, bytes] = {}
    for name, expected in manifest["files"].items():
        path = folder / name
        try:
            raw = path.read_bytes()
        except OSError as error:
            faults.append(Fault("cannot be read", str(path), str(error.strerror)))
            continue
        if f"sha256:{sha256(raw).hexdigest()}" != expected:
            faults.append(Fault("is not what the manifest says it was", str(path), "another SHA-256"))
        contents[name] = raw
    rows = {
        name: _rows(folder / name, stage, contents.get(name, b""), faults)
        for stage in ("sft", "dpo")
        for name in (f"{stage}.jsonl", f"held-out-{stage}.jsonl")
    }
    if faults:
        raise UserError(
            "the dataset cannot be used",
            where=str(folder),
            found=f"{len(faults)} faults",
            remedy="Make it anew with: empathy data build.",
            faults=first_faults(faults),
        )
    return DatasetFolder(
        folder,
        dataset_id(manifest),
        manifest,
        tuple(_example(row) for row in rows["sft.jsonl"]),
        tuple(_pair(row) for row in rows["dpo.jsonl"]),
        tuple(_example(row) for row in rows["held-out-sft.jsonl"]),
        tuple(_pair(row) for row in rows["held-out-dpo.jsonl"]),
    )


def check_has_rows(data: DatasetFolder, stage: str) -> None:
    """Make sure that the dataset has rows for this stage.

    Raises:
        UserError: it has none; the message says what kind it is.
    """
    if not (data.sft if stage == "sft" else data.dpo):
        other = "dpo" if stage == "sft" else "sft"
        count = len(data.dpo if stage == "sft" else data.sft)
        raise UserError(
            f"this dataset has no {stage.upper()} rows",
            where=str(data.path),
            found=f"method {data.manifest['method']}, {count} {other.upper()} rows",
            remedy=f"Train it with: empathy train {other}."
            if count
            else "Build one with: empathy data build.",
        )


def matches_rendering(data: DatasetFolder, rendering_id: str) -> bool:
    """Whether the rows were rendered with the words that a student would be asked with now."""
    return bool(data.manifest["rendering"] == rendering_id)


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    remedy = "Make one with: empathy data build --out DIR."
    if not folder.is_dir():
        raise UserError("there is no such dataset folder", where=str(folder), remedy=remedy)
    if not path.exists():
        found = ", ".join(sorted(entry.name for entry in folder.iterdir())[:6]) or "an empty folder"
        raise UserError("this is not a dataset's folder", where=str(path), found=found, remedy=remedy)
    faults = Faults(str(path))
    manifest = read_object(read_bytes(path, "the manifest"), faults)
    faults.raise_if_any("the manifest cannot be read")
    kind, version = manifest.get("kind"), manifest.get("version")
    if kind != KIND or version != VERSION:
        found = f"kind {kind!r}, version {version!r}"
        raise UserError("this is another kind of folder", where=str(path), found=found, remedy=remedy)
    missing = [key for key in ("method", "rendering", "rows", "files") if key not in manifest]
    if missing:
        raise UserError("the manifest lacks keys", where=str(path), found=", ".join(missing), remedy=remedy)
    return dict(manifest)


def _rows(path: Path, stage: str, content: bytes, faults: list[Fault]) -> list[dict[str, Any]]:
    of_file = Faults(str(path))
    rows = []
    for row in read_rows(content, of_file):
        wrong = _wrong(row.value, stage)
        for what in wrong:
            of_file.add(row.line, what)
        if not wrong:
            rows.append(row.value)
    faults += of_file.all
    return rows


def _wrong(row: Mapping[str, Any], stage: str) -> list[str]:
    wanted = ("dialogue", "prompt", *TEXTS[stage])
    wrong = [f"{key} must be a text with something in it" for key in wanted if not _said(row.get(key))]
    if not wrong and not row["prompt"].endswith(RESPONSE_CUE):
        wrong.append(f"the prompt must end in {RESPONSE_CUE!r}")
    if not wrong and stage == "dpo" and row["chosen"].strip() == row["rejected"].strip():
        wrong.append("chosen and rejected are the same")
    return wrong


def _said(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _example(row: Mapping[str, str]) -> Example:
    turn = row["prompt"].removesuffix(RESPONSE_CUE)
    return Example(row["dialogue"], turn, strip_completion(row["completion"]))


def _pair(row: Mapping[str, str]) -> Pair:
    turn = row["prompt"].removesuffix(RESPONSE_CUE)
    return Pair(row["dialogue"], turn, strip_completion(row["chosen"]), strip_completion(row["rejected"]))
