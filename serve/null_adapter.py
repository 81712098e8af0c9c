"""An adapter of zeros, by which a base stands beside its students on a CPU.

vLLM 0.32's CPU kernels give a request without an adapter, in a batch with students, the adapter of the last
slot (vLLM's pull request 48421): a base would answer as one of its students, and nobody would be told. Asked
through an adapter that adds nothing it answers as it does alone. A card's kernels need none.
"""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path

from agents.model_files.decoder_config import parse_decoder_config
from agents.model_files.lora import CONFIG, WEIGHTS
from serve.lora_adapter import LoraAdapter, cache_adapter
from serve.sampling_presets import read_json
from serve.served_model import Device

LAYER = "q_proj"  # one is enough: what an adapter does not name stays as it is
NULL_ADAPTER_SUFFIX = "/itself"


def with_null_adapter(
    base: Path,
    name: str,
    adapters: Sequence[LoraAdapter],
    device: Device,
    cache_dir: Path,
    *,
    loads_later: bool = False,
) -> tuple[str, list[LoraAdapter]]:
    """What an engine serves the base as, and with which adapters, so that `name` is the base on any device.

    Args:
        base: the base's folder.
        name: what it is asked as.
        shelf: where such an adapter is kept.
        loads_later: whether students may be loaded later.
    """
    if device != "cpu" or not (adapters or loads_later):
        return name, list(adapters)
    return name + NULL_ADAPTER_SUFFIX, [null_adapter(base, name, cache_dir), *adapters]


def null_adapter(base: Path, name: str, cache_dir: Path) -> LoraAdapter:
    """An adapter of this base that changes nothing, called `name`."""
    shape = parse_decoder_config(read_json(base / "config.json"))
    into, out = shape.linear()[LAYER]
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": 1,
        "lora_alpha": 1,
        "target_modules": [LAYER],
        "bias": "none",
    }
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / CONFIG).write_text(json.dumps(config))
        layer = f"base_model.model.model.layers.0.self_attn.{LAYER}"
        write_zeros(
            folder / WEIGHTS, {f"{layer}.lora_A.weight": (1, into), f"{layer}.lora_B.weight": (out, 1)}
        )
        size = (folder / WEIGHTS).stat().st_size
        return cache_adapter(LoraAdapter(name, folder, 1, size), cache_dir)


def write_zeros(path: Path, shapes: dict[str, tuple[int, int]]) -> None:
    """A safetensors file of 32-bit zeros."""
    header, at = {}, 0
    for name, shape in shapes.items():
        end = at + 4 * shape[0] * shape[1]
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, end]}
        at = end
    told = json.dumps(header).encode()
    told += b" " * (-len(told) % 8)
    path.write_bytes(struct.pack("<Q", len(told)) + told + bytes(at))
