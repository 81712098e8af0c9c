"""The plan: exact numbers from the config alone, and laws of what fits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import UserError
from agents.model_files.decoder_config import parse_decoder_config
from serve.lora_adapter import LoraAdapter
from serve.memory_plan import RTX_4090_MIB, ServingRequest, plan_memory, vllm_command

LLAMA = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128_256,
    "max_position_embeddings": 131_072,
}


def adapters(*ranks: int) -> list[LoraAdapter]:
    return [LoraAdapter(f"student:{n}", Path(f"c{n}"), rank, 1) for n, rank in enumerate(ranks)]


def test_llama_3_1_8b_to_the_byte() -> None:
    shape = parse_decoder_config(LLAMA)
    assert shape.parameters == 8_030_261_248  # as its model card counts them
    assert shape.kv_cache_bytes() == 128 * 1024
    made = plan_memory(LLAMA, [])
    assert made.weights == 2 * 8_030_261_248
    assert made.to_dict()["weights_gib"] == 14.96
    assert made.to_dict()["cache_kib_per_token"] == 128
    assert RTX_4090_MIB == 24_564
    assert made.to_dict()["memory_gib"] == 23.99


def test_the_card_holds_the_base_and_its_students_and_not_in_32_bits() -> None:
    made = plan_memory(LLAMA, adapters(8, 8, 8))
    assert made.fits
    assert made.max_loras == 3
    assert made.max_lora_rank == 8
    assert made.max_model_len == 5120
    # a slot of rank 8 on all linear layers: 21.0 M parameters of two bytes
    assert made.adapters == 3 * 2 * 20_971_520
    wide = plan_memory(LLAMA, adapters(8), ServingRequest(dtype="fp32"))
    assert not wide.fits
    assert wide.suggestions[0].label == "--dtype bf16"  # and nothing that is not needed
    small = plan_memory(LLAMA, adapters(8), ServingRequest(memory_mib=16_384))
    assert not small.fits
    assert [way.label for way in small.suggestions] == ["19.0 GiB of memory"]


@given(
    st.integers(12_000, 90_000),
    st.lists(st.sampled_from([4, 8, 16, 64]), max_size=12),
    st.sampled_from([None, 1, 64]),
    st.sampled_from([1280, 5120, 40_000]),
)
def test_laws(memory: int, ranks: list[int], sequences: int | None, length: int) -> None:
    wanted = ServingRequest(memory_mib=memory, sequences=sequences, model_length=length)
    made = plan_memory(LLAMA, adapters(*ranks), wanted)
    parts = made.weights + made.adapters + made.activations + made.logits + made.reserve
    if made.cache:
        assert parts + made.cache == made.budget
    else:
        assert parts >= made.budget
    assert 0 <= made.cache - made.cache_tokens * made.cache_per_token < 16 * made.cache_per_token
    assert made.fits == (made.cache_tokens >= length) == (not made.suggestions)
    assert made.max_lora_rank >= max(ranks, default=0)
    assert made.max_loras == min(len(ranks), 8)
    for way in made.suggestions:  # each by itself would do, and the last one is the card
        assert way.plan.fits
    if not made.fits:
        least = made.suggestions[-1].plan.request.memory_mib
        assert not plan_memory(LLAMA, adapters(*ranks), replace(wanted, memory_mib=least - 4)).fits
    larger = plan_memory(LLAMA, adapters(*ranks), replace(wanted, memory_mib=memory + 1000))
    assert larger.cache_tokens >= made.cache_tokens
    assert larger.fits or not made.fits


def test_the_command_binds_to_where_it_is_told_and_holds_no_key() -> None:
    told = vllm_command(
        plan_memory(LLAMA, adapters(8)), "meta-llama/Llama-3.1-8B", "base:x", "127.0.0.1", 8001
    )
    assert told[told.index("--host") + 1] == "127.0.0.1"
    assert told[told.index("--generation-config") + 1] == "vllm"
    # the very files that are hashed, whatever else lies beside them
    assert told[told.index("--load-format") + 1] == "safetensors"
    assert told[told.index("--config-format") + 1] == told[told.index("--tokenizer-mode") + 1] == "hf"
    assert told[told.index("--max-lora-rank") + 1] == "8"
    assert not any("key" in word for word in told)


def test_mistakes() -> None:
    with pytest.raises(UserError, match="context"):
        plan_memory({**LLAMA, "max_position_embeddings": 2048}, [], ServingRequest(model_length=4096))
    with pytest.raises(UserError, match="LLaMA-type"):
        plan_memory({"model_type": "bert"}, [])
    with pytest.raises(UserError, match="gptq"):
        plan_memory({**LLAMA, "quantization_config": {"quant_method": "gptq"}}, [])
    assert plan_memory({**LLAMA, "max_position_embeddings": 2048}, []).max_model_len == 2048
