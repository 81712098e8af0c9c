"""Estimated activation memory compared with the tensors that autograd keeps, on a CPU in bf16."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agents.model_files.decoder_config import DecoderConfig, parse_decoder_config
from finetune.config import TrainingConfig
from finetune.memory_plan import estimate_memory

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

SHAPES = [
    DecoderConfig(256, 896, 2, 8, 2, 32, 500),
    DecoderConfig(256, 512, 2, 4, 4, 64, 500),
    DecoderConfig(384, 640, 2, 6, 3, 64, 500),
]


def _kept_bytes(shape: DecoderConfig, tokens: int, *, checkpointing: bool) -> int:
    """Return the bytes that a forward pass of two rows keeps for the backward pass, without weights."""
    from peft import get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    from finetune.sft import lora_config

    config = LlamaConfig(
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        vocab_size=shape.vocabulary,
    )
    assert parse_decoder_config(config.to_dict()) == shape
    base = LlamaForCausalLM(config).to(torch.bfloat16)
    assert sum(p.numel() for p in base.parameters()) == shape.parameters
    model: Any = get_peft_model(base, lora_config(TrainingConfig()))
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == shape.lora_parameters(8)
    model.train()
    if checkpointing:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable()
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}
    alive = []  # keeps every storage alive, so that no address is counted twice

    def keep(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    ids = torch.randint(0, shape.vocabulary, (2, tokens))
    mask = torch.ones_like(ids)
    mask[0, -3:] = 0
    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", dtype=torch.bfloat16):
        model.get_base_model().model(input_ids=ids, attention_mask=mask, use_cache=False)
    return sum(kept.values())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_estimated_activations_equal_what_autograd_keeps(shape: DecoderConfig, checkpointing: bool) -> None:
    # The difference of differences over two layers and 100 tokens cancels every other term.
    deep = replace(shape, layers=shape.layers + 2)
    counted, planned = (
        sum(
            sign * measure(variant, tokens)
            for variant, tokens, sign in ((deep, 228, 1), (deep, 128, -1), (shape, 228, -1), (shape, 128, 1))
        )
        for measure in (
            lambda variant, tokens: _kept_bytes(variant, tokens, checkpointing=checkpointing),
            lambda variant, tokens: (
                estimate_memory(
                    variant, TrainingConfig(activation_checkpointing=checkpointing), "sft", tokens, 0
                ).activations
            ),
        )
    )
    assert counted == pytest.approx(planned, rel=1e-3)
