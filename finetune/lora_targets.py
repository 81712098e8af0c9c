"""Which layers of a base a recipe adapts: every name must match one, and none that two weights share."""

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
    """The recipe's target modules as peft takes them: "all-linear", or names.

    Raises:
        UserError: a name is empty, or there twice.
    """
    names = [part.strip() for part in settings.target_modules.split(",")]
    if names == [ALL_LINEAR]:
        return ALL_LINEAR
    if not all(names) or len(set(names)) != len(names):
        found = repr(settings.target_modules)
        remedy = f"Write q_proj,v_proj or {ALL_LINEAR}."
        raise UserError("target modules are different names", where=WHERE, found=found, remedy=remedy)
    return names


def check_target_modules(settings: TrainingConfig, base: Path) -> None:
    """Make sure that a recipe's target modules are layers of this base.

    Raises:
        UserError: names that match no layer, or layers that embeddings and head share; all at once.
    """
    layers = layers_of(base)
    config = {"target_modules": parse_target_modules(settings)}
    there = f"There are: {ALL_LINEAR}, {layer_type_names(layers)}."
    faults = [
        Fault("matches no layer", WHERE, repr(name), there) for name in unmatched_targets(config, layers)
    ]
    faults += tied_weight_faults(config, base, WHERE)
    if not faults and not any(is_target(name, config) for name in layers):
        faults.append(Fault("matches no layer", WHERE, repr(settings.target_modules), there))
    if faults:
        raise UserError("these layers cannot be adapted", where=str(base), faults=faults)


def tied_weight_faults(config: Mapping[str, Any], base: Path, where: str) -> list[Fault]:
    """Adapters on embeddings or head of a base whose embeddings and head are one weight.

    Merged, the update of one would change the other too, or be lost when the folder is loaded again.
    """
    layers = layers_of(base)
    if not is_tied(layers, load_json_object(base / CONFIG), tensors_of(weight_files(base))):
        return []
    kept = [str(name) for name in config.get("modules_to_save") or ()]
    ends = [name for name, layer in layers.items() if layer.is_embedding or name.endswith("lm_head")]
    found = [name for name in ends if is_target(name, config) or matches(name, kept)]
    what = "embeddings and head of this base are one weight, and cannot be adapted"
    return [Fault(what, where, ", ".join(found), "Leave them out.")] if found else []
