"""Merged models: the same logits as the adapter, on both model families; other base models are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from agents.model_files.safetensors_format import read_header
from finetune.checkpoint import hash_file, read_checkpoint, weights_id
from finetune.config import TrainingConfig
from finetune.pipeline import TrainOptions
from tests.errors import user_error

pytest.importorskip("torch")
pytestmark = pytest.mark.train

SETTINGS = TrainingConfig(dtype="fp32", learning_rate=1e-2, accumulation=1, max_steps=12)
OPTIONS = TrainOptions(cpu=True, new_tokens=4)


@pytest.mark.parametrize("family", ["tiny_llama", "tiny_mistral"])
def test_merged_model_has_the_logits_of_the_adapter(
    family: str, request: pytest.FixtureRequest, dataset: Path, tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel

    from finetune.merge_lora import merge_adapter
    from finetune.model_loader import load_model, load_tokenizer
    from finetune.sft import train_sft

    base = request.getfixturevalue(family)
    train_sft(str(base), dataset, tmp_path / "s", SETTINGS, options=OPTIONS)
    record = merge_adapter(tmp_path / "s", tmp_path / "merged")
    assert record["largest_logit_difference"] < 1e-4
    assert record["checkpoint"] == read_checkpoint(tmp_path / "s").id
    assert record["weights"] == weights_id(tmp_path / "merged") != weights_id(base)
    assert json.loads((tmp_path / "merged/merged.json").read_text()) == record

    tokenizer = load_tokenizer(tmp_path / "merged")
    ids = torch.tensor([tokenizer.encode("It rained all day and my café was flooded 😀.")])
    adapted = PeftModel.from_pretrained(load_model(base, "fp32", "cpu"), tmp_path / "s").eval()
    merged = load_model(tmp_path / "merged", "fp32", "cpu").eval()
    with torch.no_grad():
        expected, actual = adapted(ids).logits, merged(ids).logits
        plain = load_model(base, "fp32", "cpu")(ids).logits
    assert float((expected - actual).abs().max()) < 1e-4
    assert float((expected - plain).abs().max()) > 0.01

    half = merge_adapter(tmp_path / "s", tmp_path / "half", dtype="bf16")
    assert half["dtype"] == "bf16"
    assert record["relative_logit_difference"] < 1e-4 < half["relative_logit_difference"] < 0.1
    stored = {tensor.dtype for tensor in read_header(tmp_path / "half/model.safetensors").values()}
    assert stored == {"BF16"}
    assert half["weights"] != record["weights"]
    with user_error("file.exists"):
        merge_adapter(tmp_path / "s", tmp_path / "merged")


def test_another_base_model_is_refused(
    tiny_llama: Path, tiny_mistral: Path, dataset: Path, tmp_path: Path
) -> None:
    from finetune.dpo import train_dpo
    from finetune.merge_lora import merge_adapter
    from finetune.sft import train_sft
    from finetune.tiny_model import build_tiny_model

    train_sft(str(tiny_llama), dataset, tmp_path / "s", SETTINGS, options=OPTIONS)
    with user_error("checkpoint.base-mismatch"):
        merge_adapter(tmp_path / "s", tmp_path / "m", base=str(tiny_mistral))
    twin = build_tiny_model(tmp_path / "twin", "llama", seed=2)  # same shape, different weights
    with user_error("checkpoint.base-mismatch"):
        train_dpo(tmp_path / "s", dataset, tmp_path / "d", SETTINGS, base=str(twin), options=OPTIONS)
    assert not (tmp_path / "m").exists() and not (tmp_path / "d").exists()
    moved = tmp_path / "moved"
    tiny_llama_copy = build_tiny_model(moved, "llama")  # same seed, so the same weights in another folder
    assert merge_adapter(tmp_path / "s", tmp_path / "m", base=str(tiny_llama_copy))["dtype"] == "fp32"


def test_adapters_without_effect_are_refused(tiny_llama: Path, dataset: Path, tmp_path: Path) -> None:
    """Refuse a merge whose update is rounded away, and any use of an adapter of zeros."""
    from safetensors.torch import load_file, save_file

    from finetune.dpo import train_dpo
    from finetune.merge_lora import merge_adapter
    from finetune.sft import train_sft
    from serve.lora_adapter import read_adapter

    checkpoint = train_sft(str(tiny_llama), dataset, tmp_path / "s", SETTINGS, options=OPTIONS).path
    for scale, code in ((1e-30, "adapter.merge-without-effect"), (0.0, "adapter.base-mismatch")):
        path = checkpoint / "adapter_model.safetensors"
        factors = {"lora_A": 1.0, "lora_B": scale}
        save_file(
            {name: tensor * factors[name.split(".")[-2]] for name, tensor in load_file(path).items()}, path
        )
        record = json.loads((checkpoint / "checkpoint.json").read_text())
        record["adapter"] = hash_file(path)
        (checkpoint / "checkpoint.json").write_text(json.dumps(record))
        with user_error(code):
            merge_adapter(checkpoint, tmp_path / "m")
        assert not (tmp_path / "m").exists()
    with user_error("adapter.not-servable"):
        read_adapter("student:s", checkpoint, tiny_llama, shared=False)
    with user_error("adapter.base-mismatch"):
        train_dpo(checkpoint, dataset, tmp_path / "d", SETTINGS, options=OPTIONS)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["s"]


CONFIGS: tuple[dict[str, Any] | None, ...] = (
    None,
    {
        "eos_token_id": 1,
        "temperature": 0.9,
        "top_p": 0.6,
        "do_sample": False,
    },  # as in LLaMA 2's chat models
    {"eos_token_id": 1, "num_beams": 3, "no_repeat_ngram_size": 2, "bad_words_ids": [[20]]},
)


@pytest.mark.parametrize("config", CONFIGS)
def test_generation_config_is_copied_unchanged(
    config: dict[str, Any] | None, tiny_llama: Path, dataset: Path, tmp_path: Path
) -> None:
    from finetune.merge_lora import merge_adapter
    from finetune.sft import train_sft

    base = tmp_path / "base"
    shutil.copytree(tiny_llama, base)
    (base / "generation_config.json").unlink(missing_ok=True)
    if config is not None:
        (base / "generation_config.json").write_text(json.dumps(config, indent=3))
    train_sft(str(base), dataset, tmp_path / "s", SETTINGS, options=OPTIONS)
    merge_adapter(tmp_path / "s", tmp_path / "m")
    copied = tmp_path / "m" / "generation_config.json"
    assert copied.exists() == (config is not None)
    if config is not None:
        assert copied.read_bytes() == (base / "generation_config.json").read_bytes()


def test_tolerance_is_relative_to_the_size_of_the_logits(
    tiny_llama: Path, dataset: Path, tmp_path: Path
) -> None:
    """An absolute tolerance would refuse an adapter with logits a hundred times larger."""
    from safetensors.torch import load_file, save_file

    from finetune.merge_lora import merge_adapter
    from finetune.sft import train_sft

    checkpoint = train_sft(str(tiny_llama), dataset, tmp_path / "s", SETTINGS, options=OPTIONS).path
    path = checkpoint / "adapter_model.safetensors"
    save_file({name: tensor * 30 for name, tensor in load_file(path).items()}, path)
    record = json.loads((checkpoint / "checkpoint.json").read_text())
    record["adapter"] = hash_file(path)
    (checkpoint / "checkpoint.json").write_text(json.dumps(record))
    assert merge_adapter(checkpoint, tmp_path / "m")["relative_logit_difference"] < 1e-3


def test_an_adapter_that_peft_cannot_merge_is_refused(
    tiny_llama: Path, dataset: Path, tmp_path: Path
) -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    from finetune.merge_lora import merge_adapter
    from finetune.model_loader import load_model
    from finetune.sft import train_sft

    checkpoint = train_sft(str(tiny_llama), dataset, tmp_path / "s", SETTINGS, options=OPTIONS).path
    config = LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj"], lora_bias=True, task_type="CAUSAL_LM")
    model = get_peft_model(load_model(tiny_llama, "fp32", "cpu"), config)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(checkpoint)
    record = json.loads((checkpoint / "checkpoint.json").read_text())
    record["adapter"] = hash_file(checkpoint / "adapter_model.safetensors")
    (checkpoint / "checkpoint.json").write_text(json.dumps(record))
    with user_error("adapter.not-mergeable"):
        merge_adapter(checkpoint, tmp_path / "m")
    assert not (tmp_path / "m").exists()
