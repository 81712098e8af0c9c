"""Mistakes of users: exit code 2, an error with a code on stderr, nothing on stdout, no traceback."""

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

# arguments, error codes, and values in the message
MISTAKES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "unknown command": (("juge",), ("usage.unknown-command",), ("'juge'", "judge")),
    "unknown subcommand": (("data", "desribe"), ("usage.unknown-command",), ("'desribe'", "describe")),
    "unknown option": ((*CONTROL, "--limt", "3"), ("usage.unknown-option",), ("--limt", "--limit")),
    "no judge": (JUDGE, ("usage.missing-parameter",), ("--judge",)),
    "one author": (
        ("judge", "dataset:human", "--judge", "control/first"),
        ("usage.missing-parameter",),
        ("B: ",),
    ),
    "judge without a provider": (
        (*JUDGE, "--judge", "gpt-4o"),
        ("model.unknown",),
        ("provider/name", "'gpt-4o'", "openai"),
    ),
    "unknown provider": (
        (*JUDGE, "--judge", "opeani/gpt-4o"),
        ("model.unknown",),
        ("'opeani/gpt-4o'", "anthropic"),
    ),
    "provider alone": ((*JUDGE, "--judge", "openai/"), ("model.unknown",), ("'openai/'",)),
    "unknown control judge": (
        (*JUDGE, "--judge", "control/best"),
        ("judge.unknown-control",),
        ("'control/best'", "control/ratings"),
    ),
    "all wrong judges at once": (
        (*JUDGE, "--judge", "control/best", "--judge", "gpt", "--judge", "control/first"),
        ("model.not-usable", "judge.unknown-control", "model.unknown"),
        ("'control/best'", "'gpt'"),
    ),
    "server without an address": (
        (*JUDGE, "--judge", "vllm/base"),
        ("endpoint.no-address",),
        ("VLLM_BASE_URL",),
    ),
    "no key, OpenAI": (GPT, ("key.missing",), ("OPENAI_API_KEY", "--emulate")),
    "no key, Anthropic": (
        (*JUDGE, "--judge", "anthropic/claude-x"),
        ("key.missing",),
        ("ANTHROPIC_API_KEY",),
    ),
    "no key, Google": ((*JUDGE, "--judge", "google/gemini-3.8-flash"), ("key.missing",), ("GEMINI_API_KEY",)),
    "no stand-in": (
        (*JUDGE, "--judge", "openai/llama-9", "--emulate"),
        ("emulator.unknown-model",),
        ("'openai/llama-9'", "openai/gpt-6-luna"),
    ),
    "another provider's stand-in": (
        (*JUDGE, "--judge", "google/gpt-4o", "--emulate"),
        ("emulator.unknown-model",),
        ("'google/gpt-4o'",),
    ),
    "unknown responder": (
        ("judge", "dataset:gpt4", "dataset:human", "--data", "sample", "--judge", "control/first"),
        ("dataset.unknown-responder",),
        ("'dataset:gpt4'", "dataset:gpt-4"),
    ),
    "unknown author": (
        ("judge", "somebody", "dataset:human", "--data", "sample", "--judge", "control/first"),
        ("author.no-responses",),
        ("'somebody'", "file:PATH"),
    ),
    "author without responses": (
        ("judge", "openai/gpt-4o", "dataset:human", "--data", "sample", "--judge", "control/first"),
        ("author.no-responses",),
        ("empathy respond openai/gpt-4o --split test",),
    ),
    "no file of responses": (
        ("judge", "file:none.jsonl", "dataset:human", "--data", "sample", "--judge", "control/first"),
        ("file.unreadable",),
        ("none.jsonl",),
    ),
    "a faulty file of responses": (
        ("judge", "file:bad.jsonl", "dataset:human", "--data", "sample", "--judge", "control/first"),
        ("responses.invalid", "responses.unknown-format", "responses.unknown-dialogue"),
        ("bad.jsonl:1", "bad.jsonl:3"),
    ),
    "same author twice": (
        ("judge", "dataset:human", "dataset:human", "--data", "sample", "--judge", "control/first"),
        ("contest.same-author",),
        ("dataset:human",),
    ),
    "nothing in common": (
        ("judge", "file:train.jsonl", "dataset:human", "--data", "sample", "--judge", "control/first"),
        ("responses.no-common-dialogues",),
        ("--split",),
    ),
    "unknown split": (
        (*CONTROL, "--split", "tset"),
        ("usage.invalid-value",),
        ("'tset'", "train", "test", "all"),
    ),
    "limit of 0": ((*CONTROL, "--limit", "0"), ("usage.invalid-value",), ("--limit", "x>=1")),
    "samples of 0": ((*CONTROL, "--samples", "0"), ("usage.invalid-value",), ("--samples",)),
    "seed in words": ((*CONTROL, "--seed", "lucky"), ("usage.invalid-value",), ("--seed", "'lucky'")),
    "negative rpm": (
        (*CONTROL, "--rpm", "-5"),
        ("option.invalid", "option.out-of-range"),
        ("requests_per_minute", "-5"),
    ),
    "rpm of 0": (
        (*CONTROL, "--rpm", "0"),
        ("option.invalid", "option.out-of-range"),
        ("requests_per_minute",),
    ),
    "rpm of nothing finite": (
        (*CONTROL, "--rpm", "inf"),
        ("option.invalid", "option.out-of-range"),
        ("--rpm",),
    ),
    "tpm that is no number": (
        (*CONTROL, "--tpm", "nan"),
        ("option.invalid", "option.out-of-range"),
        ("tokens_per_minute",),
    ),
    "no flight": (
        (*CONTROL, "--max-in-flight", "0"),
        ("option.invalid", "option.out-of-range"),
        ("max_in_flight",),
    ),
    "limits that contradict": (
        (*CONTROL, "--rpm", "500", "--rpd", "100"),
        ("option.invalid", "option.contradiction"),
        ("500",),
    ),
    "all limits at once": (
        (*CONTROL, "--rpm", "-1", "--tpd", "0", "--budget", "-2", "--timeout", "0", "--price", "x"),
        ("option.invalid", "price.invalid", "option.out-of-range"),
        ("requests_per_minute", "tokens_per_day", "--budget", "--timeout", "--price"),
    ),
    "price without numbers": (
        (*GPT, "--price", "openai/gpt-4o"),
        ("option.invalid", "price.invalid"),
        ("--price", "MODEL=INPUT,OUTPUT"),
    ),
    "price with one number": (
        (*GPT, "--price", "openai/gpt-4o=3"),
        ("option.invalid", "price.invalid"),
        ("'openai/gpt-4o=3'",),
    ),
    "negative price": (
        (*GPT, "--price", "openai/gpt-4o=-1,2"),
        ("option.invalid", "price.invalid"),
        ("'openai/gpt-4o=-1,2'",),
    ),
    "price that is no number": (
        (*GPT, "--price", "openai/gpt-4o=nan,2"),
        ("option.invalid", "price.invalid"),
        ("'openai/gpt-4o=nan,2'",),
    ),
    "unknown client": ((*CONTROL, "--client", "grpc"), ("usage.invalid-value",), ("'grpc'", "http")),
    "no dataset": (
        ("judge", *PAIR, "--judge", "control/first"),
        ("dataset.not-found",),
        ("empathy data fetch", "--data sample"),
    ),
    "dataset that is not there": (
        ("data", "describe", "--data", "none.csv"),
        ("dataset.not-found",),
        ("--data", "none.csv"),
    ),
    "faulty dataset": (
        ("data", "describe", "--data", "bad.csv"),
        ("dataset.invalid", "file.missing-columns"),
        ("bad.csv:1",),
    ),
    "empty dataset": (("data", "split", "--data", "empty.csv"), ("dataset.empty",), ("empty.csv", "0 bytes")),
    "another database": (
        (*CONTROL, "--db", "mysql://u:secret-word@host/db"),
        ("database.unsupported-address",),
        ("--db", "postgresql://"),
    ),
    "database without a name": ((*CONTROL, "--db", "://"), ("database.unsupported-address",), ("--db",)),
    "a text as database": ((*CONTROL, "--db", "bad.csv"), ("database.unusable",), ("bad.csv", "--db")),
    "a folder as database": ((*CONTROL, "--db", "folder"), ("database.unusable",), ("folder", "database")),
    "a database below a file": (
        (*CONTROL, "--db", "bad.csv/x.sqlite"),
        ("database.folder-not-created",),
        ("bad.csv",),
    ),
    "unknown prompt": (
        (*CONTROL, "--judge-prompt", "judge/best"),
        ("prompt.unknown",),
        ("'judge/best'", "judge/pairwise"),
    ),
    "no judge prompt": ((*CONTROL, "--judge-prompt", "respond"), ("prompt.not-judge",), ("response_1",)),
    "no folder of prompts": (
        (*CONTROL, "--prompts", "none"),
        ("prompt.invalid", "prompt.no-folder"),
        ("none",),
    ),
    "faulty prompts": (
        ("prompts", "list", "--prompts", "prompts"),
        ("prompt.invalid", "prompt.no-front-matter", "prompt.undeclared-variable"),
        ("respond.md", "undeclared", "judge/mine.md"),
    ),
    "unknown prompt to show": (
        ("prompts", "show", "reply"),
        ("prompt.unknown",),
        ("NAME", "'reply'", "respond"),
    ),
    "released prompts that are not there": (
        (*CONTROL, "--judge", "openai/gpt-4o", "--emulate", "--fidelity", "released"),
        ("prompt.released-missing", "file.unreadable"),
        ("empathy prompts fetch", "win_rate_gpt4o.py"),
    ),
    "improvements with prompts that are not there": (
        ("improve", "--teacher", "openai/gpt-4o", "--data", "sample", "--emulate", "--fidelity", "released"),
        ("prompt.released-missing", "file.unreadable"),
        ("empathy prompts fetch", "m2_2_create_batch_prompting_datasets.py"),
    ),
    "no file of models": ((*CONTROL, "--models", "none.toml"), ("file.unreadable",), ("none.toml",)),
    "faulty file of models": (
        (*CONTROL, "--models", "bad.toml"),
        ("models-file.invalid", "models-file.unknown-protocol", "models-file.unknown-key"),
        ("bad.toml", "protocol", "temperatur"),
    ),
    "unknown method": (
        ("data", "split", "--data", "sample", "--method", "best"),
        ("usage.invalid-value",),
        ("'best'", "over-human"),
    ),
    "unknown llm": (
        ("data", "split", "--data", "sample", "--method", "direct", "--llm", "gpt-5"),
        ("training-set.unknown-llm",),
        ("gpt-5", "gpt-4"),
    ),
    "split to a file": (
        ("data", "split", "--data", "sample", "--out", "bad.csv"),
        ("file.not-writable",),
        ("--out", "bad.csv"),
    ),
    "plot of no kind": (
        ("data", "describe", "--data", "sample", "--plot", "x.doc"),
        ("export.unknown-format",),
        ("--plot", "doc"),
    ),
    "plot nowhere": (
        ("data", "describe", "--data", "sample", "--plot", "none/x.png"),
        ("file.not-writable",),
        ("--plot",),
    ),
    "fetch from nowhere": (
        ("data", "fetch", "--from", "none.csv"),
        ("file.unreadable",),
        ("--from", "none.csv"),
    ),
    "fetch another file": (
        ("data", "fetch", "--from", "bad.csv"),
        ("dataset.not-published",),
        ("sha256", "--data FILE"),
    ),
    "report of no database": (
        ("report",),
        ("database.not-found",),
        ("[database.not-found]", "runs/empathy.sqlite"),
    ),
    "port of no machine": (("emulate", "--port", "70000"), ("usage.invalid-value",), ("--port", "70000")),
    "emulator with wrong shares": (
        ("emulate", "--errors-500", "2", "--refusals", "-1", "--rpm", "0", "--latency-ms", "-3"),
        ("emulator.invalid-options", "option.out-of-range"),
        ("errors_500", "refusals", "requests_per_minute", "latency_ms"),
    ),
    "emulator nowhere": (
        ("emulate", "--host", "256.0.0.1", "--port", "0"),
        ("emulator.address-unavailable",),
        ("256.0.0.1",),
    ),
}


