"""LoRA adapters: every tensor fits the base model or is named in a fault; generated adapters."""

from __future__ import annotations

import json
import struct
from math import prod
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.model_files.layers import is_target, layers_of, rank_of, unmatched_targets
from agents.model_files.lora import CONFIG, WEIGHTS, adapter_faults

LAYERS = {
    f"model.layers.{n}.{part}": shape
    for n in (0, 1, 11)
    for part, shape in (
        ("self_attn.q_proj", (16, 8)),
        ("self_attn.v_proj", (4, 8)),
        ("mlp.up_proj", (12, 8)),
        ("mlp.down_proj", (8, 12)),
    )
}
ENDS = {"model.embed_tokens": (20, 8), "lm_head": (20, 8)}
Shapes = dict[str, tuple[int, ...]]


def write(path: Path, shapes: Shapes, value: float = 0.5) -> None:
    """A safetensors file of one number."""
    header, at = {}, 0
    for name, shape in shapes.items():
        end = at + 4 * prod(shape)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, end]}
        at = end
    header_bytes = json.dumps(header).encode()
    path.write_bytes(
        struct.pack("<Q", len(header_bytes)) + header_bytes + struct.pack("<f", value) * (at // 4)
    )


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base of three blocks with head and embeddings."""
    folder = tmp_path_factory.mktemp("base")
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    weights: Shapes = {f"{name}.weight": shape for name, shape in {**LAYERS, **ENDS}.items()}
    write(folder / "model.safetensors", {**weights, "model.norm.weight": (8,)})
    return folder


def adapter(folder: Path, shapes: Shapes | None = None, value: float = 0.5, **config: Any) -> Path:
    """An adapter with the tensors that its config asks for, by the names written down here."""
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj", "v_proj"], **config}
    folder.mkdir(exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(config))
    write(
        folder / WEIGHTS, tensors(config["target_modules"], config["r"]) if shapes is None else shapes, value
    )
    return folder


def tensors(targets: list[str], rank: int = 2) -> Shapes:
    shapes: Shapes = {}
    for name, (out, into) in LAYERS.items():
        if name.rpartition(".")[2] in targets:
            shapes[f"base_model.model.{name}.lora_A.weight"] = (rank, into)
            shapes[f"base_model.model.{name}.lora_B.weight"] = (out, rank)
    return shapes


targets = st.lists(st.sampled_from(["q_proj", "v_proj", "up_proj", "down_proj"]), min_size=1, unique=True)


@given(targets, st.integers(1, 3))
def test_required_tensors_are_accepted(
    tmp_path_factory: pytest.TempPathFactory, base: Path, names: list[str], rank: int
) -> None:
    folder = adapter(tmp_path_factory.mktemp("a"), target_modules=names, r=rank)
    assert adapter_faults(folder, base) == []
    assert adapter_faults(folder, None) == []


@given(targets, st.data())
def test_any_tensor_left_out_renamed_or_of_another_shape_is_named(
    tmp_path_factory: pytest.TempPathFactory, base: Path, names: list[str], data: st.DataObject
) -> None:
    shapes = tensors(names)
    chosen = data.draw(st.sampled_from(sorted(shapes)))
    how = data.draw(st.sampled_from(["left out", "prefix", "layer", "shape", "turned", "more"]))
    shape = shapes.pop(chosen)
    shown = chosen
    if how == "prefix":
        shapes[chosen.replace("base_model.model.", "base_model.model.model.")] = shape
    elif how == "layer":
        shapes[chosen.replace(".layers.", ".layers.7")] = shape
    elif how == "shape":
        shapes[chosen] = (shape[0] + 1, shape[1])
    elif how == "turned":
        shapes[chosen] = (shape[1], shape[0])
    elif how == "more":
        shown = "base_model.model.model.norm.weight"
        shapes |= {chosen: shape, shown: (8,)}
    folder = adapter(tmp_path_factory.mktemp("a"), shapes, target_modules=names)
    faults = adapter_faults(folder, base)
    assert any(shown in fault.found for fault in faults)


@pytest.mark.parametrize(
    "config",
    [
        {"peft_type": "IA3"},
        {"r": 0},
        {"r": "8"},
        {"r": True},
        {"lora_alpha": None},
        {"target_modules": None},
        {"target_modules": []},
        {"target_modules": "("},
        {"target_modules": ["q_proj", "v_prj"]},
        {"target_modules": ["q_proj", "v_proj", "lm_head"]},
        {"rank_pattern": {"q_proj": 3}},
        {"use_dora": True},
        {"lora_bias": True},
        {"modules_to_save": ["lm_head"]},
        {"trainable_token_indices": [1]},
        {"layers_to_transform": [0]},
        {"exclude_modules": ["v_proj"]},
        {"layer_replication": [[0, 1]]},
        {"target_parameters": ["x"]},
    ],
)
def test_a_config_that_asks_for_other_tensors(tmp_path: Path, base: Path, config: dict[str, Any]) -> None:
    assert adapter_faults(adapter(tmp_path / "a", tensors(["q_proj", "v_proj"]), **config), base)


def test_an_adapter_of_another_base(tmp_path: Path, base: Path) -> None:
    shapes = {name.replace("layers.11.", "layers.2."): shape for name, shape in tensors(["q_proj"]).items()}
    folder = adapter(tmp_path / "a", shapes, target_modules=["q_proj"])
    faults = adapter_faults(folder, base)
    assert {"layers.11" in fault.found or "layers.2" in fault.found for fault in faults} == {True}
    assert adapter_faults(folder, None) == []


def test_an_adapter_without_effect_is_reported(tmp_path: Path, base: Path) -> None:
    for value in (0.0, -0.0):
        (fault,) = adapter_faults(adapter(tmp_path / "a", value=value), base)
        assert "nothing" in fault.what


def test_invalid_adapters_are_rejected(tmp_path: Path, base: Path) -> None:
    folder = adapter(tmp_path / "a")
    for name, content in (
        (CONFIG, "[]"),
        (CONFIG, "{"),
        (WEIGHTS, "version https://git-lfs.github.com/spec/v1\n"),
    ):
        adapter(folder)
        (folder / name).write_text(content)
        assert len(adapter_faults(folder, base)) == 1


def test_names_as_peft_reads_them(base: Path) -> None:
    layers = layers_of(base)
    chosen = {"target_modules": ["q_proj"], "layers_to_transform": [1]}
    assert [name for name in layers if is_target(name, chosen)] == ["model.layers.1.self_attn.q_proj"]
    pattern = {"target_modules": r".*\.1\..*(q|v)_proj"}
    assert sum(is_target(name, pattern) for name in layers) == 2
    every = {"target_modules": "all-linear"}
    assert not any("embed" in name or "head" in name for name in layers if is_target(name, every))
    names = ["q_proj", "1.mlp.up_proj", "q_pro", "proj"]
    assert unmatched_targets({"target_modules": names}, layers) == ["q_pro", "proj"]
    ranks = {"r": 8, "rank_pattern": {"1.self_attn.q_proj": 2, r"^model\.layers\.0\.": 3}}
    query = [f"model.layers.{number}.self_attn.q_proj" for number in (0, 1, 11)]
    assert [rank_of(name, ranks) for name in query] == [3, 2, 8]


def test_a_base_whose_files_lack_the_models_first_part(tmp_path: Path) -> None:
    """GPT-2's files say `h.0.attn`, the model `transformer.h.0.attn`; and its weights are turned."""
    folder = tmp_path / "gpt2"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    write(folder / "model.safetensors", {"wte.weight": (20, 8), "h.0.attn.c_attn.weight": (8, 24)})
    at = "base_model.model.transformer.h.0.attn.c_attn."
    shapes: Shapes = {f"{at}lora_A.weight": (2, 8), f"{at}lora_B.weight": (24, 2)}
    made = adapter(tmp_path / "a", shapes, target_modules=["c_attn"], fan_in_fan_out=True)
    assert adapter_faults(made, folder) == []


@pytest.mark.train
@pytest.mark.parametrize("kind", ["llama", "tied", "gpt2"])
def test_adapters_saved_by_peft_are_accepted(kind: str, tmp_path: Path) -> None:
    """Every kind of LoRA whose tensors follow from names, saved by peft itself."""
    torch = pytest.importorskip("torch")
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    if kind == "gpt2":
        model: Any = GPT2LMHeadModel(GPT2Config(vocab_size=64, n_embd=16, n_layer=2, n_head=2))
        names = ["c_attn", "c_proj"]
        kinds: dict[str, dict[str, Any]] = {"plain": {}, "dora": {"use_dora": True}}
    else:
        sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
        model = LlamaForCausalLM(LlamaConfig(vocab_size=64, **sizes, tie_word_embeddings=kind == "tied"))
        names = ["q_proj", "v_proj"]
        kinds = {
            "plain": {},
            "all": {"target_modules": "all-linear"},
            "pattern": {"target_modules": r".*layers\.1\..*(q|v)_proj"},
            "rank": {"rank_pattern": {"q_proj": 1}, "alpha_pattern": {"q_proj": 9}},
            "bias": {"lora_bias": True},
            "dora": {"use_dora": True},
            "rslora": {"use_rslora": True},
            "one layer": {"layers_to_transform": [1]},
            "excluded": {"exclude_modules": ["model.layers.0.self_attn.q_proj"]},
            "embeddings": {"target_modules": ["q_proj", "embed_tokens"]},
            "head": {"target_modules": ["q_proj", "lm_head"]},
            "tokens": {"trainable_token_indices": [3, 5]},
            "saved": {"modules_to_save": ["lm_head"]},
        }
    base = tmp_path / "base"
    model.save_pretrained(base)
    for name, more in kinds.items():
        usual = {"r": 2, "lora_alpha": 4, "target_modules": names, "task_type": "CAUSAL_LM"}
        made = get_peft_model(AutoModelForCausalLM.from_pretrained(base), LoraConfig(**{**usual, **more}))
        for parameter in made.parameters():
            if parameter.requires_grad:
                parameter.data += 0.1 * torch.randn_like(parameter)
        made.save_pretrained(tmp_path / name)
        assert adapter_faults(tmp_path / name, base) == [], name
        assert adapter_faults(tmp_path / name, None) == [], name
