"""Target modules: every name must match a layer of the base model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agents.model_files.layers import embedding_rows, layers_of
from finetune.config import TrainingConfig
from finetune.lora_targets import check_target_modules, parse_target_modules, tied_weight_faults
from tests.agents.model_files.test_lora import ENDS, LAYERS, write
from tests.errors import user_error

SETTINGS = TrainingConfig()


def base_at(folder: Path, *, head: bool = True, config: str = '{"model_type": "llama"}') -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(config)
    names = {**LAYERS, **ENDS} if head else {**LAYERS, "model.embed_tokens": ENDS["model.embed_tokens"]}
    write(folder / "model.safetensors", {f"{name}.weight": shape for name, shape in names.items()})
    return folder


def targets(names: str) -> TrainingConfig:
    return replace(SETTINGS, target_modules=names)


@pytest.mark.parametrize(
    "names",
    [
        "all-linear",
        "q_proj",
        "q_proj,v_proj",
        " q_proj , up_proj ",
        "self_attn.q_proj",
        "layers.0.mlp.up_proj",
    ],
)
def test_names_of_layers_are_accepted(tmp_path: Path, names: str) -> None:
    check_target_modules(targets(names), base_at(tmp_path / "base"))


@pytest.mark.parametrize(
    "names",
    ["q_proj,v_prj", "c_attn", "all_linear", "proj", "q_proj,all-linear", "norm", "layers.7.mlp.up_proj"],
)
def test_a_name_that_matches_no_layer_is_refused(tmp_path: Path, names: str) -> None:
    with user_error("adapter.unknown-target") as error:
        check_target_modules(targets(names), base_at(tmp_path / "base"))
    assert any("q_proj" in fault.remedy for fault in error.faults)


@pytest.mark.parametrize("names", [",", "q_proj,", "q_proj,q_proj", " ", "q_proj,,v_proj"])
def test_empty_and_repeated_names_are_refused(names: str) -> None:
    with user_error("training.invalid-target-modules"):
        parse_target_modules(targets(names))


@pytest.mark.parametrize(
    "names", ["lm_head", "q_proj,embed_tokens", "model.embed_tokens", "lm_head,embed_tokens"]
)
def test_tied_embeddings_and_head_are_refused(tmp_path: Path, names: str) -> None:
    for name, base in (
        ("no head", base_at(tmp_path / "no-head", head=False)),
        ("config", base_at(tmp_path / "config", config='{"tie_word_embeddings": true}')),
    ):
        with user_error("adapter.tied-weights"):
            check_target_modules(targets(names), base)
        assert tied_weight_faults({"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]}, base, name)
    check_target_modules(targets(names), base_at(tmp_path / "apart"))


def test_embedding_rows_are_read_from_the_weights(tmp_path: Path) -> None:
    assert embedding_rows(layers_of(base_at(tmp_path / "base"))) == 20