@pytest.fixture
def files(workplace: Path) -> None:
    """Invalid files for the tests."""
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
def test_a_mistake_prints_its_codes_and_exits_with_2(empathy: Run, kind: str) -> None:
    words, codes, values = MISTAKES[kind]
    done = empathy(*words)
    assert done.code == 2, done.err
    assert done.out == ""
    assert "Traceback" not in done.err
    assert set(codes) <= set(done.codes)
    for value in values:
        assert value in done.err
    assert "secret-word" not in done.err


def test_many_kinds_of_mistakes_are_covered() -> None:
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
def test_an_early_error_leaves_no_files(empathy: Run, workplace: Path, words: tuple[str, ...]) -> None:
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
    ("name", "value", "code"),
    [
        ("OPENAI_API_KEY", "sk-test with spaces", "key.invalid"),
        ("OPENAI_API_KEY", "   ", "key.missing"),
        ("OPENAI_API_KEY", "“sk-test-quoted”", "key.invalid"),
        ("OPENAI_BASE_URL", "localhost:8000", "endpoint.invalid-address"),
        (
            "OPENAI_BASE_URL",
            "http://me:sk-test-word@host/v1",
            "endpoint.secret-in-address",
        ),
        ("EMPATHY_DATA", "none.csv", "dataset.not-found"),
        ("EMPATHY_DB", "oracle://host/db", "database.unsupported-address"),
    ],
)
def test_a_mistake_in_the_environment(
    empathy: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str, code: str
) -> None:
    monkeypatch.setenv(name, value)
    words = ("judge", *PAIR, "--judge", "openai/gpt-4o")
    done = empathy(*words, *(() if name == "EMPATHY_DATA" else ("--data", "sample")))
    assert done.code == 2
    assert code in done.codes
    assert name in done.err or name == "EMPATHY_DB"
    assert "sk-test" not in done.err


def test_a_budget_needs_a_price(empathy: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    done = empathy(*JUDGE, "--judge", "openai/nobody-knows-it", "--budget", "5", "--yes")
    assert done.code == 2
    assert "--price openai/nobody-knows-it=INPUT,OUTPUT" in done.err


def test_an_unusable_file_prints_no_traceback(empathy: Run, workplace: Path) -> None:
    (workplace / "runs").write_text("a file where the folder of event logs should be")
    done = empathy(*CONTROL, "--db", "elsewhere.sqlite")
    assert (done.code, "Traceback" in done.err) == (2, False)
    assert "runs" in done.err


def test_a_report_that_cannot_be_written_is_an_error_after_the_result(empathy: Run, workplace: Path) -> None:
    (workplace / "folder").mkdir()
    done = empathy(*CONTROL, "--report", "folder")
    assert done.code == 2
    assert done.codes == ["file.not-writable"]
    assert "control/longer" in done.out
