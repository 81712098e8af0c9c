"""Validation of a LoRA adapter against its base model.

peft and vLLM ignore tensors whose names match no layer. Such an adapter changes nothing, and the student
equals its base model. The required tensors follow from `adapter_config.json` and the layers of the base model
(`agents/model_files/layers.py`); an adapter must have all of them, in the right shape, and no others. Headers
are read without torch.
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
# Settings of LoRA variants whose tensors do not follow from the names of layers; training never uses them.
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
    """Return all reasons why an adapter cannot be applied completely to its base model; [] if it can.

    Args:
        folder: the adapter's folder.
        base: the base model's folder; None to check the adapter against its own config only.
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
        what = "the adapter's config cannot be read"
        return [Fault(what, str(path), str(error), code="adapter.unreadable-config")]
    if faults := _config_faults(config, str(path)):
        return faults
    base_layers = layers_of(base, config) if base is not None else _adapter_layers(config, tensors)
    layers = _rename_layers(base_layers, tensors)
    targets = {name: layer for name, layer in layers.items() if is_target(name, config)}
    faults = [
        Fault(
            "a target module is not a layer of the base model",
            str(path),
            repr(name),
            f"Layers: {layer_type_names(layers)}.",
            code="adapter.unknown-target",
        )
        for name in unmatched_targets(config, layers)
    ]
    faults += _tensor_faults(folder / WEIGHTS, tensors, config, layers, targets, exact=base is not None)
    return faults or _effect_faults(folder / WEIGHTS, tensors)


