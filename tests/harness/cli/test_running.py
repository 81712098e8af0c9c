"""The commands that run until something ends them: `emulate`, `demo`, and a `judge` that is interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.data.dataset import sample
from tests.harness.cli.contests import contests

Run = Callable[..., Any]
EMPATHY = (sys.executable, "-c", "from harness.cli import main; main()")
WAIT_SECONDS = 600  # never waited for: what is awaited comes at once


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_emulator_prints_its_address_answers_and_stops(number: signal.Signals) -> None:
    words = ("emulate", "--port", "0", "--rpm", "3000", "--latency-ms", "0", "--seed", "7")
    with subprocess.Popen([*EMPATHY, *words], stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        line = child.stderr.readline()
        assert line.startswith("Emulating at http://127.0.0.1:")
        assert "emulated-gpt-4o" in child.stderr.readline()
        with urllib.request.urlopen(line.split()[2] + "/healthz", timeout=WAIT_SECONDS) as answer:
            assert json.load(answer)["definition"] in line
        child.send_signal(number)
        assert child.wait(WAIT_SECONDS) == 0
        assert child.stderr.read() == ""


def test_the_demo_judges_once_and_writes_its_report(
    empathy: Run, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "not an address")  # the real one's own plays no part
    first = empathy("demo", "--judging", "--out", "here")
    assert (first.code, "Traceback" in first.err) == (0, False)
    assert "sample, 64 dialogues" in first.err
    page = (workplace / "here" / "report.html").read_text(encoding="utf-8")
    for name in (
        "control/ratings",
        "openai/emulated-gpt-6-luna",
        "google/emulated-gemini-3.5-flash-lite",
        "anthropic/",
    ):
        assert name in page
    assert "<svg" in page
    assert str(workplace / "here" / "report.html") in first.out.replace("\n", "")
    assert "EMULATED" in first.out
    assert first.out.count("128 / 0 / 0") == 6
    assert empathy("demo", "--judging", "--out", "here").out.count("0 / 128 / 0") == 6
    assert sorted(path.name for path in workplace.iterdir()) == ["here"]


def test_the_demo_tells_a_faulty_dataset_instead_of_passing_it_over(
    empathy: Run, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace / "data").mkdir()
    (workplace / "data" / "llms-vs-humans.csv").write_text("a,b\n")
    assert "columns are missing" in empathy("demo", "--judging").err
    monkeypatch.setenv("EMPATHY_DATA", "none.csv")
    done = empathy("demo", "--judging")
    assert done.code == 2
    assert "EMPATHY_DATA" in done.err


def test_an_interrupt_keeps_all_answers_and_names_the_command_to_continue(
    empathy: Run, workplace: Path, provider: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, enough, go_on = [0], threading.Event(), threading.Event()
    answer = {"choices": [{"message": {"content": "1"}, "finish_reason": "stop"}], "usage": {}}

    def answering(key: str, question: str) -> tuple[int, bytes]:
        answered[0] += 1
        if answered[0] == 10:  # the tenth stays in flight until the process has been interrupted
            enough.set()
            go_on.wait(WAIT_SECONDS)
        return 200, json.dumps(answer).encode()

    monkeypatch.setenv("OPENAI_BASE_URL", provider(answering) + "/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    words = ("judge", "dataset:gpt-4", "dataset:human", "--data", "sample", "--split", "all")
    command = (*words, "--judge", "openai/gpt-4o", "--max-in-flight", "1", "--json", "--yes")
    with subprocess.Popen(
        [*EMPATHY, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    ) as child:
        assert enough.wait(WAIT_SECONDS)
        child.send_signal(signal.SIGINT)
        assert child.stderr is not None
        go_on.set()
        out, err = child.communicate(timeout=WAIT_SECONDS)
    assert child.returncode == 130
    assert "same command" in err
    assert "Traceback" not in err
    first = json.loads(out)
    made = contests(first)[0]["requests"]["made"]
    assert first["interrupted"] is True
    assert 10 <= made < 2 * len(sample().dialogues)
    again = empathy(*command).data
    calls = contests(again)[0]["requests"]
    assert (calls["reused"], calls["made"]) == (made, 128 - made)
    assert (again["interrupted"], contests(again)[0]["n"]) == (False, 64)
    assert answered[0] == 128
