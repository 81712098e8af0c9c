"""Retired and rerouted models on the command line: refused, warned of, rehearsed, read for ever."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

import click
import pytest

import harness.cli
from agents.models import lifecycle, retirement
from agents.models.lifecycle import Status
from agents.models.registry import Registry
from harness.study.config_loader import load, shipped
from harness.study.context import requested_models
from tests.harness.cli.contests import contests

Run = Callable[..., Any]
DATA = ("--data", "sample", "--limit", "2")
JUDGE = ("judge", "dataset:gpt-4", "dataset:human", *DATA, "--split", "all", "--yes")
ROOT = Path(__file__).resolve().parents[3]
WRITTEN = date(2026, 11, 30)  # when the names in the documents were looked up
CHAT = {"choices": [{"message": {"content": "1"}, "finish_reason": "stop"}]}


def later(monkeypatch: pytest.MonkeyPatch, day: date) -> None:
    """Let it be another day."""
    from harness.engine import response_model_client

    for module in (lifecycle, retirement, response_model_client):
        monkeypatch.setattr(module, "today", lambda: day)


# -- refused, and not ----------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_the_papers_judges_are_refused_with_their_successors(
    empathy: Run, workplace: Path, more: tuple[str, ...]
) -> None:
    done = empathy(*JUDGE, "--judge", "paper-judges", *more)
    assert (done.code, done.out) == (2, "")
    for word in ("gemini-2.0-flash retired on 2026-06-01", "gemini-3.5-flash-lite", "empathy audit"):
        assert word in done.err
    assert "Traceback" not in done.err


def test_retired_judges_can_be_emulated_with_a_note(empathy: Run) -> None:
    done = empathy(*JUDGE, "--judge", "paper-judges", "--emulate", "--json", "--quiet")
    assert done.code == 0, done.err
    names = ["google/emulated-gemini-2.0-flash", "openai/emulated-gpt-4o"]
    assert sorted(each["judge"] for each in contests(done.data)) == names
    assert "google/gemini-2.0-flash retired on 2026-06-01" in done.err


def test_a_model_that_retires_soon_warns_and_later_refuses(
    empathy: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day, code, word in (
        (date(2026, 6, 1), 0, ""),
        (date(2026, 12, 1), 0, "retires on 2027-01-14, in 44 days"),
        (date(2027, 1, 14), 0, "today"),
        (date(2027, 1, 15), 2, "retired on 2027-01-14"),
    ):
        later(monkeypatch, day)
        done = empathy(*JUDGE, "--judge", "openai/gpt-4o", "--dry-run")
        assert done.code == code, done.err
        assert word in done.err
    assert empathy(*JUDGE, "--judge", "openai/gpt-4o", "--dry-run", "--allow-retired").code == 0


def test_a_date_from_a_secondary_source_only_warns(empathy: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    later(monkeypatch, date(2027, 6, 1))
    done = empathy(*JUDGE, "--judge", "google/gemini-2.5-pro", "--dry-run")
    assert done.code == 0
    assert "secondary source" in done.err


def test_behind_a_gateway_no_model_is_refused_and_the_answering_model_is_shown(
    empathy: Run, provider: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(monkeypatch, date(2030, 1, 1))
    answer = json.dumps({**CHAT, "model": "deployment-7"}).encode()
    monkeypatch.setenv("OPENAI_BASE_URL", provider(lambda key, body: (200, answer)) + "/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
    done = empathy(*JUDGE, "--judge", "openai/gpt-4o", "--quiet")
    assert (done.code, done.err) == (0, "")
    assert "deployment-7 (4 answers)" in done.out


def test_stored_answers_of_a_retired_model_remain_readable(
    empathy: Run, provider: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A deployment that states its own end: once everything is stored, the same command asks nothing."""
    answer = json.dumps({**CHAT, "model": "gpt-4o"}).encode()
    monkeypatch.setenv("OPENAI_BASE_URL", provider(lambda key, body: (200, answer)) + "/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
    own = tmp_path / "models.toml"
    entry = '[[model]]\nmatch = "openai/gpt-4o"\nretires = 2028-01-01\nconfirmed = true\n'
    own.write_text(entry + 'successor = "openai/deployment-8"\nsource = "our operations"\n')
    words = (*JUDGE, "--judge", "openai/gpt-4o", "--models", own, "--json", "--quiet")
    first = empathy(*words)
    later(monkeypatch, date(2028, 1, 2))
    again = empathy(*words)
    assert (again.code, contests(again.data)[0]["requests"]["reused"]) == (0, 4)
    assert contests(again.data)[0]["win_rate"] == contests(first.data)[0]["win_rate"]
    more = empathy(*words[:-1], "--samples", "2")
    assert more.code == 2
    assert "openai/deployment-8" in more.err
    assert empathy(*words, "--samples", "2", "--allow-retired").code == 0
    assert empathy("report", "--format", "md").code == 0


def test_several_models_under_one_name_are_an_error_where_one_is_required(
    empathy: Run, provider: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: Iterator[str] = iter(f"model-{at}" for at in range(99))
    url = provider(lambda key, body: (200, json.dumps({**CHAT, "model": next(names)}).encode()))
    monkeypatch.setenv("OPENAI_BASE_URL", url + "/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
    words = (*JUDGE, "--judge", "openai/gpt-4o", "--quiet", "--max-in-flight", "1", "--json")
    done = empathy(*words, "--require-one-model")
    assert done.code == 1
    assert "model-1" in done.err
    assert contests(done.data)[0]["answering_models"] == {"model-0": 1}
    mixed = empathy(*words)
    assert (mixed.code, contests(mixed.data)[0]["several_answering_models"]) == (0, True)
    refused = empathy(*words, "--require-one-model")  # they are stored: nothing is requested_models
    assert refused.code == 1
    assert "--require-one-model" in refused.err
    alone = contests(empathy(*words, "--snapshot", "model-0").data)[0]
    assert (alone["answering_models"], alone["answers_left_out"]) == ({"model-0": 1}, 3)
    assert "model-0" in empathy("report", "--format", "md", "--snapshot", "model-0").out
    assert empathy("report", "--format", "md", "--snapshot", "nobody").code == 2


# -- slips and keys ------------------------------------------------------------------------------------


def test_a_misspelt_model_gets_a_suggestion_with_and_without_the_emulator(empathy: Run) -> None:
    done = empathy(*JUDGE, "--judge", "openai/gpt-4oo", "--emulate", "--quiet")
    assert done.code == 0
    assert "Did you mean openai/gpt-4o?" in done.err
    assert "Did you mean openai/gpt-4o?" in empathy(*JUDGE, "--judge", "openai/gpt-4oo", "--dry-run").err
    for wrong, meant in (
        ("gpt-4o", "openai/gpt-4o"),
        ("opnai/gpt-4o", "openai/gpt-4o"),
        ("paper-judge", "paper-judges"),
    ):
        for more in ((), ("--emulate",)):
            done = empathy(*JUDGE, "--judge", wrong, *more)
            assert done.code == 2
            assert f"Did you mean {meant}?" in done.err


def test_every_missing_key_is_named_at_once(empathy: Run) -> None:
    judges = (
        "openai/gpt-6-luna",
        "openai/gpt-6.1-sol",
        "google/gemini-3.8-flash",
        "anthropic/claude-haiku-5-5",
    )
    done = empathy(*JUDGE, *(word for name in judges for word in ("--judge", name)))
    assert done.code == 2
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY", "ANTHROPIC_API_KEY"):
        assert done.err.count(f"[key.missing] {name}: ") == 1


# -- responses outlive their author --------------------------------------------------------------------


def test_exported_responses_are_judged_like_their_author(empathy: Run, workplace: Path) -> None:
    author = "openai/emulated-gpt-6.1-sol"
    empathy("respond", "openai/gpt-6.1-sol", *DATA, "--split", "test", "--emulate", "--quiet", "--yes")
    assert empathy("export", author, "--data", "sample", "--out", "gone.jsonl").code == 0
    rows = [json.loads(line) for line in Path("gone.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["author"] for row in rows] == [author] * 2
    assert [row["answering_models"] for row in rows] == [["emulated-gpt-6.1-sol"]] * 2
    rates = [
        empathy("judge", who, "dataset:human", *DATA, "--judge", "control/longer", "--json", "--quiet").data
        for who in (author, "file:gone.jsonl")
    ]
    one, other = (contests(each)[0] for each in rates)
    assert (one["n"], one["win_rate"]) == (other["n"], other["win_rate"])
    assert empathy("export", "openai/nobody", "--data", "sample").code == 2


# -- what is shipped -----------------------------------------------------------------------------------


def named_in(text: str) -> set[str]:
    """Every model of the three providers that a text names in full."""
    found = re.findall(r"\b((?:openai|google|anthropic)/[a-z][\w.\-]*\w)", text)
    return {name.replace("emulated-", "") for name in found}


@pytest.mark.parametrize("study", shipped())
def test_no_shipped_study_asks_a_model_that_retires(study: str) -> None:
    registry = Registry(None, {})
    ends = {name: registry.lifecycle(name) for name in requested_models(load(study))}
    assert {name for name, end in ends.items() if end and end.status(WRITTEN) is not Status.LIVING} == set()


def test_no_document_and_no_help_names_a_model_that_retires() -> None:
    registry = Registry(None, {})
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))]
    texts += [path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.ipynb")]
    texts += [_help(harness.cli.root, name) for name in harness.cli.COMMANDS]
    plain = "\n".join(texts)
    for section in re.findall(r"<!-- retired models -->.*?<!-- end -->", plain, re.DOTALL):
        plain = plain.replace(section, "")
    ends = {name: registry.lifecycle(name) for name in named_in(plain)}
    assert len(ends) > 4
    assert {name for name, end in ends.items() if end and end.status(WRITTEN) is not Status.LIVING} == set()


def _help(group: click.Group, name: str) -> str:
    """The help of a command, and of what is below it."""
    context = click.Context(group, info_name="empathy")
    command = group.get_command(context, name)
    assert command is not None
    values = command.get_help(click.Context(command, info_name=name, parent=context))
    below = command.list_commands(context) if isinstance(command, click.Group) else ()
    return "\n".join([values, *(_help(command, each) for each in below)])  # type: ignore[arg-type]


def test_the_models_file_is_part_of_the_package() -> None:
    assert resources.files("agents.models").joinpath("models.toml").is_file()


def test_every_result_notes_several_answering_models(
    empathy: Run, workplace: Path, provider: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: Iterator[str] = iter(f"<b>model-{at % 2}</b>" for at in range(9_999))
    url = provider(lambda key, body: (200, json.dumps({**CHAT, "model": next(names)}).encode()))
    monkeypatch.setenv("OPENAI_BASE_URL", url + "/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
    how = ("--data", "sample", "--split", "test", "--judge", "openai/gpt-4o", "--quiet", "--yes")
    for author in ("dataset:gpt-4", "dataset:mixtral-8x7b"):
        judged = ("judge", author, "dataset:human", *how, "--max-in-flight", "1", "--report", "page.html")
        assert empathy(*judged).code == 0
    pair = ("dataset:gpt-4", "dataset:mixtral-8x7b", "--opponent", "dataset:human")
    audited = ("--data", "sample", "--on", "test", "--limit", "2", "--quiet", "--yes")
    commands = {
        "compare": ("compare", *pair),
        "compare all": ("compare", "--all", "--opponent", "dataset:human"),
        "leaderboard": ("leaderboard",),
        "report": ("report", "--format", "md"),
        "rejudge": ("rejudge", "last", "--judge", "control/longer", "--quiet", "--yes"),
        "audit": ("audit", "openai/gpt-4o", *audited),
    }
    for name, words in commands.items():
        done = empathy(*words)
        assert done.code == 0, (name, done.err)
        values = done.out.replace("\\", "").replace("\n", " ")
        assert "2 models" in values, name
        assert "<b>model-1</b>" in values, name
    html = (workplace / "page.html").read_text(encoding="utf-8")
    assert "<b>model-1</b>" not in html
    assert "model-1" in html
    alone = empathy("compare", *pair, "--snapshot", "<b>model-1</b>", "--json")
    assert alone.code == 0, alone.err
    assert "<b>model-0</b>" not in json.dumps(alone.data)


def test_a_run_without_keys_names_the_missing_key_first(empathy: Run) -> None:
    done = empathy(
        "run", "figure-1", "--data", "sample", "--only", "respond", "--judge", "google/gemini-3.8-flash"
    )
    assert done.code == 1
    assert "[key.missing] OPENAI_API_KEY: " in done.err.splitlines()[0]
