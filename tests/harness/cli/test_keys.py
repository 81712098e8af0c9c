"""A key reaches its provider and nothing else: no output, no database, no event log, no report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.provenance import redacted_command_line
from tests.harness.cli.contests import contests

Run = Callable[..., Any]
JUDGE = ("judge", "dataset:gpt-4", "dataset:human", "--data", "sample", "--limit", "2", "--yes")
KEYS = {
    "OPENAI_API_KEY": "sk-test-0123456789abcdefOPENAI",
    "ANTHROPIC_API_KEY": "sk-ant-test-0123456789abcdefANTHROPIC",
    "GEMINI_API_KEY": "AIzaTest0123456789abcdefGEMINI",
}
ADDRESSES = {"OPENAI_BASE_URL": "/v1", "ANTHROPIC_BASE_URL": "", "GEMINI_BASE_URL": "/v1beta"}
MODELS = ("openai/gpt-4o", "anthropic/claude-sonnet-4-5", "google/gemini-2.0-flash")
JUDGES = tuple(word for name in (*MODELS, "control/longer") for word in ("--judge", name))


def all_outputs(place: Path, *outputs: str) -> bytes:
    """Every byte of every file below a folder, and the outputs."""
    files = [path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()]
    assert files
    return b"\n".join([*files, *(text.encode() for text in outputs)])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, provider: Any) -> Callable[[Callable[[str, str], Any]], set[str]]:
    """Point all three providers' addresses at one server, with keys; which keys it was shown."""

    def start(answer: Callable[[str, str], tuple[int, Any]]) -> set[str]:
        seen: set[str] = set()

        def answering(key: str, question: str) -> tuple[int, bytes]:
            seen.add(key)
            status, content = answer(key, question)
            return status, content if isinstance(content, bytes) else json.dumps(content).encode()

        url = provider(answering)
        for name, below in ADDRESSES.items():
            monkeypatch.setenv(name, url + below)
        for name, key in KEYS.items():
            monkeypatch.setenv(name, key)
        return seen

    return start


def quoting(status: int) -> Callable[[str, str], tuple[int, Any]]:
    """Errors that quote the key they were given, as some providers' do."""

    def answer(key: str, question: str) -> tuple[int, Any]:
        said = f"Incorrect API key provided: {key}. Header was Bearer {key}"
        return status, {"error": {"message": said, "type": "invalid_request_error", "param": key}}

    return answer


@pytest.mark.parametrize(
    ("client", "status"), [("http", 400), ("http", 401), ("http", 403), ("sdk", 401), ("sdk", 400)]
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the SDKs, about themselves
def test_an_error_that_quotes_the_key(
    empathy: Run, workplace: Path, asked: Any, client: str, status: int
) -> None:
    seen = asked(quoting(status))
    done = empathy(*JUDGE, *JUDGES, "--client", client)
    page = empathy("report", "--out", "page.html")
    assert seen == set(KEYS.values())
    everything = all_outputs(workplace, done.out, done.err, page.err)
    for key in KEYS.values():
        assert key.encode() not in everything
        assert key[8:].encode() not in everything
    assert done.code == 1
    assert "Traceback" not in done.err


def test_a_bad_key_stops_that_lane_at_once_and_the_others_go_on(
    empathy: Run, workplace: Path, asked: Any
) -> None:
    calls: list[str] = []

    def answer(key: str, question: str) -> tuple[int, Any]:
        calls.append(key)
        if key == KEYS["OPENAI_API_KEY"]:
            return quoting(401)(key, question)
        return 200, {
            "content": [{"type": "text", "text": "1"}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 9, "output_tokens": 1},
        }

    asked(answer)
    names = ("openai/gpt-4o", "anthropic/claude-sonnet-4-5", "control/longer")
    judges = [word for name in names for word in ("--judge", name)]
    done = empathy(*JUDGE, *judges, "--split", "all", "--limit", "20", "--max-in-flight", "2", "--json")
    assert done.code == 1
    assert calls.count(KEYS["OPENAI_API_KEY"]) <= 4
    assert done.err.count("OPENAI_API_KEY is not accepted") == 1
    found = {judge["judge"]: judge for judge in contests(done.data)}
    stopped = found["openai/gpt-4o"]
    assert (stopped["n"], stopped["incomplete"], stopped["unscored"]) == (0, 20, {"no answer": 40})
    assert (stopped["win_rate"], stopped["bounds"]) == (None, {"low": 0, "high": 1})
    for name in names[1:]:
        assert (found[name]["n"], found[name]["stopped"]) == (20, "")


def test_a_key_is_sent_only_where_it_belongs_and_an_answer_stores_none(
    empathy: Run, workplace: Path, asked: Any
) -> None:
    answer = {"choices": [{"message": {"content": "1"}, "finish_reason": "stop"}], "usage": {}}
    seen = asked(lambda key, question: (200, answer))
    done = empathy(*JUDGE, "--judge", "openai/gpt-4o", "--report", "page.html")
    assert done.code == 0, done.err
    assert seen == {KEYS["OPENAI_API_KEY"]}
    everything = all_outputs(workplace, done.out, done.err)
    assert not any(key.encode() in everything for key in KEYS.values())


# -- the command that is recorded ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "recorded"),
    [
        (["judge", "A", "--limit", "3"], "empathy judge A --limit 3"),
        (["judge", "a b"], "empathy judge 'a b'"),
        (["x", "--api-key", "sk-test-1"], "empathy x --api-key '***'"),
        (["x", "--api-key=sk-test-1"], "empathy x '--api-key=***'"),
        (["--db", "postgresql://me:word@host/db"], "empathy --db 'postgresql://me:***@host/db'"),
        (["--db=postgresql://me:w@rd@host/db"], "empathy '--db=postgresql://me:***@host/db'"),
        (["--db", "postgresql://me@host:5432/db"], "empathy --db postgresql://me@host:5432/db"),
        (["--models", "sk-test-0123456789"], "empathy --models '***'"),
        (["--price=openai/sk-test-0123456789=1,2"], "empathy '--price=openai/***=1,2'"),
    ],
)
def test_the_command_is_recorded_without_secrets(
    monkeypatch: pytest.MonkeyPatch, words: list[str], recorded: str
) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/empathy", *words])
    environ = {"OPENAI_API_KEY": "sk-test-0123456789", "MY_TOKEN": "", "SHORT_KEY": "A", "HOME": "judge"}
    assert redacted_command_line(environ) == recorded


def test_a_recorded_command_names_no_key_of_the_environment(
    empathy: Run, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEYS["OPENAI_API_KEY"])
    place = f"{KEYS['OPENAI_API_KEY']}.html"  # whatever a slip of the hand has put there
    empathy(*JUDGE, "--judge", "control/first", "--report", place)
    (workplace / place).rename(workplace / "page.html")
    assert KEYS["OPENAI_API_KEY"].encode() not in all_outputs(workplace)
    assert "***.html" in (workplace / "page.html").read_text(encoding="utf-8")
