"""Layers of a base model that LoRA adapts, and checks of the names given for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.errors import Fault, UserError
from agents.model_files.layers import (
    ALL_LINEAR,
    is_target,
    is_tied,
    layer_type_names,
    layers_of,
    matches,
    unmatched_targets,
)
from agents.model_files.weights import CONFIG, load_json_object, tensors_of, weight_files
from finetune.config import TrainingConfig

WHERE = "--target-modules"


def parse_target_modules(settings: TrainingConfig) -> str | list[str]:
    """Return the target modules as peft expects them: "all-linear", or a list of names.

    Raises:
        UserError: a name is empty or repeated.
    """
    names = [part.strip() for part in settings.target_modules.split(",")]
    if names == [ALL_LINEAR]:
        return ALL_LINEAR
    if not all(names) or len(set(names)) != len(names):
        raise UserError(
            "names of target modules must be distinct and not empty",
            code="training.invalid-target-modules",
            where=WHERE,
            found=repr(settings.target_modules),
            remedy=f"Write q_proj,v_proj or {ALL_LINEAR}.",
        )
    return names


def check_target_modules(settings: TrainingConfig, base: Path) -> None:
    """Check that the target modules are layers of this base model that can be adapted.

    Raises:
        UserError: a name matches no layer, or a layer shares its weight with another; lists every fault.
    """
    layers = layers_of(base)
    config = {"target_modules": parse_target_modules(settings)}
    remedy = f"Choose from: {ALL_LINEAR}, {layer_type_names(layers)}."
    faults = [
        Fault("name matches no layer", WHERE, repr(name), remedy=remedy, code="adapter.unknown-target")
        for name in unmatched_targets(config, layers)
    ]
    faults += tied_weight_faults(config, base, WHERE)
    if not faults and not any(is_target(name, config) for name in layers):
        faults.append(
            Fault(
                "name matches no layer",
                WHERE,
                repr(settings.target_modules),
                remedy=remedy,
                code="adapter.unknown-target",
            )
        )
    if faults:
        raise UserError(
            "cannot adapt these layers",
            code="adapter.unsupported-layers",
            where=str(base),
            remedy="Change --target-modules.",
            faults=faults,
        )


def tied_weight_faults(config: Mapping[str, Any], base: Path, where: str) -> list[Fault]:
    """Return faults for adapted embeddings or output head if the base model shares one weight between them.

    After merging, the update of one would change the other as well, or be lost when the model is loaded.
    """
    layers = layers_of(base)
    if not is_tied(layers, load_json_object(base / CONFIG), tensors_of(weight_files(base))):
        return []
    saved = [str(name) for name in config.get("modules_to_save") or ()]
    candidates = [name for name, layer in layers.items() if layer.is_embedding or name.endswith("lm_head")]
    adapted = [name for name in candidates if is_target(name, config) or matches(name, saved)]
    if not adapted:
        return []
    return [
        Fault(
            "embeddings and head of this base model share one weight and cannot be adapted",
            where,
            ", ".join(adapted),
            remedy="Leave these layers out.",
            code="adapter.tied-weights",
        )
    ]
