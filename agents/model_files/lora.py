"""A LoRA adapter against its base: every tensor that its config asks for, of the right shape, and no other.

peft and vLLM pass over tensors whose names fit no layer; such an adapter changes nothing, and the student is
its base under another name. What an adapter must hold follows from `adapter_config.json` and the tensors of
the base (`agents/model_files/layers.py`). Reads headers without torch; knows nothing of how an adapter was trained.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from agents.errors import Fault, UserError
from agents.model_files.layers import (
    ALL_LINEAR,
    HEAD,
    Config,
    Layer,
    Layers,
    is_target,
    layer_type_names,
    layers_of,
    matches,
    rank_of,
    unmatched_targets,
)
from agents.model_files.safetensors_format import Tensor, is_zero, read_header
from agents.model_files.weights import summarize_names

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
FACTORS = ("lora_A.weight", "lora_B.weight")
EMBEDDING_FACTORS = ("lora_embedding_A", "lora_embedding_B")
PREFIX = "base_model.model."
# Kinds of LoRA whose tensors do not follow from the names of layers: nothing here makes them.
UNKNOWN_KINDS = (
    "layer_replication",
    "target_parameters",
    "use_bdlora",
    "use_qalora",
    "alora_invocation_tokens",
)
RETRAIN = "Save the adapter again with peft's save_pretrained, or train it again."
_FACTOR = re.compile(r"base_model\.model\.(.+)\.lora_(?:embedding_)?[AB](?:\.weight)?$")
_INDEX = re.compile(r"(?:^|\.)(\w+\.\d+\..+)$")


Shapes = dict[str, tuple[int, ...]]


def adapter_faults(folder: Path, base: Path | None) -> list[Fault]:
    """Everything that keeps an adapter from standing on its base; [] for one that lands whole.

    Args:
        base: the base's folder; None where it is not at hand, and the adapter is held against its own
            config alone.
    """
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        tensors = read_header(folder / WEIGHTS)
        if not isinstance(config, dict):
            raise ValueError(f"a JSON object is needed, not {type(config).__name__}")
    except UserError as error:
        return [error.fault]
    except (OSError, ValueError) as error:
        return [Fault("the adapter's config cannot be read", str(path), str(error))]
    if faults := _config_faults(config, str(path)):
        return faults
    there = layers_of(base, config) if base is not None else _own_layers(config, tensors)
    layers = _renamed(there, tensors)
    targets = {name: layer for name, layer in layers.items() if is_target(name, config)}
    faults = [
        Fault(
            "a target module is no layer of the base",
            str(path),
            repr(name),
            f"Layers: {layer_type_names(layers)}.",
        )
        for name in unmatched_targets(config, layers)
    ]
    faults += _tensor_faults(folder / WEIGHTS, tensors, config, layers, targets, exact=base is not None)
    return faults or _effect_faults(folder / WEIGHTS, tensors)


def _config_faults(config: Config, where: str) -> list[Fault]:
    """A config whose tensors cannot be foretold."""
    faults = []
    if config.get("peft_type", "LORA") != "LORA":
        faults.append(Fault("is another kind of adapter", where, str(config["peft_type"]), "LoRA is needed."))
    ranks = [config.get("r"), *(config.get("rank_pattern") or {}).values()]
    if not all(isinstance(rank, int) and not isinstance(rank, bool) and rank >= 1 for rank in ranks):
        faults.append(Fault("the rank is none", where, ", ".join(map(repr, ranks))))
    alphas = [config.get("lora_alpha"), *(config.get("alpha_pattern") or {}).values()]
    if not all(isinstance(alpha, int | float) and not isinstance(alpha, bool) for alpha in alphas):
        faults.append(Fault("lora_alpha is no number", where, ", ".join(map(repr, alphas)), RETRAIN))
    targets = config.get("target_modules")
    if not isinstance(targets, str | list) or not targets:
        faults.append(Fault("names no target modules", where, repr(targets), RETRAIN))
    patterns = [*(config.get("rank_pattern") or {}), *(config.get("alpha_pattern") or {})]
    patterns += [value for value in (targets, config.get("exclude_modules")) if isinstance(value, str)]
    faults += [
        Fault("is no pattern of names", where, repr(pattern))
        for pattern in patterns
        if pattern != ALL_LINEAR and not _compiles(pattern)
    ]
    faults += [
        Fault("is a kind of LoRA that cannot be checked here", where, name)
        for name in UNKNOWN_KINDS
        if config.get(name)
    ]
    return faults


def _tensor_faults(
    path: Path,
    tensors: Mapping[str, Tensor],
    config: Config,
    layers: Layers,
    targets: Layers,
    *,
    exact: bool,
) -> list[Fault]:
    """Tensors that are missing, not asked for, or of another shape."""
    needed, allowed = _needed(config, layers, targets), _allowed(config, layers)
    names = {name.removesuffix(".weight") if "magnitude" in name else name: name for name in tensors}
    missing = [name for name in needed if name not in names]
    unknown = [name for name in names if name not in needed and name not in allowed]
    shapes = {**allowed, **needed}
    wrong = [
        f"{name} {list(tensors[written].shape)}, needed {list(shapes[name])}"
        for name, written in names.items()
        if name in shapes and not _fits(tensors[written].shape, shapes[name], exact)
    ]
    told = {
        "tensors that its config and base ask for are missing": missing,
        "tensors that its config and base do not ask for": unknown,
        "tensors of another shape than the base's layers": wrong,
    }
    return [Fault(what, str(path), summarize_names(names), RETRAIN) for what, names in told.items() if names]


def _needed(config: Config, layers: Layers, targets: Layers) -> Shapes:
    """Name → shape of every tensor that must be there; 0 stands for a size that is not known."""
    shapes: Shapes = {}
    for name, layer in targets.items():
        at, rank = PREFIX + name, rank_of(name, config)
        first, second = (
            ("lora_embedding_A", "lora_embedding_B")
            if layer.is_embedding
            else ("lora_A.weight", "lora_B.weight")
        )
        shapes |= {f"{at}.{first}": (rank, layer.in_features), f"{at}.{second}": (layer.out_features, rank)}
        if config.get("lora_bias") and not layer.is_embedding:
            shapes[f"{at}.lora_B.bias"] = (layer.out_features,)
        if config.get("use_dora"):
            shapes[f"{at}.lora_magnitude_vector"] = (layer.out_features,)
    kept = [str(name) for name in config.get("modules_to_save") or ()]
    shapes |= {f"{PREFIX}{name}.weight": _stored(one) for name, one in layers.items() if matches(name, kept)}
    for module, indices in _trained_tokens(config).items():
        shapes |= {
            f"{PREFIX}{name}.token_adapter.trainable_tokens_delta": (len(indices), layer.out_features)
            for name, layer in layers.items()
            if layer.is_embedding and matches(name, [module])
        }
    return shapes


def _allowed(config: Config, layers: Layers) -> Shapes:
    """Name → shape of tensors that may be there: copies of embeddings and head, biases that were trained."""
    shapes: Shapes = {
        f"{PREFIX}{name}.base_layer.weight": _stored(layer)
        for name, layer in layers.items()
        if (layer.is_embedding or name.endswith(HEAD)) and is_target(name, config)
    }
    if config.get("bias", "none") != "none":
        for name, layer in layers.items():
            shapes |= {f"{PREFIX}{name}.{inner}bias": (layer.out_features,) for inner in ("", "base_layer.")}
    return shapes


def _effect_faults(path: Path, tensors: Mapping[str, Tensor]) -> list[Fault]:
    """An adapter that holds factors alone, of which one of every layer's two is zero."""
    factors: dict[str, list[Tensor]] = {}
    for name, tensor in tensors.items():
        found = _FACTOR.match(name)
        if found is not None:
            factors.setdefault(found[1], []).append(tensor)
        elif "base_layer" not in name:
            return []
    if any(not any(is_zero(path, one) for one in both) for both in factors.values()):
        return []
    return [Fault("changes nothing: every update is zero", str(path), f"{len(factors)} layers", "Train it.")]


