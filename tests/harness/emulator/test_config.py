"""Emulator configuration: all faults at once, no secrets shown, and a hash of what decides the answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.emulator.config import EmulatorConfig
from tests.errors import user_error


def test_definition_hash_covers_only_what_decides_answers() -> None:
    definition = EmulatorConfig().definition_hash
    assert definition.startswith("emulator-1:")
    for same in (
        {"requests_per_minute": 5.0},
        {"latency_ms": 1.0, "latency_sigma": 0.5},
        {"errors_500": 0.1, "hangs": 0.1, "resets": 0.1, "malformed": 0.1},
        {"api_key": "k", "max_output_tokens": 10},
        {"position_bias": None},
    ):
        assert EmulatorConfig(**same).definition_hash == definition
    others = [
        EmulatorConfig(seed=1),
        EmulatorConfig(refusals=0.1),
        EmulatorConfig(position_bias=0.1),
        EmulatorConfig(mean_preference=0.9),
        EmulatorConfig(bias_on="logit"),
        EmulatorConfig(concentration=9.0),
        EmulatorConfig(lean=True),
    ]
    assert len({definition, *(other.definition_hash for other in others)}) == len(others) + 1


def test_integers_and_floats_have_the_same_hash() -> None:
    from_integers = EmulatorConfig(position_bias=0, mean_preference=1, concentration=5, refusals=0)
    assert (
        from_integers.definition_hash
        == EmulatorConfig(position_bias=0.0, mean_preference=1.0, concentration=5.0).definition_hash
    )


def test_json_round_trip() -> None:
    options = EmulatorConfig(
        seed=3, api_key="secret", latency_ms=1, bias_on="logit", requests_per_minute=90.5
    )
    assert EmulatorConfig.from_json(options.to_json()) == options
    assert EmulatorConfig.from_json("{}") == EmulatorConfig()


WRONG: list[dict[str, Any]] = [
    {"errors_500": 1.1},
    {"refusals": -0.1},
    {"resets": 0.6, "hangs": 0.6},
    {"requests_per_minute": 0},
    {"tokens_per_minute": -1.0},
    {"latency_ms": -1},
    {"latency_ms": float("nan")},
    {"lower_to_rpm": 5.0},
    {"lower_after_requests": 5},
    {"max_output_tokens": 0},
    {"bias_on": "odds"},
    {"position_bias": 1.5},
    {"concentration": 0},
    {"api_key": ""},
    {"seed": 1.5},
    {"seed": True},
    {"seed": 2**63},
    {"seed": None},
    {"lean": "yes"},
    {"api_key": 5},
    {"latency_ms": "slow"},
    {"lean": True, "hangs": 0.1},
    {"lean": True, "tokens_per_minute": 10.0},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_invalid_values_are_rejected(wrong: dict[str, Any]) -> None:
    with user_error("emulator.invalid-options") as error:
        EmulatorConfig(**wrong)
    (fault,) = error.faults
    assert fault.code.startswith("option.")
    assert all(name in fault.what for name in wrong)


def test_all_faults_are_reported_at_once() -> None:
    with user_error("emulator.invalid-options") as error:
        EmulatorConfig(errors_500=2, latency_ms=-1, bias_on="odds", max_output_tokens=0)
    assert [fault.found for fault in error.faults] == ["2", "-1", "0", "'odds'"]
    with user_error("emulator.unknown-option") as error:
        EmulatorConfig.from_json('{"rpm": 5, "tpm": 5}')
    assert [fault.found for fault in error.faults] == ["'rpm'", "'tpm'"]


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_text_that_is_not_a_json_object_is_rejected(text: str) -> None:
    with user_error("emulator.not-json", where="--options-json"):
        EmulatorConfig.from_json(text)


def test_the_api_key_is_never_shown() -> None:
    assert "secret" not in repr(EmulatorConfig(api_key="secret"))
    with user_error("option.conflict", found="(not shown)") as error:
        EmulatorConfig(api_key="secret", lean=True)
    assert "secret" not in str(error.value)


def test_configured_preferences_replace_those_of_every_model() -> None:
    model = EmulatorConfig(position_bias=-0.3, bias_on="logit").model("emulated-gpt-4o")
    own = EmulatorConfig().model("emulated-gpt-4o")
    assert model is not None
    assert own is not None
    assert model.taste == replace(own.taste, position_bias=-0.3, bias_on="logit")
    assert EmulatorConfig().model("gpt-4o") is None
