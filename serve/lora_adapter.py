"""Inspection of LoRA adapter folders without torch: rank, size, invalid weights, and support by an engine."""

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

# Initializations that leave the base weights unchanged (vLLM 0.32, lora/peft_helper.py); others change them.
BASE_PRESERVING_INITS = ("gaussian", "eva", "orthogonal", "mica", "lora_ga", "true")
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # values that vLLM's --max-lora-rank accepts


@dataclass(frozen=True, slots=True)
class LoraAdapter:
    """LoRA adapter in a local folder.

    Attributes:
        name: name of the author, `student:NAME`.
        folder: folder with config and weights.
        rank: highest rank of its layers, ≥ 1.
        bytes: size of its weights file.
    """

    name: str
    folder: Path
    rank: int
    bytes: int


EngineName = Literal["vllm", "peft"]


def read_adapter(
    name: str, folder: Path, base: Path | None = None, *, shared: bool = True, engine: EngineName = "vllm"
) -> LoraAdapter:
    """Return the adapter in `folder` after checking its config and weights.

    Args:
        name: name of the author, `student:NAME`.
        base: folder of the base model, to check that the adapter fits; None if it is not available.
        shared: whether one engine serves the adapter together with its base model and other adapters; False
            if it is merged or served alone.
        engine: engine that serves it.

    Raises:
        UserError: the folder holds no adapter, the adapter does not fit its base model, the engine does not
            support it, or a weight is not finite; lists every fault.
    """
    weights, config = folder / WEIGHTS, read_json(folder / CONFIG)
    if not config or not weights.is_file():
        missing = CONFIG if not config else WEIGHTS
        raise UserError(
            "folder holds no LoRA adapter",
            code="adapter.not-found",
            where=str(folder),
            found=f"no {missing}",
            remedy=f"Pass a folder with {CONFIG} and {WEIGHTS}.",
        )
    faults = [
        Fault(
            "weights are not finite",
            f"{weights}: {tensor}",
            remedy="Train the adapter again.",
            code="adapter.non-finite-weights",
        )
        for tensor in nonfinite_tensors(weights)[:3]
    ]
    faults += adapter_faults(folder, base)
    if shared:
        faults += shared_serving_faults(config, str(folder / CONFIG), engine)
    if faults:
        raise UserError(
            f"cannot serve {name}",
            code="adapter.not-servable",
            where=str(folder),
            remedy="Correct the faults listed below.",
            faults=faults,
        )
    return LoraAdapter(name, folder, max(_layer_ranks(config)), weights.stat().st_size)


def shared_serving_faults(config: Mapping[str, Any], where: str, engine: EngineName = "vllm") -> list[Fault]:
    """Return faults of an adapter that cannot be served together with its base model and other adapters.

    vLLM 0.32 rejects some adapters and handles others differently from peft. In peft, an initialization that
    changes the base weights changes the responses of the base model and of the other adapters.
    """
    init = config.get("init_lora_weights", True)
    changes_base = isinstance(init, str) and init.lower() not in BASE_PRESERVING_INITS
    features = {
        "an initialization that changes the base weights": f"init_lora_weights {init!r}"
        if changes_base
        else ""
    }
    if engine == "vllm":
        features |= _unsupported_by_vllm(config)
    return [
        Fault(
            f"{engine} cannot serve this adapter together with its base model: {feature}",
            where,
            value,
            remedy="Merge it with --merged, or serve it alone with --backend transformers.",
            code="adapter.unsupported-feature",
        )
        for feature, value in features.items()
        if value
    ]


def _unsupported_by_vllm(config: Mapping[str, Any]) -> dict[str, str]:
    """Return each feature that vLLM 0.32 lacks with the value in this config that needs it, or ""."""
    targets, rank = config.get("target_modules"), max(_layer_ranks(config), default=1)
    names = [str(name) for name in targets] if isinstance(targets, list) else []
    embeddings = [name for name in names if _is_embedding_or_head(name)]
    return {
        f"a rank over {RANKS[-1]}": str(rank) if rank > RANKS[-1] else "",
        "DoRA": "use_dora" if config.get("use_dora") else "",
        "a bias in the adapter": "lora_bias" if config.get("lora_bias") else "",
        "a trained bias of the base model": ""
        if config.get("bias", "none") == "none"
        else f"bias {config['bias']!r}",
        "fully trained layers": ", ".join(map(str, config.get("modules_to_save") or ())),
        "trained tokens": "trainable_token_indices" if config.get("trainable_token_indices") else "",
        "adapted embeddings or head": ", ".join(embeddings),
    }


def cache_adapter(adapter: LoraAdapter, cache_dir: Path) -> LoraAdapter:
    """Return the same adapter at a path named by its content; use hard links if possible, else copy."""
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
        except OSError:  # another process created it first
            shutil.rmtree(unfinished)
    return replace(adapter, folder=folder)


def vllm_rank(rank: int) -> int:
    """Return the lowest rank accepted by vLLM that is at least `rank` (1 ≤ rank ≤ 512)."""
    return next(accepted for accepted in RANKS if accepted >= rank)


def _layer_ranks(config: Mapping[str, Any]) -> list[int]:
    ranks = (config.get("r"), *(config.get("rank_pattern") or {}).values())
    return [rank for rank in ranks if isinstance(rank, int) and not isinstance(rank, bool)]


def _is_embedding_or_head(name: str) -> bool:
    return name.rpartition(".")[2] in ("lm_head", "embed_tokens", "wte", "embed_in", "embed_out")