def _own_layers(config: Config, tensors: Mapping[str, Tensor]) -> dict[str, Layer]:
    """The layers that an adapter's own tensors name, their sizes not known."""
    kept = [str(name) for name in config.get("modules_to_save") or ()]
    layers = {}
    for name in tensors:
        module = name.removeprefix(PREFIX)
        if (found := _FACTOR.match(name)) is not None:
            layers[found[1]] = Layer(0, 0, "embedding" in name)
        elif ".token_adapter." in module:
            layers.setdefault(module.partition(".token_adapter.")[0], Layer(0, 0, True))
        elif matches(module.removesuffix(".weight"), kept):
            layers.setdefault(module.removesuffix(".weight"), Layer(0, 0))
    return layers


def _renamed(layers: Layers, tensors: Mapping[str, Tensor]) -> dict[str, Layer]:
    """The base's layers by the names that the loaded model gives them.

    transformers puts a part before, or takes one away, for some families (`h.0.attn` becomes
    `transformer.h.0.attn`); the change is read off a layer that the adapter names and the file does not.
    """
    asked = {name.removeprefix(PREFIX).partition(".lora_")[0] for name in tensors if name.startswith(PREFIX)}
    by_tail: dict[str, list[str]] = {}
    for name in layers:
        by_tail.setdefault(_tail(name), []).append(name)
    for name in sorted(asked.difference(layers)):
        there = by_tail.get(_tail(name), [])
        if _tail(name) != name.rpartition(".")[2] and len(there) == 1 and there[0] not in asked:
            old, new = there[0].removesuffix(_tail(name)), name.removesuffix(_tail(name))
            return {_moved(one, old, new): layer for one, layer in layers.items()}
    return dict(layers)


def _moved(name: str, old: str, new: str) -> str:
    return new + name.removeprefix(old) if name.startswith(old) and not name.endswith(HEAD) else name


def _tail(name: str) -> str:
    """From the first numbered part on: `layers.0.mlp.up_proj`; else the last part."""
    found = _INDEX.search(name)
    return found[1] if found is not None else name.rpartition(".")[2]


def _trained_tokens(config: Config) -> dict[str, Sequence[int]]:
    told = config.get("trainable_token_indices") or {}
    return dict(told) if isinstance(told, dict) else {"embed_tokens": list(told)}


def _stored(layer: Layer) -> tuple[int, int]:
    return (
        (layer.in_features, layer.out_features)
        if layer.is_embedding
        else (layer.out_features, layer.in_features)
    )


def _fits(shape: tuple[int, ...], needed: tuple[int, ...], exact: bool) -> bool:
    same = zip(shape, needed, strict=False)
    return len(shape) == len(needed) and all(a == b or (not exact and b == 0) for a, b in same)


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True
