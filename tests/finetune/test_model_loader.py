"""Base models are loaded alike by every loader, and refused if files and config disagree."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.errors import UserError
from finetune.checkpoint import weights_id
from finetune.config import TrainingConfig
from finetune.pipeline import TrainOptions

pytest.importorskip("torch")
pytestmark = pytest.mark.train

SETTINGS = TrainingConfig(dtype="fp32", learning_rate=1e-2, accumulation=1, max_steps=4)
OPTIONS = TrainOptions(cpu=True, new_tokens=4)
Change = Callable[[dict[str, Any]], dict[str, Any]]


def copy_with_tensors(base: Path, folder: Path, change: Change) -> Path:
    """Copy a base model and change the tensors in its file."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(base, folder)
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path, metadata={"format": "pt"})
    return folder


def _without(name: str) -> Change:
    return lambda tensors: {key: value for key, value in tensors.items() if key != name}


def _extra(tensors: dict[str, Any]) -> dict[str, Any]:
    return {**tensors, "score.weight": tensors["model.norm.weight"].clone()}


def _shorter(tensors: dict[str, Any]) -> dict[str, Any]:
    return {**tensors, "model.norm.weight": tensors["model.norm.weight"][:-1].clone()}


NORM = "model.layers.1.input_layernorm.weight"
INVALID: dict[str, tuple[Change, str]] = {
    "no head": (_without("lm_head.weight"), "lm_head.weight"),
    "no norm": (_without(NORM), NORM),
    "no layer": (_without("model.layers.0.mlp.up_proj.weight"), "model.layers.0.mlp.up_proj.weight"),
    "compiled": (lambda t: {f"_orig_mod.{name}": value for name, value in t.items()}, "_orig_mod"),
    "wrapped": (lambda t: {f"module.{name}": value for name, value in t.items()}, "module."),
    "more": (_extra, "score.weight"),
    "shape": (_shorter, "model.norm.weight"),
}


@pytest.mark.parametrize("kind", INVALID)
def test_every_loader_refuses_weights_that_do_not_match_the_config(
    kind: str, tiny_llama: Path, dataset: Path, tmp_path: Path
) -> None:
    from finetune.model_loader import check_weights, load_model
    from finetune.sft import train_sft
    from serve.transformers_engine import TransformersEngine

    change, name = INVALID[kind]
    base = copy_with_tensors(tiny_llama, tmp_path / "base", change)
    for use in (
        lambda: train_sft(str(base), dataset, tmp_path / "out", SETTINGS, options=OPTIONS),
        lambda: check_weights(base),
        lambda: load_model(base, "fp32", "cpu"),
        lambda: TransformersEngine(base, "base", {}, dtype="fp32", device="cpu"),
    ):
        with pytest.raises(UserError) as error:
            use()
        assert any(name in fault.found for fault in error.value.faults)
    assert [entry.name for entry in tmp_path.iterdir()] == ["base"]


def test_valid_weights_are_accepted(tiny_llama: Path, tiny_mistral: Path) -> None:
    from finetune.model_loader import check_weights

    check_weights(tiny_llama)
    check_weights(tiny_mistral)


def test_merging_is_deterministic_and_loaders_agree(tiny_llama: Path, dataset: Path, tmp_path: Path) -> None:
    import torch

    from finetune.merge_lora import merge_adapter
    from finetune.model_loader import load_model
    from finetune.sft import train_sft
    from serve.transformers_engine import TransformersEngine

    train_sft(str(tiny_llama), dataset, tmp_path / "s", SETTINGS, options=OPTIONS)
    records = [merge_adapter(tmp_path / "s", tmp_path / name) for name in ("one", "two")]
    assert records[0]["weights"] == records[1]["weights"] == weights_id(tmp_path / "one")
    for folder in (tiny_llama, tmp_path / "one"):
        engine = TransformersEngine(folder, "base", {}, dtype="fp32", device="cpu")
        trained = load_model(folder, "fp32", "cpu").state_dict()
        served = engine._model.state_dict()
        assert trained.keys() == served.keys()
        assert all(torch.equal(trained[name], served[name]) for name in trained)
