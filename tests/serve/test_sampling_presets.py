"""Presets: every value is a value, and students and bases are asked alike where the preset says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents.errors import UserError
from prompts import Library
from serve.sampling_presets import (
    NAMES,
    base_sampling,
    parse_preset_name,
    preset_dtype,
    read_json,
    resolve_preset,
)

pytestmark = pytest.mark.usefixtures("released_prompts")

LLAMA = {"model_type": "llama", "max_position_embeddings": 131_072}
MISTRAL = {"model_type": "mistral", "max_position_embeddings": 32_768}
LLAMAS_OWN = {"do_sample": True, "temperature": 0.6, "top_p": 0.9}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("role", ["base", "student"])
@pytest.mark.parametrize("config", [LLAMA, MISTRAL])
@pytest.mark.parametrize("own", [{}, LLAMAS_OWN])
def test_nothing_is_left_to_a_server(name: Any, role: Any, config: Any, own: Any) -> None:
    preset = resolve_preset(name, role, config, own)
    told = json.loads(preset.extra)
    assert None not in told.values()
    assert {"top_k", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty"} <= set(told)
    assert preset.temperature >= 0
    assert 0 < preset.top_p <= 1
    assert preset.prompt in {prompt.name for prompt in Library()}


@pytest.mark.parametrize("config", [LLAMA, MISTRAL])
def test_ours_and_the_papers_ask_base_and_student_alike(config: Any) -> None:
    for name in ("cut", "paper"):
        assert resolve_preset(name, "base", config, LLAMAS_OWN) == resolve_preset(
            name, "student", config, LLAMAS_OWN
        )


def test_the_published_scripts_did_not() -> None:
    base, student = (
        resolve_preset("released", "base", LLAMA, LLAMAS_OWN),
        resolve_preset("released", "student", LLAMA, LLAMAS_OWN),
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


def test_a_bases_own_sampling_is_resolved_as_transformers_does() -> None:
    own = base_sampling(LLAMAS_OWN)
    assert (own.temperature, own.top_p, own.top_k) == (0.6, 0.9, 50)
    assert base_sampling({}).temperature == 0
    assert base_sampling({"temperature": 0.6}).temperature == 0  # it does not sample: greedy


def test_a_short_context_leaves_room_for_the_prompt() -> None:
    assert resolve_preset("paper", "student", {"max_position_embeddings": 2048}, {}).max_output_tokens == 1024
    with pytest.raises(UserError, match="context"):
        resolve_preset("cut", "student", {"max_position_embeddings": 512}, {})


def test_names() -> None:
    assert parse_preset_name("") == ("cut", "")
    assert parse_preset_name("cut") == ("cut", "")
    assert parse_preset_name("paper") == ("paper", "paper")
    assert parse_preset_name("paper-second") == ("paper", "paper-second")
    with pytest.raises(UserError, match="--preset"):
        parse_preset_name("mine")


def test_a_file_of_settings_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(UserError):
        read_json(tmp_path / "x.json")
    assert read_json(tmp_path / "y.json") == {}
