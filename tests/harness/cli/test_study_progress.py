"""What a study says while it goes: each end once, with how many; nothing of what was done before."""

from __future__ import annotations

import asyncio

import pytest

from harness.cli.study_progress import StudyProgress
from harness.study.scheduler import StageStatus
from harness.study.stage_cache import Stage, StageInputs, StageOutput, StageRecord, StageState


async def nothing(ready: StageInputs) -> StageOutput:
    return StageOutput("")


def ended(name: str, *, now: bool, why: str = "") -> StageStatus:
    stage = Stage("judge", name, {}, nothing)
    if why:
        return StageStatus(stage, StageState.FAILED, why=why, now=now)
    return StageStatus(
        stage, StageState.DONE, StageRecord("key", "judge", stage.name, "out", {}, seconds=1.25), now=now
    )


def test_a_finished_stage_is_reported_once(capsys: pytest.CaptureFixture[str]) -> None:
    async def go() -> None:
        narrator = StudyProgress(quiet=False)
        narrator.expect({"judge old", "judge new", "judge bad"})
        for one in (ended("old", now=False), ended("new", now=True), ended("bad", now=True, why="no salt")):
            narrator.watch("begins", None, one.stage)
            narrator.watch("ends", one, one.stage)

    asyncio.run(go())
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 2  # a stage that ends at once has no line for its start
    assert "2/3 done  judge new, 1.2 s" in lines[0]
    assert "3/3 FAIL  judge bad: no salt" in lines[1]


def test_an_interrupt_reports_what_is_still_running(capsys: pytest.CaptureFixture[str]) -> None:
    narrator = StudyProgress(quiet=False)
    for name in ("one", "two"):
        narrator.watch("stops", None, Stage("judge", name, {}, nothing))
    err = capsys.readouterr().err
    assert err.count("stopping") == 1
    assert "waiting for judge one" in err
    assert "waiting for judge two" in err


def test_progress_of_a_stage_is_printed_at_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    narrator = StudyProgress(quiet=False)
    for step in range(100):
        narrator.tell("train a", f"step {step}")
    narrator.tell("train b", "step 0")
    assert len(capsys.readouterr().err.splitlines()) == 2
    StudyProgress(quiet=True).tell("train c", "step 0")
    assert capsys.readouterr().err == ""
