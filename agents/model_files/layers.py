"""Layers of a base model, and selection of adapter targets by peft's rules for module names.

The rules are those of `tuners_utils.check_target_module_exists` and `other.get_pattern_key` in peft 0.21.
Headers are read without torch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.model_files.weights import CONFIG, tensors_of, weight_files

ALL_LINEAR = "all-linear"
HEAD = "lm_head"
_EMBEDDINGS = re.compile(r"(?:^|\.)(?:\w*embed\w*|wte|wpe)$")
_WORDS = re.compile(r"(?:^|\.)(?:embed_tokens|wte|embed_in|word_embeddings)$")
_TRANSPOSED = ("gpt2", "openai-gpt")  # families whose weights are stored as (in, out)


@dataclass(frozen=True, slots=True)
class Layer:
    """Linear layer or embedding that an adapter can change.

    Attributes:
        into, out: sizes of what goes in and what comes out; of embeddings, rows and width.
        is_embedding: whether it is looked up rather than multiplied.
    """

    in_features: int
    out_features: int
    is_embedding: bool = False


Layers = Mapping[str, Layer]
Config = Mapping[str, Any]


def layers_of(base: Path, config: Config | None = None) -> dict[str, Layer]:
    """Return the linear layers and embeddings of a base model by name, from the headers of its files.

    Args:
        base: the base model's folder.
        config: config of an adapter; its `fan_in_fan_out` states that weights are stored as (in, out).

    Raises:
        UserError: the folder is not a base model.
    """
    tensors = tensors_of(weight_files(base))
    base_config = json.loads((base / CONFIG).read_text(encoding="utf-8"))
    transposed = (config or {}).get("fan_in_fan_out") or base_config.get("model_type") in _TRANSPOSED
    layers = {}
    for name, (_, tensor) in tensors.items():
        module, _, kind = name.rpartition(".")
        if kind == "weight" and len(tensor.shape) == 2 and ".experts." not in module:  # held as one there
            is_embedding = bool(_EMBEDDINGS.search(module))
            first, second = tensor.shape
            plain = is_embedding or (transposed and not module.endswith(HEAD))
            layers[module] = Layer(first, second, is_embedding) if plain else Layer(second, first)
    if not any(name.endswith(HEAD) for name in layers):  # tied: the head is there, and not in the file
        words = [layer for name, layer in layers.items() if _WORDS.search(name)]
        if words:
            layers[HEAD] = Layer(words[0].out_features, words[0].in_features)
    return layers


def embedding_rows(layers: Layers) -> int:
    """Return the rows of the token embeddings; 0 if the model has none with a known name."""
    return next(
        (layer.in_features for name, layer in layers.items() if layer.is_embedding and _WORDS.search(name)), 0
    )


def is_tied(layers: Layers, config: Config, files: Iterable[str]) -> bool:
    """Return whether embeddings and head are one weight: as the config says, or because the files hold no
    head.

    Args:
        config: the base's config.json.
        files: the names of the tensors in its files.
    """
    has_head = any(name.endswith(f"{HEAD}.weight") for name in files)
    return HEAD in layers and (bool(config.get("tie_word_embeddings")) or not has_head)


def is_target(name: str, config: Config) -> bool:
    """Return whether peft adapts the layer `name` (its full name) by this config."""
    targets, excluded = config.get("target_modules") or [], config.get("exclude_modules") or []
    if matches(name, excluded):
        return False
    if targets == ALL_LINEAR:
        return not name.endswith(HEAD) and not _EMBEDDINGS.search(name)
    if isinstance(targets, str):
        return matches(name, targets)
    return matches(name, targets) and _is_chosen_layer(name, config)


def unmatched_targets(config: Config, layers: Iterable[str]) -> list[str]:
    """Return the target modules that match no layer; a pattern counts as one target."""
    targets = config.get("target_modules") or []
    if targets == ALL_LINEAR:
        return []
    names = [targets] if isinstance(targets, str) else [str(name) for name in targets]
    of_each = [(name, name if isinstance(targets, str) else [name]) for name in names]
    return [name for name, target in of_each if not any(matches(layer, target) for layer in layers)]


def layer_type_names(layers: Iterable[str]) -> str:
    """Return the distinct last parts of layer names, for messages: `down_proj, q_proj, …`."""
    return ", ".join(sorted({name.rpartition(".")[2] for name in layers}))


def rank_of(name: str, config: Config) -> int:
    """Return the rank of the layer `name` in an adapter's config."""
    for pattern, rank in (config.get("rank_pattern") or {}).items():
        if re.match(pattern if pattern.startswith("^") else rf"(.*\.)?({pattern})$", name):
            return int(rank)
    return int(config["r"])


def matches(name: str, targets: str | Sequence[str]) -> bool:
    """Return whether a list of names (or of their ends), or a pattern of whole names, takes `name`."""
    if isinstance(targets, str):
        return re.fullmatch(targets, name) is not None
    return any(name == target or name.endswith(f".{target}") for target in targets)


def _is_chosen_layer(name: str, config: Config) -> bool:
    """Return whether `layers_to_transform` takes the block that a layer is in."""
    chosen = config.get("layers_to_transform")
    if chosen is None or chosen == []:
        return True
    patterns = config.get("layers_pattern") or [r"[^.]*"]
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        match = re.match(rf".*\.{pattern}\.(\d+)\.", name)
        if match is not None:
            return int(match[1]) in ([chosen] if isinstance(chosen, int) else chosen)
    return False
