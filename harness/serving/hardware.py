"""Hardware of this machine: GPU and memory, and whether the models to serve fit.

`serve.memory_plan` does the arithmetic.
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
    """Return the resources that a server may use on this machine.

    Args:
        device: "cuda" or "cpu".
        dtype: dtype of the computation.
        memory_mib: memory of the GPU or machine in MiB; None to detect it.
        fraction: share of the memory to use, in (0, 1]; None for the default.
        more: further fields of `ServingRequest`.
    """
    if device == "cpu":
        memory_mib = memory_mib or available_memory_mib()
        fraction = fraction or CPU_FRACTION
    return ServingRequest(
        device, dtype, memory_mib or gpu_memory_mib() or RTX_4090_MIB, fraction or MEMORY_FRACTION, **more
    )


def plan_serving(folder: Path, adapters: Sequence[LoraAdapter], request: ServingRequest) -> ServePlan:
    """Plan the memory of a server.

    Raises:
        UserError: the models do not fit; the remedy names settings that do.
    """
    plan = plan_memory(read_json(folder / "config.json"), adapters, request)
    if not plan.fits:
        summary = plan.to_dict()
        raise UserError(
            "not enough memory to serve these models",
            code="hardware.out-of-memory",
            found=f"{summary['weights_gib']} GiB of weights leave {summary['cache_tokens']} tokens of KV "
            f"cache in {summary['memory_gib']} GiB × {summary['memory_fraction']:g}; required: "
            f"{summary['max_model_len']} tokens",
            remedy=f"These fit: {describe_fitting_plans(plan)}.",
        )
    return plan


def describe_fitting_plans(plan: ServePlan) -> str:
    """Return settings that fit as text: `--max-loras 1, or 18.1 GiB of memory, or a smaller base`."""
    return ", or ".join([*(suggestion.label for suggestion in plan.suggestions), "a smaller base"])


def default_device() -> Device:
    """Return "cuda" if there is a GPU, else "cpu"."""
    return "cuda" if gpu_memory_mib() else "cpu"


def gpu_memory_mib() -> int:
    """Return the total memory of the first GPU in MiB; 0 without a GPU."""
    if shutil.which("nvidia-smi") is None:
        return 0
    query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        output = subprocess.run(query, capture_output=True, text=True, check=True, timeout=20).stdout
        return int(output.split()[0])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return 0


def available_memory_mib() -> int:
    """Return the available memory of the machine in MiB."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) // 1024
    except OSError:
        pass
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20)
