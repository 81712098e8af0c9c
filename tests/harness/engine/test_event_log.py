"""Event log: every change, retry and error; never a prompt, an answer, a key or a provider's message."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from agents.errors import CallError, Failure
from agents.messages import ServerLimits
from harness.engine.dispatcher import dispatch
from harness.engine.event_log import EventLog
from harness.engine.prices import Price
from tests.errors import user_error
from tests.harness.engine.conftest import Server, answer, make_request
from tests.harness.engine.test_dispatcher import EngineSetup, requests

Run = Callable[[Any], Any]

SECRET = "sk-live-0123456789abcdef"
SAID = f"Incorrect key {SECRET} for: question 3, with the answer I feel for you"


def lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_events_are_logged_without_prompts_answers_or_messages(virtual: Run, tmp_path: Path) -> None:
    path = tmp_path / "runs" / "run.jsonl"
    limited = CallError(Failure.RATE_LIMITED, SAID, status=429, retry_after_seconds=2.5)
    broken = CallError(Failure.SERVER, SAID, status=500)
    refused = CallError(Failure.BAD_REQUEST, SAID, status=400)
    script: dict[str, list[Any]] = {
        make_request(1).key: [limited],
        make_request(2).key: [broken, broken],
        make_request(3).key: [refused],
    }
    secrets = ServerLimits(requests_per_minute=600.0)
    server = Server(0.1, script, lambda request: answer("I feel for you").with_measurements(0.1, secrets))
    stopping = Server(0.1, otherwise=lambda request: CallError(Failure.AUTHENTICATION, SAID, status=401))
    setup = EngineSetup()
    with EventLog(path) as events:
        endpoints = [
            setup.endpoint(server, 5, "good", events=events, price=Price(1.0, 1.0)),
            setup.endpoint(stopping, 1, "bad", events=events),
        ]
        virtual(dispatch([(endpoints[0], requests(30)), (endpoints[1], requests(5, begin=100))]))
    events = lines(path)
    assert all({"at", "event", "lane"} <= set(line) for line in events)
    retries = {(line["call"], line["failure"], line["tries"]) for line in events if line["event"] == "retry"}
    assert retries == {
        (make_request(1).key, "rate limited", 1),
        (make_request(2).key, "server error", 1),
        (make_request(2).key, "server error", 2),
    }
    assert [line["wait_seconds"] for line in events if line.get("failure") == "rate limited"] == [2.5]
    errors = [(line["lane"], line["failure"], line["status"]) for line in events if line["event"] == "error"]
    assert errors == [("bad", "authentication", 401), ("good", "bad request", 400)]
    assert [line["lane"] for line in events if line["event"] == "stopped"] == ["bad"]
    reasons = [line["reason"] for line in events if line["event"] == "limit"]
    assert any("429" in reason for reason in reasons)
    assert any("the server states 600 requests" in reason for reason in reasons)
    written = path.read_text()
    for never in (SECRET, "question", "feel for you", "Incorrect"):
        assert never not in written


def test_a_second_run_appends_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    for number in (1, 2):
        with EventLog(path) as events:
            events.write("limit", lane="a", reason=str(number))
        events.write("limit", lane="a", reason="closed: nothing is written")
    assert [line["reason"] for line in lines(path)] == ["1", "2"]


def test_without_a_path_nothing_is_written() -> None:
    with EventLog(None) as events:
        events.write("limit", lane="a")


def test_a_folder_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    path = tmp_path / "runs" / "run.jsonl"
    with user_error("run.log-not-writable", where=str(path)):
        EventLog(path)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full disk to write to")  # noqa: PTH110
def test_a_full_disk_raises_nothing() -> None:
    with EventLog(Path("/dev/full")) as events:
        events.write("limit", lane="a", reason="nobody will read it")
