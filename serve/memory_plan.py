"""What fits on a card, before anything is started: arithmetic on the base's config and the adapters, in GiB.

    weights      parameters × bytes of the dtype
    KV cache     2 × layers × key-value heads × head size × 2 bytes for every token that is held
    adapters     max_loras slots, each as large as an adapter of max_lora_rank on every linear layer
    activations  one pass of max_num_batched_tokens: 6 h + 3 i of every token, in the dtype
    logits       max_num_seqs × vocabulary × 16 bytes: 32 bits, and what sampling sorts beside them
    reserve      context, kernels' workspace, captured graphs

LLaMA-3.1-8B: 14.96 GiB of weights and 128 KiB of KV cache a token, exact from the config alone. What has not
been measured on a card: reserve, activations and logits are assumptions. Starts nothing, knows no author.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import ceil
from pathlib import Path
from typing import Any

from agents.errors import UserError
from agents.model_files.decoder_config import DecoderConfig, parse_decoder_config
from agents.model_files.weights import quantization_faults
from serve.lora_adapter import LoraAdapter, vllm_rank
from serve.served_model import VLLM_DTYPES, Device, Dtype

GIB = 2**30
MIB = 2**20
CARD_MIB = 24_564  # an RTX 4090
MEMORY_FRACTION = 0.92
BYTES: dict[str, int] = {"bf16": 2, "fp16": 2, "fp32": 4}
BATCHED_TOKENS = 2048
MAX_SEQUENCES = 256
TYPICAL_TOKENS = 768  # of a prompt and its answer
DEFAULT_MODEL_LENGTH = 5120  # a prompt's 1,024 and the longest answer's 4,096
MAX_LORAS = 8
BLOCK = 16
FORMATS = {"load_format": "safetensors", "config_format": "hf", "tokenizer_mode": "hf"}  # what vLLM reads
RESERVE = {"cuda": round(1.1 * GIB), "cpu": round(1.0 * GIB)}
CPU_CACHE_GIB = 4
SHORT_LENGTH = 1280  # enough for the preset `cut`


@dataclass(frozen=True, slots=True)
class ServingRequest:
    """What is to be served, and on what.

    Attributes:
        memory_mib: the card's whole memory, or the machine's where there is no card.
        fraction: the share of it that the server may take, (0, 1].
        model_length: the longest prompt with its answer, in tokens; None for what fits the presets.
        sequences: how many at once; None for what the cache holds, 256 at most.
        loras: adapters in one batch; None for as many as there are, 8 at most.
        spare_loras: more adapters that may be loaded while it runs.
        least_rank: room for adapters of this rank, that are loaded later.
    """

    device: Device = "cuda"
    dtype: Dtype = "bf16"
    memory_mib: int = CARD_MIB
    fraction: float = MEMORY_FRACTION
    model_length: int | None = None
    sequences: int | None = None
    loras: int | None = None
    spare_loras: int = 0
    min_rank: int = 0


@dataclass(frozen=True, slots=True)
class ServePlan:
    """What a server is started with, and what it takes (bytes).

    Attributes:
        cache_tokens: that the KV cache holds, all sequences together.
        max_cpu_loras: adapters kept in the machine's memory, whatever is on the card.
        suggestions: what would fit, each by itself: the fewest settings, then the card; () where it fits already.
    """

    wanted: ServingRequest
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
        """What the server may take in all."""
        return round(self.wanted.memory_mib * MIB * self.wanted.fraction)

    @property
    def needed(self) -> int:
        """What it would need to hold one sequence of the longest kind."""
        parts = self.weights + self.adapters + self.activations + self.logits + self.reserve
        cache = self.cache_per_token * -(-self.max_model_len // BLOCK) * BLOCK
        return parts + (-(-cache // GIB) * GIB if self.wanted.device == "cpu" else cache)

    @property
    def batched_tokens(self) -> int:
        """Of one pass: on a CPU a prompt is read whole."""
        return max(BATCHED_TOKENS, self.max_model_len) if self.wanted.device == "cpu" else BATCHED_TOKENS

    def to_dict(self) -> dict[str, Any]:
        """As numbers for people and programs, GiB to two decimals."""
        parts = ("weights", "adapters", "activations", "logits", "reserve", "cache")
        return {
            "device": self.wanted.device,
            "dtype": self.wanted.dtype,
            "memory_gib": round(self.wanted.memory_mib * MIB / GIB, 2),
            "memory_fraction": self.wanted.fraction,
            **{f"{name}_gib": round(getattr(self, name) / GIB, 2) for name in parts},
            "cache_kib_per_token": self.cache_per_token / 1024,
            "cache_tokens": self.cache_tokens,
            "max_loras": self.max_loras,
            "max_lora_rank": self.max_lora_rank,
            "max_num_seqs": self.max_num_seqs,
            "max_model_len": self.max_model_len,
            "fits": self.fits,
            "ways": [way.label for way in self.suggestions],
        }

    def arguments(self) -> list[str]:
        """What vLLM is told of it, on its command line."""
        told = ["--dtype", VLLM_DTYPES[self.wanted.dtype], "--max-model-len", str(self.max_model_len)]
        told += ["--max-num-seqs", str(self.max_num_seqs)]
        told += ["--max-num-batched-tokens", str(self.batched_tokens)]
        # on a CPU the cache's size is told in the environment, and a small share keeps vLLM from more
        fraction = self.wanted.fraction if self.wanted.device == "cuda" else 0.1
        told += ["--gpu-memory-utilization", f"{fraction:g}"]
        if self.wanted.device == "cpu":
            # vLLM 0.32's CPU engine dies of a seeded request whose prompt is read in two parts
            told += ["--enforce-eager", "--no-enable-chunked-prefill"]
        if self.max_loras:
            told += ["--enable-lora", "--max-loras", str(self.max_loras)]
            told += ["--max-lora-rank", str(self.max_lora_rank)]
            told += ["--max-cpu-loras", str(self.max_cpu_loras)]
        return told

    def environment(self) -> dict[str, str]:
        """What vLLM is told of it in its environment."""
        if self.wanted.device == "cuda":
            return {}
        return {"VLLM_CPU_KVCACHE_SPACE": str(max(1, self.cache // GIB))}


@dataclass(frozen=True, slots=True)
class FittingPlan:
    """Something that would fit: what to say or to have, and the plan that it gives."""

    label: str
    plan: ServePlan


def plan_memory(
    config: Mapping[str, Any], adapters: Sequence[LoraAdapter], wanted: ServingRequest | None = None
) -> ServePlan:
    """What serving this base with these adapters takes, and what would make it fit where it does not.

    Raises:
        UserError: the base is quantised or of an unknown type; the length is longer than its context.
    """
    asked = wanted or ServingRequest()
    for fault in quantization_faults(config, "config.json"):
        raise UserError(fault.what, where=fault.where, found=fault.found, remedy=fault.remedy)
    shape = parse_decoder_config(config, "Start vLLM yourself and name it with --url.")
    if asked.model_length is not None and asked.model_length > (shape.context or DEFAULT_MODEL_LENGTH):
        raise UserError(
            "that is longer than the base's context",
            where="--max-model-len",
            found=f"{asked.model_length} tokens",
            remedy=f"It is {shape.context or DEFAULT_MODEL_LENGTH}.",
        )
    made = _plan(shape, adapters, asked)
    return made if made.fits else replace(made, suggestions=_ways(shape, adapters, asked))


def vllm_command(plan: ServePlan, model: Path | str, name: str, host: str, port: int) -> list[str]:
    """The whole command; keys are in the environment, never here. The `vllm` script is not relied upon."""
    return [
        sys.executable,
        "-m",
        "vllm.entrypoints.openai.api_server",
        *("--model", str(model), "--served-model-name", name, "--host", host, "--port", str(port)),
        # what is not asked for is not added: every value comes with the request
        *("--generation-config", "vllm"),
        # a repository may hold the weights, config and tokenizer a second time in Mistral's own format
        *(word for name, value in FORMATS.items() for word in (f"--{name.replace('_', '-')}", value)),
        *plan.arguments(),
    ]


def lora_module_arguments(adapters: Sequence[LoraAdapter]) -> list[str]:
    """The adapters on the server's command line."""
    if not adapters:
        return []
    return ["--lora-modules", *(f"{one.name}={one.folder.resolve()}" for one in adapters)]


