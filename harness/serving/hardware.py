"""What this machine has, and whether what is to be served fits: the card, the memory, the plan.

Asks the machine; starts nothing. The arithmetic is `serve/memory_plan.py`'s.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents.errors import UserError
from serve.lora_adapter import LoraAdapter
from serve.memory_plan import MEMORY_FRACTION, RTX_4090_MIB, ServePlan, ServingRequest, plan_memory
from serve.sampling_presets import read_json
from serve.served_model import Device, Dtype

CPU_FRACTION = 0.6


def serving_request(
    device: Device, dtype: Dtype, memory_mib: int | None, fraction: float | None, **more: Any
) -> ServingRequest:
    """What a server may take here.

    Args:
        memory_mib, fraction: of the card or the machine; None for what there is, and the usual share.
        more: what else is wanted, as `ServingRequest` names it.
    """
    if device == "cpu":
        memory_mib = memory_mib or available_memory_mib()
        fraction = fraction or CPU_FRACTION
    return ServingRequest(
        device, dtype, memory_mib or gpu_memory_mib() or RTX_4090_MIB, fraction or MEMORY_FRACTION, **more
    )


def plan_serving(folder: Path, adapters: Sequence[LoraAdapter], asked: ServingRequest) -> ServePlan:
    """The plan, which must fit.

    Raises:
        UserError: it does not; it names what would.
    """
    made = plan_memory(read_json(folder / "config.json"), adapters, asked)
    if not made.fits:
        told = made.to_dict()
        raise UserError(
            "not enough memory to serve these models",
            code="hardware.out-of-memory",
            found=f"{told['weights_gib']} GiB of weights, {told['cache_tokens']} tokens of KV cache left of "
            f"{told['memory_gib']} GiB × {told['memory_fraction']:g}; {told['max_model_len']} are needed",
            remedy=f"These fit: {describe_fitting_plans(made)}.",
        )
    return made


def describe_fitting_plans(made: ServePlan) -> str:
    """What would fit in words: `--max-loras 1, or 18.1 GiB of memory, or a smaller base`."""
    return ", or ".join([*(way.label for way in made.suggestions), "a smaller base"])


def default_device() -> Device:
    """ "cuda" where there is a card."""
    return "cuda" if gpu_memory_mib() else "cpu"


def gpu_memory_mib() -> int:
    """The whole memory of the first card; 0 where there is none."""
    if shutil.which("nvidia-smi") is None:
        return 0
    query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, check=True, timeout=20).stdout
        return int(said.split()[0])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return 0


def available_memory_mib() -> int:
    """The machine's memory that is free or can be."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) // 1024
    except OSError:
        pass
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20)
