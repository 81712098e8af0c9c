"""Memory plan of a server: exact numbers from the config, and properties of fitting plans."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from agents.model_files.decoder_config import parse_decoder_config
from serve.lora_adapter import LoraAdapter
from serve.memory_plan import RTX_4090_MIB, ServingRequest, plan_memory, vllm_command
from tests.errors import user_error

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


def test_sizes_of_llama_3_1_8b_are_exact() -> None:
    shape = parse_decoder_config(LLAMA)
    assert shape.parameters == 8_030_261_248  # as in its model card
    assert shape.kv_cache_bytes() == 128 * 1024
    plan = plan_memory(LLAMA, [])
    assert plan.weights == 2 * 8_030_261_248
    assert plan.to_dict()["weights_gib"] == 14.96
    assert plan.to_dict()["cache_kib_per_token"] == 128
    assert RTX_4090_MIB == 24_564
    assert plan.to_dict()["memory_gib"] == 23.99


def test_a_4090_holds_the_base_and_students_in_16_bits_only() -> None:
    plan = plan_memory(LLAMA, adapters(8, 8, 8))
    assert plan.fits
    assert plan.max_loras == 3
    assert plan.max_lora_rank == 8
    assert plan.max_model_len == 5120
    # a slot of rank 8 on all linear layers: 21.0 M parameters of two bytes
    assert plan.adapters == 3 * 2 * 20_971_520
    wide = plan_memory(LLAMA, adapters(8), ServingRequest(dtype="fp32"))
    assert not wide.fits
    assert wide.suggestions[0].label == "--dtype bf16"  # and no change that is not needed
    small = plan_memory(LLAMA, adapters(8), ServingRequest(memory_mib=16_384))
    assert not small.fits
    assert [suggestion.label for suggestion in small.suggestions] == ["19.0 GiB of memory"]


@given(
    st.integers(12_000, 90_000),
    st.lists(st.sampled_from([4, 8, 16, 64]), max_size=12),
    st.sampled_from([None, 1, 64]),
    st.sampled_from([1280, 5120, 40_000]),
)
def test_properties_of_every_plan(memory: int, ranks: list[int], sequences: int | None, length: int) -> None:
    request = ServingRequest(memory_mib=memory, sequences=sequences, model_length=length)
    plan = plan_memory(LLAMA, adapters(*ranks), request)
    parts = plan.weights + plan.adapters + plan.activations + plan.logits + plan.reserve
    if plan.cache:
        assert parts + plan.cache == plan.budget
    else:
        assert parts >= plan.budget
    assert 0 <= plan.cache - plan.cache_tokens * plan.cache_per_token < 16 * plan.cache_per_token
    assert plan.fits == (plan.cache_tokens >= length) == (not plan.suggestions)
    assert plan.max_lora_rank >= max(ranks, default=0)
    assert plan.max_loras == min(len(ranks), 8)
    for suggestion in plan.suggestions:  # each is sufficient alone; the last is the memory
        assert suggestion.plan.fits
    if not plan.fits:
        needed_mib = plan.suggestions[-1].plan.request.memory_mib
        assert not plan_memory(LLAMA, adapters(*ranks), replace(request, memory_mib=needed_mib - 4)).fits
    larger = plan_memory(LLAMA, adapters(*ranks), replace(request, memory_mib=memory + 1000))
    assert larger.cache_tokens >= plan.cache_tokens
    assert larger.fits or not plan.fits


def test_command_has_host_and_formats_but_no_key() -> None:
    command = vllm_command(
        plan_memory(LLAMA, adapters(8)), "meta-llama/Llama-3.1-8B", "base:x", "127.0.0.1", 8001
    )
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--generation-config") + 1] == "vllm"
    # only the files that are hashed
    assert command[command.index("--load-format") + 1] == "safetensors"
    assert (
        command[command.index("--config-format") + 1]
        == command[command.index("--tokenizer-mode") + 1]
        == "hf"
    )
    assert command[command.index("--max-lora-rank") + 1] == "8"
    assert not any("key" in word for word in command)


def test_unsupported_requests_are_refused() -> None:
    with user_error("server.length-over-context"):
        plan_memory({**LLAMA, "max_position_embeddings": 2048}, [], ServingRequest(model_length=4096))
    with user_error("base-model.unsupported-architecture"):
        plan_memory({"model_type": "bert"}, [])
    with user_error("base-model.quantised"):
        plan_memory({**LLAMA, "quantization_config": {"quant_method": "gptq"}}, [])
    assert plan_memory({**LLAMA, "max_position_embeddings": 2048}, []).max_model_len == 2048
