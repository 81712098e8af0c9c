"""A checkpoint explains itself: `checkpoint.json` beside the adapter, from which it could be rebuilt.

    DIR/adapter_model.safetensors, adapter_config.json     the LoRA adapter
    DIR/tokenizer.json, …                                  its tokenizer
    DIR/checkpoint.json                                    base, data, settings, versions, losses, parent
    DIR/README.md, metrics.jsonl, losses.png               model card, every step's metrics, the loss curves

Reads and writes that record and hashes weights by content. Imports no heavy library, so that whoever only
needs to know what a folder holds can ask here.
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
# What of an adapter's config decides how its tensors count, beside the layers that they name.
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
    """A base model by content: what it is called, which commit of it, and the hash of its weights."""

    name: str
    revision: str
    weights: str

    def to_dict(self) -> dict[str, str]:
        """As it stands in a record."""
        return {"name": self.name, "revision": self.revision, "weights": self.weights}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint's folder as read; `record` is the whole of `checkpoint.json`."""

    path: Path
    record: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What it is called: `student:NAME`."""
        return str(self.record["name"])

    @property
    def stage(self) -> Literal["sft", "dpo"]:
        """The last training it had."""
        return "sft" if self.record["stage"] == "sft" else "dpo"

    @property
    def base(self) -> Base:
        """What the adapter belongs to."""
        return Base(**self.record["base"])

    @property
    def base_location(self) -> str:
        """Where the base is, from any working folder: a folder's path, or a model's name on the Hub.

        A folder is looked for where it lay as seen from this one, then under its name from here on upwards;
        what is found may be another base, which its hash tells.
        """
        name, near = self.base.name, str(self.record.get("base_from_here") or "")
        places = [self.path / near] if near else []
        if self.base.revision == "":
            places += [Path(name), *(above / name for above in self.path.resolve().parents)]
        return next((str(place) for place in places if (place / CONFIG).is_file()), name)

    @property
    def form(self) -> PromptStyle:
        """The form in which it was trained and must be asked."""
        return PromptStyle(self.record["form"])

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """Every optimiser step, read from the folder; [] where its file is not there."""
        return read_metrics(self.path / METRICS)

    @property
    def id(self) -> str:
        """Content id: base weights, adapter, rendering and form; not where it lies or when it was made."""
        told = [self.record[key] for key in ("adapter", "rendering", "form")]
        return content_id("checkpoint-1", [self.record["base"]["weights"], *told])


def read_checkpoint(folder: Path) -> Checkpoint:
    """The checkpoint in `folder`, its adapter's hash checked.

    Raises:
        UserError: it is not a checkpoint, or not whole; every fault at once.
    """
    path = folder / RECORD
    remedy = "Make one with: empathy train two-step."
    if not folder.is_dir():
        raise UserError("there is no such folder", where=str(folder), remedy=remedy)
    if not path.is_file():
        found = ", ".join(sorted(entry.name for entry in folder.iterdir())[:6]) or "an empty folder"
        raise UserError("this is not a checkpoint's folder", where=str(path), found=found, remedy=remedy)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError("the record cannot be read", where=str(path), found=str(error)) from error
    if not isinstance(record, dict):
        raise UserError("the record must be an object", where=str(path), found=type(record).__name__)
    missing = [key for key in KEYS if key not in record]
    if missing:
        raise UserError("the record lacks keys", where=str(path), found=", ".join(missing), remedy=remedy)
    faults = []
    if (record["kind"], record["version"]) != ("empathy-checkpoint", VERSION):
        found = f"kind {record['kind']!r}, version {record['version']!r}"
        faults.append(Fault("is another kind of record", str(path), found))
    adapter = folder / ADAPTER
    if not adapter.is_file():
        faults.append(Fault("is missing", str(adapter)))
    elif hash_file(adapter) != record["adapter"]:
        faults.append(Fault("is not the adapter that the record describes", str(adapter), "another SHA-256"))
    if faults:
        raise UserError("the checkpoint cannot be used", where=str(folder), remedy=remedy, faults=faults)
    return Checkpoint(folder, record)


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write `checkpoint.json`, readable by people and by machines."""
    text = json.dumps(dict(record), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (folder / RECORD).write_text(text, encoding="utf-8")


def check_same_base(checkpoint: Checkpoint, found: Base) -> None:
    """Make sure that this is the base that the adapter was trained on.

    Raises:
        UserError: its weights are other ones.
    """
    wanted = checkpoint.base
    if wanted.weights != found.weights:
        raise UserError(
            "the base does not match the adapter",
            where=f"{checkpoint.path} on {found.name}",
            found=f"weights {found.weights}, revision {found.revision or 'none'}",
            remedy=f"It was trained on {wanted.name}, weights {wanted.weights}: name that with --base.",
        )


def extra_adapter_config_id(made: Checkpoint) -> str:
    """Content id of what the adapter's config says and the record's settings do not; "" where they agree.

    An adapter that was saved anew by other means may have another scale with the same tensors.
    """
    config = load_json_object(made.path / ADAPTER_CONFIG)
    settings = made.record.get("settings") or {}
    plain = {"r": settings.get("rank"), "lora_alpha": settings.get("alpha")}
    usual: tuple[Any, ...] = (None, False, {}, [])
    beyond = {
        key: config[key] for key in ADAPTER_CONFIG_KEYS if config.get(key) not in (*usual, plain.get(key))
    }
    if beyond.get("init_lora_weights") is True:
        beyond.pop("init_lora_weights")
    return content_id("adapter-config-1", beyond) if beyond and settings else ""


def check_adapter(folder: Path, base: Path) -> None:
    """Make sure that the adapter in `folder` lands whole on the base in `base`.

    Raises:
        UserError: tensors are missing, not asked for or of another shape, or all updates are zero.
    """
    if faults := adapter_faults(folder, base):
        raise UserError("the adapter does not land on its base", where=str(folder), faults=faults)


def weights_id(folder: Path) -> str:
    """Content id of a model's folder: its config and every file of its weights, by name and SHA-256.

    The files are those that every loader reads (`agents.model_files.weights.weight_files`). A file in the Hub's cache is
    a link to a blob that is named by its SHA-256; that name is used, so that 16 GB need not be read again.

    Raises:
        UserError: the folder is no base that every loader reads alike; every fault at once.
    """
    hashes = [[file.name, hash_file(file)] for file in weight_files(folder)]
    return content_id("weights-1", [*hashes, [CONFIG, _config_hash(folder / CONFIG)]])


def hash_file(path: Path) -> str:
    """`sha256:` and 64 hex digits of a file's content."""
    blob = path.resolve().name if path.is_symlink() else ""
    if _BLOB.fullmatch(blob):
        return f"sha256:{blob}"
    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def git_state(folder: Path | None = None) -> dict[str, Any]:
    """Commit and dirtiness of the code, `{}` where it is no git repository."""
    where = folder or Path(__file__).parent

    def said(*arguments: str) -> str:
        command = ["git", "-C", str(where), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        return done.stdout.strip()

    try:
        return {"commit": said("rev-parse", "HEAD"), "dirty": bool(said("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return {}


def _config_hash(path: Path) -> str:
    """Of what the config says: the library's version in it and the order of its keys do not count."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config.pop("transformers_version", None)
    config.pop("_name_or_path", None)
    return content_id("config-1", config)
