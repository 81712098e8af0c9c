"""The layers of a base, and which of them an adapter's config names, by peft's rules of names.

(`tuners_utils.check_target_module_exists` and `other.get_pattern_key` of peft 0.21.) Reads the headers of a
base's files without torch.
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
    """A layer that an adapter may stand on.

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
    """The linear layers and embeddings of a base by name, from its files' headers.

    Args:
        config: an adapter's; its `fan_in_fan_out` says that weights are stored as (in, out).

    Raises:
        UserError: the folder is no base.
    """
    tensors = tensors_of(weight_files(base))
    told = json.loads((base / CONFIG).read_text(encoding="utf-8"))
    turned = (config or {}).get("fan_in_fan_out") or told.get("model_type") in _TRANSPOSED
    layers = {}
    for name, (_, tensor) in tensors.items():
        module, _, kind = name.rpartition(".")
        if kind == "weight" and len(tensor.shape) == 2 and ".experts." not in module:  # held as one there
            is_embedding = bool(_EMBEDDINGS.search(module))
            first, second = tensor.shape
            plain = is_embedding or (turned and not module.endswith(HEAD))
            layers[module] = Layer(first, second, is_embedding) if plain else Layer(second, first)
    if not any(name.endswith(HEAD) for name in layers):  # tied: the head is there, and not in the file
        words = [layer for name, layer in layers.items() if _WORDS.search(name)]
        if words:
            layers[HEAD] = Layer(words[0].out_features, words[0].in_features)
    return layers


def embedding_rows(layers: Layers) -> int:
    """Rows of the embeddings that ids are looked up in; 0 where there are none by a known name."""
    return next(
        (one.in_features for name, one in layers.items() if one.is_embedding and _WORDS.search(name)), 0
    )


def is_tied(layers: Layers, config: Config, files: Iterable[str]) -> bool:
    """Whether embeddings and head are one weight: as the config says, or because the files hold no head.

    Args:
        config: the base's config.json.
        files: the names of the tensors in its files.
    """
    has_head = any(name.endswith(f"{HEAD}.weight") for name in files)
    return HEAD in layers and (bool(config.get("tie_word_embeddings")) or not has_head)


def is_target(name: str, config: Config) -> bool:
    """Whether peft adapts the layer `name` (its full name) by this config."""
    targets, excluded = config.get("target_modules") or [], config.get("exclude_modules") or []
    if matches(name, excluded):
        return False
    if targets == ALL_LINEAR:
        return not name.endswith(HEAD) and not _EMBEDDINGS.search(name)
    if isinstance(targets, str):
        return matches(name, targets)
    return matches(name, targets) and _is_chosen_layer(name, config)


def unmatched_targets(config: Config, layers: Iterable[str]) -> list[str]:
    """The target modules that name no layer; a pattern is given back whole."""
    targets = config.get("target_modules") or []
    if targets == ALL_LINEAR:
        return []
    names = [targets] if isinstance(targets, str) else [str(name) for name in targets]
    of_each = [(name, name if isinstance(targets, str) else [name]) for name in names]
    return [name for name, target in of_each if not any(matches(layer, target) for layer in layers)]


def layer_type_names(layers: Iterable[str]) -> str:
    """The last parts of layers' names, each once, for people: `down_proj, q_proj, …`."""
    return ", ".join(sorted({name.rpartition(".")[2] for name in layers}))


def rank_of(name: str, config: Config) -> int:
    """The rank that a config gives the layer `name`."""
    for pattern, rank in (config.get("rank_pattern") or {}).items():
        if re.match(pattern if pattern.startswith("^") else rf"(.*\.)?({pattern})$", name):
            return int(rank)
    return int(config["r"])


def matches(name: str, targets: str | Sequence[str]) -> bool:
    """Whether a list of names (or of their ends), or a pattern of whole names, takes `name`."""
    if isinstance(targets, str):
        return re.fullmatch(targets, name) is not None
    return any(name == target or name.endswith(f".{target}") for target in targets)


def _is_chosen_layer(name: str, config: Config) -> bool:
    """Whether `layers_to_transform` takes the block that a layer is in."""
    chosen = config.get("layers_to_transform")
    if chosen is None or chosen == []:
        return True
    patterns = config.get("layers_pattern") or [r"[^.]*"]
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        found = re.match(rf".*\.{pattern}\.(\d+)\.", name)
        if found is not None:
            return int(found[1]) in ([chosen] if isinstance(chosen, int) else chosen)
    return False
