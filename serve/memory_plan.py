"""Memory plan of a vLLM server, computed from the base model's config and the adapters.

    weights      parameters × bytes of the dtype
    KV cache     2 × layers × key-value heads × head size × 2 bytes for every cached token
    adapters     max_loras slots, each as large as an adapter of max_lora_rank on every linear layer
    activations  one pass of max_num_batched_tokens: 6 h + 3 i of every token, in the dtype
    logits       max_num_seqs × vocabulary × 16 bytes: 32 bits, and what sampling sorts besides them
    reserve      context, kernel workspace, captured graphs

LLaMA-3.1-8B: 14.96 GiB of weights and 128 KiB of KV cache per token, exact from the config. Reserve,
activations and logits are assumptions that have not been measured on a GPU. Nothing is started here.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import ceil
from pathlib import Path
from typing import Any, Literal

from typing_extensions import TypedDict

from agents.errors import UserError
from agents.model_files.decoder_config import DecoderConfig, parse_decoder_config
from agents.model_files.weights import quantization_faults
from serve.lora_adapter import LoraAdapter, vllm_rank
from serve.served_model import VLLM_DTYPES, Device, Dtype

GIB = 2**30
MIB = 2**20
RTX_4090_MIB = 24_564
MEMORY_FRACTION = 0.92
BYTES: dict[str, int] = {"bf16": 2, "fp16": 2, "fp32": 4}
BATCHED_TOKENS = 2048
MAX_SEQUENCES = 256
TYPICAL_TOKENS = 768  # of a prompt with its response
DEFAULT_MODEL_LENGTH = 5120  # 1,024 for a prompt and 4,096 for the longest response
MAX_LORAS = 8
BLOCK = 16
FORMATS = {"load_format": "safetensors", "config_format": "hf", "tokenizer_mode": "hf"}  # files vLLM reads
RESERVE = {"cuda": round(1.1 * GIB), "cpu": round(1.0 * GIB)}
CPU_CACHE_GIB = 4
SHORT_LENGTH = 1280  # enough for the preset `cut`


@dataclass(frozen=True, slots=True)
class ServingRequest:
    """Requirements of a server.

    Attributes:
        device: device of the server.
        dtype: dtype of the computation.
        memory_mib: memory of the GPU in MiB, or of the machine on a CPU.
        fraction: share of this memory that the server may use, in (0, 1].
        model_length: maximum tokens of a prompt with its response; None for a length that suits the presets.
        sequences: maximum sequences at once; None for as many as the cache holds, at most 256.
        loras: maximum adapters in one batch; None for as many as there are, at most 8.
        spare_loras: further adapters that may be loaded while the server runs.
        min_rank: rank to reserve for adapters that are loaded later.
    """

    device: Device = "cuda"
    dtype: Dtype = "bf16"
    memory_mib: int = RTX_4090_MIB
    fraction: float = MEMORY_FRACTION
    model_length: int | None = None
    sequences: int | None = None
    loras: int | None = None
    spare_loras: int = 0
    min_rank: int = 0


class ServePlanData(TypedDict):
    """Memory plan of a server, in GiB with two decimals.

    Attributes:
        device, dtype: device, and number format of the weights.
        memory_gib: memory of the device.
        memory_fraction: share of it that the server may use, in (0, 1].
        weights_gib, adapters_gib, activations_gib, logits_gib, reserve_gib, cache_gib: memory by purpose.
        cache_kib_per_token: KV cache of one token, in KiB.
        cache_tokens: tokens that the KV cache holds, for all sequences together.
        max_loras: adapters in one batch.
        max_lora_rank: highest rank of an adapter.
        max_num_seqs: sequences at once.
        max_model_len: tokens of a prompt with its response.
        fits: whether the cache holds at least one sequence of maximum length.
        suggestions: alternatives that would fit, each sufficient alone; [] if the plan fits.
    """

    device: Device
    dtype: Dtype
    memory_gib: float
    memory_fraction: float
    weights_gib: float
    adapters_gib: float
    activations_gib: float
    logits_gib: float
    reserve_gib: float
    cache_gib: float
    cache_kib_per_token: float
    cache_tokens: int
    max_loras: int
    max_lora_rank: int
    max_num_seqs: int
    max_model_len: int
    fits: bool
    suggestions: list[str]


class ServePlanDocument(ServePlanData):
    """Memory plan of a server, and how to start it.

    Attributes:
        command: command line of vLLM; of the first suggestion if the plan does not fit.
        environment: environment variables of that command.
    """

    document: Literal["serve_plan"]
    command: list[str]
    environment: dict[str, str]


@dataclass(frozen=True, slots=True)
class ServePlan:
    """Settings of a server and its memory in bytes.

    Attributes:
        request: the requirements.
        weights, adapters, activations, logits, reserve, cache: memory by purpose, in bytes.
        cache_tokens: tokens that the KV cache holds, for all sequences together.
        cache_per_token: bytes of KV cache per token.
        max_loras: adapters in one batch.
        max_lora_rank: highest rank of an adapter.
        max_cpu_loras: adapters kept in the machine's memory, whether or not they are on the GPU.
        max_num_seqs: sequences at once.
        max_model_len: tokens of a prompt with its response.
        fits: whether the cache holds at least one sequence of maximum length.
        suggestions: alternatives that would fit, each sufficient alone: the fewest changed settings first,
            then more memory; () if the plan fits.
    """

    request: ServingRequest
    weights: int
    adapters: int
    activations: int
    logits: int
    reserve: int
    cache: int
    cache_tokens: int
    cache_per_token: int
    max_loras: int
    max_lora_rank: int
    max_cpu_loras: int
    max_num_seqs: int
    max_model_len: int
    fits: bool
    suggestions: tuple[FittingPlan, ...] = ()

    @property
    def budget(self) -> int:
        """Memory that the server may use, in bytes."""
        return round(self.request.memory_mib * MIB * self.request.fraction)

    @property
    def needed(self) -> int:
        """Memory needed to hold one sequence of maximum length, in bytes."""
        parts = self.weights + self.adapters + self.activations + self.logits + self.reserve
        cache = self.cache_per_token * -(-self.max_model_len // BLOCK) * BLOCK
        return parts + (-(-cache // GIB) * GIB if self.request.device == "cpu" else cache)

    @property
    def batched_tokens(self) -> int:
        """Tokens of one pass; on a CPU, at least a whole prompt."""
        return max(BATCHED_TOKENS, self.max_model_len) if self.request.device == "cpu" else BATCHED_TOKENS

    def to_dict(self) -> ServePlanData:
        """Return the plan for JSON output, memory in GiB with two decimals."""
        return {
            "device": self.request.device,
            "dtype": self.request.dtype,
            "memory_gib": round(self.request.memory_mib * MIB / GIB, 2),
            "memory_fraction": self.request.fraction,
            "weights_gib": round(self.weights / GIB, 2),
            "adapters_gib": round(self.adapters / GIB, 2),
            "activations_gib": round(self.activations / GIB, 2),
            "logits_gib": round(self.logits / GIB, 2),
            "reserve_gib": round(self.reserve / GIB, 2),
            "cache_gib": round(self.cache / GIB, 2),
            "cache_kib_per_token": self.cache_per_token / 1024,
            "cache_tokens": self.cache_tokens,
            "max_loras": self.max_loras,
            "max_lora_rank": self.max_lora_rank,
            "max_num_seqs": self.max_num_seqs,
            "max_model_len": self.max_model_len,
            "fits": self.fits,
            "suggestions": [suggestion.label for suggestion in self.suggestions],
        }

    def arguments(self) -> list[str]:
        """Return the plan's arguments on vLLM's command line."""
        arguments = ["--dtype", VLLM_DTYPES[self.request.dtype], "--max-model-len", str(self.max_model_len)]
        arguments += ["--max-num-seqs", str(self.max_num_seqs)]
        arguments += ["--max-num-batched-tokens", str(self.batched_tokens)]
        # On a CPU the environment sets the cache size; a small share keeps vLLM from taking more.
        fraction = self.request.fraction if self.request.device == "cuda" else 0.1
        arguments += ["--gpu-memory-utilization", f"{fraction:g}"]
        if self.request.device == "cpu":
            # vLLM 0.32's CPU engine crashes on a seeded request whose prompt is read in two parts.
            arguments += ["--enforce-eager", "--no-enable-chunked-prefill"]
        if self.max_loras:
            arguments += ["--enable-lora", "--max-loras", str(self.max_loras)]
            arguments += ["--max-lora-rank", str(self.max_lora_rank)]
            arguments += ["--max-cpu-loras", str(self.max_cpu_loras)]
        return arguments

    def environment(self) -> dict[str, str]:
        """Return the plan's environment variables for vLLM."""
        if self.request.device == "cuda":
            return {}
        return {"VLLM_CPU_KVCACHE_SPACE": str(max(1, self.cache // GIB))}


@dataclass(frozen=True, slots=True)
class FittingPlan:
    """Alternative that fits: a label with the flags to pass or the memory needed, and the resulting plan."""

    label: str
    plan: ServePlan


def plan_memory(
    config: Mapping[str, Any], adapters: Sequence[LoraAdapter], request: ServingRequest | None = None
) -> ServePlan:
    """Return the plan for serving a base model with these adapters, with suggestions if it does not fit.

    Args:
        config: config.json of the base model.

    Raises:
        UserError: the base model is quantized or of an unknown type, or the length exceeds its context.
    """
    request = request or ServingRequest()
    for fault in quantization_faults(config, "config.json"):
        raise UserError(
            fault.what,
            code="base-model.quantised",
            where=fault.where,
            found=fault.found,
            remedy=fault.remedy,
        )
    shape = parse_decoder_config(config, "Start vLLM yourself and pass its address with --url.")
    context = shape.context or DEFAULT_MODEL_LENGTH
    if request.model_length is not None and request.model_length > context:
        raise UserError(
            "length exceeds the base model's context",
            code="server.length-over-context",
            where="--max-model-len",
            found=f"{request.model_length} tokens",
            remedy=f"Pass at most {context}.",
        )
    plan = _plan(shape, adapters, request)
    return plan if plan.fits else replace(plan, suggestions=_suggest_plans(shape, adapters, request))


def vllm_command(plan: ServePlan, model: Path | str, name: str, host: str, port: int) -> list[str]:
    """Return the command that starts vLLM's server.

    Keys go into the environment, never onto the command line. The command does not need the `vllm` script.

    Args:
        model: folder of the model.
        name: name of the model in requests.
    """
    return [
        sys.executable,
        "-m",
        "vllm.entrypoints.openai.api_server",
        *("--model", str(model), "--served-model-name", name, "--host", host, "--port", str(port)),
        # Every sampling value comes with the request; the model's own generation config is ignored.
        *("--generation-config", "vllm"),
        # A repository may hold weights, config and tokenizer a second time in Mistral's own format.
        *(word for name, value in FORMATS.items() for word in (f"--{name.replace('_', '-')}", value)),
        *plan.arguments(),
    ]


def lora_module_arguments(adapters: Sequence[LoraAdapter]) -> list[str]:
    """Return the arguments that load adapters, on the server's command line."""
    if not adapters:
        return []
    return ["--lora-modules", *(f"{adapter.name}={adapter.folder.resolve()}" for adapter in adapters)]


def _plan(shape: DecoderConfig, adapters: Sequence[LoraAdapter], request: ServingRequest) -> ServePlan:
    width = BYTES[request.dtype]
    rank = max([request.min_rank, *(adapter.rank for adapter in adapters)])
    count = len(adapters) + request.spare_loras
    loras = min(count, MAX_LORAS) if request.loras is None else request.loras
    rank = vllm_rank(max(rank, 1)) if loras else 0
    length = min(request.model_length or DEFAULT_MODEL_LENGTH, shape.context or DEFAULT_MODEL_LENGTH)
    per_token = shape.kv_cache_bytes(width)
    weights = shape.parameters * width
    slots = loras * shape.lora_parameters(rank) * width
    activations = BATCHED_TOKENS * (6 * shape.hidden + 3 * shape.intermediate) * width
    logits = (request.sequences or MAX_SEQUENCES) * shape.vocabulary * 16
    reserve = RESERVE[request.device]
    budget = round(request.memory_mib * MIB * request.fraction)
    cache = max(0, budget - weights - slots - activations - logits - reserve)
    if request.device == "cpu":
        cache = min(cache // GIB, CPU_CACHE_GIB) * GIB
    tokens = cache // (per_token * BLOCK) * BLOCK
    sequences = request.sequences or max(
        1, min(MAX_SEQUENCES, tokens // min(length, TYPICAL_TOKENS) // 8 * 8)
    )
    return ServePlan(
        request,
        weights,
        slots,
        activations,
        logits,
        reserve,
        cache,
        tokens,
        per_token,
        loras,
        rank,
        max(count, loras) + MAX_LORAS,
        sequences,
        length,
        tokens >= length,
    )


def _suggest_plans(
    shape: DecoderConfig, adapters: Sequence[LoraAdapter], request: ServingRequest
) -> tuple[FittingPlan, ...]:
    """Return the smallest set of changed settings that fits, if any, and the memory that would suffice.

    Settings with the least effect on the user are tried first.
    """
    short = min(SHORT_LENGTH, shape.context or SHORT_LENGTH)
    candidates: list[tuple[str, dict[str, Any]]] = [
        ("--max-num-seqs 64", {"sequences": 64}),
        (f"--max-model-len {short}", {"model_length": short}),
        ("--max-loras 1", {"loras": 1} if adapters or request.spare_loras else {}),
        ("--dtype bf16", {"dtype": "bf16"} if request.dtype == "fp32" else {}),
    ]
    candidates = [
        (flags, change) for flags, change in candidates if change and replace(request, **change) != request
    ]

    def plan_with(settings: Sequence[tuple[str, dict[str, Any]]]) -> ServePlan:
        changes = {name: value for _, change in settings for name, value in change.items()}
        return _plan(shape, adapters, replace(request, **changes))

    suggestions = []
    for count in range(1, len(candidates) + 1):
        fitting = [settings for settings in combinations(candidates, count) if plan_with(settings).fits]
        if fitting:
            label = " ".join(flags for flags, _ in fitting[0])
            suggestions = [FittingPlan(label, plan_with(fitting[0]))]
            break
    mib = -(-ceil(_plan(shape, adapters, request).needed / request.fraction) // MIB) + 1
    larger = _plan(shape, adapters, replace(request, memory_mib=mib))
    return (*suggestions, FittingPlan(f"{mib / 1024:.1f} GiB of memory", larger))
