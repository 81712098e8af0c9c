"""Checkpoint folders: a LoRA adapter with the record it could be rebuilt from.

    DIR/adapter_model.safetensors, adapter_config.json     the LoRA adapter
    DIR/tokenizer.json, …                                  its tokenizer
    DIR/checkpoint.json                                    base, data, settings, versions, losses, parent
    DIR/README.md, metrics.jsonl, losses.png               model card, metrics of every step, loss curves

This module reads and writes the record and hashes weights by content. It imports no training library, so that
it is cheap to inspect a folder.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from agents.errors import Fault, UserError
from agents.hashing import content_id
from agents.model_files.lora import CONFIG as ADAPTER_CONFIG
from agents.model_files.lora import WEIGHTS as ADAPTER
from agents.model_files.lora import adapter_faults
from agents.model_files.weights import CONFIG, load_json_object, weight_files
from agents.student_prompt import PromptStyle
from finetune.metrics import METRICS, read_metrics

RECORD = "checkpoint.json"
VERSION = 1
KEYS = (
    "kind",
    "version",
    "name",
    "stage",
    "base",
    "data",
    "settings",
    "form",
    "rendering",
    "adapter",
    "parent",
)
# Keys of an adapter's config that change the effect of its tensors, besides the names of the layers.
ADAPTER_CONFIG_KEYS = (
    "r",
    "lora_alpha",
    "rank_pattern",
    "alpha_pattern",
    "use_rslora",
    "use_dora",
    "lora_bias",
    "init_lora_weights",
    "modules_to_save",
    "trainable_token_indices",
)
_BLOB = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Base:
    """Base model: its name, its commit on the Hub (or "") and the content id of its weights."""

    name: str
    revision: str
    weights: str

    def to_dict(self) -> dict[str, str]:
        """Return the fields as they are written to a checkpoint's record."""
        return {"name": self.name, "revision": self.revision, "weights": self.weights}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Checkpoint folder with the parsed content of its `checkpoint.json`."""

    path: Path
    record: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of the student, without the prefix `student:`."""
        return str(self.record["name"])

    @property
    def stage(self) -> Literal["sft", "dpo"]:
        """Last training stage."""
        return "sft" if self.record["stage"] == "sft" else "dpo"

    @property
    def base(self) -> Base:
        """Base model that the adapter belongs to."""
        return Base(**self.record["base"])

    @property
    def base_location(self) -> str:
        """Folder of the base model, valid from any working directory, or its name on the Hub.

        The recorded relative path is tried first, then the recorded name relative to the working directory
        and to every parent of the checkpoint. The folder may hold another model; its hash decides.
        """
        name, near = self.base.name, str(self.record.get("base_from_here") or "")
        places = [self.path / near] if near else []
        if self.base.revision == "":
            places += [Path(name), *(above / name for above in self.path.resolve().parents)]
        return next((str(place) for place in places if (place / CONFIG).is_file()), name)

    @property
    def form(self) -> PromptStyle:
        """Prompt style of training, which generation must use too."""
        return PromptStyle(self.record["form"])

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """Metrics of every optimizer step, read from the folder; [] if the file is missing."""
        return read_metrics(self.path / METRICS)

    @property
    def id(self) -> str:
        """Content id of base weights, adapter, rendering and prompt style; independent of path and time."""
        parts = [self.record[key] for key in ("adapter", "rendering", "form")]
        return content_id("checkpoint-1", [self.record["base"]["weights"], *parts])


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read the checkpoint in `folder` and verify the hash of its adapter.

    Raises:
        UserError: the folder is not a complete checkpoint.
    """
    path = folder / RECORD
    remedy = "Train one with: empathy train two-step."
    if not folder.is_dir():
        raise UserError(
            "checkpoint folder not found", code="checkpoint.not-found", where=str(folder), remedy=remedy
        )
    if not path.is_file():
        entries = ", ".join(sorted(entry.name for entry in folder.iterdir())[:6]) or "an empty folder"
        raise UserError(
            f"folder has no {RECORD}",
            code="checkpoint.no-record",
            where=str(path),
            found=entries,
            remedy=remedy,
        )
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            "cannot parse the checkpoint record",
            code="checkpoint.invalid-record",
            where=str(path),
            found=str(error),
            remedy=remedy,
        ) from error
    if not isinstance(record, dict):
        raise UserError(
            "checkpoint record must be a JSON object",
            code="checkpoint.invalid-record",
            where=str(path),
            found=type(record).__name__,
            remedy=remedy,
        )
    missing = [key for key in KEYS if key not in record]
    if missing:
        raise UserError(
            "checkpoint record lacks required keys",
            code="checkpoint.invalid-record",
            where=str(path),
            found=", ".join(missing),
            remedy=remedy,
        )
    faults = []
    if (record["kind"], record["version"]) != ("empathy-checkpoint", VERSION):
        found = f"kind {record['kind']!r}, version {record['version']!r}"
        faults.append(
            Fault(
                "unsupported kind or version",
                str(path),
                found,
                remedy="Use the version of this program that wrote it, or train it again.",
                code="checkpoint.unsupported-version",
            )
        )
    adapter = folder / ADAPTER
    if not adapter.is_file():
        faults.append(
            Fault(
                "file is missing",
                str(adapter),
                remedy="Copy the complete folder, or train it again.",
                code="checkpoint.adapter-missing",
            )
        )
    elif hash_file(adapter) != record["adapter"]:
        faults.append(
            Fault(
                "file is not the adapter in the record",
                str(adapter),
                "a different SHA-256",
                remedy="Copy the complete folder, or train it again.",
                code="checkpoint.adapter-changed",
            )
        )
    if faults:
        raise UserError(
            "cannot use the checkpoint",
            code="checkpoint.invalid",
            where=str(folder),
            remedy=remedy,
            faults=faults,
        )
    return Checkpoint(folder, record)


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write `checkpoint.json` into `folder` as indented JSON."""
    text = json.dumps(dict(record), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (folder / RECORD).write_text(text, encoding="utf-8")


def check_same_base(checkpoint: Checkpoint, base: Base) -> None:
    """Check that `base` is the base model the adapter was trained on.

    Raises:
        UserError: its weights differ.
    """
    expected = checkpoint.base
    if expected.weights != base.weights:
        raise UserError(
            "base model is not the one the adapter was trained on",
            code="checkpoint.base-mismatch",
            where=f"{checkpoint.path} on {base.name}",
            found=f"weights {base.weights}, revision {base.revision or 'none'}",
            remedy=f"Pass {expected.name} (weights {expected.weights}) with --base.",
        )


def extra_adapter_config_id(checkpoint: Checkpoint) -> str:
    """Return a content id of adapter settings that the record does not hold; "" if there are none.

    An adapter saved again with other tools can have another scale with the same tensors.
    """
    config = load_json_object(checkpoint.path / ADAPTER_CONFIG)
    settings = checkpoint.record.get("settings") or {}
    recorded = {"r": settings.get("rank"), "lora_alpha": settings.get("alpha")}
    neutral: tuple[Any, ...] = (None, False, {}, [])
    extra = {
        key: config[key]
        for key in ADAPTER_CONFIG_KEYS
        if config.get(key) not in (*neutral, recorded.get(key))
    }
    if extra.get("init_lora_weights") is True:
        extra.pop("init_lora_weights")
    return content_id("adapter-config-1", extra) if extra and settings else ""


def check_adapter(folder: Path, base: Path) -> None:
    """Check that every tensor of the adapter in `folder` applies to the base model in `base`.

    Raises:
        UserError: tensors are missing, unexpected or of another shape, or all updates are zero.
    """
    if faults := adapter_faults(folder, base):
        raise UserError(
            "adapter does not fit its base model",
            code="adapter.base-mismatch",
            where=str(folder),
            remedy="Use the base model that it was trained on, or train the adapter again.",
            faults=faults,
        )


def weights_id(folder: Path) -> str:
    """Return the content id of a model folder: its config and the name and SHA-256 of every weight file.

    The files are those that every loader reads (`agents.model_files.weights.weight_files`). A file in the
    Hub's cache is a link to a blob named by its SHA-256. That name is used, so that 16 GB need not be read.

    Raises:
        UserError: loaders would not agree on which files to read; lists every fault.
    """
    hashes = [[file.name, hash_file(file)] for file in weight_files(folder)]
    return content_id("weights-1", [*hashes, [CONFIG, _config_hash(folder / CONFIG)]])


def hash_file(path: Path) -> str:
    """Return `sha256:` and 64 hex digits for a file's content."""
    blob = path.resolve().name if path.is_symlink() else ""
    if _BLOB.fullmatch(blob):
        return f"sha256:{blob}"
    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def git_state(folder: Path | None = None) -> dict[str, Any]:
    """Return commit and dirty flag of the code's git repository; {} outside a repository."""
    repository = folder or Path(__file__).parent

    def run_git(*arguments: str) -> str:
        command = ["git", "-C", str(repository), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        return done.stdout.strip()

    try:
        return {"commit": run_git("rev-parse", "HEAD"), "dirty": bool(run_git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return {}


def _config_hash(path: Path) -> str:
    """Return the content id of a config, independent of key order and of the library version in it."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config.pop("transformers_version", None)
    config.pop("_name_or_path", None)
    return content_id("config-1", config)
