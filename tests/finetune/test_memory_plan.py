"""Memory plan of a training: exact sizes, monotonicity, suggestions that make it fit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agents.model_files.decoder_config import DecoderConfig, parse_decoder_config
from finetune.config import TrainingConfig
from finetune.memory_plan import CONFIGS, GIB, RTX_4090_MIB, estimate_memory, load_base_config, plan_stage
from tests.errors import user_error

LLAMA = parse_decoder_config(CONFIGS["meta-llama/Llama-3.1-8B"])
MISTRAL = parse_decoder_config(CONFIGS["mistralai/Mistral-7B-v0.3"])


def test_sizes_of_the_two_base_models() -> None:
    assert LLAMA.parameters == 8_030_261_248
    assert MISTRAL.parameters == 7_248_023_552
    assert LLAMA.lora_parameters(8) == 20_971_520
    assert estimate_memory(LLAMA, TrainingConfig(), "sft", 300, 100).gib()["weights"] == 14.96
    assert round(RTX_4090_MIB * 2**20 / GIB, 2) == 23.99


@given(
    st.integers(32, 2000), st.booleans(), st.sampled_from(["sft", "dpo"]), st.sampled_from([LLAMA, MISTRAL])
)
def test_memory_grows_with_length_and_shrinks_with_saving_options(
    longest: int, checkpointing: bool, stage: str, shape: DecoderConfig
) -> None:
    settings = TrainingConfig(activation_checkpointing=checkpointing)
    name = "dpo" if stage == "dpo" else "sft"
    now = estimate_memory(shape, settings, name, longest, longest)
    assert now.total == sum(getattr(now, part) for part in now.__slots__)
    assert estimate_memory(shape, settings, name, longest + 1, longest).total > now.total
    assert (
        estimate_memory(shape, settings, "dpo", longest, longest).total
        > estimate_memory(shape, settings, "sft", longest, longest).total
    )
    small = TrainingConfig(activation_checkpointing=checkpointing, micro_batch=1)
    assert estimate_memory(shape, small, name, longest, longest).total < now.total
    with_it, without = TrainingConfig(), TrainingConfig(activation_checkpointing=False)
    assert (
        estimate_memory(shape, with_it, name, longest, 9).total
        < estimate_memory(shape, without, name, longest, 9).total
    )


def test_default_settings_fit_a_4090_and_suggestions_are_given_otherwise() -> None:
    lengths, completions = (400,) * 1900, (130,) * 1900
    for stage in ("sft", "dpo"):
        plan = plan_stage(LLAMA, TrainingConfig(), "dpo" if stage == "dpo" else "sft", lengths, completions)
        assert plan.fits and plan.suggestions == ()
    tight = plan_stage(LLAMA, TrainingConfig(activation_checkpointing=False), "dpo", lengths, completions)
    assert not tight.fits
    assert tight.suggestions == ("--activation-checkpointing",)
    small = plan_stage(LLAMA, TrainingConfig(), "sft", lengths, completions, gpu_memory_mib=12_000)
    assert not small.fits
    assert "GiB" in small.suggestions[-1]


def test_steps_and_tokens_are_counted() -> None:
    plan = plan_stage(LLAMA, TrainingConfig(), "sft", (300,) * 1900, (100,) * 1900)
    assert plan.steps == 3 * 119  # 1,900 rows in steps of 16
    assert plan.tokens == 3 * 1900 * 300
    trial = plan_stage(LLAMA, TrainingConfig(max_steps=2), "sft", (300,) * 1900, (100,) * 1900)
    assert (trial.steps, trial.tokens) == (2, 2 * 16 * 300)


def test_unsupported_models_and_layers_are_refused() -> None:
    with user_error("base-model.unsupported-architecture"):
        parse_decoder_config({"model_type": "gpt2", "n_embd": 768})
    with user_error("adapter.unknown-target"):
        LLAMA.lora_parameters(8, "q_proj,lm_head")
    assert load_base_config("mistralai/Mistral-7B-v0.3")["vocab_size"] == 32_768
