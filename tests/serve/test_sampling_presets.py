"""Sampling presets: every value is resolved; base model and student share the values of a preset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from prompts import Library
from serve.sampling_presets import (
    NAMES,
    base_sampling,
    parse_preset_name,
    preset_dtype,
    read_json,
    resolve_preset,
)
from tests.errors import user_error

pytestmark = pytest.mark.usefixtures("released_prompts")

LLAMA = {"model_type": "llama", "max_position_embeddings": 131_072}
MISTRAL = {"model_type": "mistral", "max_position_embeddings": 32_768}
LLAMA_GENERATION = {"do_sample": True, "temperature": 0.6, "top_p": 0.9}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("role", ["base", "student"])
@pytest.mark.parametrize("config", [LLAMA, MISTRAL])
@pytest.mark.parametrize("generation", [{}, LLAMA_GENERATION])
def test_every_parameter_is_explicit(name: Any, role: Any, config: Any, generation: Any) -> None:
    preset = resolve_preset(name, role, config, generation)
    parameters = json.loads(preset.extra)
    assert None not in parameters.values()
    assert {"top_k", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty"} <= set(
        parameters
    )
    assert preset.temperature >= 0
    assert 0 < preset.top_p <= 1
    assert preset.prompt in {prompt.name for prompt in Library()}


@pytest.mark.parametrize("config", [LLAMA, MISTRAL])
def test_base_and_student_share_the_presets_cut_and_paper(config: Any) -> None:
    for name in ("cut", "paper"):
        assert resolve_preset(name, "base", config, LLAMA_GENERATION) == resolve_preset(
            name, "student", config, LLAMA_GENERATION
        )


def test_released_preset_follows_the_published_scripts() -> None:
    base, student = (
        resolve_preset("released", "base", LLAMA, LLAMA_GENERATION),
        resolve_preset("released", "student", LLAMA, LLAMA_GENERATION),
    )
    assert (base.max_output_tokens, student.max_output_tokens) == (4096, 4096)
    assert (base.prompt, student.prompt) == ("released/respond/llama-base", "respond")
    mistral = resolve_preset("released", "base", MISTRAL, {})
    assert mistral.prompt == "released/respond/mistral-base"
    assert (mistral.max_output_tokens, mistral.temperature, mistral.top_k) == (130, 1.0, 50)
    assert resolve_preset("released", "student", MISTRAL, {}).temperature == 0
    assert '"skip_special_tokens":false' in mistral.extra.replace(" ", "")
    for other in (
        base,
        student,
        resolve_preset("released", "student", MISTRAL, {}),
        resolve_preset("paper", "base", MISTRAL, {}),
    ):
        assert "skip_special_tokens" not in other.extra
    names = ("released", "released-2", "paper", "")
    assert [preset_dtype(name, LLAMA) for name in names] == ["fp16", "fp16", "", ""]
    assert [preset_dtype(name, MISTRAL) for name in names] == ["", "", "", ""]


def test_base_sampling_is_resolved_like_in_transformers() -> None:
    generation = base_sampling(LLAMA_GENERATION)
    assert (generation.temperature, generation.top_p, generation.top_k) == (0.6, 0.9, 50)
    assert base_sampling({}).temperature == 0
    assert base_sampling({"temperature": 0.6}).temperature == 0  # greedy, because do_sample is not set


def test_a_short_context_reserves_tokens_for_the_prompt() -> None:
    assert resolve_preset("paper", "student", {"max_position_embeddings": 2048}, {}).max_output_tokens == 1024
    with user_error("base-model.context-too-short"):
        resolve_preset("cut", "student", {"max_position_embeddings": 512}, {})


def test_preset_names_are_parsed() -> None:
    assert parse_preset_name("") == ("cut", "")
    assert parse_preset_name("cut") == ("cut", "")
    assert parse_preset_name("truncated") == ("cut", "")
    assert parse_preset_name("paper") == ("paper", "paper")
    assert parse_preset_name("paper-second") == ("paper", "paper-second")
    with user_error("option.unknown-preset"):
        parse_preset_name("mine")


def test_an_invalid_json_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    with user_error("file.unreadable"):
        read_json(tmp_path / "x.json")
    assert read_json(tmp_path / "y.json") == {}
