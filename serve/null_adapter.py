"""Adapter of zeros that stands in for the base model when it is served with students on a CPU.

vLLM 0.32's CPU kernels apply the adapter of the last slot to a request without an adapter if it is batched
with students (vLLM's pull request 48421). The base model would silently answer as one of its students. With
an adapter that adds nothing it answers as it does alone. The GPU kernels do not need this.
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

LAYER = "q_proj"  # one layer suffices: layers that an adapter does not name are unchanged
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
    """Return the served name of the base model and the adapters to load; `name` then gives base responses.

    On a GPU, or without adapters, the arguments are returned unchanged.

    Args:
        base: folder of the base model.
        name: name that requests use for the base model.
        adapters: adapters of the students.
        device: device of the engine.
        cache_dir: folder in which the null adapter is kept.
        loads_later: whether adapters may be loaded while the engine runs.
    """
    if device != "cpu" or not (adapters or loads_later):
        return name, list(adapters)
    return name + NULL_ADAPTER_SUFFIX, [null_adapter(base, name, cache_dir), *adapters]


def null_adapter(base: Path, name: str, cache_dir: Path) -> LoraAdapter:
    """Create an adapter of this base model that changes nothing, under the given name."""
    shape = parse_decoder_config(read_json(base / "config.json"))
    inputs, outputs = shape.linear()[LAYER]
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": 1,
        "lora_alpha": 1,
        "target_modules": [LAYER],
        "bias": "none",
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / CONFIG).write_text(json.dumps(config))
        layer = f"base_model.model.model.layers.0.self_attn.{LAYER}"
        write_zeros(
            folder / WEIGHTS, {f"{layer}.lora_A.weight": (1, inputs), f"{layer}.lora_B.weight": (outputs, 1)}
        )
        size = (folder / WEIGHTS).stat().st_size
        return cache_adapter(LoraAdapter(name, folder, 1, size), cache_dir)


def write_zeros(path: Path, shapes: dict[str, tuple[int, int]]) -> None:
    """Write a safetensors file of 32-bit zeros with these shapes."""
    header, begin = {}, 0
    for name, shape in shapes.items():
        end = begin + 4 * shape[0] * shape[1]
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [begin, end]}
        begin = end
    header_bytes = json.dumps(header).encode()
    header_bytes += b" " * (-len(header_bytes) % 8)
    path.write_bytes(struct.pack("<Q", len(header_bytes)) + header_bytes + bytes(begin))
