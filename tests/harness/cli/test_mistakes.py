"""Every mistake a user can make: exit code 2, what is wrong on stderr, nothing on stdout, no traceback."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.data.dataset import sample

Run = Callable[..., Any]
PAIR = ("dataset:gpt-4", "dataset:human")
JUDGE = ("judge", *PAIR, "--data", "sample")
CONTROL = (*JUDGE, "--judge", "control/longer")
GPT = (*JUDGE, "--judge", "openai/gpt-4o")

# what is typed, and what must be said
MISTAKES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "unknown command": (("juge",), ("No such command 'juge'", "judge")),
    "unknown subcommand": (("data", "desribe"), ("No such command 'desribe'", "describe")),
    "unknown option": ((*CONTROL, "--limt", "3"), ("--limt", "--limit")),
    "no judge": (JUDGE, ("Missing option '--judge'",)),
    "one author": (("judge", "dataset:human", "--judge", "control/first"), ("Missing argument 'B'",)),
    "judge without a provider": ((*JUDGE, "--judge", "gpt-4o"), ("provider/name", "'gpt-4o'", "openai")),
    "unknown provider": ((*JUDGE, "--judge", "opeani/gpt-4o"), ("'opeani/gpt-4o'", "anthropic")),
    "provider alone": ((*JUDGE, "--judge", "openai/"), ("'openai/'",)),
    "unknown control judge": ((*JUDGE, "--judge", "control/best"), ("'control/best'", "control/ratings")),
    "all wrong judges at once": (
        (*JUDGE, "--judge", "control/best", "--judge", "gpt", "--judge", "control/first"),
        ("'control/best'", "'gpt'"),
    ),
    "server without an address": ((*JUDGE, "--judge", "vllm/base"), ("VLLM_BASE_URL",)),
    "no key, OpenAI": (GPT, ("OPENAI_API_KEY is not set", "--emulate")),
    "no key, Anthropic": ((*JUDGE, "--judge", "anthropic/claude-x"), ("ANTHROPIC_API_KEY is not set",)),
    "no key, Google": ((*JUDGE, "--judge", "google/gemini-3.8-flash"), ("GEMINI_API_KEY is not set",)),
    "no stand-in": (
        (*JUDGE, "--judge", "openai/llama-9", "--emulate"),
        ("'openai/llama-9'", "openai/gpt-6-luna"),
    ),
    "another provider's stand-in": ((*JUDGE, "--judge", "google/gpt-4o", "--emulate"), ("'google/gpt-4o'",)),
    "unknown responder": (
        ("judge", "dataset:gpt4", "dataset:human", "--data", "sample", "--judge", "control/first"),
        ("'dataset:gpt4'", "dataset:gpt-4"),
    ),
    "unknown author": (
        ("judge", "somebody", "dataset:human", "--data", "sample", "--judge", "control/first"),
        ("'somebody'", "file:PATH"),
    ),
    "author without responses": (
        ("judge", "openai/gpt-4o", "dataset:human", "--data", "sample", "--judge", "control/first"),
        ("empathy respond openai/gpt-4o --split test",),
    ),
    "no file of responses": (
        ("judge", "file:none.jsonl", "dataset:human", "--data", "sample", "--judge", "control/first"),
        ("none.jsonl", "cannot be read"),
    ),
    "a faulty file of responses": (
        ("judge", "file:bad.jsonl", "dataset:human", "--data", "sample", "--judge", "control/first"),
        ("bad.jsonl:1", "bad.jsonl:3"),
    ),
    "same author twice": (
        ("judge", "dataset:human", "dataset:human", "--data", "sample", "--judge", "control/first"),
        ("against itself", "dataset:human"),
    ),
    "nothing in common": (
        ("judge", "file:train.jsonl", "dataset:human", "--data", "sample", "--judge", "control/first"),
        ("no dialogue in common in the test split", "--split"),
    ),
    "unknown split": ((*CONTROL, "--split", "tset"), ("'tset'", "train", "test", "all")),
    "limit of 0": ((*CONTROL, "--limit", "0"), ("--limit", "x>=1")),
    "samples of 0": ((*CONTROL, "--samples", "0"), ("--samples",)),
    "seed in words": ((*CONTROL, "--seed", "lucky"), ("--seed", "'lucky'")),
    "negative rpm": ((*CONTROL, "--rpm", "-5"), ("requests_per_minute must be above 0", "-5")),
    "rpm of 0": ((*CONTROL, "--rpm", "0"), ("requests_per_minute must be above 0",)),
    "rpm of nothing finite": ((*CONTROL, "--rpm", "inf"), ("--rpm: must be a number",)),
    "tpm that is no number": ((*CONTROL, "--tpm", "nan"), ("tokens_per_minute must be above 0",)),
    "no flight": ((*CONTROL, "--max-in-flight", "0"), ("max_in_flight must be above 0",)),
    "limits that contradict": ((*CONTROL, "--rpm", "500", "--rpd", "100"), ("500 a minute, 100 a day",)),
    "all limits at once": (
        (*CONTROL, "--rpm", "-1", "--tpd", "0", "--budget", "-2", "--timeout", "0", "--price", "x"),
        ("requests_per_minute", "tokens_per_day", "--budget", "--timeout", "--price"),
    ),
    "price without numbers": ((*GPT, "--price", "openai/gpt-4o"), ("--price", "MODEL=INPUT,OUTPUT")),
    "price with one number": ((*GPT, "--price", "openai/gpt-4o=3"), ("'openai/gpt-4o=3'",)),
    "negative price": ((*GPT, "--price", "openai/gpt-4o=-1,2"), ("'openai/gpt-4o=-1,2'",)),
    "price that is no number": ((*GPT, "--price", "openai/gpt-4o=nan,2"), ("'openai/gpt-4o=nan,2'",)),
    "unknown client": ((*CONTROL, "--client", "grpc"), ("'grpc'", "http")),
    "no dataset": (("judge", *PAIR, "--judge", "control/first"), ("empathy data fetch", "--data sample")),
    "dataset that is not there": (("data", "describe", "--data", "none.csv"), ("--data", "none.csv")),
    "faulty dataset": (("data", "describe", "--data", "bad.csv"), ("bad.csv:1", "columns are missing")),
    "empty dataset": (("data", "split", "--data", "empty.csv"), ("empty.csv", "0 bytes")),
    "another database": ((*CONTROL, "--db", "mysql://u:secret-word@host/db"), ("--db", "postgresql://")),
    "database without a name": ((*CONTROL, "--db", "://"), ("--db",)),
    "a text as database": ((*CONTROL, "--db", "bad.csv"), ("bad.csv", "--db")),
    "a folder as database": ((*CONTROL, "--db", "folder"), ("folder", "database")),
    "a database below a file": ((*CONTROL, "--db", "bad.csv/x.sqlite"), ("bad.csv",)),
    "unknown prompt": ((*CONTROL, "--judge-prompt", "judge/best"), ("'judge/best'", "judge/pairwise")),
    "no judge prompt": ((*CONTROL, "--judge-prompt", "respond"), ("no judge prompt", "response_1")),
    "no folder of prompts": ((*CONTROL, "--prompts", "none"), ("none", "folder of prompts")),
    "faulty prompts": (
        ("prompts", "list", "--prompts", "prompts"),
        ("respond.md", "undeclared", "judge/mine.md", "front matter"),
    ),
    "unknown prompt to show": (("prompts", "show", "reply"), ("NAME", "'reply'", "respond")),
    "released prompts that are not there": (
        (*CONTROL, "--judge", "openai/gpt-4o", "--emulate", "--fidelity", "released"),
        ("empathy prompts fetch", "win_rate_gpt4o.py"),
    ),
    "improvements with prompts that are not there": (
        ("improve", "--teacher", "openai/gpt-4o", "--data", "sample", "--emulate", "--fidelity", "released"),
        ("empathy prompts fetch", "m2_2_create_batch_prompting_datasets.py"),
    ),
    "no file of models": ((*CONTROL, "--models", "none.toml"), ("none.toml",)),
    "faulty file of models": ((*CONTROL, "--models", "bad.toml"), ("bad.toml", "protocol", "temperatur")),
    "unknown method": (("data", "split", "--data", "sample", "--method", "best"), ("'best'", "over-human")),
    "unknown llm": (
        ("data", "split", "--data", "sample", "--method", "direct", "--llm", "gpt-5"),
        ("gpt-5", "gpt-4"),
    ),
    "split to a file": (("data", "split", "--data", "sample", "--out", "bad.csv"), ("--out", "bad.csv")),
    "plot of no kind": (("data", "describe", "--data", "sample", "--plot", "x.doc"), ("--plot", "doc")),
    "plot nowhere": (("data", "describe", "--data", "sample", "--plot", "none/x.png"), ("--plot",)),
    "fetch from nowhere": (("data", "fetch", "--from", "none.csv"), ("--from", "none.csv")),
    "fetch another file": (("data", "fetch", "--from", "bad.csv"), ("sha256", "--data FILE")),
    "report of no database": (("report",), ("[database.not-found]", "runs/empathy.sqlite")),
    "port of no machine": (("emulate", "--port", "70000"), ("--port", "70000")),
    "emulator with wrong shares": (
        ("emulate", "--errors-500", "2", "--refusals", "-1", "--rpm", "0", "--latency-ms", "-3"),
        ("errors_500", "refusals", "requests_per_minute", "latency_ms"),
    ),
    "emulator nowhere": (("emulate", "--host", "256.0.0.1", "--port", "0"), ("cannot listen", "256.0.0.1")),
}


@pytest.fixture
def files(workplace: Path) -> None:
    """What the mistakes are made with."""
    (workplace / "bad.csv").write_text("part_no,dialog_id\n1,a\n")
    (workplace / "empty.csv").write_text("")
    (workplace / "folder").mkdir()
    (workplace / "bad.jsonl").write_text('{"a": 1}\n\n{"dialogue_id": "x", "response": "y"}\n')
    (workplace / "bad.toml").write_text(
        '[provider.mine]\nprotocol = "http"\n[[model]]\nmatch = "mine/*"\ntemperatur = 1\n'
    )
    train = sample().dialogues[0].id
    (workplace / "train.jsonl").write_text(f'{{"dialogue_id": "{train}", "response": "Oh."}}\n')
    (workplace / "prompts" / "judge").mkdir(parents=True)
    (workplace / "prompts" / "respond.md").write_text("---\ntitle: Mine\n---\n{{undeclared}}\n")
    (workplace / "prompts" / "judge" / "mine.md").write_text("Which is better?\n")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_is_told_and_ends_with_2(empathy: Run, kind: str) -> None:
    words, told = MISTAKES[kind]
    done = empathy(*words)
    assert done.code == 2, done.err
    assert done.out == ""
    assert "Traceback" not in done.err
    for word in told:
        assert word in done.err
    assert "secret-word" not in done.err


def test_there_are_many_kinds_of_mistakes() -> None:
    assert len(MISTAKES) >= 25


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    "words",
    [
        (*JUDGE, "--judge", "control/best"),
        (*CONTROL, "--rpm", "-1"),
        (*CONTROL, "--judge-prompt", "respond"),
        ("judge", *PAIR, "--judge", "control/first"),
        ("data", "fetch", "--from", "bad.csv"),
        ("data", "split", "--data", "bad.csv", "--out", "new"),
        ("report",),
    ],
)
def test_a_mistake_that_is_seen_at_once_leaves_nothing_behind(
    empathy: Run, workplace: Path, words: tuple[str, ...]
) -> None:
    before = sorted(workplace.rglob("*"))
    assert empathy(*words).code == 2
    assert sorted(workplace.rglob("*")) == before


def test_a_port_that_is_taken(empathy: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for lean in ((), ("--lean",)):
            done = empathy("emulate", "--port", str(port), *lean)
            assert (done.code, "Traceback" in done.err) == (2, False)
            assert f"127.0.0.1:{port}" in done.err


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("OPENAI_API_KEY", "sk-test with spaces", "OPENAI_API_KEY holds no key"),
        ("OPENAI_API_KEY", "   ", "OPENAI_API_KEY is not set"),
        ("OPENAI_API_KEY", "“sk-test-quoted”", "OPENAI_API_KEY holds no key"),
        ("OPENAI_BASE_URL", "localhost:8000", "OPENAI_BASE_URL: this is no address"),
        (
            "OPENAI_BASE_URL",
            "http://me:sk-test-word@host/v1",
            "OPENAI_BASE_URL: an address must hold no password",
        ),
        ("EMPATHY_DATA", "none.csv", "EMPATHY_DATA: the dataset is not there"),
        ("EMPATHY_DB", "oracle://host/db", "--db"),
    ],
)
def test_a_mistake_in_the_environment(
    empathy: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    words = ("judge", *PAIR, "--judge", "openai/gpt-4o")
    done = empathy(*words, *(() if name == "EMPATHY_DATA" else ("--data", "sample")))
    assert done.code == 2
    assert told in done.err
    assert "sk-test" not in done.err


def test_a_budget_needs_a_price(empathy: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    done = empathy(*JUDGE, "--judge", "openai/nobody-knows-it", "--budget", "5", "--yes")
    assert done.code == 2
    assert "--price openai/nobody-knows-it=INPUT,OUTPUT" in done.err


def test_a_file_that_the_system_refuses_is_no_traceback(empathy: Run, workplace: Path) -> None:
    (workplace / "runs").write_text("a file where the folder of event logs should be")
    done = empathy(*CONTROL, "--db", "elsewhere.sqlite")
    assert (done.code, "Traceback" in done.err) == (2, False)
    assert "runs" in done.err


def test_a_report_that_cannot_be_written_is_told_after_the_result(empathy: Run, workplace: Path) -> None:
    (workplace / "folder").mkdir()
    done = empathy(*CONTROL, "--report", "folder")
    assert done.code == 2
    assert "the page cannot be written" in done.err
    assert "control/longer" in done.out
