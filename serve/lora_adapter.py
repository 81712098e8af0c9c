"""What an adapter's folder says of itself, read without torch: rank, layers, size, and whether it holds NaN.

Knows nothing of how an adapter was trained.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, Literal

from agents.errors import Fault, UserError
from agents.model_files.lora import CONFIG, WEIGHTS, adapter_faults
from agents.model_files.safetensors_format import nonfinite_tensors
from serve.sampling_presets import read_json

# Starts of an adapter that leave the base as it is (vLLM 0.32, lora/peft_helper.py); the others do not.
BASE_PRESERVING_INITS = ("gaussian", "eva", "orthogonal", "mica", "lora_ga", "true")
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # what vLLM's --max-lora-rank takes


@dataclass(frozen=True, slots=True)
class LoraAdapter:
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


EngineName = Literal["vllm", "peft"]


def read_adapter(
    name: str, folder: Path, base: Path | None = None, *, shared: bool = True, engine: EngineName = "vllm"
) -> LoraAdapter:
    """The adapter in `folder`, its weights read through.

    Args:
        base: the folder of the base that it must stand on whole; None where that is not at hand.
        shared: whether it is to stand beside its base and others; not where it is merged, or alone.
        engine: what it would stand there in.

    Raises:
        UserError: it is none, it does not land on its base, vLLM cannot serve it, or a weight is not a
            number; every fault at once.
    """
    weights, config = folder / WEIGHTS, read_json(folder / CONFIG)
    if not config or not weights.is_file():
        missing = CONFIG if not config else WEIGHTS
        raise UserError("this is no adapter's folder", where=str(folder), found=f"no {missing}")
    faults = [
        Fault("holds weights that are not numbers", f"{weights}: {tensor}", remedy="Train it again.")
        for tensor in nonfinite_tensors(weights)[:3]
    ]
    faults += adapter_faults(folder, base)
    if shared:
        faults += shared_serving_faults(config, str(folder / CONFIG), engine)
    if faults:
        raise UserError(f"{name} cannot be served", where=str(folder), faults=faults)
    return LoraAdapter(name, folder, max(_ranks(config)), weights.stat().st_size)


def shared_serving_faults(config: Mapping[str, Any], where: str, engine: EngineName = "vllm") -> list[Fault]:
    """What of an adapter cannot stand beside its base and other students.

    vLLM 0.32 refuses it, or would not do it as peft does; in peft a start that changes the base's weights
    changes what the base and the others say.
    """
    init = config.get("init_lora_weights", True)
    changes = isinstance(init, str) and init.lower() not in BASE_PRESERVING_INITS
    parts = {"a start that changes the base's weights": f"init_lora_weights {init!r}" if changes else ""}
    if engine == "vllm":
        parts |= _not_in_vllm(config)
    what = "this cannot be served beside a base"
    remedy = "Merge it into its base: --merged; or ask it alone: --with transformers."
    return [Fault(f"{what}: {part}", where, found, remedy) for part, found in parts.items() if found]


def _not_in_vllm(config: Mapping[str, Any]) -> dict[str, str]:
    """What vLLM 0.32 does not do → what of this config asks for it; "" for nothing."""
    targets, rank = config.get("target_modules"), max(_ranks(config), default=1)
    ends = [str(name) for name in targets if _is_end(str(name))] if isinstance(targets, list) else []
    return {
        f"a rank over {RANKS[-1]}": str(rank) if rank > RANKS[-1] else "",
        "DoRA": "use_dora" if config.get("use_dora") else "",
        "a bias of the adapter's own": "lora_bias" if config.get("lora_bias") else "",
        "biases of the base": "" if config.get("bias", "none") == "none" else f"bias {config['bias']!r}",
        "whole layers": ", ".join(map(str, config.get("modules_to_save") or ())),
        "trained tokens": "trainable_token_indices" if config.get("trainable_token_indices") else "",
        "embeddings or head": ", ".join(ends),
    }


def cache_adapter(adapter: LoraAdapter, cache_dir: Path) -> LoraAdapter:
    """The same adapter at a path that says its content: hard links where that can be, else a copy."""
    digest = sha256()
    for name in (CONFIG, WEIGHTS):
        with (adapter.folder / name).open("rb") as file:
            digest.update(file_digest(file, "sha256").digest())
    folder = cache_dir / digest.hexdigest()[:20]
    if not folder.is_dir():
        cache_dir.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".", dir=cache_dir))
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


def _ranks(config: Mapping[str, Any]) -> list[int]:
    ranks = (config.get("r"), *(config.get("rank_pattern") or {}).values())
    return [rank for rank in ranks if isinstance(rank, int) and not isinstance(rank, bool)]


def _is_end(name: str) -> bool:
    return name.rpartition(".")[2] in ("lm_head", "embed_tokens", "wte", "embed_in", "embed_out")