def _config_faults(config: Config, where: str) -> list[Fault]:
    """Return faults of a config from which the required tensors cannot be derived."""
    faults = []
    if config.get("peft_type", "LORA") != "LORA":
        what, found, remedy = "not a LoRA adapter", str(config["peft_type"]), "Use a LoRA adapter."
        faults.append(Fault(what, where, found, remedy, code="adapter.not-lora"))
    ranks = [config.get("r"), *(config.get("rank_pattern") or {}).values()]
    if not all(isinstance(rank, int) and not isinstance(rank, bool) and rank >= 1 for rank in ranks):
        found = ", ".join(map(repr, ranks))
        faults.append(Fault("invalid rank", where, found, RETRAIN, code="adapter.invalid-config"))
    alphas = [config.get("lora_alpha"), *(config.get("alpha_pattern") or {}).values()]
    if not all(isinstance(alpha, int | float) and not isinstance(alpha, bool) for alpha in alphas):
        what, found = "lora_alpha is not a number", ", ".join(map(repr, alphas))
        faults.append(Fault(what, where, found, RETRAIN, code="adapter.invalid-config"))
    targets = config.get("target_modules")
    if not isinstance(targets, str | list) or not targets:
        what = "no target modules"
        faults.append(Fault(what, where, repr(targets), RETRAIN, code="adapter.invalid-config"))
    patterns = [*(config.get("rank_pattern") or {}), *(config.get("alpha_pattern") or {})]
    patterns += [value for value in (targets, config.get("exclude_modules")) if isinstance(value, str)]
    faults += [
        Fault("invalid pattern of module names", where, repr(pattern), code="adapter.invalid-config")
        for pattern in patterns
        if pattern != ALL_LINEAR and not _compiles(pattern)
    ]
    faults += [
        Fault("this variant of LoRA is not supported", where, name, code="adapter.unsupported-variant")
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
    """Return faults for missing tensors, unexpected tensors and wrong shapes.

    Args:
        layers: all layers of the base model; `targets` those that the adapter changes.
        exact: whether the sizes of the layers are known.
    """
    needed, allowed = _required_shapes(config, layers, targets), _optional_shapes(config, layers)
    names = {name.removesuffix(".weight") if "magnitude" in name else name: name for name in tensors}
    missing = [name for name in needed if name not in names]
    unknown = [name for name in names if name not in needed and name not in allowed]
    shapes = {**allowed, **needed}
    wrong = [
        f"{name} {list(tensors[written].shape)}, needed {list(shapes[name])}"
        for name, written in names.items()
        if name in shapes and not _fits(tensors[written].shape, shapes[name], exact)
    ]
    return [
        Fault(what, str(path), summarize_names(tensor_names), RETRAIN, code="adapter.tensor-mismatch")
        for what, tensor_names in (
            ("tensors are missing", missing),
            ("tensors are not part of the adapter", unknown),
            ("the shape of tensors differs from the base model's layers", wrong),
        )
        if tensor_names
    ]


def _required_shapes(config: Config, layers: Layers, targets: Layers) -> Shapes:
    """Return name → shape of every required tensor; 0 stands for an unknown size."""
    shapes: Shapes = {}
    for name, layer in targets.items():
        prefix, rank = PREFIX + name, rank_of(name, config)
        first, second = (
            ("lora_embedding_A", "lora_embedding_B")
            if layer.is_embedding
            else ("lora_A.weight", "lora_B.weight")
        )
        shapes[f"{prefix}.{first}"] = (rank, layer.in_features)
        shapes[f"{prefix}.{second}"] = (layer.out_features, rank)
        if config.get("lora_bias") and not layer.is_embedding:
            shapes[f"{prefix}.lora_B.bias"] = (layer.out_features,)
        if config.get("use_dora"):
            shapes[f"{prefix}.lora_magnitude_vector"] = (layer.out_features,)
    kept = [str(name) for name in config.get("modules_to_save") or ()]
    shapes |= {
        f"{PREFIX}{name}.weight": _weight_shape(layer)
        for name, layer in layers.items()
        if matches(name, kept)
    }
    for module, indices in _trained_tokens(config).items():
        shapes |= {
            f"{PREFIX}{name}.token_adapter.trainable_tokens_delta": (len(indices), layer.out_features)
            for name, layer in layers.items()
            if layer.is_embedding and matches(name, [module])
        }
    return shapes


def _optional_shapes(config: Config, layers: Layers) -> Shapes:
    """Return name → shape of optional tensors: copies of embeddings and head, and trained biases."""
    shapes: Shapes = {
        f"{PREFIX}{name}.base_layer.weight": _weight_shape(layer)
        for name, layer in layers.items()
        if (layer.is_embedding or name.endswith(HEAD)) and is_target(name, config)
    }
    if config.get("bias", "none") != "none":
        for name, layer in layers.items():
            shapes |= {f"{PREFIX}{name}.{inner}bias": (layer.out_features,) for inner in ("", "base_layer.")}
    return shapes


def _effect_faults(path: Path, tensors: Mapping[str, Tensor]) -> list[Fault]:
    """Return a fault if every update is zero, that is, if one factor of every layer is zero.

    Adapters with tensors other than LoRA factors are not checked.
    """
    factors: dict[str, list[Tensor]] = {}
    for name, tensor in tensors.items():
        factor = _FACTOR.match(name)
        if factor is not None:
            factors.setdefault(factor[1], []).append(tensor)
        elif "base_layer" not in name:
            return []
    if any(not any(is_zero(path, factor) for factor in pair) for pair in factors.values()):
        return []
    what, found = "the adapter changes nothing: every update is zero", f"{len(factors)} layers"
    return [Fault(what, str(path), found, "Train the adapter.", code="adapter.no-effect")]


def _adapter_layers(config: Config, tensors: Mapping[str, Tensor]) -> dict[str, Layer]:
    """Return the layers that an adapter's tensors name, with unknown sizes (0)."""
    kept = [str(name) for name in config.get("modules_to_save") or ()]
    layers = {}
    for name in tensors:
        module = name.removeprefix(PREFIX)
        if (factor := _FACTOR.match(name)) is not None:
            layers[factor[1]] = Layer(0, 0, "embedding" in name)
        elif ".token_adapter." in module:
            layers.setdefault(module.partition(".token_adapter.")[0], Layer(0, 0, True))
        elif matches(module.removesuffix(".weight"), kept):
            layers.setdefault(module.removesuffix(".weight"), Layer(0, 0))
    return layers


def _rename_layers(layers: Layers, tensors: Mapping[str, Tensor]) -> dict[str, Layer]:
    """Return the base model's layers under the names that the loaded model gives them.

    transformers adds or removes a prefix for some model families (`h.0.attn` becomes `transformer.h.0.attn`).
    The change is inferred from a layer that the adapter names and the files do not.
    """
    asked = {name.removeprefix(PREFIX).partition(".lora_")[0] for name in tensors if name.startswith(PREFIX)}
    by_tail: dict[str, list[str]] = {}
    for name in layers:
        by_tail.setdefault(_tail(name), []).append(name)
    for name in sorted(asked.difference(layers)):
        similar = by_tail.get(_tail(name), [])
        if _tail(name) != name.rpartition(".")[2] and len(similar) == 1 and similar[0] not in asked:
            old, new = similar[0].removesuffix(_tail(name)), name.removesuffix(_tail(name))
            return {_replace_prefix(each, old, new): layer for each, layer in layers.items()}
    return dict(layers)


def _replace_prefix(name: str, old: str, new: str) -> str:
    return new + name.removeprefix(old) if name.startswith(old) and not name.endswith(HEAD) else name


def _tail(name: str) -> str:
    """Return a name from the part before its first number on (`layers.0.mlp.up_proj`), or its last part."""
    match = _INDEX.search(name)
    return match[1] if match is not None else name.rpartition(".")[2]


def _trained_tokens(config: Config) -> dict[str, Sequence[int]]:
    """Return the ids of trained tokens by module; a plain list belongs to `embed_tokens`."""
    indices = config.get("trainable_token_indices") or {}
    return dict(indices) if isinstance(indices, dict) else {"embed_tokens": list(indices)}


def _weight_shape(layer: Layer) -> tuple[int, int]:
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
