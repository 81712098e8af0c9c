"""The commands end to end on the written sample: improve, respond, build, inspect, profile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from agents.errors import UserError
from harness.cli.data_build import build, inspect
from harness.cli.improve import improve
from harness.cli.profile import profile
from harness.cli.respond import respond
from tests.errors import user_error

TEACHER = "openai/emulated-gpt-4o"


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command in an empty folder: its standard output; errors are raised."""
    monkeypatch.chdir(tmp_path)

    def run(command: click.Command, *arguments: str, answer: str = "") -> str:
        got = CliRunner().invoke(
            command,
            [*arguments, "--data", "sample"],
            catch_exceptions=False,
            standalone_mode=False,
            input=answer,
        )
        return got.stdout

    return run


def test_from_teachers_to_datasets_and_profiles(call: Any, tmp_path: Path) -> None:
    options = ("--teacher", "openai/gpt-4o", "--over", "human,llm", "--strategies", "naive,sequential")
    emulated = ("--emulate", "--quiet", "--limit", "8")
    foreseen = json.loads(call(improve, *options, *emulated, "--dry-run", "--json"))
    values = json.loads(call(improve, *options, *emulated, "--json"))
    assert values["emulated"] is True
    assert values["models"][TEACHER]["made"] == foreseen["models"][0]["calls"] == 8 * (1 + 2 * 4)
    assert {one["responses"] for one in values["response_sets"]} == {8}
    assert f"{TEACHER}@sequential-over-llm" in {one["author"] for one in values["response_sets"]}

    shown = call(improve, *options, *emulated)
    assert "EMULATED" in shown
    assert f"{TEACHER}: 0 requests sent, 80 answers reused" in shown

    built = json.loads(
        call(
            *(build, "--method", "over-llm", "--strategy", "sequential", "--teacher", TEACHER, "--partial"),
            *("--out", "set", "--json"),
        )
    )
    manifest = built["manifest"]
    assert manifest["rows"]["sft"] + manifest["rows"]["dpo"] >= 8
    assert manifest["run"] == values["run"]
    assert set(manifest["prompts"]) == {
        "respond",
        "improve/cognitive",
        "improve/affective",
        "improve/compassionate",
    }
    assert (tmp_path / "set" / "llama-factory" / "dataset_info.json").is_file()

    looked = json.loads(call(inspect, "set", "--json"))
    assert (looked["id"], looked["leaks"], looked["leaks_checked"]) == (built["id"], {}, True)
    assert "no leaks" in call(inspect, "set")

    call(respond, "openai/gpt-4o", "--limit", "3", "--emulate", "--quiet", "--split", "test")
    profiled = json.loads(call(profile, TEACHER, "dataset:human", "--json"))
    assert profiled["dialogues"] == 3
    assert set(profiled["authors"]) == {TEACHER, "dataset:human"}
    assert "I hear you" in profiled["word_lists"]["understands"]["words"]


def test_two_datasets_compared_and_a_folder_written_once(call: Any) -> None:
    call(build, "--method", "direct", "--out", "paper", "--format", "jsonl")
    call(build, "--method", "direct", "--fidelity", "released", "--out", "released", "--format", "jsonl")
    shown = call(inspect, "paper", "--compare", "released")
    assert "every human response rated 2" in shown
    with user_error("file.exists"):
        call(build, "--method", "direct", "--out", "paper")


def test_a_profile_shows_its_word_lists_and_leaves_no_database(call: Any, tmp_path: Path) -> None:
    shown = call(profile, "dataset:human", "dataset:gpt-4")
    assert not (tmp_path / "runs").exists()
    assert "descriptive" in shown
    assert "claims a similar experience" in shown


def test_nothing_goes_to_the_hub_without_a_yes(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    uploaded: list[str] = []

    class Api:
        def create_repo(self, repo: str, **_: Any) -> None:
            uploaded.append(repo)

        def upload_folder(self, **more: Any) -> None:
            uploaded.append(more["folder_path"])

    hub = type("Hub", (), {"HfApi": Api})
    monkeypatch.setattr("harness.cli.hub_upload.import_module", lambda _: hub)
    push = ("--push-to-hub", "someone/empathy", "--format", "jsonl")
    call(build, "--method", "low-rated", "--out", "one", *push, answer="n\n")
    assert uploaded == []
    call(build, "--method", "low-rated", "--out", "two", *push, answer="y\n")
    assert uploaded == ["someone/empathy", "two"]


@pytest.mark.parametrize(
    ("command", "arguments", "values"),
    [
        (improve, ("--teacher", "openai/gpt-4o", "--over", "robots"), "--rewrite"),
        (improve, ("--teacher", "openai/gpt-4o", "--strategies", "kind"), "--strategies"),
        (improve, ("--teacher", "openai/gpt-4o", "--initial", "openai/x"), "--initial-responses"),
        (improve, ("--teacher", "gpt-4o"), "provider/name"),
        (respond, ("dataset:human",), "author.not-generated"),
        (respond, ("student:anna",), "checkpoint.unknown-student"),
        (build, ("--method", "over-human", "--out", "x"), "--teacher"),
        (build, ("--method", "direct", "--format", "csv", "--out", "x"), "--format"),
        (
            build,
            ("--method", "over-human", "--strategy", "naive", "--teacher", "a/b", "--out", "x"),
            "database.not-found",
        ),
        (inspect, ("nowhere",), "training-set.not-found"),
        (profile, ("openai/gpt-4o",), "empathy respond"),
    ],
)
def test_mistakes_have_their_code_or_remedy(
    call: Any, command: click.Command, arguments: tuple[str, ...], values: str
) -> None:
    with pytest.raises(UserError, match=values):
        call(command, *arguments)


def test_a_missing_database_names_the_command_that_makes_the_responses(empathy: Any, workplace: Path) -> None:
    words = ("data", "build", "--method", "over-llm", "--strategy", "naive", "--teacher", "openai/gpt-4o")
    done = empathy(*words, "--data", "sample", "--out", "set")
    assert done.code == 2
    assert "empathy improve --teacher openai/gpt-4o --rewrite llm --strategies naive" in done.err
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize("command", [("improve", "--teacher"), ("respond",)])
def test_failed_requests_are_reported_with_their_reason(
    empathy: Any, provider: Any, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    def refuse(key: str, question: str) -> tuple[int, bytes]:
        return 400, b'{"error": {"message": "this model does not know the word response"}}'

    monkeypatch.setenv("OPENAI_BASE_URL", provider(refuse) + "/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    words = (
        *command,
        "openai/gpt-4o",
        "--data",
        "sample",
        "--limit",
        "2",
        "--split",
        "train",
        "--yes",
        "--quiet",
    )
    done = empathy(*words, *(("--strategies", "naive") if command[0] == "improve" else ()))
    assert done.code == 1
    assert "2 requests failed" in done.err
    assert "does not know the word response" in done.err
    assert "repeat the command to send them again" in done.err
