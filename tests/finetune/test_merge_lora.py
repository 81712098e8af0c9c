"""Merged equals adapter: logits within 1e-4, on both families; another base is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from agents.errors import UserError
from agents.model_files.safetensors_format import read_header
from finetune.checkpoint import hash_file, read_checkpoint, weights_id
from finetune.config import TrainingConfig
from finetune.pipeline import TrainOptions

pytest.importorskip("torch")
pytestmark = pytest.mark.train

SETTINGS = TrainingConfig(dtype="fp32", learning_rate=1e-2, accumulation=1, max_steps=12)
HOW = TrainOptions(cpu=True, new_tokens=4)


@pytest.mark.parametrize("family", ["tiny_llama", "tiny_mistral"])
def test_merged_equals_adapter(
    family: str, request: pytest.FixtureRequest, dataset: Path, tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel

    from finetune.merge_lora import merge_adapter
    from finetune.model_loader import load_model, load_tokenizer
    from finetune.sft import train_sft

    base = request.getfixturevalue(family)
    train_sft(str(base), dataset, tmp_path / "s", SETTINGS, options=HOW)
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
        one, two, plain = adapted(ids).logits, merged(ids).logits, load_model(base, "fp32", "cpu")(ids).logits
    assert float((one - two).abs().max()) < 1e-4
    assert float((one - plain).abs().max()) > 0.01

    half = merge_adapter(tmp_path / "s", tmp_path / "half", dtype="bf16")
    assert half["dtype"] == "bf16"
    assert record["relative_logit_difference"] < 1e-4 < half["relative_logit_difference"] < 0.1
    stored = {one.dtype for one in read_header(tmp_path / "half/model.safetensors").values()}
    assert stored == {"BF16"}
    assert half["weights"] != record["weights"]
    with pytest.raises(UserError, match="something already"):
        merge_adapter(tmp_path / "s", tmp_path / "merged")


def test_another_base_is_refused(tiny_llama: Path, tiny_mistral: Path, dataset: Path, tmp_path: Path) -> None:
    from finetune.dpo import train_dpo
    from finetune.merge_lora import merge_adapter
    from finetune.sft import train_sft
    from finetune.tiny_model import build_tiny_model

    train_sft(str(tiny_llama), dataset, tmp_path / "s", SETTINGS, options=HOW)
    with pytest.raises(UserError, match="does not match the adapter"):
        merge_adapter(tmp_path / "s", tmp_path / "m", base=str(tiny_mistral))
    twin = build_tiny_model(tmp_path / "twin", "llama", seed=2)  # the same shape, other weights
    with pytest.raises(UserError, match="does not match the adapter"):
        train_dpo(tmp_path / "s", dataset, tmp_path / "d", SETTINGS, base=str(twin), options=HOW)
    assert not (tmp_path / "m").exists() and not (tmp_path / "d").exists()
    moved = tmp_path / "moved"
    tiny_llama_copy = build_tiny_model(moved, "llama")  # the same seed: the same weights elsewhere
    assert merge_adapter(tmp_path / "s", tmp_path / "m", base=str(tiny_llama_copy))["dtype"] == "fp32"


def test_a_merge_that_is_its_base_is_no_student(tiny_llama: Path, dataset: Path, tmp_path: Path) -> None:
    """An update too small for the dtype is lost in the merge; one of zeros is refused beside a base too."""
    from safetensors.torch import load_file, save_file

    from finetune.dpo import train_dpo
    from finetune.merge_lora import merge_adapter
    from finetune.sft import train_sft
    from serve.lora_adapter import read_adapter

    made = train_sft(str(tiny_llama), dataset, tmp_path / "s", SETTINGS, options=HOW).path
    for scale, refused in ((1e-30, "every update is rounded away"), (0.0, "every update is zero")):
        path = made / "adapter_model.safetensors"
        factors = {"lora_A": 1.0, "lora_B": scale}
        save_file({name: one * factors[name.split(".")[-2]] for name, one in load_file(path).items()}, path)
        record = json.loads((made / "checkpoint.json").read_text())
        record["adapter"] = hash_file(path)
        (made / "checkpoint.json").write_text(json.dumps(record))
        with pytest.raises(UserError, match=refused):
            merge_adapter(made, tmp_path / "m")
        assert not (tmp_path / "m").exists()
    for use in (
        lambda: read_adapter("student:s", made, tiny_llama, shared=False),
        lambda: train_dpo(made, dataset, tmp_path / "d", SETTINGS, options=HOW),
    ):
        with pytest.raises(UserError, match="every update is zero"):
            use()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["s"]


CONFIGS: tuple[dict[str, Any] | None, ...] = (
    None,
    {
        "eos_token_id": 1,
        "temperature": 0.9,
        "top_p": 0.6,
        "do_sample": False,
    },  # as LLaMA 2's chat models have
    {"eos_token_id": 1, "num_beams": 3, "no_repeat_ngram_size": 2, "bad_words_ids": [[20]]},
)


@pytest.mark.parametrize("config", CONFIGS)
def test_a_bases_generation_config_is_carried_over_as_it_stands(
    config: dict[str, Any] | None, tiny_llama: Path, dataset: Path, tmp_path: Path
) -> None:
    from finetune.merge_lora import merge_adapter
    from finetune.sft import train_sft

    base = tmp_path / "base"
    shutil.copytree(tiny_llama, base)
    (base / "generation_config.json").unlink(missing_ok=True)
    if config is not None:
        (base / "generation_config.json").write_text(json.dumps(config, indent=3))
    train_sft(str(base), dataset, tmp_path / "s", SETTINGS, options=HOW)
    merge_adapter(tmp_path / "s", tmp_path / "m")
    there = tmp_path / "m" / "generation_config.json"
    assert there.exists() == (config is not None)
    if config is not None:
        assert there.read_bytes() == (base / "generation_config.json").read_bytes()


def test_an_adapter_with_large_updates_is_merged_by_the_size_of_its_logits(
    tiny_llama: Path, dataset: Path, tmp_path: Path
) -> None:
    """An absolute bound refused an adapter whose logits were a hundred times larger."""
    from safetensors.torch import load_file, save_file

    from finetune.merge_lora import merge_adapter
    from finetune.sft import train_sft

    made = train_sft(str(tiny_llama), dataset, tmp_path / "s", SETTINGS, options=HOW).path
    path = made / "adapter_model.safetensors"
    save_file({name: one * 30 for name, one in load_file(path).items()}, path)
    record = json.loads((made / "checkpoint.json").read_text())
    record["adapter"] = hash_file(path)
    (made / "checkpoint.json").write_text(json.dumps(record))
    assert merge_adapter(made, tmp_path / "m")["relative_logit_difference"] < 1e-3


def test_an_adapter_that_peft_cannot_merge_is_told(tiny_llama: Path, dataset: Path, tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    from finetune.merge_lora import merge_adapter
    from finetune.model_loader import load_model
    from finetune.sft import train_sft

    made = train_sft(str(tiny_llama), dataset, tmp_path / "s", SETTINGS, options=HOW).path
    config = LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj"], lora_bias=True, task_type="CAUSAL_LM")
    model = get_peft_model(load_model(tiny_llama, "fp32", "cpu"), config)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(made)
    record = json.loads((made / "checkpoint.json").read_text())
    record["adapter"] = hash_file(made / "adapter_model.safetensors")
    (made / "checkpoint.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="cannot be merged"):
        merge_adapter(made, tmp_path / "m")
    assert not (tmp_path / "m").exists()
