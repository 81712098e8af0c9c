"""What an adapter's folder says of itself, read without torch: rank, layers, size, and whether it holds NaN.

Knows nothing of how an adapter was trained.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from hashlib import file_digest, sha256
from pathlib import Path

from agents.errors import Fault, UserError
from agents.tensors import bad_tensors
from serve.presets import read_json

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # what vLLM's --max-lora-rank takes


@dataclass(frozen=True, slots=True)
class Adapter:
    """One LoRA adapter.

    Attributes:
        name: the author it is, `student:NAME`.
        folder: where it lies.
        rank: the highest of its layers', ≥ 1.
        bytes: of its weights.
    """

    name: str
    folder: Path
    rank: int
    bytes: int


def read_adapter(name: str, folder: Path, *, beside: bool = True) -> Adapter:
    """The adapter in `folder`, its weights read through.

    Args:
        beside: whether vLLM is to serve it beside its base; not where it is merged, or peft loads it.

    Raises:
        UserError: it is none, vLLM cannot serve it, or a weight is not a number; every fault at once.
    """
    weights, config = folder / WEIGHTS, read_json(folder / CONFIG)
    if not config or not weights.is_file():
        missing = CONFIG if not config else WEIGHTS
        raise UserError("this is no adapter's folder", where=str(folder), found=f"no {missing}")
    faults = []
    ranks = [config.get("r"), *(config.get("rank_pattern") or {}).values()]
    if not all(isinstance(rank, int) and rank >= 1 for rank in ranks):
        faults.append(Fault("the rank is none", str(folder / CONFIG), repr(config.get("r"))))
        ranks = [1]
    if beside and max(ranks) > RANKS[-1]:
        remedy = f"vLLM serves ranks up to {RANKS[-1]}: merge it instead (--merged)."
        faults.append(
            Fault("the rank is too high to be served", str(folder / CONFIG), f"{max(ranks)}", remedy)
        )
    if beside and config.get("use_dora"):
        faults.append(Fault("DoRA cannot be served beside a base", str(folder), remedy="Use --merged."))
    if beside and config.get("modules_to_save"):
        found = ", ".join(config["modules_to_save"])
        remedy = "Use --merged."
        faults.append(
            Fault("whole layers are in the adapter; it cannot stand beside a base", "", found, remedy)
        )
    faults += [
        Fault("holds weights that are not numbers", f"{weights}: {tensor}", remedy="Train it again.")
        for tensor in bad_tensors(weights)[:3]
    ]
    if faults:
        raise UserError(f"{name} cannot be served", where=str(folder), faults=faults)
    return Adapter(name, folder, max(ranks), weights.stat().st_size)


def shelved(adapter: Adapter, shelf: Path) -> Adapter:
    """The same adapter at a path that says its content: hard links where that can be, else a copy."""
    digest = sha256()
    for name in (CONFIG, WEIGHTS):
        with (adapter.folder / name).open("rb") as file:
            digest.update(file_digest(file, "sha256").digest())
    folder = shelf / digest.hexdigest()[:20]
    if not folder.is_dir():
        shelf.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".", dir=shelf))
        for name in (CONFIG, WEIGHTS):
            try:
                (unfinished / name).hardlink_to((adapter.folder / name).resolve())
            except OSError:  # another file system
                shutil.copyfile(adapter.folder / name, unfinished / name)
        try:
            unfinished.rename(folder)
        except OSError:  # somebody else was quicker
            shutil.rmtree(unfinished)
    return replace(adapter, folder=folder)


def vllm_rank(rank: int) -> int:
    """The least rank that vLLM can be told and that holds this one (1 ≤ rank ≤ 512)."""
    return next(each for each in RANKS if each >= rank)
