"""What `empathy doctor` says of a model is true, and its entry works where it is pasted."""

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
from harness.engine.budget import Price
from harness.workflows.doctor import MAX_REQUESTS, ModelDiagnosis, diagnose, facts
from tests.harness.conftest import CLAUDE, GEMINI, GPT, KEY, Start

THINKER = "openai/emulated-o4-mini"
ALL = (GPT, GEMINI, CLAUDE, THINKER)
PRICE = Price(2e-6, 8e-6)

Ask = Callable[..., Any]


def registry_at(root: str, models: Path | None = None) -> Registry:
    """Every provider at the emulator, with a user's own file of models."""
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

    def open_client(asked: Model) -> HttpClient:
        return HttpClient(asked, KEY, session, 30.0)

    try:
        return await diagnose(model, open_client, PRICE)
    finally:
        await session.close()


@pytest.mark.parametrize("name", ALL)
async def test_a_well_model(emulator: Start, name: str) -> None:
    running = await emulator(requests_per_minute=600)
    found = await diagnosis_of(running.url, name)
    assert found.error == ""
    assert found.answer
    assert found.answered_as == name.partition("/")[2]
    assert (found.latency_seconds or 0) > 0
    assert found.price == (2.0, 8.0)
    if name != GEMINI:
        assert found.limits is not None
        assert found.limits.requests_per_minute == 600
    assert found.capabilities.thinking == (name == THINKER)
    assert bool(found.capabilities.max_top_logprobs) == (name in (GPT, GEMINI))
    assert "answered" in facts(found)


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
    ids=lambda given: "+".join(given) if isinstance(given, dict) else "",
)
async def test_the_entry_is_accepted_where_it_is_pasted(
    emulator: Start, tmp_path: Path, name: str, faults: dict[str, float], trait: str | None, value: Any
) -> None:
    """The entry is a file of models; asked with it, the model refuses nothing."""
    running = await emulator(faults=faults)
    found = await diagnosis_of(running.url, name)
    assert found.error == ""
    if found.refused and trait is not None:
        assert getattr(found.capabilities, trait) == value
    file = tmp_path / "models.toml"
    file.write_text(found.entry(), encoding="utf-8")
    entries = tomllib.loads(found.entry())["model"]
    assert [entry["match"] for entry in entries] == [name]
    model = registry_at(running.url, file).model(name)
    assert model.capabilities == found.capabilities
    assert found.to_dict()["entry"] == found.entry()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "fault", ["overloaded", "wait-a-day", "daily-quota", "wrong-form", "false-gzip", "error-in-words"]
)
async def test_a_model_that_does_not_answer(emulator: Start, name: str, fault: str) -> None:
    running = await emulator(faults={fault: 1.0})
    found = await diagnosis_of(running.url, name)
    assert found.error
    assert KEY not in found.error
    assert found.requests <= MAX_REQUESTS
    assert found.to_dict()["entry"] == ""
    assert facts(found)["error"] == found.error


async def test_a_filtered_question_is_an_answer_without_text(emulator: Start) -> None:
    running = await emulator(faults={"filtered": 1.0})
    found = await diagnosis_of(running.url, GPT)
    assert (found.error, found.answer, found.finish) == ("", "", "filtered")


def test_the_command_prints_it_and_ends_with_1_where_one_does_not_answer(
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
            (row,) = orjson.loads(done.stdout_bytes)["items"]
            assert row["refused"] == ["temperature"]
            assert tomllib.loads(row["entry"])["model"][0]["temperature"] is False
        both = CliRunner().invoke(doctor, [GPT, CLAUDE])
        assert both.exit_code == 1
        assert "[[model]]" in both.output
        assert KEY not in both.output
