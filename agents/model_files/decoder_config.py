"""Sizes of a LLaMA-type decoder from its config.json, for memory plans of training and serving.

Example: LLaMA-3.1-8B has 8,030,261,248 parameters and 128 KiB of KV cache per token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.errors import UserError

_NEEDED = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
_SEVERAL_MLPS = ("num_experts", "num_local_experts", "n_routed_experts")


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """Sizes of a decoder.

    Attributes:
        hidden, intermediate: width of the residual stream and of the MLP.
        layers: number of blocks.
        heads, key_value_heads: number of query heads and of key-value heads.
        head_size: width of a head.
        vocabulary: rows of the embeddings.
        tied: whether embeddings and head share their weights.
        context: longest sequence in tokens; 0 if the config does not state it.
    """

    hidden: int
    intermediate: int
    layers: int
    heads: int
    key_value_heads: int
    head_size: int
    vocabulary: int
    tied: bool = False
    context: int = field(default=0, compare=False)

    def linear(self) -> dict[str, tuple[int, int]]:
        """Return (in features, out features) of every linear layer of a block, by name."""
        query, key = self.heads * self.head_size, self.key_value_heads * self.head_size
        return {
            "q_proj": (self.hidden, query),
            "k_proj": (self.hidden, key),
            "v_proj": (self.hidden, key),
            "o_proj": (query, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }

    @property
    def parameters(self) -> int:
        """Number of parameters of the base model, without biases."""
        block = sum(a * b for a, b in self.linear().values()) + 2 * self.hidden
        embeddings = self.vocabulary * self.hidden * (1 if self.tied else 2)
        return block * self.layers + embeddings + self.hidden

    def lora_parameters(self, rank: int, targets: str = "all-linear") -> int:
        """Return the number of parameters of a LoRA adapter: layers × rank × Σ (in + out features).

        Args:
            rank: rank of the adapter.
            targets: comma-separated names of linear layers, or "all-linear".

        Raises:
            UserError: a target is not a linear layer of the decoder.
        """
        layers = self.linear()
        names = list(layers) if targets == "all-linear" else [part.strip() for part in targets.split(",")]
        unknown = [name for name in names if name not in layers]
        if unknown:
            remedy = f"Known: all-linear, {', '.join(layers)}."
            raise UserError(
                "unknown layer",
                code="adapter.unknown-target",
                where="--target-modules",
                found=repr(unknown[0]),
                remedy=remedy,
            )
        return self.layers * rank * sum(sum(layers[name]) for name in names)

    def kv_cache_bytes(self, width: int = 2) -> int:
        """Return the bytes of KV cache per token: 2 × layers × key-value heads × head size × width.

        Args:
            width: bytes of one number.
        """
        return 2 * self.layers * self.key_value_heads * self.head_size * width


def max_context_tokens(config: Mapping[str, Any]) -> int:
    """Return the longest sequence of a model in tokens; 0 if its config.json does not state it."""
    inner = config.get("text_config")
    for part in (inner if isinstance(inner, dict) else {}, config):
        for key in ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length"):
            if isinstance(part.get(key), int) and part[key] > 0:
                return int(part[key])
    return 0


def parse_decoder_config(config: Mapping[str, Any], remedy: str = "") -> DecoderConfig:
    """Parse the sizes in a config.json.

    Args:
        remedy: remedy for the error message.

    Raises:
        UserError: the architecture is not LLaMA-type.
    """
    inner = config.get("text_config", config)
    missing = [key for key in _NEEDED if not isinstance(inner.get(key), int)]
    if missing or any(name in inner for name in _SEVERAL_MLPS):
        raise UserError(
            "memory can be planned for LLaMA-type models only",
            code="base-model.unsupported-architecture",
            where="config.json",
            found=f"model_type {config.get('model_type')!r}, without {', '.join(missing) or 'a single MLP'}",
            remedy=remedy,
        )
    heads = inner["num_attention_heads"]
    return DecoderConfig(
        inner["hidden_size"],
        inner["intermediate_size"],
        inner["num_hidden_layers"],
        heads,
        inner.get("num_key_value_heads") or heads,
        inner.get("head_dim") or inner["hidden_size"] // heads,
        inner["vocab_size"],
        bool(inner.get("tie_word_embeddings", False)),
        max_context_tokens(config),
    )
