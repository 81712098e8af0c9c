"""Diagnoses of models by `empathy doctor` and their models-file entries."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from agents.clients.http import HttpClient, open_session
from agents.models.registry import Registry
from agents.models.spec import Model
from harness.cli.doctor import doctor
from harness.emulator.config import EmulatorConfig
from harness.emulator.server_process import emulator_process
from harness.engine.prices import Price
from harness.workflows.doctor import MAX_REQUESTS, ModelDiagnosis, diagnose, doctor_document, facts
from tests.harness.conftest import CLAUDE, GEMINI, GPT, KEY, Start

THINKER = "openai/emulated-o4-mini"
ALL = (GPT, GEMINI, CLAUDE, THINKER)
PRICE = Price(2e-6, 8e-6)

Ask = Callable[..., Any]


def registry_at(root: str, models: Path | None = None) -> Registry:
    """Return a registry with every provider at the emulator and a user's models file."""
    names = {
        "OPENAI_BASE_URL": root + "/v1",
        "GEMINI_BASE_URL": root + "/v1beta",
        "ANTHROPIC_BASE_URL": root,
    }
    keys = dict.fromkeys(("OPENAI_API_KEY", "GEMINI_API_KEY", "ANTHROPIC_API_KEY"), KEY)
    return Registry(models, names | keys)


async def diagnosis_of(root: str, name: str, models: Path | None = None) -> ModelDiagnosis:
    model = registry_at(root, models).model(name)
    session = open_session()

    def open_client(requested: Model) -> HttpClient:
        return HttpClient(requested, KEY, session, 30.0)

    try:
        return await diagnose(model, open_client, PRICE)
    finally:
        await session.close()


@pytest.mark.parametrize("name", ALL)
async def test_diagnosis_of_a_working_model(emulator: Start, name: str) -> None:
    running = await emulator(requests_per_minute=600)
    diagnosis = await diagnosis_of(running.url, name)
    assert diagnosis.error == ""
    assert diagnosis.answer
    assert diagnosis.answered_as == name.partition("/")[2]
    assert (diagnosis.latency_seconds or 0) > 0
    assert diagnosis.price == (2.0, 8.0)
    if name != GEMINI:
        assert diagnosis.limits is not None
        assert diagnosis.limits.requests_per_minute == 600
    assert diagnosis.capabilities.thinking == (name == THINKER)
    assert bool(diagnosis.capabilities.max_top_logprobs) == (name in (GPT, GEMINI))
    assert "answered" in facts(diagnosis)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("faults", "trait", "value"),
    [
        ({}, None, None),
        ({"refuses-temperature": 1.0}, "temperature", False),
        ({"refuses-logprobs": 1.0}, "max_top_logprobs", 0),
        ({"refuses-max-tokens": 1.0}, "token_limit", "max_completion_tokens"),
        ({"event-stream": 1.0}, "extra", '{"stream":false}'),
        (
            {"refuses-temperature": 1.0, "refuses-logprobs": 1.0, "refuses-max-tokens": 1.0},
            "temperature",
            False,
        ),
        (
            {"half-character": 1.0, "null-logprobs": 1.0, "content-in-parts": 1.0, "odd-usage": 1.0},
            None,
            None,
        ),
    ],
    ids=lambda extra_words: "+".join(extra_words) if isinstance(extra_words, dict) else "",
)
async def test_diagnosis_entry_is_a_valid_models_file(
    emulator: Start, tmp_path: Path, name: str, faults: dict[str, float], trait: str | None, value: Any
) -> None:
    """With its entry as models file, the model refuses no parameter."""
    running = await emulator(faults=faults)
    diagnosis = await diagnosis_of(running.url, name)
    assert diagnosis.error == ""
    if diagnosis.refused and trait is not None:
        assert getattr(diagnosis.capabilities, trait) == value
    file = tmp_path / "models.toml"
    file.write_text(diagnosis.entry(), encoding="utf-8")
    entries = tomllib.loads(diagnosis.entry())["model"]
    assert [entry["match"] for entry in entries] == [name]
    model = registry_at(running.url, file).model(name)
    assert model.capabilities == diagnosis.capabilities
    assert doctor_document([diagnosis])["models"][0]["entry"] == diagnosis.entry()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "fault", ["overloaded", "wait-a-day", "daily-quota", "wrong-form", "false-gzip", "error-in-words"]
)
async def test_diagnosis_of_a_failing_model(emulator: Start, name: str, fault: str) -> None:
    running = await emulator(faults={fault: 1.0})
    diagnosis = await diagnosis_of(running.url, name)
    assert diagnosis.error
    assert KEY not in diagnosis.error
    assert diagnosis.requests <= MAX_REQUESTS
    assert doctor_document([diagnosis])["models"][0]["entry"] == ""
    assert facts(diagnosis)["error"] == diagnosis.error


async def test_filtered_request_is_a_completion_without_text(emulator: Start) -> None:
    running = await emulator(faults={"filtered": 1.0})
    diagnosis = await diagnosis_of(running.url, GPT)
    assert (diagnosis.error, diagnosis.answer, diagnosis.finish) == ("", "", "filtered")


def test_command_exits_with_1_if_a_model_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = EmulatorConfig(latency_ms=0.0, faults={"refuses-temperature": 1.0})
    with (
        emulator_process(options) as well,
        emulator_process(EmulatorConfig(latency_ms=0.0, faults={"overloaded": 1.0})) as ill,
    ):
        monkeypatch.setenv("OPENAI_BASE_URL", f"{well.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", ill.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        for client in ("http", "sdk"):
            done = CliRunner().invoke(doctor, [GPT, "--json", "--client", client])
            assert done.exit_code == 0
            (row,) = orjson.loads(done.stdout_bytes)["models"]
            assert row["diagnosis"]["refused"] == ["temperature"]
            assert tomllib.loads(row["entry"])["model"][0]["temperature"] is False
        both = CliRunner().invoke(doctor, [GPT, CLAUDE])
        assert both.exit_code == 1
        assert "[[model]]" in both.output
        assert KEY not in both.output
