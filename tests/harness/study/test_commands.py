"""Commands `plan`, `run` and `status` on a study without training, and plans of the included studies."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
import pytest

from harness.cli import main
from harness.study.config_loader import shipped
from tests.harness.cli.conftest import provider

__all__ = ["provider"]  # fixture shared with the tests of the commands

from tests.errors import CODE

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Change to an empty working folder without keys and settings."""
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_BASE_URL")) or name.startswith("EMPATHY_"):
            monkeypatch.delenv(name)
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    yield place


@pytest.fixture
def empathy(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `empathy WORDS…` and return (exit code, stdout, stderr)."""

    def run(*words: str | Path) -> tuple[int, str, str]:
        record_data = [str(word) for word in words]
        monkeypatch.setattr("sys.argv", ["empathy", *record_data])
        with pytest.raises(SystemExit) as ended:
            main(record_data)
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def stages(out: str) -> dict[str, dict[str, Any]]:
    return {stage["name"]: stage for stage in orjson.loads(out)["stages"]}


def ended_at(record_data: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Return the end time of each stage; it changes when a stage runs again."""
    return {name: stage["record"]["ended"] for name, stage in record_data.items() if stage["record"]}


def test_a_study_from_plan_to_report(empathy: Run, study_file: Path, workplace: Path) -> None:
    code, out, _ = empathy("plan", study_file, "--json")
    assert code == 0
    lines = {(line["kind"], line["what"]): line for line in orjson.loads(out)["lines"]}
    assert lines["respond", "openai/emulated-gpt-4o test"]["calls"] == 6
    judged = lines["judge", "openai/emulated-gpt-4o"]
    assert (judged["calls"], judged["bound"], judged["stages"]) == (2 * 6 * 2, "", 2)
    assert list(workplace.iterdir()) == []  # nothing is written

    code, out, err = empathy("run", study_file, "--json")
    assert code == 0, err
    first = stages(out)
    assert {stage["state"] for stage in first.values()} == {"done"}
    assert len(first) == 1 + 4 + 1
    report = workplace / "runs/studies" / first["report two"]["record"]["result"]["file"]
    page = report.read_text(encoding="utf-8")
    assert "mulated" in page

    code, out, err = empathy("run", study_file, "--json")
    assert ended_at(stages(out)) == ended_at(first)  # nothing ran again
    assert " done  " not in err

    code, out, _ = empathy("plan", study_file, "--json")
    assert orjson.loads(out)["total"]["calls"] == 0
    code, out, _ = empathy("status")
    assert (code, out.splitlines()[0]) == (0, "two: 6 of 6 stages done")
    _, here, _ = empathy("status", "two", "--json")
    code, elsewhere, _ = empathy("status", "two", "--json", "--out", "elsewhere")  # from the database alone
    assert (code, stages(elsewhere)) == (0, stages(here))
    code, out, _ = empathy("status", "--out", "elsewhere")
    assert (code, out.splitlines()[0]) == (0, "two: 6 of 6 stages done")


def test_a_changed_setting_reruns_the_dependent_stages(empathy: Run, study_file: Path) -> None:
    _, out, _ = empathy("run", study_file, "--json")
    first = stages(out)
    study_file.write_text(study_file.read_text().replace("limit = 6", "limit = 7"))
    _, out, _ = empathy("run", study_file, "--json")
    assert not set(ended_at(first).values()) & set(ended_at(stages(out)).values())
    study_file.write_text(
        study_file.read_text().replace('"control/longer", ', '"control/longer", "control/first", ')
    )
    _, out, _ = empathy("run", study_file, "--json")
    second = stages(out)
    assert not set(ended_at(first).values()) & set(ended_at(second).values())
    _, out, _ = empathy("run", study_file, "--json", "--judge", "control/first")
    others = stages(out)
    assert ended_at(others).items() - ended_at(second).items() == {
        ("report two", others["report two"]["record"]["ended"])
    }


def test_only_and_from(empathy: Run, study_file: Path) -> None:
    code, out, err = empathy("run", study_file, "--only", "judge", "--json")
    record_data = stages(out)
    ready = "judge dataset:gpt-4 : dataset:human by control/longer"
    assert record_data[ready]["state"] == "done"
    assert record_data["respond openai/emulated-gpt-4o test"]["state"] == "blocked"
    assert code == 1
    assert "blocked" in err
    code, out, _ = empathy("run", study_file, "--only", "respond", "--json")
    assert code == 0  # stages that were not selected are not missing
    assert stages(out)["respond openai/emulated-gpt-4o test"]["state"] == "done"
    code, out, _ = empathy("run", study_file, "--from", "judge", "--json")
    assert code == 0
    assert {stage["state"] for stage in stages(out).values()} == {"done"}
    code, _, err = empathy("run", study_file, "--only", "jugde")
    assert code == 2
    assert CODE.findall(err) == ["stage.unknown"]


def test_without_training_support_other_branches_finish(
    empathy: Run, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training fails without torch or without the base model."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    tiny = resources.files("harness.studies").joinpath("tiny.toml").read_text(encoding="utf-8")
    (workplace / "tiny.toml").write_text(tiny.replace("tiny:llama", "no/such-base"), encoding="utf-8")
    code, out, _ = empathy("run", "tiny.toml", "--json")
    record_data = stages(out)
    assert code == 1
    assert record_data["base tiny"]["state"] == "failed"
    why = "no/such-base" if find_spec("torch") else "fine-tuning needs torch"
    assert why in record_data["base tiny"]["why"]
    assert {name for name, stage in record_data.items() if stage["state"] == "done"} == {
        "improve openai/emulated-gpt-6-luna over-human all-dimensions",
        "build over-human-all-dimensions",
        "build low-rated",
    }
    code, out, _ = empathy("status", "tiny")
    assert code == 0
    assert why in out


def test_a_failing_judge_does_not_stop_the_others(empathy: Run, study_file: Path) -> None:
    text = study_file.read_text().replace("emulate = true\n", "")
    study_file.write_text(
        text.replace('["openai/gpt-4o", "dataset:human"]', '["dataset:mixtral-8x7b", "dataset:human"]')
    )
    code, out, _ = empathy("run", study_file, "--json", "--yes")
    record_data = stages(out)
    assert code == 1
    by_state = {
        state: [name for name, stage in record_data.items() if stage["state"] == state]
        for state in ("done", "failed")
    }
    assert len(by_state["failed"]) == 2
    assert all("OPENAI_API_KEY" in record_data[name]["why"] for name in by_state["failed"])
    assert "report two" in by_state["done"]  # with the remaining judge
    assert len(by_state["done"]) == 3


def test_an_interrupted_study_ends_cleanly_and_resumes(
    empathy: Run, study_file: Path, workplace: Path, provider: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go_on = threading.Event(), threading.Event()
    answer = {"choices": [{"message": {"content": "1"}, "finish_reason": "stop"}], "usage": {}}

    def answering(key: str, question: str) -> tuple[int, bytes]:
        asked.set()
        go_on.wait(600)  # hold requests until the process is interrupted
        return 200, orjson.dumps(answer)

    monkeypatch.setenv("OPENAI_BASE_URL", provider(answering) + "/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    study_file.write_text(study_file.read_text().replace("emulate = true\n", ""))
    command = f"from harness.cli import main; main(['run', {str(study_file)!r}, '--yes'])"
    with subprocess.Popen(
        [sys.executable, "-c", command],
        cwd=workplace,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert asked.wait(600)
        child.send_signal(signal.SIGINT)
        go_on.set()
        _, err = child.communicate(timeout=600)
    assert child.returncode == 130, err
    assert "same command" in err
    code, out, err = empathy("run", study_file, "--json", "--yes")
    assert code == 0, err
    assert {stage["state"] for stage in stages(out).values()} == {"done"}


def test_invalid_arguments_are_refused(empathy: Run, study_file: Path) -> None:
    assert empathy("run", "no-such-study")[0] == 2
    assert empathy("status")[0] == 2
    assert empathy("status", "tiny")[0] == 2
    code, _, err = empathy("plan", study_file, "--judge", "gpt4")
    assert code == 2
    assert "provider/name" in err
    study_file.write_text(study_file.read_text() + '[limits."openai/gpt-5"]\nmax_in_flight = 3\n')
    code, _, err = empathy("plan", study_file)
    assert code == 2
    assert CODE.findall(err) == ["study.unused-limits"]


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_study_can_be_planned(empathy: Run, name: str) -> None:
    code, out, err = empathy("plan", name, "--data", "sample", "--json")
    assert code == 0, err
    assert orjson.loads(out)["total"]["stages"] > 0
    assert empathy("plan", name, "--data", "sample")[0] == 0


def test_the_estimate_of_the_papers_study(empathy: Run, real_dataset: Path) -> None:
    """Count the calls independently: 7 strategies; the first of the three sequential calls is shared."""
    _, out, _ = empathy("plan", "paper-llama", "--data", real_dataset, "--json")
    lines = {(line["kind"], line["what"]): line for line in orjson.loads(out)["lines"]}
    improve = lines["improve", "openai/gpt-6-luna"]
    most = 1750 * (6 + 2) * 2 + 1750
    assert most - 20 <= improve["calls"] <= most  # the dataset contains a few duplicates
    assert improve["stages"] == 14
    for judge in ("openai/gpt-6-luna", "google/gemini-3.5-flash-lite"):
        assert lines["judge", judge]["calls"] == 28 * 3 * 250 * 2
    sft = lines["train", "meta-llama/Llama-3.1-8B, SFT"]
    assert (sft["stages"], sft["note"].split(" rows")[0]) == (15, f"{14 * 1900 + 800:,}")
    dpo = lines["train", "meta-llama/Llama-3.1-8B, DPO"]
    assert (dpo["stages"], dpo["note"].split(" pairs")[0]) == (14, f"{14 * 800:,}")
    assert lines["generate", "meta-llama/Llama-3.1-8B and its students"]["stages"] == 28 + 3


def spent(database: Path) -> float:
    """Return what all runs spent and hold, in US dollars."""
    with closing(sqlite3.connect(database)) as connection:
        query = "SELECT sum(spent_usd + max(reserved_usd, 0)) FROM invocation"
        return float(connection.execute(query).fetchone()[0])


def test_the_budget_of_a_study_is_a_hard_cap_across_runs(
    empathy: Run, study_file: Path, workplace: Path
) -> None:
    """The requests of the study cost about half a cent; each could cost 0.1 cent at most."""
    words = ("run", study_file, "--db", "here.sqlite", "--json", "--yes")
    for _ in range(2):  # the second run adds nothing
        code, out, _ = empathy(*words, "--budget", "0.003")
        assert code == 1
        assert spent(workplace / "here.sqlite") <= 0.003
    failed = [stage["why"] for stage in stages(out).values() if stage["state"] == "failed"]
    assert failed
    assert all("the budget of $0.003 is reached" in why for why in failed)
    assert empathy(*words, "--budget", "1")[0] == 0
    with closing(sqlite3.connect(workplace / "here.sqlite")) as connection:
        assert connection.execute("SELECT name, budget_usd FROM study").fetchall() == [("two", 1.0)]


def test_spending_that_an_earlier_version_counted_in_a_file_counts(
    empathy: Run, study_file: Path, workplace: Path
) -> None:
    judge = ("judge", "dataset:gpt-4", "dataset:human", "--judge", "openai/gpt-4o", "--limit", "6", "--json")
    judged = empathy(*judge, "--data", "sample", "--emulate", "--samples", "2", "--db", "here.sqlite")
    before = spent(workplace / "here.sqlite")
    money = workplace / "runs/studies/money/two.json"
    money.parent.mkdir(parents=True)
    money.write_text(json.dumps([orjson.loads(judged[1])["run"]]))
    empathy("run", study_file, "--db", "here.sqlite", "--json", "--budget", f"{before:.6f}")
    assert spent(workplace / "here.sqlite") == pytest.approx(before)