def _plan(shape: DecoderConfig, adapters: Sequence[LoraAdapter], asked: ServingRequest) -> ServePlan:
    width = BYTES[asked.dtype]
    rank = max([asked.min_rank, *(adapter.rank for adapter in adapters)])
    count = len(adapters) + asked.spare_loras
    loras = min(count, MAX_LORAS) if asked.loras is None else asked.loras
    rank = vllm_rank(max(rank, 1)) if loras else 0
    length = min(asked.model_length or DEFAULT_MODEL_LENGTH, shape.context or DEFAULT_MODEL_LENGTH)
    per_token = shape.kv_cache_bytes(width)
    held = shape.parameters * width
    slots = loras * shape.lora_parameters(rank) * width
    passing = BATCHED_TOKENS * (6 * shape.hidden + 3 * shape.intermediate) * width
    most = asked.sequences or MAX_SEQUENCES
    logits = most * shape.vocabulary * 16
    reserve = RESERVE[asked.device]
    budget = round(asked.memory_mib * MIB * asked.fraction)
    cache = max(0, budget - held - slots - passing - logits - reserve)
    if asked.device == "cpu":
        cache = min(cache // GIB, CPU_CACHE_GIB) * GIB
    tokens = cache // (per_token * BLOCK) * BLOCK
    at_once = asked.sequences or max(1, min(MAX_SEQUENCES, tokens // min(length, TYPICAL_TOKENS) // 8 * 8))
    return ServePlan(
        asked,
        held,
        slots,
        passing,
        logits,
        reserve,
        cache,
        tokens,
        per_token,
        loras,
        rank,
        max(count, loras) + MAX_LORAS,
        at_once,
        length,
        tokens >= length,
    )


def _ways(
    shape: DecoderConfig, adapters: Sequence[LoraAdapter], asked: ServingRequest
) -> tuple[FittingPlan, ...]:
    """What would fit: the fewest settings that suffice, least felt first; then the card that would do."""
    short = min(SHORT_LENGTH, shape.context or SHORT_LENGTH)
    tries: list[tuple[str, dict[str, Any]]] = [
        ("--max-num-seqs 64", {"sequences": 64}),
        (f"--max-model-len {short}", {"model_length": short}),
        ("--max-loras 1", {"loras": 1} if adapters or asked.spare_loras else {}),
        ("--dtype bf16", {"dtype": "bf16"} if asked.dtype == "fp32" else {}),
    ]
    tries = [(told, change) for told, change in tries if change and replace(asked, **change) != asked]

    def made(settings: Sequence[tuple[str, dict[str, Any]]]) -> ServePlan:
        changes = {name: value for _, change in settings for name, value in change.items()}
        return _plan(shape, adapters, replace(asked, **changes))

    ways = []
    for count in range(1, len(tries) + 1):
        fitting = [chosen for chosen in combinations(tries, count) if made(chosen).fits]
        if fitting:
            ways = [FittingPlan(" ".join(told for told, _ in fitting[0]), made(fitting[0]))]
            break
    mib = -(-ceil(_plan(shape, adapters, asked).needed / asked.fraction) // MIB) + 1
    larger = _plan(shape, adapters, replace(asked, memory_mib=mib))
    return (*ways, FittingPlan(f"{mib / 1024:.1f} GiB of memory", larger))
